import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  changeWords,
  dotOf,
  edgeWords,
  errorWords,
  graphOf,
  labelLines,
  MEASURES,
  stretchWords,
} from '../graph-data.js';

const ms = 1e6;
const node = (id, more) => ({
  id,
  service: null,
  actor: null,
  database: null,
  system_key: null,
  spans: 10,
  errors: 0,
  rate: 1,
  ...more,
});
const edge = (from, to, more) => ({
  from,
  to,
  kind: 'message',
  count: 10,
  rate: 1,
  errors: 0,
  p50_ns: ms,
  p99_ns: 4 * ms,
  wait_p50_ns: null,
  wait_p99_ns: null,
  ...more,
});
const sqlite = { system: 'sqlite', namespace: '/data/grocery.db', server: null };
const answer = (edges = {}) => ({
  nodes: [
    node(0, { service: 'store' }),
    node(1, { service: 'store', actor: 'Aisle' }),
    node(2, { database: sqlite, system_key: 'db.system.name' }),
  ],
  edges: [
    edge(0, 1, { wait_p50_ns: 80_000, wait_p99_ns: 300_000, ...edges.ask }),
    edge(1, 2, { kind: 'query', ...edges.query }),
  ],
});

test('nodes have names, what they belong to, and a way to their traces', () => {
  const { nodes } = graphOf(answer());

  assert.deepEqual(
    nodes.map(({ kind, title, under, path }) => [kind, title, under, path]),
    [
      ['database', 'sqlite', 'grocery.db', '/?tags=db.system.name%3Dsqlite+db.namespace%3D%2Fdata%2Fgrocery.db'],
      ['actor', 'Aisle', 'store', '/?service=store&tags=actix.actor.name%3DAisle'],
      ['service', 'store', 'service', '/?service=store'],
    ],
  );
});

test('a database that is a server says where, also by the conventions of before', () => {
  const server = { system: 'mysql', namespace: null, server: 'db:3306' };
  const { nodes } = graphOf({ nodes: [node(0, { database: server, system_key: 'db.system' })], edges: [] });

  assert.deepEqual([nodes[0].under, nodes[0].path], ['db:3306', '/?tags=db.system%3Dmysql']);
});

test('the figures of an edge are named', () => {
  const graph = graphOf(answer({ ask: { errors: 1 } }));
  const [query, ask] = ['query', 'message'].map((kind) => graph.edges.find((one) => one.kind === kind));
  const textsOf = (one) => labelLines(one, false).map(({ text }) => text);

  assert.deepEqual(textsOf(query), ['queries 1/s', 'p50 1 ms · p99 4 ms']);
  assert.deepEqual(textsOf(ask), ['1/s ⚠ 10%', 'p50 1 ms · p99 4 ms', 'wait p50 80 µs · p99 300 µs']);
  assert.equal(
    edgeWords(ask, false),
    'store to Aisle: 10 messages, Rate 1/s, p50 1 ms, p99 4 ms, Mailbox wait p50 80 µs, Mailbox wait p99 300 µs, ' +
      'errors 1 (10%)',
  );
});

test('of two stretches an edge has both figures and the change, and says where it is in one only', () => {
  const before = answer({ ask: { rate: 2, p50_ns: ms / 2, errors: 0 } });
  before.edges.pop();
  const graph = graphOf(answer({ ask: { errors: 5 } }), before);
  const [ask, query] = ['message', 'query'].map((kind) => graph.edges.find((one) => one.kind === kind));

  assert.deepEqual(
    [ask, query].map((one) => labelLines(one, true).map(({ text }) => text)),
    [
      ['2/s → 1/s (−50%) ⚠ 50%', 'p50 500 µs → 1 ms', 'p99 4 ms', 'wait p50 80 µs', 'wait p99 300 µs'],
      ['queries – → 1/s new', 'p50 – → 1 ms', 'p99 – → 4 ms'],
    ],
  );
  assert.equal(changeWords(MEASURES[1], ask), '+100%');
  assert.equal(errorWords(ask, true), '0 → 5 (50%)');
});

test('the order of nodes and edges does not change with their numbers', () => {
  const turned = answer();
  turned.nodes.reverse();
  turned.edges.reverse();
  const keys = ({ nodes, edges }) => [...nodes, ...edges].map(({ key }) => key);

  assert.deepEqual(keys(graphOf(turned)), keys(graphOf(answer())));
});

test('a rate that cannot be told is a dash', () => {
  const [query] = graphOf(answer({ query: { rate: null } })).edges.filter(({ kind }) => kind === 'query');

  assert.equal(labelLines(query, false)[0].text, 'queries –');
});

test('a stretch says over what part of it rates are, and what is left out', () => {
  const told = (more) =>
    stretchWords({ from_us: 0, to_us: 60e6, whole_s: 60, spans: 12, future: 0, sampled: false, ...more })
      .split(' · ')
      .slice(1);

  assert.deepEqual(told({}), ['12 spans', 'rates over 1 min 0 s']);
  assert.deepEqual(told({ whole_s: 33.2 }), [
    '12 spans',
    'rates over the last 33.2 s of it: no more of it is held whole',
  ]);
  assert.deepEqual(told({ whole_s: 0 }), ['12 spans', 'no rates: none of it is held whole']);
  assert.deepEqual(told({ sampled: true, future: 2 }), [
    '12 spans, the newest of many',
    'rates over 1 min 0 s',
    '2 spans dated in the future left out',
  ]);
  assert.deepEqual(told({ to_us: 20_000, whole_s: 0.02 }), ['12 spans', 'rates over 1 s']);
});

test('the graph is written for Graphviz, whatever its names are', () => {
  const graph = graphOf({
    nodes: [node(0, { service: 'a "b"\\\nc' }), node(1, { service: 'store', actor: 'Aisle' })],
    edges: [edge(0, 1, { kind: 'link', errors: 1 })],
  });

  assert.equal(
    dotOf(graph, 'title'),
    `digraph actors {
  graph [rankdir="LR", label="title", labelloc="t", fontname="sans-serif"];
  node [fontname="sans-serif", fontsize=11];
  edge [fontname="sans-serif", fontsize=9];
  n0 [label="a \\"b\\"\\\\\\nc\\nservice\\n1/s", shape="box"];
  n1 [label="Aisle\\nstore\\n1/s", shape="box", style="rounded"];
  n0 -> n1 [label="links 1/s ⚠ 10%", style="dashed", color="#c4141e"];
}
`,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  chartsOf,
  chosenValue,
  firstToShow,
  inOrder,
  inUnit,
  inUnitPerSecond,
  isSame,
  keyOf,
  matching,
  pathOf,
  stateOf,
  withAttribute,
} from '../instruments-data.js';

const RANGES = [
  ['300', '5 minutes'],
  ['900', '15 minutes'],
];
const instrument = {
  service: 'store',
  name: 'actix.mailbox.depth',
  unit: '{message}',
  kind: 'up-down counter',
  scope: 'actix',
  description: 'Messages in the mailboxes.',
};

test('an address and what it asks for are the same thing in two forms', () => {
  const path = pathOf({ range: '900', key: keyOf(instrument), attributes: ['actor=a=b', 'kind=ask'] });
  const state = stateOf(new URL(path, 'http://x').searchParams, RANGES);
  assert.deepEqual(state, { range: '900', key: keyOf(instrument), attributes: ['actor=a=b', 'kind=ask'] });
  assert.equal(pathOf(state), path);
  assert.deepEqual(stateOf(new URLSearchParams('range=1'), RANGES), { range: '300', key: null, attributes: [] });
});

test('instruments are told apart by all that names them', () => {
  assert.equal(isSame(instrument, keyOf(instrument)), true);
  assert.equal(isSame(instrument, { ...keyOf(instrument), unit: 's' }), false);
  assert.equal(isSame(instrument, null), false);
});

test('an attribute has one value or none', () => {
  const chosen = withAttribute(withAttribute(['b=1'], 'a', 'x=y'), 'a', 'z');
  assert.deepEqual(chosen, ['b=1', 'a=z']);
  assert.deepEqual(withAttribute(chosen, 'b', ''), ['a=z']);
  assert.deepEqual([chosenValue(['a=x=y'], 'a'), chosenValue([], 'a')], ['x=y', '']);
});

test('instruments are found by words of their names', () => {
  const found = (text) => matching([instrument], text).length;
  assert.deepEqual(['', 'DEPTH store', 'mailboxes', 'depth nowhere'].map(found), [1, 1, 1, 0]);
});

test('of each service its work comes first, then its process, and last its SDK', () => {
  const of = (service, ...names) => names.map((name) => ({ ...instrument, service, name }));
  const listed = [
    ...of('lab', 'otel.sdk.log.created', 'process.uptime'),
    ...of('shop', 'actix.actor.live', 'http.server.requests', 'otel.sdk.span.live', 'process.uptime', 'processed'),
  ];
  assert.deepEqual(
    inOrder(listed).map(({ service, name }) => `${service} ${name}`),
    [
      'lab process.uptime',
      'lab otel.sdk.log.created',
      'shop actix.actor.live',
      'shop http.server.requests',
      'shop processed',
      'shop process.uptime',
      'shop otel.sdk.span.live',
    ],
  );
});

test('the page opens with how long requests take, or what comes nearest to that', () => {
  const sdk = { ...instrument, name: 'otel.sdk.exporter.operation.duration', kind: 'histogram' };
  const uptime = { ...instrument, name: 'process.uptime', kind: 'gauge' };
  const wait = { ...instrument, name: 'actix.mailbox.wait.duration', kind: 'exponential histogram' };
  const client = { ...instrument, name: 'http.client.request.duration', kind: 'histogram' };
  const server = { ...instrument, name: 'http.server.request.duration', kind: 'histogram' };
  const all = [sdk, uptime, instrument, wait, client, server];
  const shown = [6, 5, 3, 2, 1, 0].map((first) => firstToShow(all.slice(0, first))?.name);
  assert.deepEqual(shown, [server.name, wait.name, instrument.name, uptime.name, sdk.name, undefined]);
});

test('values are written in their unit', () => {
  assert.deepEqual(
    [
      ['s', 0.0015],
      ['ms', 2500],
      ['By', 2048],
      ['{message}', 3],
      ['1', 0.12345],
      ['', 12345.6],
      ['Cel', 20.5],
      ['s', null],
    ].map(([unit, value]) => inUnit(unit)(value)),
    ['1.5 ms', '2.5 s', '2 KiB', '3 message', '0.123', '12,346', '20.5 Cel', '–'],
  );
  assert.deepEqual(
    [
      ['{order}', 0.25],
      ['By', 1024],
      ['s', 0.5],
    ].map(([unit, value]) => inUnitPerSecond(unit)(value)),
    ['0.25 order/s', '1 KiB/s', '0.5 s/s'],
  );
});

test('a line is named by what tells it from the others, and says its last value', () => {
  const line = (values, ...attributes) => ({ name: null, attributes, values });
  const charts = (kind, unit, ...answered) => chartsOf({ charts: answered }, { kind, unit });
  const [gauge] = charts('gauge', '{item}', {
    of: 'value',
    lines: [line([1, 2, null], ['a', 'x'], ['b', '1']), line([null, null, null], ['a', 'x'], ['b', '2'])],
  });
  assert.equal(gauge.title, 'Value');
  assert.deepEqual(
    gauge.lines.map(({ name, words, last }) => [name, words, last]),
    [
      ['series-0', 'b=1', '2 item'],
      ['series-1', 'b=2', '–'],
    ],
  );
  const [alone] = charts('counter', '1', { of: 'rate', lines: [line([0.5], ['a', 'x'])] });
  assert.deepEqual([alone.title, alone.lines[0].words, alone.lines[0].last], ['Rate', 'a=x', '0.5/s']);
  const [percentiles, values] = charts(
    'histogram',
    's',
    { of: 'value', lines: [{ name: 'p50', attributes: [], values: [0.001] }] },
    { of: 'rate', lines: [{ name: 'values', attributes: [], values: [3] }] },
  );
  assert.deepEqual(
    [percentiles.title, percentiles.lines[0].words, percentiles.lines[0].last, values.title, values.lines[0].last],
    ['Percentiles', 'p50', '1 ms', 'Values', '3 value/s'],
  );
});

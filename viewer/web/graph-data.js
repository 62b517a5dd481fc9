// The actor graph as the page needs it: nodes and edges with names, words and figures, of one stretch
// of time or of two that are compared; and the same for Graphviz.

import { count, dateTime, duration, percent, plural, rate } from './format.js';
import { searchPath, tagText } from './lib.js';

/**
 * Makes the graph from the API's answer, and from that of an earlier stretch if two are compared. A
 * node is `{ key, kind, title, under, service, path, now, before }`, an edge `{ key, kind, source,
 * target, now, before }`; `now` and `before` are their figures, null where there are none. Both are in
 * an order that does not change with the figures.
 */
export function graphOf(after, before = null) {
  const nodes = new Map();
  const edges = new Map();
  const read = (answer, when) => {
    const byId = new Map(answer.nodes.map((node) => [node.id, keyOf(node)]));
    for (const node of answer.nodes) {
      const key = keyOf(node);
      if (!nodes.has(key)) nodes.set(key, { ...describe(node), key, now: null, before: null });
      nodes.get(key)[when] = figuresOfNode(node);
    }
    for (const edge of answer.edges) {
      const [from, to] = [byId.get(edge.from), byId.get(edge.to)];
      if (from === undefined || to === undefined) continue;
      const key = JSON.stringify([from, to, edge.kind]);
      if (!edges.has(key)) {
        edges.set(key, {
          key,
          kind: edge.kind,
          source: nodes.get(from),
          target: nodes.get(to),
          now: null,
          before: null,
        });
      }
      edges.get(key)[when] = figuresOfEdge(edge);
    }
  };
  read(after, 'now');
  if (before) read(before, 'before');
  const sorted = (map) => [...map.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return { isCompared: before !== null, nodes: sorted(nodes), edges: sorted(edges) };
}

function keyOf({ service, actor, database }) {
  return JSON.stringify(database ? ['db', database.system, database.namespace, database.server] : [service, actor]);
}

function describe({ service, actor, database, system_key: systemKey }) {
  if (database) {
    const { system, namespace, server } = database;
    const tags = [
      tagText(systemKey, system),
      namespace && tagText(systemKey === 'db.system' ? 'db.name' : 'db.namespace', namespace),
    ];
    return {
      kind: 'database',
      service: null,
      title: system,
      under: [namespace && shortPath(namespace), server].filter(Boolean).join(' at ') || 'database',
      words: [`database ${system}`, namespace, server].filter(Boolean).join(' '),
      path: searchPath({ tags: tags.filter(Boolean).join(' ') }),
    };
  }
  return {
    kind: actor ? 'actor' : 'service',
    service,
    title: actor ?? service,
    under: actor ? service : 'service',
    words: actor ? `actor ${actor} of ${service}` : `service ${service}`,
    path: searchPath({ service, tags: actor && tagText('actix.actor.name', actor) }),
  };
}

/** The last part of a path: a file of SQLite has one. */
function shortPath(text) {
  return text.includes('/') ? text.slice(text.lastIndexOf('/') + 1) || text : text;
}

const figuresOfNode = ({ spans, errors, rate: perSecond }) => ({ count: spans, errors, rate: perSecond });

function figuresOfEdge(edge) {
  return {
    count: edge.count,
    errors: edge.errors,
    rate: edge.rate,
    p50_ns: edge.p50_ns,
    p99_ns: edge.p99_ns,
    wait_p50_ns: edge.wait_p50_ns,
    wait_p99_ns: edge.wait_p99_ns,
  };
}

// Figures in words.

/** A rate; a dash where there is no time to tell it from. */
export function rateWords(figures) {
  return figures && figures.rate !== null ? rate(figures.rate) : '–';
}

/** The measures of an edge, each with how it is read and shown. */
export const MEASURES = [
  { name: 'Rate', of: ({ rate: perSecond }) => perSecond, shown: (value) => rate(value) },
  { name: 'p50', of: ({ p50_ns: ns }) => ns, shown: duration },
  { name: 'p99', of: ({ p99_ns: ns }) => ns, shown: duration },
  { name: 'Mailbox wait p50', of: ({ wait_p50_ns: ns }) => ns, shown: duration },
  { name: 'Mailbox wait p99', of: ({ wait_p99_ns: ns }) => ns, shown: duration },
];

/** One measure of an edge as text; of two stretches `1 ms → 2 ms`. */
export function measureWords({ of, shown }, { now, before }, isCompared) {
  const text = (figures) => {
    const value = figures ? of(figures) : null;
    return value === null ? '–' : shown(value);
  };
  if (!isCompared || text(now) === text(before)) return text(now);
  return `${text(before)} → ${text(now)}`;
}

/** By how much a measure has changed, as a percentage with its sign; empty where it cannot be told. */
export function changeWords({ of }, { now, before }) {
  const [one, other] = [before && of(before), now && of(now)];
  if (!one || other === null || other === undefined || one === other) return '';
  const share = (100 * (other - one)) / one;
  const text = Math.abs(share) < 10 ? Math.abs(share).toPrecision(1) : Math.abs(share).toFixed(0);
  return `${share > 0 ? '+' : '−'}${count(Number(text))}%`;
}

/** Errors: how many, and their share. */
export function errorWords({ now, before }, isCompared) {
  const text = (figures) =>
    figures?.errors ? `${count(figures.errors)} (${percent(figures.errors, figures.count)})` : '0';
  return isCompared && text(now) !== text(before) ? `${text(before)} → ${text(now)}` : text(now);
}

/**
 * The lines of an edge's figures in the picture: `{ text, isBad, isStrong }`. There are as many for an
 * edge whatever its figures are, so that the picture lies still.
 */
export function labelLines(edge, isCompared) {
  const [rateOf, p50, p99, wait50, wait99] = MEASURES;
  const figures = edge.now ?? edge.before;
  const words = (measure) => measureWords(measure, edge, isCompared);
  const what = { message: '', link: 'links ', query: 'queries ' }[edge.kind];
  const errors = figures.errors ? ` ⚠ ${percent(figures.errors, figures.count)}` : '';
  const only = !isCompared || (edge.now && edge.before) ? '' : edge.now ? ' new' : ' gone';
  const change = isCompared ? changeWords(rateOf, edge) : '';
  const lines = [
    {
      text: `${what}${words(rateOf)}${change && ` (${change})`}${errors}${only}`,
      isBad: figures.errors > 0,
      isStrong: true,
    },
  ];
  if (edge.kind === 'link') return lines;
  if (isCompared) {
    lines.push({ text: `p50 ${words(p50)}` }, { text: `p99 ${words(p99)}` });
    if (figures.wait_p50_ns !== null) {
      lines.push({ text: `wait p50 ${words(wait50)}` }, { text: `wait p99 ${words(wait99)}` });
    }
    return lines;
  }
  lines.push({ text: `p50 ${words(p50)} · p99 ${words(p99)}` });
  if (figures.wait_p50_ns !== null) lines.push({ text: `wait p50 ${words(wait50)} · p99 ${words(wait99)}` });
  return lines;
}

/** An edge in a sentence. */
export function edgeWords(edge, isCompared) {
  const figures = edge.now ?? edge.before;
  const sent = plural(figures.count, edge.kind, edge.kind === 'query' ? 'queries' : `${edge.kind}s`);
  const measures = MEASURES.filter(({ of }) => of(figures) !== null).map(
    (measure) => `${measure.name} ${measureWords(measure, edge, isCompared)}`,
  );
  const told = [sent, ...measures, `errors ${errorWords(edge, isCompared)}`].join(', ');
  return `${edge.source.title} to ${edge.target.title}: ${told}`;
}

/** A node in a sentence. */
export function nodeWords(node) {
  const figures = node.now ?? node.before;
  const failed = figures.errors ? `, ${plural(figures.errors, 'error')}` : '';
  return `${node.words}: ${plural(figures.count, 'span')}, ${rateWords(figures)}${failed}`;
}

/** What stretch of time an answer is about, and over what part of it its rates are. */
export function stretchWords({ from_us: from, to_us: to, whole_s: whole, spans, future, sampled }) {
  // What is shorter than a second counts as one.
  const length = Math.max(1, (to - from) / 1e6);
  const isPart = whole < length * 0.98 - 0.1 && length > 1;
  const over = duration(Math.max(1, whole) * 1e9);
  const rates = isPart ? `rates over the last ${over} of it: no more of it is held whole` : `rates over ${over}`;
  return [
    timesOf(from, to),
    plural(spans, 'span') + (sampled ? ', the newest of many' : ''),
    whole > 0 ? rates : 'no rates: none of it is held whole',
    future > 0 && `${plural(future, 'span')} dated in the future left out`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Two moments; the day once where it is the same. */
function timesOf(from, to) {
  const [first, last] = [from, to].map((us) => new Date(us / 1e3));
  const isSameDay = first.toDateString() === last.toDateString();
  return `${dateTime(from)} to ${isSameDay ? timeOf(last) : dateTime(to)}`;
}

function timeOf(date) {
  return date.toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
  });
}

// The graph for Graphviz: https://graphviz.org/doc/info/lang.html

/** The graph as DOT. `title` is its label. */
export function dotOf(graph, title) {
  const ids = new Map(graph.nodes.map(({ key }, i) => [key, `n${i}`]));
  const shapes = { service: 'box', actor: 'box", style="rounded', database: 'cylinder' };
  const nodes = graph.nodes.map((node) => {
    const label = [node.title, node.under, rateWords(node.now ?? node.before)].join('\n');
    return `  ${ids.get(node.key)} [label=${quoted(label)}, shape="${shapes[node.kind]}"];`;
  });
  const edges = graph.edges.map((edge) => {
    const label = labelLines(edge, graph.isCompared)
      .map(({ text }) => text)
      .join('\n');
    const style = edge.kind === 'link' ? ', style="dashed"' : '';
    const color = (edge.now ?? edge.before).errors ? ', color="#c4141e"' : '';
    return `  ${ids.get(edge.source.key)} -> ${ids.get(edge.target.key)} [label=${quoted(label)}${style}${color}];`;
  });
  return [
    'digraph actors {',
    `  graph [rankdir="LR", label=${quoted(title)}, labelloc="t", fontname="sans-serif"];`,
    '  node [fontname="sans-serif", fontsize=11];',
    '  edge [fontname="sans-serif", fontsize=9];',
    ...nodes,
    ...edges,
    '}',
    '',
  ].join('\n');
}

/** A quoted string of DOT: a quote is escaped, a backslash stands for itself only when doubled. */
function quoted(text) {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\r?\n/g, '\\n')}"`;
}

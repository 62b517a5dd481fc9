// Two sets of traces held against each other: their common tree with what differs at each span, and
// the totals of both.

import { align } from './align.js';
import { isConvention, linkCount } from './model.js';

/** What can differ at a span, the gravest first, with the words for one such span. */
export const DIFFERENCES = {
  cut: 'cut off: goes on in a trace of its own, or without its parent',
  mixed: 'mixed in: belongs to another trace, or carries what another one carries',
  moved: 'moved: hangs under another parent',
  onlyA: 'only in A',
  onlyB: 'only in B',
  renamed: 'has another name',
  status: 'failed in one only',
  links: 'has links in one only',
  attributes: 'has attributes in one only',
};

/**
 * Compares two lists of models. `{ a, b, roots, nodes, counts }`: `a` and `b` are the sides with their
 * totals, `nodes` those of the common tree (see `align`) with parents before children. Each node
 * also has
 *
 * - `differences`: some of the keys of `DIFFERENCES`; `differsBelow`: whether a span below has any;
 * - `where`, of one that moved: `parent` (another parent in the same trace), `own` (in B a trace of
 *   its own), `other` (in B in the trace of something else), `joined` (in A a trace of its own);
 * - `mixed`: the attribute `{ key, value, own }` by which it belongs elsewhere, or null.
 *
 * `counts` has the number of spans for each difference.
 */
export function compare(modelsA, modelsB) {
  const [a, b] = [sideOf(modelsA), sideOf(modelsB)];
  const roots = align(a.roots, b.roots);
  const nodes = preorder(roots);
  const partners = partnersOf(roots);
  const strange = { a: strangers(a.models, b.models), b: strangers(b.models, a.models) };
  for (const node of nodes) {
    node.where = node.other ? whereOf(node, partners) : null;
    node.mixed = strange.b.get(node.b) ?? strange.a.get(node.a) ?? null;
    node.differences = differencesOf(node);
    node.differsBelow = false;
  }
  for (let i = nodes.length - 1; i >= 0; i -= 1) {
    const { parent, differences, differsBelow } = nodes[i];
    if (parent && (differences.length || differsBelow)) parent.differsBelow = true;
  }
  const counts = Object.fromEntries(Object.keys(DIFFERENCES).map((kind) => [kind, 0]));
  for (const { mark, differences } of nodes) {
    // A span that moved has two lines, and is one.
    if (mark !== 'movedAway') for (const kind of differences) counts[kind] += 1;
  }
  return { a, b, roots, nodes, counts };
}

/** One side: its traces, and what they come to together. Each span learns its trace. */
function sideOf(models) {
  const starts = models.map((model) => BigInt(model.start_unix_ns));
  const first = starts.reduce((least, ns) => (ns < least ? ns : least), FAR);
  let [start, end, longest] = [Infinity, 0, 0];
  for (const [i, model] of models.entries()) {
    const own = model.spans.reduce((least, { start_ns: ns }) => Math.min(least, ns), Infinity);
    model.own_ns = -own;
    model.offset_ns = Number(starts[i] - first);
    start = Math.min(start, model.offset_ns + own);
    end = Math.max(end, model.offset_ns + model.endNs);
    longest = Math.max(longest, model.endNs - own);
    for (const span of model.spans) span.trace = model;
  }
  // Traces far apart in time would be dots on one scale: then each counts from its own start.
  const isTogether = end - start <= MOST_TIMES * longest;
  for (const model of models) model.offset_ns = isTogether ? model.offset_ns - start : model.own_ns;
  const spans = models.flatMap((model) => model.spans);
  const roots = models.flatMap((model) => model.roots);
  return {
    models,
    roots,
    duration_ns: isTogether ? end - start : longest,
    spans: spans.length,
    errors: spans.filter(({ isError }) => isError).length,
    services: new Set(spans.map(({ service }) => service)).size,
    orphans: roots.filter(({ parentId }) => parentId).length,
    links: spans.reduce((sum, span) => sum + span.links.length, 0),
  };
}

const FAR = 1n << 64n;
const MOST_TIMES = 4;

function preorder(roots) {
  const nodes = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const node = stack.pop();
    nodes.push(node);
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push(node.children[i]);
  }
  return nodes;
}

/** Which trace of one side is which of the other: those whose beginnings are matched. */
function partnersOf(roots) {
  const partners = new Map();
  for (const { a, b, mark } of roots) {
    if (mark !== 'both' || a.parentId || b.parentId || partners.has(a.trace) || partners.has(b.trace)) continue;
    partners.set(a.trace, b.trace).set(b.trace, a.trace);
  }
  return partners;
}

function whereOf({ a, b, other }, partners) {
  const [traceA, traceB] = [(a ?? other.a).trace, (b ?? other.b).trace];
  if (partners.get(traceA) === traceB) return 'parent';
  if (!partners.has(traceB)) return 'own';
  return partners.has(traceA) ? 'other' : 'joined';
}

function differencesOf(node) {
  const { a, b, mark, where, mixed, isRenamed } = node;
  const isPair = mark === 'both' || mark === 'movedHere';
  const isOrphan = (span) => span.parent === null && span.parentId !== null;
  const found = {
    cut: where === 'own' || (mark === 'both' && isOrphan(a) !== isOrphan(b)),
    mixed: where === 'other' || mixed !== null,
    moved: where === 'parent' || where === 'joined',
    onlyA: mark === 'onlyA',
    onlyB: mark === 'onlyB',
    renamed: isRenamed,
    status: isPair && a.isError !== b.isError,
    links: isPair && linkCount(a) > 0 !== linkCount(b) > 0,
    attributes: isPair && haveOtherKeys(a.attributes, b.attributes),
  };
  return Object.keys(DIFFERENCES).filter((kind) => found[kind]);
}

function haveOtherKeys(ones, others) {
  if (ones.length === others.length && ones.every(({ key }, i) => key === others[i].key)) return false;
  const keys = new Set(others.map(({ key }) => key));
  const own = new Set(ones.map(({ key }) => key));
  return own.size !== keys.size || [...own].some((key) => !keys.has(key));
}

// A trace often carries something along from span to span: a customer, a tenant, a kind of request.
// Where that is one value all through a trace on one side, and two on the other, the spans with the
// second value came in from elsewhere.

/** How far up a span is looked for that has the same attribute. */
const LEVELS = 64;

/** The spans of `models` that carry another value than their trace did at first: span to attribute. */
function strangers(models, others) {
  const carried = new Set(others.flatMap(carriedAlong));
  const found = new Map();
  for (const model of models) {
    const own = new Map();
    for (const span of model.spans) {
      for (const { key, value } of textsOf(span)) {
        if (!carried.has(key)) continue;
        if (!own.has(key)) own.set(key, value);
        else if (own.get(key) !== value && !found.has(span)) found.set(span, { key, value, own: own.get(key) });
      }
    }
  }
  return found;
}

/** Attributes that go down from a span to spans below it, and have one value in the whole trace. */
function carriedAlong(model) {
  const seen = new Map();
  for (const span of model.spans) {
    for (const { key, value } of textsOf(span)) {
      const known = seen.get(key);
      if (!known) seen.set(key, { value, isOne: true, isCarried: false });
      else if (known.value !== value) known.isOne = false;
      else known.isCarried ||= isAbove(span, key);
    }
  }
  return [...seen].filter(([, { isOne, isCarried }]) => isOne && isCarried).map(([key]) => key);
}

function isAbove(span, key) {
  let at = span.parent;
  for (let level = 0; at && level < LEVELS; level += 1, at = at.parent) {
    if (at.attributes.some((attribute) => attribute.key === key)) return true;
  }
  return false;
}

function textsOf(span) {
  return span.attributes.filter(({ key, type }) => type === 'string' && !isConvention(key));
}

/**
 * The attributes of two spans, by key: `[{ key, a, b, isSame }]`, `a` or `b` null where it is missing.
 * Those that differ come first.
 */
export function attributesOf(ones, others) {
  const rows = new Map();
  for (const attribute of ones) rows.set(attribute.key, { key: attribute.key, a: attribute, b: null });
  for (const attribute of others) {
    const row = rows.get(attribute.key) ?? { key: attribute.key, a: null };
    rows.set(attribute.key, { ...row, b: attribute });
  }
  const isSame = ({ a, b }) =>
    Boolean(a && b) && a.type === b.type && JSON.stringify(a.value) === JSON.stringify(b.value);
  return [...rows.values()]
    .map((row) => ({ ...row, isSame: isSame(row) }))
    .sort((x, y) => x.isSame - y.isSame || (x.key < y.key ? -1 : 1));
}

/** The nodes that have a line: not below one in `closed`, and with `isOnly` only on the way to a difference. */
export function linesOf(roots, closed, isOnly) {
  const isWanted = ({ differences, differsBelow }) => !isOnly || differences.length > 0 || differsBelow;
  const lines = [];
  const stack = roots.filter(isWanted).reverse();
  while (stack.length) {
    const node = stack.pop();
    lines.push(node);
    if (closed.has(node)) continue;
    for (let i = node.children.length - 1; i >= 0; i -= 1) {
      if (isWanted(node.children[i])) stack.push(node.children[i]);
    }
  }
  return lines;
}

/** When a span began, in nanoseconds from the start of its side. */
export function beginOf(span) {
  return span.trace.offset_ns + span.start_ns;
}

/** The ids that an address names for one side: joined by `+`, `,` or blanks, each once. */
export function idsOf(text) {
  return [
    ...new Set(
      text
        .toLowerCase()
        .split(/[+,\s]+/)
        .filter(Boolean),
    ),
  ];
}

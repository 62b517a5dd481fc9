// Two traces, or two sets of traces, held against each other: `/compare/A/B`, each side one id or
// several joined by `+` or `,`. `?a=right&b=wrong` gives the sides names.

import { ApiError, fetchTrace } from './api.js';
import { drawPair } from './compare-details.js';
import { CompareTree, differenceWords, signOf } from './compare-tree.js';
import { askFor, comparePath } from './compare-with.js';
import { compare, DIFFERENCES, idsOf } from './comparison.js';
import { count, dateTime, duration, plural, shortId } from './format.js';
import { announce, el, icon, series, srOnly, tracePath } from './lib.js';
import { lastList } from './list.js';
import { modelOf, readTrace } from './model.js';
import { setKeys } from './shell.js';

/** Traces on one side at most. */
const MOST_TRACES = 32;
const LONGEST_NAME = 16;
/** When traces that have just begun, or have not come yet, are looked for again. */
const LATE_MS = [1000, 2000, 4000, 8000];
const YOUNG_US = 60e6;

/** Opens a comparison, or asks for what is missing of its address. */
export function compareView(root, { match, params, go }) {
  const [a, b] = [match[1], match[2]].map((text) => idsOf(decode(text ?? '')));
  document.title = 'Compare traces';
  if (!a.length || !b.length) return askFor(root, a, go);
  const names = { a: nameOf(params.get('a'), 'A'), b: nameOf(params.get('b'), 'B') };
  const closing = new AbortController();
  let page = null;
  let timer = 0;

  const load = async (round = 0) => {
    if (!page && !round) root.replaceChildren(el('p', { class: 'empty', role: 'status' }, 'Loading the traces…'));
    try {
      const sides = await Promise.all([a, b].map((ids) => fetchSide(ids, closing.signal)));
      if (closing.signal.aborted) return;
      page?.close();
      if (sides.every(({ traces }) => traces.length)) {
        page = new ComparePage(root, sides, { names, params, go, ids: { a, b } });
        if (sides.some(isYoung)) watch(sides, 0);
      } else {
        page = null;
        root.replaceChildren(missing(sides, names, () => load()));
        if (round < LATE_MS.length) timer = setTimeout(() => load(round + 1), LATE_MS[round]);
      }
    } catch (error) {
      if (error.name === 'AbortError') return;
      root.replaceChildren(failure(error, () => load()));
    }
  };

  // A trace that is compared while it happens goes on growing: its reader is told, never moved.
  const watch = (sides, round) => {
    if (round >= LATE_MS.length) return;
    timer = setTimeout(async () => {
      const now = await Promise.all([a, b].map((ids) => fetchSide(ids, closing.signal))).catch(() => null);
      if (closing.signal.aborted) return;
      const more = now ? spansIn(now) - spansIn(sides) : 0;
      if (more > 0) page.offer(more, () => load());
      else watch(sides, round + 1);
    }, LATE_MS[round]);
  };

  load();
  return () => {
    closing.abort();
    clearTimeout(timer);
    page?.close();
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function nameOf(text, otherwise) {
  return text?.trim().slice(0, LONGEST_NAME) || otherwise;
}

/** The traces of one side, `lost` with the ids that are not held. */
async function fetchSide(ids, signal) {
  if (ids.length > MOST_TRACES) throw new ApiError(400, `A side has at most ${MOST_TRACES} traces, not ${ids.length}.`);
  const found = await Promise.all(ids.map((id) => fetchOne(id, signal)));
  return { traces: found.filter(Boolean), lost: ids.filter((_, i) => !found[i]) };
}

async function fetchOne(id, signal) {
  try {
    return await fetchTrace(id, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

const isYoung = ({ traces, lost }) =>
  lost.length > 0 || traces.some(({ start_us: start }) => Date.now() * 1000 - start < YOUNG_US);

const spansIn = (sides) =>
  sides.reduce((sum, { traces }) => sum + traces.reduce((spans, trace) => spans + trace.span_count, 0), 0);

function failure(error, retry) {
  return el(
    'div',
    { class: 'empty', role: 'alert' },
    el('h1', {}, 'The traces could not be compared'),
    el('p', {}, error.message),
    el('button', { type: 'button', class: 'primary', onclick: retry }, 'Try again'),
    ' ',
    el('a', { href: lastList() }, 'All traces'),
  );
}

function missing(sides, names, retry) {
  return el(
    'div',
    { class: 'empty', role: 'alert' },
    el('h1', {}, 'Not both sides are here'),
    ['a', 'b'].flatMap((side, i) =>
      sides[i].lost.map((id) => el('p', {}, `${names[side]}: `, el('code', {}, id), ' is not held')),
    ),
    el('p', {}, 'It has not come yet, or has made room for newer ones.'),
    el('button', { type: 'button', class: 'primary', onclick: retry }, 'Try again'),
    ' ',
    el('a', { href: lastList() }, 'All traces'),
  );
}

// The page of a comparison.

/** Draws both sides and answers to their reader. */
class ComparePage {
  constructor(root, sides, { names, params, go, ids }) {
    const [a, b] = sides.map(({ traces }) => traces.map((trace) => modelOf(readTrace(trace))));
    Object.assign(this, { root, names, go, ids, selected: null, isOnly: params.get('only') === '1' });
    this.comparison = compare(a, b);
    this.tree = new CompareTree(this);
    this.panel = el('aside', { class: 'details', role: 'region', tabindex: -1, hidden: true });
    this.late = el('div', { class: 'late', role: 'status' });
    this.only = el(
      'button',
      { type: 'button', title: 'Only what differs (d)', onclick: () => this.toggleOnly() },
      'Only differences',
    );
    root.replaceChildren(
      el(
        'header',
        { class: 'compare-head' },
        el('h1', {}, 'Compare'),
        totals(this),
        ['a', 'b'].flatMap((side, i) =>
          sides[i].lost.map((id) =>
            el('p', { class: 'warning' }, `${names[side]}: `, el('code', {}, id), ' is not held'),
          ),
        ),
        this.late,
      ),
      el(
        'div',
        { class: 'tools', role: 'toolbar', 'aria-label': 'Comparison' },
        this.only,
        el('button', { type: 'button', title: 'Swap both sides (s)', onclick: () => this.swap() }, '⇅ Swap'),
        findings(this),
      ),
      el('div', { class: 'panes' }, el('div', { class: 'compare-chart' }, this.tree.node), this.panel),
    );
    setKeys(keysOf(this));
    this.drawOnly();
    this.tree.reflow();
    this.tree.focus(this.tree.lines[0]);
    document.title = `${names.a} and ${names.b}: ${a[0].root_name}`;
  }

  close() {
    this.tree.close();
  }

  /** Tells that more spans have come; `take` shows them. */
  offer(more, take) {
    this.late.replaceChildren(
      el('button', { type: 'button', class: 'primary', onclick: take }, `${plural(more, 'more span')} came: show`),
    );
  }

  drawOnly() {
    this.only.setAttribute('aria-pressed', String(this.isOnly));
  }

  toggleOnly() {
    this.isOnly = !this.isOnly;
    const url = new URL(location);
    if (this.isOnly) url.searchParams.set('only', '1');
    else url.searchParams.delete('only');
    history.replaceState({}, '', url);
    this.drawOnly();
    this.tree.reflow();
    announce(this.isOnly ? `Only differences: ${plural(this.tree.lines.length, 'line')}` : 'Everything');
  }

  swap() {
    const params = new URLSearchParams(location.search);
    const [a, b] = [params.get('a'), params.get('b')];
    for (const [name, value] of [
      ['a', b],
      ['b', a],
    ]) {
      if (value) params.set(name, value);
      else params.delete(name);
    }
    const query = params.size ? `?${params}` : '';
    this.go(`${comparePath(this.ids.b, this.ids.a)}${query}`, { replace: true });
  }

  /** Selects a node and shows both its spans; the focus stays where it is. */
  select(node) {
    this.selected = node;
    this.panel.hidden = !node;
    if (node) drawPair(this.panel, node, this);
    this.panel.scrollTop = 0;
    this.tree.refresh();
    if (node && this.covered()) this.tree.focus(node);
  }

  closeDetails() {
    const { selected } = this;
    this.select(null);
    this.tree.focus(selected);
  }

  /** Brings a node into sight and focuses it. */
  jump(node) {
    if (!node) return;
    this.tree.reveal(node);
    if (this.selected) this.select(node);
    this.tree.focus(node);
  }

  /** Goes to the next or previous node that differs, or differs so. */
  next(step, kind = null) {
    const nodes = this.comparison.nodes.filter(({ differences }) =>
      kind ? differences.includes(kind) : differences.length,
    );
    if (!nodes.length) return announce('No difference');
    const order = new Map(this.comparison.nodes.map((node, i) => [node, i]));
    const at = order.get(this.tree.focusNode) ?? -1;
    const after = nodes.filter((node) => (step > 0 ? order.get(node) > at : order.get(node) < at));
    const node = step > 0 ? (after[0] ?? nodes[0]) : (after.at(-1) ?? nodes.at(-1));
    this.jump(node);
    announce(`Difference ${nodes.indexOf(node) + 1} of ${nodes.length}`);
  }

  /** Opens the focused span in its trace. */
  openIn(side) {
    const span = this.tree.focusNode?.[side];
    if (span) this.go(tracePath(span.trace.trace_id, span.id));
    else announce(`Not in ${this.names[side]}`);
  }

  /** How much of the tree the details lie over: on a narrow screen. */
  covered() {
    const isOver = !this.panel.hidden && getComputedStyle(this.panel).position === 'fixed';
    const [tree, panel] = [this.tree.node, this.panel].map((node) => node.getBoundingClientRect());
    return isOver ? Math.max(0, tree.bottom - panel.top) : 0;
  }
}

function keysOf(page) {
  const { tree } = page;
  const move = (step) => () => tree.move(step);
  const inTree = (run) => () => (tree.node.contains(document.activeElement) ? run() : false);
  return [
    { keys: ['j', 'ArrowDown'], does: 'next line', run: move(1) },
    { keys: ['k', 'ArrowUp'], does: 'previous line', run: move(-1) },
    { keys: ['ArrowRight'], does: 'open, or to the first child', run: inTree(() => tree.sideways(1)) },
    { keys: ['ArrowLeft'], does: 'close, or to the parent', run: inTree(() => tree.sideways(-1)) },
    { keys: ['PageDown'], run: move(20) },
    { keys: ['PageUp'], run: move(-20) },
    { keys: ['Home'], run: move(-1e9) },
    { keys: ['End'], run: move(1e9) },
    { keys: ['n'], does: 'next difference', run: () => page.next(1) },
    { keys: ['N'], does: 'previous difference', run: () => page.next(-1) },
    { keys: ['d'], does: 'only differences, or everything', run: () => page.toggleOnly() },
    { keys: ['m'], does: 'the other place of a span that moved', run: () => page.jump(tree.focusNode?.other) },
    { keys: ['Enter'], does: 'both spans in full', run: inTree(() => page.select(tree.focusNode)) },
    { keys: ['a'], does: 'the span in its trace on the first side', run: () => page.openIn('a') },
    { keys: ['b'], does: 'the span in its trace on the second side', run: () => page.openIn('b') },
    { keys: ['s'], does: 'swap both sides', run: () => page.swap() },
    { keys: ['x'], does: 'collapse or expand all', run: () => tree.foldAll() },
    {
      keys: ['Escape'],
      does: 'close the details; back to the traces',
      run: () => (page.selected ? page.closeDetails() : page.go(lastList())),
    },
  ];
}

// What both sides come to, and what differs, in figures.

function totals({ comparison, names }) {
  const { a, b } = comparison;
  const measures = [
    ['Duration', ({ duration_ns: ns }) => ns, duration],
    ['Spans', ({ spans }) => spans, count],
    ['Errors', ({ errors }) => errors, count],
    ['Services', ({ services }) => services, count],
    ['Links', ({ links }) => links, count],
    ['Traces', ({ models }) => models.length, count],
    ['Orphans', ({ orphans }) => orphans, count],
  ];
  const side = (name) =>
    el(
      'p',
      { class: 'side-traces' },
      el('span', { class: `side-name ${name}` }, names[name]),
      comparison[name].models.map(traceLink),
    );
  return [
    side('a'),
    side('b'),
    el(
      'ul',
      { class: 'measures num' },
      measures.map(([name, of, shown]) => {
        const [one, other] = [of(a), of(b)];
        return el(
          'li',
          {},
          el('span', { class: 'soft' }, `${name} `),
          srOnly(`${names.a} `),
          shown(one),
          one !== other && [
            icon(' → ', 'to'),
            srOnly(`, ${names.b} `),
            shown(other),
            srOnly(', '),
            el('strong', {}, ` ${name === 'Duration' ? longer(one, other) : signed(other - one)}`),
          ],
        );
      }),
    ),
  ];
}

function traceLink(model) {
  return el(
    'a',
    { href: tracePath(model.trace_id), title: `${model.trace_id}, ${dateTime(model.start_us)}` },
    el(
      'span',
      { class: 'service', 'data-series': series(model.root_service) },
      el('span', { class: 'swatch' }),
      model.root_service,
    ),
    ` ${model.root_name || '(no name)'} `,
    el('code', { class: 'soft' }, shortId(model.trace_id)),
  );
}

function longer(before, after) {
  const share = before > 0 ? ` (×${(after / before).toPrecision(3)})` : '';
  return differenceWords(before, after) + share;
}

function signed(number) {
  return `${number > 0 ? '+' : '−'}${count(Math.abs(number))}`;
}

/** A button for each kind of difference that there is, which goes to the next of it. */
function findings(page) {
  const { counts } = page.comparison;
  const kinds = Object.keys(DIFFERENCES).filter((kind) => counts[kind]);
  if (!kinds.length) return el('span', { class: 'soft' }, 'The same spans in the same places.');
  return el(
    'div',
    { class: 'findings', role: 'group', 'aria-label': 'Differences' },
    kinds.map((kind) => {
      const { sign, word } = signOf(kind, page.names);
      return el(
        'button',
        { type: 'button', class: `finding is-${kind}`, title: DIFFERENCES[kind], onclick: () => page.next(1, kind) },
        icon(sign, 'sign'),
        ` ${count(counts[kind])} ${word}`,
      );
    }),
  );
}

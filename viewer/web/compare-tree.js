// The common tree of a comparison, a line a node: its mark, its name, both durations and their
// difference. As in the waterfall only the lines in sight are in the document when there are many.

import { beginOf, linesOf } from './comparison.js';
import { duration, plural } from './format.js';
import { el, icon, perFrame, replace, series, setStyle, srOnly, tracePath } from './lib.js';
import { linkCount } from './model.js';

const WHOLE = 400;
const AHEAD = 20;

const SIGNS = {
  cut: ['✂', 'cut off'],
  mixed: ['⚑', 'mixed in'],
  moved: ['⇄', 'moved'],
  onlyA: ['−', 'only '],
  onlyB: ['+', 'only '],
  renamed: ['≈', 'renamed'],
  status: ['⚠', 'status'],
  links: ['→', 'links'],
  attributes: ['≠', 'attributes'],
};

/** The sign and the word for a difference: a sign alone says nothing to a screen reader. */
export function signOf(kind, names) {
  const [sign, word] = SIGNS[kind];
  return { sign, word: word + ({ onlyA: names.a, onlyB: names.b }[kind] ?? '') };
}

/** The treegrid. `host`: `{ comparison, names, selected, isOnly, select(node), jump(node) }`. */
export class CompareTree {
  constructor(host) {
    Object.assign(this, { host, closed: new Set(), drawn: new Map(), focusNode: null, lines: [] });
    this.longest = Math.max(1, host.comparison.a.duration_ns, host.comparison.b.duration_ns);
    this.body = el('div', { class: 'pair-lines', role: 'rowgroup' });
    const columns = ['Mark', 'Span', host.names.a, host.names.b, 'Difference'];
    this.node = el(
      'div',
      { class: 'pairs', role: 'treegrid', 'aria-label': 'Spans of both', 'aria-colcount': columns.length },
      el(
        'div',
        { class: 'pair-head', role: 'row' },
        columns.map((name) => el('div', { role: 'columnheader' }, name)),
      ),
      this.body,
    );
    this.redraw = perFrame(() => this.update());
    this.node.addEventListener('scroll', () => this.lines.length > WHOLE && this.redraw(), { passive: true });
    this.body.addEventListener('click', (event) => this.clicked(event));
    this.body.addEventListener('focusin', (event) => {
      const node = this.nodeOf(event.target);
      if (node) this.focusNode = node;
    });
    // The height of a line depends on the width of the page.
    this.resized = new ResizeObserver(() => (this.pairHeight() === this.height ? this.redraw() : this.reflow()));
    this.resized.observe(this.node);
  }

  close() {
    this.resized.disconnect();
  }

  pairHeight() {
    return parseFloat(getComputedStyle(this.node).getPropertyValue('--pair-height'));
  }

  /** Computes the lines anew: after folding, filtering, or on another width. */
  reflow() {
    const hasFocus = this.body.contains(document.activeElement);
    this.lines = linesOf(this.host.comparison.roots, this.closed, this.host.isOnly);
    this.index = new Map(this.lines.map((node, i) => [node, i]));
    this.height = this.pairHeight();
    this.top = this.body.offsetTop;
    for (const { node } of this.drawn.values()) node.remove();
    this.drawn.clear();
    this.node.setAttribute('aria-rowcount', String(this.lines.length));
    setStyle(this.body, { height: `${this.lines.length * this.height}px` });
    if (!this.index.has(this.focusNode)) this.focusNode = this.lines[0] ?? null;
    this.update();
    if (hasFocus) this.focus(this.focusNode);
  }

  /** Draws every line anew: after a selection. */
  refresh() {
    for (const entry of this.drawn.values()) entry.isStale = true;
    this.redraw();
  }

  range() {
    if (this.lines.length <= WHOLE) return [0, this.lines.length];
    const first = Math.floor(this.node.scrollTop / this.height);
    const shown = Math.ceil(this.node.clientHeight / this.height);
    return [Math.max(0, first - AHEAD), Math.min(this.lines.length, first + shown + AHEAD)];
  }

  update() {
    const [from, to] = this.range();
    for (const [i, entry] of this.drawn) {
      if (i >= from && i < to) continue;
      if (entry.node === document.activeElement) continue;
      entry.node.remove();
      this.drawn.delete(i);
    }
    for (let i = from; i < to; i += 1) {
      let entry = this.drawn.get(i);
      if (!entry) {
        entry = { node: el('div', { role: 'row' }), isStale: true };
        setStyle(entry.node, { transform: `translateY(${i * this.height}px)` });
        this.drawn.set(i, entry);
      }
      if (entry.isStale) this.drawLine(entry, i);
    }
    // In the document the lines stand in their order, whichever way the reader scrolled.
    let at = this.body.firstElementChild;
    for (const [, { node }] of [...this.drawn].sort(([a], [b]) => a - b)) {
      if (node === at) at = at.nextElementSibling;
      else if (node !== document.activeElement) this.body.insertBefore(node, at);
    }
  }

  drawLine(entry, i) {
    const line = this.lines[i];
    const { node } = entry;
    entry.isStale = false;
    node.className = `pair ${line.mark} is-${line.differences[0] ?? 'same'}`;
    node.dataset.index = i;
    node.tabIndex = line === this.focusNode ? 0 : -1;
    node.setAttribute('aria-level', line.level);
    node.setAttribute('aria-rowindex', i + 1);
    node.setAttribute('aria-selected', String(this.host.selected === line));
    if (line.children.length) node.setAttribute('aria-expanded', String(!this.closed.has(line)));
    else node.removeAttribute('aria-expanded');
    setStyle(node, { '--level': line.level - 1 });
    replace(
      node,
      el('div', { class: 'pair-mark', role: 'gridcell' }, this.marks(line)),
      this.nameCell(line),
      this.sideCell(line, 'a'),
      this.sideCell(line, 'b'),
      differenceCell(line),
    );
  }

  /** The gravest difference; a screen reader gets all. */
  marks({ differences }) {
    if (!differences.length) return null;
    const [first, ...rest] = differences.map((kind) => signOf(kind, this.host.names));
    return [
      icon(first.sign, 'sign'),
      ` ${first.word}`,
      rest.length > 0 && srOnly(`, ${rest.map(({ word }) => word).join(', ')}`),
    ];
  }

  nameCell(line) {
    const { a, b, parent, children } = line;
    const span = b ?? a;
    const above = parent && (parent.b ?? parent.a);
    const isOpen = !this.closed.has(line);
    const isPair = a && b;
    return el(
      'div',
      { class: 'pair-name', role: 'gridcell', 'data-series': series(span.service) },
      el(
        'span',
        { class: `fold${children.length ? '' : ' leaf'}`, 'data-do': 'fold', 'aria-hidden': 'true' },
        children.length ? (isOpen ? '▾' : '▸') : '',
      ),
      el('span', { class: 'swatch' }),
      el('span', { class: `span-service${above?.service === span.service ? ' same' : ''}` }, span.service),
      ' ',
      el('span', { class: 'span-name' }, line.isRenamed ? `${a.name} → ${b.name}` : span.name || '(no name)'),
      instanceOf(line),
      span.isError &&
        (!isPair || a.isError) &&
        el('span', { class: 'bad flag' }, icon('⚠', 'error'), srOnly('error'), ` ${span.error_type ?? ''}`),
      this.remarks(line),
    );
  }

  /** What differs, in words: where it hangs, what it carries, in which one it fails. */
  remarks(line) {
    const { a, b, other, mixed, differences } = line;
    const { names } = this.host;
    const words = [];
    if (mixed) words.push(`carries ${mixed.key}=${mixed.value}, not ${mixed.own}`);
    if (differences.includes('cut') && !other) {
      words.push(`parent not held in ${a.parentId && !a.parent ? names.a : names.b}`);
    }
    if (differences.includes('status')) words.push(`fails only in ${a.isError ? names.a : names.b}`);
    if (differences.includes('links')) words.push(`links only in ${linkCount(a) ? names.a : names.b}`);
    if (differences.includes('attributes')) words.push(attributeWords(a, b, names));
    const place = { type: 'button', class: 'pair-remark place', tabindex: -1, 'data-do': 'jump' };
    return [
      other && el('button', place, placeWords(line, names)),
      ...words.map((word) => el('span', { class: 'pair-remark' }, word)),
    ];
  }

  sideCell(line, side) {
    const span = line[side];
    const name = this.host.names[side];
    if (!span) return el('div', { class: 'pair-side', role: 'gridcell' }, srOnly(`not in ${name}`));
    const { trace_id: trace } = span.trace;
    const left = clamp(beginOf(span) / this.longest);
    const width = clamp((beginOf(span) + span.duration_ns) / this.longest) - left;
    const bar = { left: `${(100 * left).toFixed(3)}%`, width: `${(100 * width).toFixed(3)}%` };
    return el(
      'div',
      { class: 'pair-side', role: 'gridcell', 'data-series': series(span.service) },
      el(
        'span',
        { class: 'pair-track', 'aria-hidden': 'true' },
        el('span', { class: `pair-bar ${side}${span.isError ? ' failed' : ''}`, style: bar }),
      ),
      el(
        'a',
        {
          class: 'num',
          tabindex: -1,
          href: tracePath(trace, span.id),
          title: `The span in its trace (${side})`,
          'aria-label': `${duration(span.duration_ns)} in ${name}: the span in its trace`,
        },
        duration(span.duration_ns),
      ),
    );
  }

  nodeOf(target) {
    const line = target.closest('.pair');
    return line ? this.lines[Number(line.dataset.index)] : null;
  }

  clicked(event) {
    const node = this.nodeOf(event.target);
    if (!node || event.target.closest('a')) return;
    const what = event.target.closest('[data-do]')?.dataset.do;
    if (what === 'fold' && node.children.length) this.fold(node);
    else if (what === 'jump') this.host.jump(node.other);
    else this.host.select(node);
  }

  fold(node, isOpen = this.closed.has(node)) {
    if (isOpen) this.closed.delete(node);
    else if (node.children.length) this.closed.add(node);
    this.focusNode = node;
    this.reflow();
    this.focus(node);
  }

  /** Opens or closes everything. */
  foldAll() {
    if (this.closed.size) this.closed.clear();
    else for (const node of this.host.comparison.nodes) if (node.children.length && node.parent) this.closed.add(node);
    this.reflow();
  }

  /** Opens everything above a node, so that it has a line. */
  reveal(node) {
    let isChanged = false;
    for (let at = node.parent; at; at = at.parent) isChanged = this.closed.delete(at) || isChanged;
    if (isChanged) this.reflow();
  }

  /** Brings a line into sight and focuses it. */
  focus(node) {
    const i = this.index.get(node);
    if (i === undefined) return;
    const before = this.drawn.get(this.index.get(this.focusNode));
    if (before) before.node.tabIndex = -1;
    this.focusNode = node;
    // The heading stays over the lines while they scroll under it.
    const [top, shown] = [i * this.height, this.node.clientHeight - this.top - this.host.covered()];
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + this.height > this.node.scrollTop + shown) this.node.scrollTop = top + this.height - shown;
    this.update();
    const line = this.drawn.get(i).node;
    line.tabIndex = 0;
    line.focus({ preventScroll: true });
  }

  /** Focus moves by lines. */
  move(step) {
    const at = (this.index.get(this.focusNode) ?? 0) + (this.node.contains(document.activeElement) ? step : 0);
    this.focus(this.lines[Math.max(0, Math.min(this.lines.length - 1, at))]);
  }

  /** Left: close, or go to the parent. Right: open, or go to the first child. */
  sideways(direction) {
    const node = this.focusNode;
    if (!node) return;
    const isClosed = this.closed.has(node);
    if (direction < 0 && (isClosed || !node.children.length)) this.focus(node.parent);
    else if (direction < 0) this.fold(node, false);
    else if (isClosed) this.fold(node, true);
    else this.focus(this.lines.find(({ parent }) => parent === node));
  }
}

function instanceOf({ a, b }) {
  const [one, other] = [(a ?? b).instance, (b ?? a).instance];
  if (!one && !other) return null;
  return el('span', { class: 'instance' }, one === other ? one : `${one ?? '–'} → ${other ?? '–'}`);
}

/** Where else a span hangs, as the line at one of its places says it. */
function placeWords({ mark, where, other }, names) {
  const [name, span] = mark === 'movedAway' ? [names.b, other.b] : [names.a, other.a];
  const under = span.parent ? `under ${span.parent.name}` : span.parentId ? 'without its parent' : 'as a root';
  const isFar = where === 'other' || where === (mark === 'movedAway' ? 'own' : 'joined');
  if (!isFar) return `in ${name} ${under}`;
  if (!span.parent) return `in ${name} ${under}, a trace of its own`;
  return `in ${name} ${under}, in a trace of ${span.trace.root_name || 'another root'}`;
}

function attributeWords(a, b, names) {
  const [ones, others] = [new Set(a.attributes.map(({ key }) => key)), new Set(b.attributes.map(({ key }) => key))];
  const missing = (from, by) => [...from].filter((key) => !by.has(key));
  return [
    [missing(ones, others), names.a],
    [missing(others, ones), names.b],
  ]
    .filter(([keys]) => keys.length)
    .map(([keys, name]) =>
      keys.length === 1 ? `${keys[0]} only in ${name}` : `${plural(keys.length, 'attribute')} only in ${name}`,
    )
    .join(', ');
}

function differenceCell({ a, b }) {
  if (!a || !b) return el('div', { class: 'pair-difference', role: 'gridcell' });
  const words = differenceWords(a.duration_ns, b.duration_ns);
  return el('div', { class: 'pair-difference num', role: 'gridcell' }, words);
}

/** How much longer or shorter the second took: `+1.2 ms`, `−30 µs`, `=`. */
export function differenceWords(before, after) {
  if (before === after) return '=';
  return `${after > before ? '+' : '−'}${duration(Math.abs(after - before))}`;
}

const clamp = (share) => Math.max(0, Math.min(1, share));

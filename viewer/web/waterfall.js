// The tree of a trace against time. Long traces are windowed: only the lines in sight are in the
// document, so that a trace of any length opens and scrolls at once. Short ones are there whole,
// for the browser's own search and for screen readers.

import { drawArrows } from './arrows.js';
import { bar, barLabel, barWords } from './bar.js';
import { drawLink } from './linkline.js';
import { series } from './colors.js';
import { el, icon, perFrame, setStyle, srOnly, svg } from './dom.js';
import { plural } from './format.js';
import { linkCount } from './rows.js';

/** Height of a line in CSS pixels; the same in waterfall.css. */
export const LINE = 26;
const WHOLE = 400;
const AHEAD = 20;

/** The treegrid. `host`: `{ model, scale, folding, select(span), follow(link), matches }`. */
export class Waterfall {
  constructor(host) {
    this.host = host;
    this.drawn = new Map();
    this.focusKey = null;
    this.arrows = svg('svg', { class: 'arrows', 'aria-hidden': 'true' });
    this.body = el('div', { class: 'lines', role: 'rowgroup' });
    this.node = el('div', { class: 'waterfall', role: 'treegrid', 'aria-label': 'Spans of the trace', 'aria-colcount': 2 }, this.body);
    this.body.append(this.arrows);
    this.redraw = perFrame(() => this.update());
    this.node.addEventListener('scroll', () => this.lines.length > WHOLE && this.redraw(), { passive: true });
    this.body.addEventListener('click', (event) => this.clicked(event));
    this.body.addEventListener('dblclick', (event) => {
      const line = this.lineOf(event.target);
      if (line && event.target.closest('.time')) host.scale.fit(line.span);
    });
    this.body.addEventListener('focusin', (event) => {
      const line = this.lineOf(event.target);
      if (line) this.focusKey = line.key;
    });
    this.resized = new ResizeObserver(this.redraw);
    this.resized.observe(this.node);
    this.reflow();
  }

  close() {
    this.resized.disconnect();
  }

  /** Computes the lines anew: after folding. */
  reflow() {
    this.lines = this.host.folding.lines();
    this.index = new Map(this.lines.map((line, i) => [line.key, i]));
    for (const { node } of this.drawn.values()) node.remove();
    this.drawn.clear();
    this.node.setAttribute('aria-rowcount', String(this.lines.length));
    setStyle(this.body, { height: `${this.lines.length * LINE}px` });
    if (!this.index.has(this.focusKey)) this.focusKey = this.host.selected?.id ?? this.lines[0]?.key ?? null;
    this.redraw();
  }

  /** Draws every line anew: after a zoom, a search or a selection. */
  refresh() {
    for (const entry of this.drawn.values()) entry.stale = true;
    this.redraw();
  }

  range() {
    if (this.lines.length <= WHOLE) return [0, this.lines.length];
    const first = Math.floor(this.node.scrollTop / LINE);
    const shown = Math.ceil(this.node.clientHeight / LINE);
    return [Math.max(0, first - AHEAD), Math.min(this.lines.length, first + shown + AHEAD)];
  }

  update() {
    const [from, to] = this.range();
    const focused = document.activeElement;
    for (const [i, entry] of this.drawn) {
      if ((i < from || i >= to) && entry.node !== focused) {
        entry.node.remove();
        this.drawn.delete(i);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let i = from; i < to; i += 1) {
      let entry = this.drawn.get(i);
      if (!entry) {
        entry = { node: el('div', { class: 'line', role: 'row' }), stale: true };
        setStyle(entry.node, { transform: `translateY(${i * LINE}px)` });
        this.drawn.set(i, entry);
        fresh.append(entry.node);
      }
      if (entry.stale) this.drawLine(entry, i);
    }
    this.body.insertBefore(fresh, this.arrows);
    if (this.lines.length > WHOLE) this.keepOrder();
    drawArrows(this.arrows, this, from, to);
  }

  /** In the document the lines stand in their order, whichever way the reader scrolled. */
  keepOrder() {
    const sorted = [...this.drawn.entries()].sort(([a], [b]) => a - b);
    let at = this.body.firstElementChild;
    for (const [, { node }] of sorted) {
      if (node === at) at = at.nextElementSibling;
      else if (node !== document.activeElement) this.body.insertBefore(node, at);
    }
  }

  drawLine(entry, i) {
    const line = this.lines[i];
    entry.stale = false;
    const { node } = entry;
    node.dataset.index = i;
    node.tabIndex = line.key === this.focusKey ? 0 : -1;
    node.setAttribute('aria-level', line.level);
    node.setAttribute('aria-rowindex', i + 1);
    setStyle(node, { '--level': line.level - 1 });
    if (line.link) drawLink(node, line, this.host);
    else this.drawSpan(node, line);
  }

  drawSpan(node, { span }) {
    const { folding, selected, matches, scale } = this.host;
    node.className = `line span${span.isError ? ' has-error' : ''}${matches && !matches.has(span.id) ? ' dim' : ''}${matches?.has(span.id) ? ' match' : ''}`;
    node.dataset.span = span.id;
    node.setAttribute('aria-selected', String(selected === span));
    if (span.children.length) node.setAttribute('aria-expanded', String(!folding.closed.has(span.id)));
    else node.removeAttribute('aria-expanded');
    node.replaceChildren(
      el('div', { class: 'name', role: 'gridcell', 'data-series': series(span.service) },
        el('span', { class: `fold${span.children.length ? '' : ' leaf'}`, 'data-do': 'fold', 'aria-hidden': 'true' }, span.children.length ? (folding.closed.has(span.id) ? '▸' : '▾') : ''),
        el('span', { class: 'swatch' }),
        el('span', { class: `span-service${span.parent?.service === span.service ? ' same' : ''}` }, span.service), ' ',
        el('span', { class: 'span-name' }, span.name || '(no name)'),
        span.instance && el('span', { class: 'instance' }, ` ${span.instance}`),
        span.isError && el('span', { class: 'bad flag' }, icon('⚠', 'error'), srOnly('error'), span.error_type ? ` ${span.error_type}` : ''),
        linkCount(span) > 0 && this.linkBadge(span)),
      el('div', { class: 'time', role: 'gridcell' }, srOnly(barWords(span)), ...bar(span, scale), this.label(span)));
  }

  label(span) {
    const label = barLabel(span, this.host.scale);
    label?.setAttribute('aria-hidden', 'true');
    return label;
  }

  linkBadge(span) {
    const isOpen = this.host.folding.linksOpen.has(span.id);
    return el('button', { type: 'button', class: 'badge', tabindex: -1, 'data-do': 'links', 'aria-expanded': String(isOpen), title: `${isOpen ? 'Hide' : 'Show'} the linked spans` },
      `⇄ ${plural(linkCount(span), 'link')}`);
  }

  lineOf(target) {
    const node = target.closest('.line');
    return node ? this.lines[Number(node.dataset.index)] : null;
  }

  clicked(event) {
    const line = this.lineOf(event.target);
    if (!line) return;
    if (event.target.closest('a')) {
      if (line.link.trace_id !== this.host.model.trace_id) return;
      event.preventDefault();
    }
    const what = event.target.closest('[data-do]')?.dataset.do;
    if (what === 'fold' && line.span.children.length) this.fold(line.span);
    else if (what === 'links') this.links(line.span);
    else if (line.link) this.host.follow(line.link);
    else this.host.select(line.span);
  }

  fold(span, open) {
    this.host.folding.toggle(span, open);
    this.focusKey = span.id;
    this.reflow();
    this.focus(span.id);
  }

  links(span) {
    this.host.folding.toggleLinks(span);
    this.reflow();
    this.focus(span.id);
  }

  /** Brings a line into sight and focuses it. */
  focus(key) {
    const i = this.index.get(key);
    if (i === undefined) return;
    const before = this.drawn.get(this.index.get(this.focusKey));
    if (before) before.node.tabIndex = -1;
    this.focusKey = key;
    const [top, height] = [i * LINE, this.node.clientHeight - this.host.covered()];
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + LINE > this.node.scrollTop + height) this.node.scrollTop = top + LINE - height;
    this.update();
    const node = this.drawn.get(i)?.node;
    if (!node) return;
    node.tabIndex = 0;
    node.focus({ preventScroll: true });
  }

  get focused() {
    return this.lines[this.index.get(this.focusKey) ?? 0];
  }

  /** Focus moves by lines. */
  move(step) {
    const i = (this.index.get(this.focusKey) ?? 0) + (this.node.contains(document.activeElement) ? step : 0);
    this.focus(this.lines[Math.max(0, Math.min(this.lines.length - 1, i))]?.key);
  }

  /** Left: close, or go to the parent. Right: open, or go to the first child. */
  sideways(direction) {
    const line = this.focused;
    if (!line) return;
    const { span } = line;
    const isClosed = this.host.folding.closed.has(span.id);
    if (line.link) this.focus(span.id);
    else if (direction < 0 && (isClosed || !span.children.length)) this.focus(span.parent?.id);
    else if (direction < 0) this.fold(span, false);
    else if (isClosed) this.fold(span, true);
    else this.focus(span.children[0]?.id);
  }
}

// The tree of a trace against time. Long traces are windowed: only the lines in sight are in the
// document, so that a trace of any length opens and scrolls at once. Short ones are there whole,
// for the browser's own search and for screen readers.

import { duration, plural, shortId } from './format.js';
import { el, icon, perFrame, series, setStyle, srOnly, svg, tracePath } from './lib.js';
import { linkCount, linksOf, remarksOf } from './model.js';
import { bar, barLabel, barWords, labelWidth, marks, place } from './timeline.js';

/** Height of a line in CSS pixels; the same in trace.css. */
const LINE = 26;
const WHOLE = 400;
const AHEAD = 20;

/**
 * The treegrid. `host`: `{ model, scale, folding, select(span), follow(link), matches, stepsOf(span),
 * axis }`.
 */
export class Waterfall {
  constructor(host) {
    this.host = host;
    this.drawn = new Map();
    this.focusKey = null;
    this.arrows = svg('svg', { class: 'arrows', 'aria-hidden': 'true' });
    this.body = el('div', { class: 'lines', role: 'rowgroup' });
    this.node = el(
      'div',
      { class: 'waterfall', role: 'treegrid', 'aria-label': 'Spans of the trace', 'aria-colcount': 2 },
      this.body,
    );
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
        setStyle(entry.node, { top: `${i * LINE}px` });
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
    const match = matches && (matches.has(span.id) ? 'match' : 'dim');
    const remarks = remarksOf(span);
    node.className = ['line span', span.isError && 'has-error', match].filter(Boolean).join(' ');
    node.dataset.span = span.id;
    node.setAttribute('aria-selected', String(selected === span));
    if (span.children.length) node.setAttribute('aria-expanded', String(!folding.closed.has(span.id)));
    else node.removeAttribute('aria-expanded');
    node.replaceChildren(
      el(
        'div',
        { class: 'name', role: 'gridcell', 'data-series': series(span.service) },
        el(
          'span',
          { class: `fold${span.children.length ? '' : ' leaf'}`, 'data-do': 'fold', 'aria-hidden': 'true' },
          span.children.length ? (folding.closed.has(span.id) ? '▸' : '▾') : '',
        ),
        el('span', { class: 'swatch' }),
        el('span', { class: `span-service${span.parent?.service === span.service ? ' same' : ''}` }, span.service),
        ' ',
        el('span', { class: 'span-name' }, span.name || '(no name)'),
        span.instance && el('span', { class: 'instance' }, ` ${span.instance}`),
        span.batch_size > 1 && el('span', { class: 'instance batch' }, plural(span.batch_size, 'message')),
        remarks.length > 0 && el('span', { class: 'remark', title: remarks.join('\n') }, '△', srOnly('remark')),
        span.isError &&
          el(
            'span',
            { class: 'bad flag' },
            icon('⚠', 'error'),
            srOnly('error'),
            span.error_type ? ` ${span.error_type}` : '',
          ),
        linkCount(span) > 0 && this.linkBadge(span),
      ),
      el(
        'div',
        { class: 'time', role: 'gridcell' },
        srOnly(barWords(span)),
        ...bar(span, scale),
        ...marks(span, scale, this.host.stepsOf(span)),
        this.label(span),
      ),
    );
  }

  label(span) {
    const label = barLabel(span, this.host.scale, this.host.axis.width());
    label?.setAttribute('aria-hidden', 'true');
    return label;
  }

  linkBadge(span) {
    const isOpen = this.host.folding.linksOpen.has(span.id);
    return el(
      'button',
      {
        type: 'button',
        class: 'badge',
        tabindex: -1,
        'data-do': 'links',
        'aria-expanded': String(isOpen),
        title: `${isOpen ? 'Hide' : 'Show'} the linked spans`,
      },
      `⇄ ${plural(linkCount(span), 'link')}`,
    );
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

// The lines of the waterfall: spans in tree order, each followed by the spans it is linked with.

// Links are opened at once while there are few of them.
const OPEN_LINKS = 64;

/** Which spans are folded, and whose links are shown. */
export class Folding {
  constructor(model) {
    this.model = model;
    this.closed = new Set();
    this.linksOpen = new Set();
    const linked = model.spans.filter((span) => linkCount(span) > 0);
    const total = linked.reduce((sum, span) => sum + linkCount(span), 0);
    for (const span of linked) if (total <= OPEN_LINKS || linkCount(span) <= 1) this.linksOpen.add(span.id);
  }

  /** `{ span, level, depth }` or `{ span, link, level }`, in the order of the lines. */
  lines() {
    const lines = [];
    const stack = this.model.roots.map((span) => ({ span, level: 1 })).reverse();
    while (stack.length) {
      const { span, level } = stack.pop();
      lines.push({ key: span.id, span, level });
      if (this.linksOpen.has(span.id)) {
        lines.push(...linksOf(span).map((link, i) => ({ key: `${span.id}/${i}`, span, link, level: level + 1 })));
      }
      if (this.closed.has(span.id)) continue;
      for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push({ span: span.children[i], level: level + 1 });
    }
    return lines;
  }

  toggle(span, open = this.closed.has(span.id)) {
    if (open) this.closed.delete(span.id);
    else if (span.children.length) this.closed.add(span.id);
  }

  toggleLinks(span) {
    if (!this.linksOpen.delete(span.id)) this.linksOpen.add(span.id);
  }

  toggleAll(open) {
    this.closed.clear();
    if (!open) for (const span of this.model.spans) if (span.children.length && span.parent) this.closed.add(span.id);
  }

  /** Opens everything above a span, so that it has a line. */
  reveal(span) {
    for (let at = span.parent; at; at = at.parent) this.closed.delete(at.id);
  }
}

// The line of a linked span below the span that has the link: who it is, where in time it lies if
// that is known, and a way to go there. `drawArrows` joins the two.

/** Draws the line. */
function drawLink(node, { span, link }, { model, scale, axis }) {
  node.className = `line link ${link.direction}`;
  node.dataset.link = `${link.trace_id}/${link.span_id}`;
  const target = times(link, model);
  const seen = inSight(target, scale);
  const ghost = seen && place(scale, seen.start_ns, seen.end_ns);
  node.replaceChildren(
    el(
      'div',
      { class: 'name', role: 'gridcell' },
      el('span', { class: 'fold leaf' }),
      el('span', { class: 'way' }, icon(WAYS[link.direction][0], 'way-icon'), ` ${WAYS[link.direction][1]}`),
      link.service && el('span', { class: 'swatch', 'data-series': series(link.service) }),
      link.service && el('span', { class: 'span-service' }, link.service),
      ' ',
      el(
        'a',
        { href: tracePath(link.trace_id, link.span_id), tabindex: -1, class: 'link-name' },
        link.name ?? `span ${link.span_id}`,
      ),
      link.batch_size > 1 && el('span', { class: 'instance batch' }, plural(link.batch_size, 'message')),
    ),
    el(
      'div',
      { class: 'time', role: 'gridcell' },
      ghost && el('span', { class: 'ghost', style: ghost, 'data-series': series(link.service ?? '') }),
      drawWhere(span, link, target, { model, scale, width: axis.width() }),
    ),
  );
}

const WAYS = { to: ['→', 'links to'], from: ['←', 'linked from'], both: ['⇄', 'linked with'] };

/** Where and when the linked span was: in as many words as there is room for. */
function drawWhere(span, link, target, { model, scale, width }) {
  const seen = inSight(target, scale);
  const [whole, ...shorter] = whereOf(span, link, target, model);
  const spots = [whole, ...shorter].map((words) => [words, wordsAt(span, seen, scale, width, labelWidth(words))]);
  const [words, style] = spots.find(([, spot]) => spot) ?? [shorter[shorter.length - 1] ?? whole, { left: '0' }];
  return el('span', { class: 'link-where', style, title: whole }, words);
}

/** After the linked span's bar or before it, where there is room for words so wide; or else null. */
function wordsAt(span, seen, scale, width, need) {
  const own = clamp(scale.at(span.start_ns));
  const [start, end] = seen ? [clamp(scale.at(seen.start_ns)), clamp(scale.at(seen.end_ns))] : [own, own];
  const gap = seen ? 8 : 30;
  if ((1 - end) * width + 16 >= need + gap) return { left: `calc(${(100 * end).toFixed(3)}% + ${gap}px)` };
  if (start * width >= need + gap) return { right: `calc(${(100 * (1 - start)).toFixed(3)}% + ${gap}px)` };
  // In the middle of a bar that is wider than they are.
  return (end - start) * width > need ? { left: `calc(${(100 * start).toFixed(3)}% + 8px)` } : null;
}

/** Where an arrow ends on this line, as a share of the window; null when that time is not in it. */
function anchorOf(link, { model, scale }) {
  const target = inSight(times(link, model), scale);
  return target && clamp(scale.at(target.start_ns));
}

/** The linked span's time, from the start of this trace, or null when it is not known. */
function times(link, model) {
  const held = link.trace_id === model.trace_id ? model.byId.get(link.span_id) : null;
  if (held) return held;
  if (typeof link.start_ns !== 'number') return null;
  return { start_ns: link.start_ns, end_ns: link.start_ns + link.duration_ns, duration_ns: link.duration_ns };
}

function inSight(target, scale) {
  return target && scale.at(target.end_ns) >= 0 && scale.at(target.start_ns) <= 1 ? target : null;
}

/** The words, and shorter ones for less room. */
function whereOf(span, link, target, model) {
  const isHere = link.trace_id === model.trace_id;
  const trace = isHere ? 'in this trace' : `in trace ${shortId(link.trace_id)}`;
  if (!link.held) return [`${trace}, not held`, 'not held'];
  if (!target) return [trace, shortId(link.trace_id)];
  const before = span.start_ns - target.start_ns;
  const took = duration(target.duration_ns);
  const since = `${duration(Math.abs(before))} ${before > 0 ? 'before' : 'after'}`;
  return [`${took}, ${since}, ${trace}`, `${took}, ${since}`, took];
}

const clamp = (share) => Math.max(0, Math.min(1, share));

// Arrows between a span and the spans it is linked with, in the direction of the link: from the
// span that has the link to the one it names.

/** Draws the arrows of the lines from `from` to `to` into `picture`. */
function drawArrows(picture, waterfall, from, to) {
  const time = waterfall.body.querySelector('.time');
  const lines = [];
  for (let i = from; i < to; i += 1) if (waterfall.lines[i].link) lines.push(i);
  picture.toggleAttribute('hidden', !lines.length || !time);
  if (!lines.length || !time) return;
  const width = time.clientWidth;
  const top = from * LINE;
  setStyle(picture, {
    left: `${time.offsetLeft}px`,
    top: `${top}px`,
    width: `${width}px`,
    height: `${(to - from) * LINE}px`,
  });
  picture.replaceChildren(heads(), ...lines.map((i) => arrow(waterfall, i, width, top)));
}

function arrow(waterfall, i, width, top) {
  const { host, index, lines } = waterfall;
  const { span, link } = lines[i];
  const own = Math.max(0, Math.min(1, host.scale.at(span.start_ns)));
  const x = Math.min(width - 30, own * width) + 5;
  const y = (index.get(span.id) + 0.5) * LINE - top + 7;
  const farY = (i + 0.5) * LINE - top;
  const anchor = anchorOf(link, host);
  const d = route({ x, y }, { x: anchor === null ? x + 18 : anchor * width, y: farY }, link.direction !== 'from');
  return svg('path', { class: `arrow ${link.direction}`, d, 'marker-end': 'url(#head)' });
}

/** Down along the span's own time, then across to the other's; straight where the two are close. */
function route(own, far, isOut) {
  if (Math.abs(far.x - own.x) < 12) {
    return isOut ? `M${own.x},${own.y}V${far.y - 7}` : `M${own.x},${far.y - 7}V${own.y + 2}`;
  }
  const corner = far.x > own.x ? 5 : -5;
  return isOut
    ? `M${own.x},${own.y}V${far.y - 5}q0,5 ${corner},5H${far.x - Math.sign(corner) * 2}`
    : `M${far.x},${far.y}H${own.x + corner}q${-corner},0 ${-corner},-5V${own.y + 2}`;
}

function heads() {
  return svg(
    'defs',
    {},
    svg(
      'marker',
      { id: 'head', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
      svg('path', { class: 'arrow-head', d: 'M0,0L8,4L0,8z' }),
    ),
  );
}

// Actors as lanes: who did what when, and who sent it. Bars that overlap in a lane are stacked; an
// upright arrow goes from the sender to the receiver at the moment the message was sent, and the
// hatched part of a bar is the time in the mailbox.

import { duration, plural } from './format.js';
import { el, perFrame, series, setStyle, srOnly, svg } from './lib.js';
import { linkCount } from './model.js';
import { marks, place } from './timeline.js';

const ROW = 22;
const PAD = 5;
/** Up to so many spans all bars are in the document; of more, those in sight. */
const WHOLE = 400;
const AHEAD = 300;
/** The least width of a bar in CSS pixels; the same in trace.css. */
const LEAST = 4;
const MOST_BARS = 4000;
const MOST_ARROWS = 400;

/** The lanes. `host` as for the waterfall. */
export class Lanes {
  constructor(host) {
    this.host = host;
    Object.assign(this, lanesOf(host.model));
    this.bars = new Map();
    this.focusId = host.selected?.id ?? host.model.spans[0]?.id;
    this.arrows = svg('svg', { class: 'sendings', 'aria-hidden': 'true' });
    this.inner = el('div', { class: 'lanes-inner', role: 'rowgroup' });
    this.node = el(
      'div',
      { class: 'lanes', role: 'grid', 'aria-label': 'Actors as lanes', 'aria-rowcount': this.lanes.length },
      this.inner,
    );
    this.refresh = perFrame(() => this.update());
    this.isWhole = host.model.spans.length <= WHOLE;
    const scrolled = perFrame(() => this.fill());
    this.node.addEventListener('scroll', () => this.isWhole || scrolled(), { passive: true });
    this.inner.addEventListener('click', (event) => {
      const span = this.spanOf(event.target);
      if (span) host.select(span);
    });
    this.inner.addEventListener('dblclick', (event) => {
      const span = this.spanOf(event.target);
      if (span) host.scale.fit(span);
    });
    this.inner.addEventListener('focusin', (event) => {
      this.focusId = this.spanOf(event.target)?.id ?? this.focusId;
    });
    this.build();
  }

  close() {}

  spanOf(target) {
    const node = target.closest('[data-span]');
    return node ? this.host.model.byId.get(node.dataset.span) : null;
  }

  build() {
    let top = 0;
    for (const lane of this.lanes) {
      lane.top = top;
      lane.height = lane.rows * ROW + 2 * PAD;
      top += lane.height;
      lane.drawn = new Map();
      lane.inRow = Array.from({ length: lane.rows }, () => []);
      for (const span of lane.spans) lane.inRow[this.rowOf.get(span.id)].push(span);
      lane.track = el('div', { class: 'lane-track', role: 'presentation' });
      lane.node = el(
        'div',
        {
          class: `lane${lane.isActor ? ' actor' : ''}${lane.rows > 1 ? ' tall' : ''}`,
          role: 'row',
          style: { height: `${lane.height}px` },
        },
        el(
          'div',
          {
            class: 'lane-title',
            role: 'rowheader',
            'data-series': series(lane.service),
            title: [lane.title, lane.instance].filter(Boolean).join(' '),
          },
          el('span', { class: 'swatch' }),
          el(
            'span',
            { class: 'lane-words' },
            el('span', { class: 'lane-actor' }, lane.title),
            lane.instance && el('span', { class: 'instance' }, ` ${lane.instance}`),
            el('span', { class: 'lane-service' }, `${lane.service}, ${plural(lane.spans.length, 'span')}`),
          ),
        ),
        lane.track,
      );
      this.inner.append(lane.node);
    }
    setStyle(this.arrows, { height: `${top}px` });
    // Before the lanes, so that bars lie over the arrows that pass them.
    this.inner.prepend(this.arrows);
    this.note = el(
      'p',
      { class: 'lanes-note soft', hidden: true, 'aria-hidden': 'true' },
      'Not every bar in sight is drawn: zoom in.',
    );
    this.node.append(this.note);
  }

  /** Draws all anew: after a zoom, a search or a selection. */
  update() {
    const hadFocus = this.inner.contains(document.activeElement);
    this.bars.clear();
    for (const lane of this.lanes) {
      lane.drawn.clear();
      lane.track.replaceChildren();
    }
    this.fill();
    this.drawArrows();
    if (hadFocus) this.bars.get(this.focusId)?.focus({ preventScroll: true });
  }

  /** Draws the rows that have come into sight, and lets go of those that have left it. */
  fill() {
    const from = this.isWhole ? 0 : this.node.scrollTop - AHEAD;
    const to = this.isWhole ? Infinity : this.node.scrollTop + this.node.clientHeight + AHEAD;
    for (const lane of this.lanes) {
      const first = Math.max(0, Math.floor((from - lane.top - PAD) / ROW));
      const last = Math.min(lane.rows - 1, Math.ceil((to - lane.top - PAD) / ROW));
      for (const [row, nodes] of lane.drawn) {
        if ((row >= first && row <= last) || nodes.includes(document.activeElement)) continue;
        this.clear(lane, row);
      }
      for (let row = first; row <= last; row += 1) if (!lane.drawn.has(row)) this.drawRow(lane, row);
    }
    this.note.hidden = this.bars.size < MOST_BARS;
  }

  drawRow(lane, row) {
    const nodes = [];
    for (const span of this.toDraw(lane.inRow[row])) {
      if (this.bars.size >= MOST_BARS) break;
      nodes.push(...this.bar(span));
    }
    lane.drawn.set(row, nodes);
    lane.track.append(...nodes);
  }

  clear(lane, row) {
    for (const node of lane.drawn.get(row) ?? []) {
      if (node.dataset.span) this.bars.delete(node.dataset.span);
      node.remove();
    }
    lane.drawn.delete(row);
  }

  /** The spans of a row that are in the stretch of time, but for those that the bar before them covers. */
  toDraw(spans) {
    if (this.isWhole) return spans;
    const { axis, scale, selected } = this.host;
    const width = axis.width();
    let covered = -1;
    return spans.filter((span) => {
      if (!this.isInTime(span)) return false;
      const start = Math.max(0, scale.at(span.sent_ns)) * width;
      const end = scale.at(span.end_ns) * width;
      const isKept = span.id === this.focusId || span === selected || end > covered;
      if (isKept) covered = Math.max(covered, start + LEAST, end);
      return isKept;
    });
  }

  /** Whether any of the span is in the stretch of time on screen. */
  isInTime(span) {
    const { scale } = this.host;
    return scale.at(span.end_ns) >= 0 && scale.at(span.sent_ns) <= 1;
  }

  bar(span) {
    const { scale, selected, matches } = this.host;
    const top = `${PAD + this.rowOf.get(span.id) * ROW}px`;
    const parts = [];
    const wait = span.wait_ns > 0 ? place(scale, span.sent_ns, span.start_ns) : null;
    if (wait) parts.push(el('span', { class: 'wait', style: { ...wait, top }, 'data-series': series(span.service) }));
    const box = place(scale, span.start_ns, span.end_ns);
    if (!box) return parts;
    const waited = span.wait_ns ? `, ${duration(span.wait_ns)} in the mailbox` : '';
    const node = el(
      'button',
      {
        type: 'button',
        role: 'gridcell',
        tabindex: span.id === this.focusId ? 0 : -1,
        'data-span': span.id,
        'data-series': series(span.service),
        class: `lane-bar${span.isError ? ' failed' : ''}${matches && !matches.has(span.id) ? ' dim' : ''}`,
        'aria-selected': String(selected === span),
        style: { ...box, top },
        title: `${span.name}: ${duration(span.duration_ns)}${waited}`,
      },
      span.isError ? '⚠ ' : '',
      shortName(span),
      linkCount(span) > 0 && ' ⇄',
      srOnly(`, ${duration(span.duration_ns)}${span.isError ? ', error' : ''}`),
    );
    this.bars.set(span.id, node);
    const marked = marks(span, scale, this.host.stepsOf(span));
    for (const mark of marked) setStyle(mark, { '--top': top });
    return [...parts, node, ...marked];
  }

  drawArrows() {
    const { model, selected, scale } = this.host;
    const isMessage = (span) => span.parent && this.laneOf.get(span.id) !== this.laneOf.get(span.parent.id);
    this.messages ??= model.spans.filter(isMessage);
    const { messages } = this;
    const isNear = (span) => selected && (span === selected || span.parent === selected);
    const few = messages.length <= MOST_ARROWS ? messages : messages.filter(isNear);
    const shown = few.filter((span) => scale.at(span.sent_ns) >= 0 && scale.at(span.sent_ns) <= 1);
    this.arrows.replaceChildren(
      svg(
        'defs',
        {},
        svg(
          'marker',
          {
            id: 'sending-head',
            viewBox: '0 0 8 8',
            refX: 7,
            refY: 4,
            markerWidth: 7,
            markerHeight: 7,
            markerUnits: 'userSpaceOnUse',
            orient: 'auto',
          },
          svg('path', { class: 'sending-head', d: 'M0,0L8,4L0,8z' }),
        ),
      ),
      ...shown.map((span) => this.arrow(span, isNear(span))),
    );
  }

  arrow(span, isNear) {
    const x = `${(100 * this.host.scale.at(span.sent_ns)).toFixed(3)}%`;
    const [from, to] = [this.middle(span.parent), this.middle(span)];
    const down = to > from ? 1 : -1;
    return svg('line', {
      class: `sending${isNear ? ' near' : ''}`,
      x1: x,
      x2: x,
      y1: from + down * 9,
      y2: to - down * 9,
      'marker-end': 'url(#sending-head)',
    });
  }

  middle(span) {
    return this.laneOf.get(span.id).top + PAD + (this.rowOf.get(span.id) + 0.5) * ROW - 1;
  }

  /** Focuses a span's bar, and brings it into sight. */
  focus(id = this.focusId) {
    const span = this.host.model.byId.get(id);
    if (!span) return;
    const before = this.bars.get(this.focusId);
    if (before) before.tabIndex = -1;
    this.focusId = id;
    if (!this.isWhole) {
      const [top, height] = [this.middle(span) - ROW, this.node.clientHeight - this.host.covered()];
      if (top < this.node.scrollTop) this.node.scrollTop = top;
      else if (top + 2 * ROW > this.node.scrollTop + height) this.node.scrollTop = top + 2 * ROW - height;
      this.fill();
      if (!this.bars.has(id)) this.drawAgain(span);
    }
    const node = this.bars.get(id);
    if (!node) return;
    node.tabIndex = 0;
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  /** Draws the row of a span that another covers, or that lies outside the stretch of time. */
  drawAgain(span) {
    const lane = this.laneOf.get(span.id);
    if (!this.isInTime(span)) this.host.scale.fit(span);
    this.clear(lane, this.rowOf.get(span.id));
    this.drawRow(lane, this.rowOf.get(span.id));
  }

  get focused() {
    const span = this.host.model.byId.get(this.focusId);
    return span ? { key: span.id, span } : null;
  }

  /** Up and down: the span nearest in time in the next lane. */
  move(step) {
    const span = this.focused?.span;
    if (!span || !this.inner.contains(document.activeElement)) return this.focus(this.focusId);
    const at = this.lanes.indexOf(this.laneOf.get(span.id)) + step;
    const lane = this.lanes[Math.max(0, Math.min(this.lanes.length - 1, at))];
    const near = (other) => Math.abs(other.start_ns - span.start_ns);
    const next = lane.spans
      .filter((other) => this.isInTime(other))
      .reduce((best, other) => (!best || near(other) < near(best) ? other : best), null);
    if (next) this.focus(next.id);
  }

  /** Left and right: earlier and later in the lane. */
  sideways(direction) {
    const span = this.focused?.span;
    if (!span) return;
    const spans = this.laneOf.get(span.id).spans.filter((other) => this.isInTime(other));
    const next = spans[spans.indexOf(span) + direction];
    if (next) this.focus(next.id);
  }
}

/** In the lane of its actor a message needs no more than its own name. */
function shortName(span) {
  const words = span.name.split(' ');
  const isOfActor = span.actor && words.length > 2 && words[1] === span.actor;
  return isOfActor ? words.slice(2).join(' ') : span.name;
}

// Which lane a span belongs to, and how spans that overlap are stacked in it.

/**
 * Lanes in order of first sight, service by service: one for each actor (of each instance, where
 * the spans tell), and for what a service does outside its actors one for each kind of work.
 * A lane: `{ service, title, instance, isActor, spans, rows }`; `rowOf` gives a span's row.
 */
export function lanesOf(model) {
  const lanes = new Map();
  const laneOf = new Map();
  for (const span of [...model.spans].sort((a, b) => a.sent_ns - b.sent_ns || b.duration_ns - a.duration_ns)) {
    const title = span.actor ?? workOf(span);
    const key = JSON.stringify([span.service, Boolean(span.actor), title, span.instance]);
    if (!lanes.has(key)) {
      lanes.set(key, {
        key,
        service: span.service,
        title,
        instance: span.instance,
        isActor: Boolean(span.actor),
        spans: [],
      });
    }
    lanes.get(key).spans.push(span);
    laneOf.set(span.id, lanes.get(key));
  }
  const services = [...new Set([...lanes.values()].map(({ service }) => service))];
  const ordered = services.flatMap((service) => [...lanes.values()].filter((lane) => lane.service === service));
  const rowOf = new Map();
  for (const lane of ordered) lane.rows = stack(lane.spans, rowOf);
  return { lanes: ordered, laneOf, rowOf };
}

function workOf(span) {
  const database = span.attributes.find(({ key }) => key === 'db.system.name' || key === 'db.system');
  if (database) return `database ${database.value}`;
  const titles = {
    server: 'requests served',
    client: 'requests made',
    producer: 'messages sent',
    consumer: 'messages received',
  };
  return titles[span.kind] ?? 'other work';
}

// A lane of more overlapping spans than this is no longer readable, nor quickly stacked.
const MOST_ROWS = 200;

/** Each span, in order of start, takes the first row that is free by then. */
function stack(spans, rowOf) {
  const ends = [];
  for (const span of spans) {
    let row = ends.findIndex((end) => end <= span.sent_ns);
    if (row < 0) row = Math.min(ends.length, MOST_ROWS - 1);
    ends[row] = span.end_ns;
    rowOf.set(span.id, row);
  }
  return ends.length;
}

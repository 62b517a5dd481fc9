// Time on screen: the axis over the chart, the whole trace in a strip, a span's bar.

import { duration, plural } from './format.js';
import { el, perFrame, series, setStyle } from './lib.js';
import { depthFirst, isException } from './model.js';

// The time axis over the chart, its grid lines, and the divider between names and times.

const LABEL_PX = 110;
const NARROWEST = 120;

/**
 * `node` goes above the chart, `lines` behind it; `draw()` after a zoom or a resize; `call(what)`
 * names what the lines are; `width()` of the times, in pixels.
 */
export function timeAxis(scale, panes) {
  const ticks = el('div', { class: 'ticks' });
  const rules = el('div', {});
  const lines = el('div', { class: 'gridlines', 'aria-hidden': 'true' }, rules);
  const name = el('span', {});
  const node = el('div', { class: 'axis' }, el('div', { class: 'axis-name' }, name, divider(panes)), ticks);
  const draw = () => {
    const times = scale.ticks(Math.floor(ticks.clientWidth / LABEL_PX)).filter(({ at }) => at < 0.97);
    ticks.replaceChildren(
      ...times.map(({ at, label }) => el('span', { class: 'tick num', style: { left: `${100 * at}%` } }, label)),
    );
    rules.replaceChildren(...times.map(({ at }) => el('span', { class: 'gridline', style: { left: `${100 * at}%` } })));
  };
  const call = (what) => {
    name.textContent = what;
  };
  return { node, lines, draw, call, width: () => ticks.clientWidth };
}

function divider(panes) {
  const node = el('div', {
    class: 'divider',
    role: 'separator',
    tabindex: 0,
    'aria-orientation': 'vertical',
    'aria-label': 'Width of the names',
  });
  const set = (px) => {
    const width = Math.round(Math.max(NARROWEST, Math.min(panes.clientWidth * 0.75, px)));
    setStyle(panes, { '--names': `${width}px` });
    node.setAttribute('aria-valuenow', String(width));
    panes.dispatchEvent(new Event('resized'));
  };
  const width = () => node.parentElement.getBoundingClientRect().width;
  // How wide the names are is known once they are laid out.
  requestAnimationFrame(() => node.isConnected && node.setAttribute('aria-valuenow', String(Math.round(width()))));
  node.addEventListener('pointerdown', (event) => {
    node.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  node.addEventListener('pointermove', (event) => {
    if (node.hasPointerCapture(event.pointerId)) set(event.clientX - panes.getBoundingClientRect().left);
  });
  node.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -20, ArrowRight: 20 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    set(width() + step);
  });
  return node;
}

// The whole trace in a strip, with the stretch on screen marked; dragging over it zooms. The keys
// + - 0 z and the buttons do the same, so the strip is hidden from screen readers.

const HEIGHT = 44;

/** `node`, and `draw()` for when the window or the theme has changed. */
export function minimap(model, scale) {
  const canvas = el('canvas', { height: HEIGHT });
  const shown = el('div', { class: 'shown' });
  const drag = el('div', { class: 'drag', hidden: true });
  const probe = el('span', { class: 'probe' });
  const node = el(
    'div',
    { class: 'minimap', 'aria-hidden': 'true', title: 'Drag to zoom, double-click for everything' },
    canvas,
    shown,
    drag,
    probe,
  );
  const paint = perFrame(() => paintSpans(canvas, probe, model));
  const draw = () => {
    const whole = scale.last - scale.first;
    setStyle(shown, {
      left: `${(100 * (scale.start - scale.first)) / whole}%`,
      width: `${(100 * (scale.end - scale.start)) / whole}%`,
    });
    shown.hidden = scale.isWhole;
  };
  const resized = new ResizeObserver(paint);
  resized.observe(node);
  addEventListener('themechange', paint);
  startDrag(node, drag, scale);
  return {
    node,
    draw,
    close: () => {
      resized.disconnect();
      removeEventListener('themechange', paint);
    },
  };
}

function startDrag(node, drag, scale) {
  let from = null;
  const share = (event) => {
    const box = node.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  node.addEventListener('pointerdown', (event) => {
    from = share(event);
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener('pointermove', (event) => {
    if (from === null) return;
    const to = share(event);
    drag.hidden = false;
    setStyle(drag, { left: `${100 * Math.min(from, to)}%`, width: `${100 * Math.abs(to - from)}%` });
  });
  node.addEventListener('pointerup', (event) => {
    if (from === null) return;
    const to = share(event);
    const [whole, start] = [scale.last - scale.first, from];
    from = null;
    drag.hidden = true;
    if (Math.abs(to - start) > 0.004) {
      scale.show(scale.first + Math.min(start, to) * whole, scale.first + Math.max(start, to) * whole);
    }
  });
  node.addEventListener('dblclick', () => scale.whole());
}

function paintSpans(canvas, probe, model) {
  const width = canvas.parentElement?.clientWidth ?? 0;
  if (!width) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const colors = new Map();
  const lines = depthFirst(model.roots);
  const [height, whole] = [HEIGHT - 8, model.endNs - model.startNs];
  const thick = Math.max(1, Math.min(4, height / lines.length - 0.5));
  lines.forEach((span, i) => {
    if (!colors.has(span.service)) colors.set(span.service, colorOf(probe, span.service));
    pen.fillStyle = colors.get(span.service);
    const x = ((span.start_ns - model.startNs) / whole) * width;
    pen.fillRect(x, 4 + (height * i) / lines.length, Math.max(1, (span.duration_ns / whole) * width), thick);
  });
}

function colorOf(probe, service) {
  probe.dataset.series = series(service);
  return getComputedStyle(probe).color;
}

// A span's bar: where it lies, its hatched mailbox wait, and how it says that it failed.

const pct = (share) => `${(100 * share).toFixed(4)}%`;

/** Left edge and width of a stretch of time, cut to the window; null when outside. */
export function place(scale, from, to) {
  const left = scale.at(from);
  const right = scale.at(to);
  if (right < 0 || left > 1) return null;
  const [start, end] = [Math.max(0, left), Math.min(1.004, right)];
  return { left: pct(start), width: pct(end - start) };
}

/** The parts of a bar that are in the window: the wait, and the span itself. */
export function bar(span, scale) {
  const parts = [];
  const wait = span.wait_ns > 0 ? place(scale, span.sent_ns, span.start_ns) : null;
  if (wait) parts.push(el('span', { class: 'wait', style: wait, 'data-series': series(span.service) }));
  const box = place(scale, span.start_ns, span.end_ns);
  if (box) {
    parts.push(
      el('span', { class: `bar${span.isError ? ' failed' : ''}`, style: box, 'data-series': series(span.service) }),
    );
  }
  return parts;
}

/** Where events lie closer than this share of the window, one mark stands for them. */
const MARK_APART = 0.004;
/** Where steps of the critical path lie closer than this share of it, one line stands for them. */
const STEPS_APART = 0.001;

/**
 * The marks of a span's events, exceptions told apart, of its log records, and what is on the critical
 * path of the span (`steps`, if any). The details say all that the marks say.
 */
export function marks(span, scale, steps) {
  return [...pathMarks(steps ?? [], scale), ...eventMarks(span, scale), ...logMarks(span, scale)];
}

function pathMarks(steps, scale) {
  return gatherSteps(steps, scale).flatMap(({ kind, from, to }) => {
    const box = place(scale, from, to);
    return box ? [el('span', { class: `on-path is-${kind}`, style: box })] : [];
  });
}

/**
 * A span's steps on the critical path as they are drawn, `{ kind, from, to }` by the clock of the
 * span: steps of one kind that no pixel lies between are one, for a span with 20,000 children has as
 * many steps.
 */
export function gatherSteps(steps, scale) {
  const apart = STEPS_APART * (scale.end - scale.start);
  const gathered = [];
  const lasts = new Map();
  for (const { kind, from, to, shift } of steps) {
    if (kind === 'after') continue;
    const last = lasts.get(kind);
    if (last && from - shift - last.to < apart) last.to = Math.max(last.to, to - shift);
    else {
      const next = { kind, from: from - shift, to: to - shift };
      lasts.set(kind, next);
      gathered.push(next);
    }
  }
  return gathered;
}

/** Events or log records that lie on one another on screen, as `{ at, events }`. */
export function gatherEvents(events, scale) {
  const groups = [];
  const inSight = events.map((event) => [scale.at(event.at_ns), event]).filter(([at]) => at >= 0 && at <= 1);
  for (const [at, event] of inSight.sort(([a], [b]) => a - b)) {
    const last = groups[groups.length - 1];
    if (last && at - last.at < MARK_APART) last.events.push(event);
    else groups.push({ at, events: [event] });
  }
  return groups;
}

function eventMarks(span, scale) {
  return gatherEvents(span.events, scale).map(({ at, events }) => {
    const words = events.map((event) => `${event.name || '(no name)'} at ${duration(event.at_ns)}`);
    return el('span', {
      class: `event-mark${events.some(isException) ? ' exception' : ''}`,
      style: { left: pct(at) },
      title: words.slice(0, 8).join('\n') + (words.length > 8 ? `\nand ${words.length - 8} more` : ''),
    });
  });
}

/** A record stands where it happened, whether its span ran then or not. */
function logMarks(span, scale) {
  return gatherEvents(span.logs, scale).map(({ at, events }) => {
    const words = events.map(
      ({ level, text, at_ns: after }) => `${level || 'log'} at ${duration(after)}: ${text.slice(0, 200)}`,
    );
    const worst = events.reduce((most, record) => (record.severity > most.severity ? record : most));
    return el('span', {
      class: `log-mark at-${worst.level || 'unset'}`,
      style: { left: pct(at) },
      title: words.slice(0, 8).join('\n') + (words.length > 8 ? `\nand ${words.length - 8} more` : ''),
    });
  });
}

/** Width of words in the size of labels, about, with the room around them. */
export const labelWidth = (words) => 6.2 * words.length + 14;

/** The duration beside the bar, on the side that has room; `width` of the chart in pixels. */
export function barLabel(span, scale, width) {
  const words = duration(span.duration_ns);
  const label = el('span', { class: 'bar-label num' }, words);
  const [left, right] = [scale.at(span.sent_ns), scale.at(span.end_ns)];
  if (right < 0 || left > 1) return null;
  const need = labelWidth(words);
  // Beyond the times there is a margin of 16 pixels.
  if ((1 - right) * width + 16 >= need) setStyle(label, { left: pct(Math.max(0, right)) });
  else if (left * width >= need) setStyle(label, { right: pct(1 - Math.min(1, left)) });
  else label.classList.add('inside');
  return label;
}

/** What a bar shows, in words. */
export function barWords(span) {
  const waited = span.wait_ns ? `, after ${duration(span.wait_ns)} in the mailbox` : '';
  const events = span.events.length ? `, ${plural(span.events.length, 'event')}` : '';
  const logs = span.logs.length ? `, ${plural(span.logs.length, 'log record')}` : '';
  return `${duration(span.duration_ns)} from ${duration(span.start_ns)}${waited}${events}${logs}`;
}

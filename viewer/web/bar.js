// A span's bar: where it lies, its hatched mailbox wait, and how it says that it failed.

import { series } from './colors.js';
import { el, setStyle } from './dom.js';
import { duration } from './format.js';

const pct = (share) => `${(100 * share).toFixed(4)}%`;

/** Left edge and width of a stretch of time, cut to the window; null when outside. */
export function place(scale, from, to) {
  const left = scale.at(from);
  const right = scale.at(to);
  if (right < 0 || left > 1) return null;
  const [start, end] = [Math.max(-0.01, left), Math.min(1.01, right)];
  return { left: pct(start), width: pct(end - start) };
}

/** The parts of a bar that are in the window: the wait, and the span itself. */
export function bar(span, scale) {
  const parts = [];
  const wait = span.wait_ns > 0 ? place(scale, span.sent_ns, span.start_ns) : null;
  if (wait) parts.push(el('span', { class: 'wait', style: wait, 'data-series': series(span.service) }));
  const box = place(scale, span.start_ns, span.end_ns);
  if (box) parts.push(el('span', { class: `bar${span.isError ? ' failed' : ''}`, style: box, 'data-series': series(span.service) }));
  return parts;
}

/** The duration beside the bar, on the side that has room. */
export function barLabel(span, scale) {
  const label = el('span', { class: 'bar-label num' }, duration(span.duration_ns));
  const [left, right] = [scale.at(span.sent_ns), scale.at(span.end_ns)];
  if (right < 0.86 && right > -0.01) setStyle(label, { left: pct(Math.max(0, right)) });
  else if (left > 0.14 && left < 1.01) setStyle(label, { right: pct(1 - Math.min(1, left)) });
  else if (right >= 0 && left <= 1) label.classList.add('inside');
  else return null;
  return label;
}

/** What a bar shows, in words. */
export function barWords(span) {
  return `${duration(span.duration_ns)} from ${duration(span.start_ns)}${span.wait_ns ? `, after ${duration(span.wait_ns)} in the mailbox` : ''}`;
}

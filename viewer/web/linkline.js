// The line of a linked span below the span that has the link: who it is, where in time it lies if
// that is known, and a way to go there. arrows.js joins the two.

import { series } from './colors.js';
import { el, icon } from './dom.js';
import { duration, shortId } from './format.js';
import { place } from './bar.js';
import { tracePath } from './router.js';

/** Draws the line. */
export function drawLink(node, { span, link }, { model, scale }) {
  node.className = `line link ${link.direction}`;
  node.dataset.link = `${link.trace_id}/${link.span_id}`;
  const target = times(link, model);
  const seen = inSight(target, scale);
  const ghost = seen && place(scale, seen.start_ns, seen.end_ns);
  node.replaceChildren(
    el('div', { class: 'name', role: 'gridcell' },
      el('span', { class: 'fold leaf' }),
      el('span', { class: 'way' }, icon(link.direction === 'to' ? '→' : '←', 'way-icon'), link.direction === 'to' ? ' links to' : ' linked from'),
      link.service && el('span', { class: 'swatch', 'data-series': series(link.service) }),
      link.service && el('span', { class: 'span-service' }, link.service), ' ',
      el('a', { href: tracePath(link.trace_id, link.span_id), tabindex: -1, class: 'link-name' }, link.name ?? `span ${link.span_id}`)),
    el('div', { class: 'time', role: 'gridcell' },
      ghost && el('span', { class: 'ghost', style: ghost, 'data-series': series(link.service ?? '') }),
      el('span', { class: 'link-where', style: wordsAt(span, seen, scale) }, whereOf(span, link, target, model))));
}

/** The words stand after the linked span's bar, or before it, wherever there is room. */
function wordsAt(span, seen, scale) {
  if (!seen) return { left: `calc(${(100 * Math.min(0.7, clamp(scale.at(span.start_ns)))).toFixed(3)}% + 30px)` };
  const [start, end] = [clamp(scale.at(seen.start_ns)), clamp(scale.at(seen.end_ns))];
  if (start === 0 && end === 1) return { left: '40%' };
  if (end < 0.7 || start < 0.35) return { left: `calc(${(100 * Math.min(0.7, end)).toFixed(3)}% + 8px)` };
  return { right: `calc(${(100 * (1 - start)).toFixed(3)}% + 8px)` };
}

/** Where an arrow ends on this line, as a share of the window; null when that time is not in it. */
export function anchorOf(link, { model, scale }) {
  const target = inSight(times(link, model), scale);
  return target && clamp(scale.at(target.start_ns));
}

/** The linked span's time, from the start of this trace, or null when nobody knows. */
function times(link, model) {
  const held = link.trace_id === model.trace_id ? model.byId.get(link.span_id) : null;
  if (held) return held;
  if (typeof link.start_ns !== 'number') return null;
  return { start_ns: link.start_ns, end_ns: link.start_ns + link.duration_ns, duration_ns: link.duration_ns };
}

function inSight(target, scale) {
  return target && scale.at(target.end_ns) >= 0 && scale.at(target.start_ns) <= 1 ? target : null;
}

function whereOf(span, link, target, model) {
  const trace = link.trace_id === model.trace_id ? 'in this trace' : `in trace ${shortId(link.trace_id)}`;
  if (!link.held) return `${trace}, not held`;
  if (!target) return trace;
  const before = span.start_ns - target.start_ns;
  return `${duration(target.duration_ns)}, ${duration(Math.abs(before))} ${before > 0 ? 'before' : 'after'}, ${trace}`;
}

const clamp = (share) => Math.max(0, Math.min(1, share));

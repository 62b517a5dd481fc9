// One row of the trace list.

import { series } from './colors.js';
import { el, icon } from './dom.js';
import { age, count, dateTime, duration, plural } from './format.js';
import { tracePath } from './router.js';

/** The column heads, in the order of the cells. */
export const COLUMNS = ['Started', 'Trace', 'Duration', 'Spans', 'Errors', 'Services'];

/** Draws `trace` into its row. `longest` is the duration that fills the bar. */
export function drawRow(row, trace, longest) {
  row.dataset.trace = trace.trace_id;
  row.classList.toggle('has-error', trace.error_count > 0);
  row.replaceChildren(
    cell('started', el('time', { title: dateTime(trace.start_us), 'data-us': trace.start_us }, age(trace.start_us))),
    cell('trace', name(trace)),
    cell('duration', durationBar(trace, longest)),
    cell('spans num', count(trace.span_count)),
    cell('errors', trace.error_count ? el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${plural(trace.error_count, 'error')}`) : ''),
    cell('services', trace.services.map(service), trace.more_services && el('span', { class: 'soft' }, `+${count(trace.more_services)}`)),
  );
}

function name(trace) {
  return [
    el('a', { href: tracePath(trace.trace_id), tabindex: -1, 'data-series': series(trace.root_service) },
      el('span', { class: 'swatch' }),
      el('span', { class: 'root-service' }, trace.root_service),
      el('span', { class: 'root-name' }, trace.root_name || '(no name)')),
    trace.root_held ? null : el('span', { class: 'tag', title: 'The root span has not come (yet)' }, 'no root'),
    trace.link_count ? el('span', { class: 'tag', title: 'Span links to other spans' }, plural(trace.link_count, 'link')) : null,
  ];
}

function durationBar(trace, longest) {
  // Logarithmic, three decades: one slow trace must not make all others look alike.
  const share = longest ? 100 * Math.max(0.01, 1 + Math.log10(Math.max(1, trace.duration_ns) / longest) / 3) : 0;
  return [
    el('span', { class: 'track', 'aria-hidden': 'true' },
      el('span', { class: 'fill', 'data-series': series(trace.root_service), style: { width: `${share.toFixed(2)}%` } })),
    el('span', { class: 'num' }, duration(trace.duration_ns)),
  ];
}

function service({ name, spans, errors }) {
  return el('span', { class: 'service', 'data-series': series(name), title: `${name}: ${plural(spans, 'span')}${errors ? `, ${plural(errors, 'error')}` : ''}` },
    el('span', { class: 'swatch' }), `${name} `, el('span', { class: 'soft num' }, count(spans)));
}

function cell(classes, ...content) {
  return el('div', { class: `cell ${classes}`, role: 'gridcell' }, ...content);
}

// One row of the list of traces.

import { age, count, dateTime, duration, plural } from './format.js';
import { el, icon, logsPath, series, tagText, tracePath } from './lib.js';

/** How long after its last span a trace without its root is taken to be on its way, in milliseconds. */
const LATE_MS = 60_000;

/** The columns, in the order of the cells; `sort` is what a heading sorts by. */
export const COLUMNS = [
  { name: 'Mark', hidden: true },
  { name: 'Started', sort: 'start' },
  { name: 'Trace' },
  { name: 'Duration', sort: 'duration' },
  { name: 'Spans', sort: 'spans' },
  { name: 'Errors', sort: 'errors' },
  { name: 'Services' },
  { name: 'Actors' },
];

/** Whether the root of a trace can still be expected: spans of it ended just now. */
export function isArriving(trace, nowMs = Date.now()) {
  return !trace.root_held && nowMs - (trace.start_us / 1e3 + trace.duration_ns / 1e6) < LATE_MS;
}

/**
 * Draws `trace` into its row. `longest` is the duration that fills the bar; `isMarked` says whether it
 * is one of the two to be compared, and `searchFor(tag)` is the address of a search with that tag.
 */
export function drawRow(row, trace, { longest, isMarked, searchFor }) {
  row.dataset.trace = trace.trace_id;
  row.setAttribute('aria-selected', String(isMarked));
  row.classList.toggle('has-error', trace.error_count > 0);
  row.replaceChildren(
    cell('mark', mark(trace, isMarked)),
    cell('started', el('time', { title: dateTime(trace.start_us), 'data-us': trace.start_us }, age(trace.start_us))),
    cell('trace', name(trace), chips(trace, searchFor), tags(trace), logged(trace)),
    cell('duration', bar(trace, longest)),
    cell('spans num', count(trace.span_count)),
    cell('errors', errors(trace)),
    cell('services', trace.services.map(service), more(trace.more_services)),
    cell('actors', trace.actors.map(actor), more(trace.more_actors)),
  );
}

function mark(trace, isMarked) {
  return el('input', {
    type: 'checkbox',
    tabindex: -1,
    checked: isMarked,
    'aria-label': `Compare ${trace.root_name || 'this trace'} of ${trace.root_service}`,
    title: 'Compare this trace with another (x)',
  });
}

function name(trace) {
  return el(
    'a',
    { class: 'name', href: tracePath(trace.trace_id), tabindex: -1, 'data-series': series(trace.root_service) },
    el('span', { class: 'swatch' }),
    el('span', { class: 'root-service' }, trace.root_service),
    el('span', { class: 'root-name' }, trace.root_name || '(no name)'),
  );
}

function tags(trace) {
  const why = 'The root of this trace has not come: this is the span of it that starts first';
  return [
    trace.root_held
      ? null
      : el('span', { class: 'tag root-state', title: why }, isArriving(trace) ? 'still arriving' : 'no root'),
    trace.batch_size
      ? el('span', { class: 'tag', title: 'Messages that the batch is made of' }, `batch of ${count(trace.batch_size)}`)
      : null,
    // A batch links to each of its messages.
    trace.link_count && trace.link_count !== trace.batch_size
      ? el('span', { class: 'tag', title: 'Span links to other spans' }, plural(trace.link_count, 'link'))
      : null,
  ];
}

function chips(trace, searchFor) {
  return trace.chips.map(({ key, value, cut }) => {
    const short = key.slice(key.lastIndexOf('.') + 1);
    const words = [el('span', { class: 'soft' }, `${short} `), cut ? `${value}…` : value];
    // Of a value that was cut no search can be made.
    return cut
      ? el('span', { class: 'chip', title: `${key}: ${value}…` }, words)
      : el(
          'a',
          { class: 'chip', tabindex: -1, href: searchFor(tagText(key, value)), title: `Traces with ${key}=${value}` },
          words,
        );
  });
}

function bar(trace, longest) {
  const share = longest ? (100 * trace.duration_ns) / longest : 0;
  return [
    el(
      'span',
      { class: 'track', 'aria-hidden': 'true' },
      el('span', {
        class: 'fill',
        'data-series': series(trace.root_service),
        style: { width: `${share.toFixed(2)}%` },
      }),
    ),
    el('span', { class: 'num' }, duration(trace.duration_ns)),
  ];
}

function errors(trace) {
  if (!trace.error_count) return '';
  return el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${plural(trace.error_count, 'error')}`);
}

/** How many of its log records tell of an error, with the way to them. */
function logged(trace) {
  const failed = trace.logged_error_count;
  return failed
    ? el(
        'a',
        {
          class: 'tag logged',
          tabindex: -1,
          href: logsPath({ traceID: trace.trace_id, severity: 'error' }),
          title: `Of ${plural(trace.log_count, 'log record')}`,
        },
        `${plural(failed, 'error')} logged`,
      )
    : null;
}

function service({ name: service_name, spans, errors: failed }) {
  return el(
    'span',
    {
      class: 'service',
      'data-series': series(service_name),
      title: `${service_name}: ${plural(spans, 'span')}${failed ? `, ${plural(failed, 'error')}` : ''}`,
    },
    el('span', { class: 'swatch' }),
    `${service_name} `,
    el('span', { class: 'soft num' }, count(spans)),
  );
}

function actor({ name: actor_name, spans }) {
  return el(
    'span',
    { class: 'actor', title: `${actor_name}: ${plural(spans, 'span')}` },
    actor_name,
    spans > 1 && el('span', { class: 'soft num' }, ` ${count(spans)}`),
  );
}

function more(unnamed) {
  return unnamed ? el('span', { class: 'soft' }, `+${count(unnamed)}`) : null;
}

function cell(classes, ...content) {
  return el('div', { class: `cell ${classes}`, role: 'gridcell' }, ...content);
}

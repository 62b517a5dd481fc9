// The log records of a trace: as one of the views on its page, beside the details of a span, and where no
// span of the trace is held.

import { fetchTraceLogs } from './api.js';
import { count, duration, plural } from './format.js';
import { Grid } from './grid.js';
import { el, logsPath, replace, series } from './lib.js';
import { ERROR, hangLogs, readLogs } from './log-model.js';
import { level, when } from './log-parts.js';

/** The records of a trace; none when they cannot be had, for the trace is shown without them, too. */
export async function logsOf(traceId, signal) {
  try {
    const { record_count: held, resourceLogs } = await fetchTraceLogs(traceId, signal);
    return { held, records: readLogs(resourceLogs) };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return { held: 0, records: [] };
  }
}

/** Hangs the records on the spans of the model. */
export function withLogs(model, { held, records }) {
  hangLogs(model, records);
  model.logs_not_listed = held - records.length;
  return model;
}

/** How many records there are, for the head of the page; `open()` shows them. */
export function logsFact(model, open) {
  if (!model.logs.length) return null;
  const errors = model.logs.filter(({ severity }) => severity >= ERROR).length;
  const words = [plural(model.logs.length, 'log record'), errors && `${plural(errors, 'error')} logged`];
  return el(
    'button',
    { type: 'button', class: `quiet logs-fact${errors ? ' bad' : ''}`, onclick: open },
    words.filter(Boolean).join(', '),
  );
}

/** The records of one span, for its details. */
export function logSection(span) {
  if (!span.logs.length) return '';
  return el(
    'section',
    {},
    el('h3', {}, `Log records (${count(span.logs.length)})`),
    ...span.logs.slice(0, MOST).map((record) => entry(record, sinceStart(record, span))),
    span.logs.length > MOST &&
      el(
        'p',
        {},
        el(
          'a',
          { href: logsPath({ traceID: span.logs[0].trace_id, spanID: span.id }) },
          `All ${count(span.logs.length)} of them`,
        ),
      ),
  );
}

const MOST = 50;

/** A record in a few lines. `place`: what says where it belongs. */
function entry(record, ...place) {
  return el(
    'div',
    { class: `log-entry at-${record.level || 'unset'}` },
    el('p', {}, level(record), ' ', ...place, ' ', el('a', { href: recordPath(record) }, 'Record')),
    el('p', { class: 'log-text' }, record.text || '(no text)'),
  );
}

/** When it was written, in the time of its span. */
function sinceStart(record, span) {
  const after = record.at_ns - span.start_ns;
  const text = `${after < 0 ? '−' : '+'}${duration(Math.abs(after))}`;
  return el('span', { class: 'soft num', title: 'After the start of the span' }, text);
}

/** The address of a record among the others of its trace. */
const recordPath = (record) => logsPath({ traceID: record.trace_id, record: record.number });

/** What there is of a trace whose spans are not held. */
export function logsWithoutSpans({ held, records }) {
  if (!records.length) return null;
  return el(
    'div',
    { class: 'trace-records' },
    el('h2', {}, `${plural(held, 'log record')} of it came`),
    ...records
      .slice(0, MOST)
      .map((record) =>
        entry(record, el('span', { class: 'soft num' }, when(Number(record.time_ns / 1000n))), ` ${record.service}`),
      ),
    el('p', {}, el('a', { href: logsPath({ traceID: records[0].trace_id }) }, 'All of them on the page of the logs')),
  );
}

/** The columns of the view. */
const COLUMNS = [
  {
    key: 'time',
    title: 'Time',
    hint: 'From the start of the trace',
    width: 96,
    isNumber: true,
    value: ({ at_ns: at }) => at,
    draw: ({ at_ns: at }) => duration(at),
  },
  { key: 'severity', title: 'Severity', width: 84, value: ({ severity }) => severity, draw: level },
  {
    key: 'service',
    title: 'Service',
    width: 130,
    value: ({ service }) => service,
    draw: ({ service }) => [
      el('span', { class: 'swatch', 'data-series': series(service) }),
      el('span', { class: 'grid-text' }, service),
    ],
  },
  {
    key: 'actor',
    title: 'Actor',
    width: 120,
    value: (record) => actorOf(record),
    draw: (record) => el('span', { class: 'grid-text' }, actorOf(record)),
  },
  {
    key: 'text',
    title: 'Record',
    width: 320,
    grows: true,
    value: ({ text }) => text,
    draw: ({ text }) => el('span', { class: 'grid-text', title: text }, text || '(no text)'),
  },
  {
    key: 'span',
    title: 'Span',
    width: 190,
    value: ({ span, span_id: id }) => span?.name ?? id,
    draw: ({ span, span_id: id }) =>
      el('span', { class: `grid-text${span ? '' : ' soft'}` }, span ? span.name : id ? `${id}, not held` : 'no span'),
  },
];

function actorOf({ span }) {
  return span?.actor ? [span.actor, span.instance].filter(Boolean).join(' ') : '';
}

/** The view. `host` as for the waterfall. */
export class LogTable {
  constructor(host) {
    this.host = host;
    this.grid = new Grid({
      label: 'Log records of the trace',
      columns: COLUMNS,
      keyOf: ({ number }) => number,
      open: (record) => this.open(record),
      classOf: ({ span, level: name }) =>
        `log-row at-${name || 'unset'}${span && host.selected === span ? ' selected' : ''}`,
      sorted: host.sorted.logs,
    });
    this.grid.node.classList.add('log-grid');
    this.bar = el('div', { class: 'view-bar' });
    this.node = el('div', { class: 'grid-view' }, this.bar, this.grid.node);
    this.refresh();
  }

  close() {
    this.host.sorted.logs = this.grid.sorted;
    this.grid.close();
  }

  update() {
    this.grid.update();
  }

  refresh() {
    const { model, matches, text } = this.host;
    const wanted = text.toLowerCase();
    const isMeant = (record) =>
      !matches || record.text.toLowerCase().includes(wanted) || (record.span && matches.has(record.span.id));
    const records = model.logs.filter(isMeant);
    if (records.length !== this.grid.given.length || records.some((one, i) => one !== this.grid.given[i])) {
      this.grid.show(records);
    } else this.grid.refresh();
    const all = model.logs.length;
    const label = records.length === all ? plural(all, 'log record') : `${count(records.length)} of ${count(all)}`;
    replace(
      this.bar,
      el('span', { class: 'soft num', role: 'status' }, label),
      model.logs_not_listed > 0 && el('span', { class: 'soft' }, `and ${count(model.logs_not_listed)} earlier ones`),
      el('a', { href: logsPath({ traceID: model.trace_id }) }, 'On the page of the logs'),
    );
  }

  /** To the span of a record; one whose span is not held is shown among all records. */
  open(record) {
    if (record.span) this.host.select(record.span);
    else this.host.go(recordPath(record));
  }

  activate() {
    if (this.grid.focused) this.open(this.grid.focused);
  }

  /** Focuses the first record of a span. */
  focus(id) {
    const first = this.host.model.byId.get(id)?.logs[0]?.number;
    this.grid.focus(this.grid.index.has(first) ? first : undefined);
  }

  get focused() {
    const span = this.grid.focused?.span;
    return span ? { key: span.id, span } : null;
  }

  move(step) {
    this.grid.move(step);
  }

  sideways(direction) {
    this.grid.sideways(direction);
  }
}

// How a log record looks wherever it is shown: its severity, and everything about it.

import { dateTime, plural } from './format.js';
import { el, logsPath, replace, searchPath, tracePath } from './lib.js';
import { ERROR } from './log-model.js';
import { attributeTable, panelHead, scopeLines, section } from './panel.js';

/** From a value of an attribute to the log records and to the traces that have it. */
const FINDS = [
  { what: 'Log records', sign: '⌕', path: logsPath },
  { what: 'Traces', sign: '⇢', path: searchPath },
];

/** The severity in words, coloured. */
export function level({ severity, level: name }) {
  const words = name || 'unset';
  return el('span', { class: `level level-${words}` }, severity >= ERROR ? `⚠ ${words}` : words);
}

/** A moment since the epoch in µs; what has none says so. */
export const when = (us) => (us ? dateTime(us) : 'no time');

/**
 * Draws everything about a record into a panel. `record` is as `readLogs` has it; `row`, if any, what
 * the viewer knows of its span: `{ span_name, actor, trace_held }`. `close()` closes the panel.
 */
export function drawRecord(panel, record, { row = {}, close }) {
  panel.setAttribute('aria-label', `Details of a log record of ${record.service}`);
  const us = (ns) => Number(ns / 1000n);
  const facts = [
    ['Time', when(us(record.time_ns))],
    record.observed_ns && ['Observed', when(us(record.observed_ns))],
    ['Severity', [record.level || 'unset', record.severity ? ` (${record.severity})` : '']],
    record.severity_text && ['Sender’s word', record.severity_text],
    record.event_name && ['Event', record.event_name],
    ['Number', record.number],
  ].filter(Boolean);
  replace(
    panel,
    panelHead(record.service, [level(record), ' Log record'], close),
    record.has_invalid_ids &&
      el('p', { class: 'notice remark-text' }, '△ It names its trace or span by an id that is none.'),
    el('section', {}, el('p', { class: 'log-text' }, record.text || '(no text)')),
    el(
      'section',
      { class: 'facts' },
      el(
        'dl',
        {},
        facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', { class: 'num' }, value))),
      ),
      places(record, row),
    ),
    section('Attributes', attributeTable(record.attributes, FINDS)),
    section('Resource', attributeTable(record.resource.attributes, FINDS)),
    section('Scope', scopeLines(record.scope)),
    section('Lost', [
      record.dropped_attributes > 0 &&
        el('p', { class: 'soft' }, `${plural(record.dropped_attributes, 'attribute')} dropped by the sender`),
      record.cut > 0 && el('p', { class: 'soft' }, `${plural(record.cut, 'value')} cut by the limits of this viewer`),
    ]),
  );
}

/** Where to go from a record: its span, the lane of its actor, all records of its trace. */
function places(record, { span_name: name, actor }) {
  const { trace_id: trace, span_id: span } = record;
  if (!trace) return el('p', { class: 'soft' }, 'It belongs to no trace.');
  return el(
    'div',
    { class: 'actions' },
    el('a', { class: 'button', href: tracePath(trace, span) }, name ? `Span ${name}` : span ? 'Its span' : 'Its trace'),
    actor && el('a', { class: 'button', href: tracePath(trace, span, { view: 'lanes' }) }, `Actor ${actor}`),
    el('a', { class: 'button', href: logsPath({ traceID: trace }) }, 'Records of this trace'),
    el('code', { class: 'soft', title: 'Trace id' }, trace),
  );
}

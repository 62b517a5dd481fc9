// How a log record looks wherever it is shown: its severity, and everything about it.

import { attributeValue, dateTime, plural } from './format.js';
import { el, logsPath, replace, searchPath, series, tagText, tracePath } from './lib.js';
import { ERROR } from './log-model.js';

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
    el(
      'header',
      {},
      el(
        'div',
        {},
        el(
          'span',
          { class: 'service', 'data-series': series(record.service) },
          el('span', { class: 'swatch' }),
          record.service,
        ),
        el('h2', {}, level(record), ' Log record'),
      ),
      el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close the details', onclick: () => close() }, '✕'),
    ),
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
    section('Attributes', table(record.attributes, true)),
    section('Resource', table(record.resource.attributes, true)),
    section('Scope', [
      record.scope.name &&
        el('p', { class: 'scope' }, record.scope.name, ' ', el('span', { class: 'soft' }, record.scope.version)),
      ...table(record.scope.attributes),
    ]),
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

function section(title, content) {
  const present = content.filter(Boolean);
  return present.length ? el('section', {}, el('h3', {}, title), ...present) : '';
}

/** Attributes as a table; with `canSearch` each value leads to the records, and to the traces, that have it. */
function table(attributes, canSearch) {
  if (!attributes.length) return [];
  const rows = attributes.map((attribute) => {
    const value = attributeValue(attribute);
    const isShort = ['string', 'int', 'bool', 'double'].includes(attribute.type) && value.length < 100;
    const find = (href, what, sign) =>
      el(
        'a',
        { class: 'find', href, 'aria-label': `${what} with this ${attribute.key}`, title: `${what} with this value` },
        sign,
      );
    const tags = tagText(attribute.key, value);
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, attribute.key),
      el(
        'td',
        { class: attribute.type },
        value,
        canSearch && isShort && find(logsPath({ tags }), 'Log records', '⌕'),
        canSearch && isShort && find(searchPath({ tags }), 'Traces', '⇢'),
      ),
    );
  });
  return [el('table', { class: 'attributes' }, el('tbody', {}, rows))];
}

// Everything about one span, beside the chart.

import { fetchTrace } from './api.js';
import { count, duration, percent, plural, shortId } from './format.js';
import { announce, el, icon, replace, searchPath, series, tracePath } from './lib.js';
import { isException, linksOf, modelOf, readTrace, remarksOf, selfTime } from './model.js';
import { attributeTable, panelHead, scopeLines, section } from './panel.js';
import { logSection } from './trace-logs.js';

/** From a value of an attribute to the traces that have it. */
const TRACES = [{ what: 'Traces', sign: '⌕', path: searchPath }];

/**
 * Draws the panel of `span`. `host`: `{ model, carried, steps, closing, close(), show(span), fit(span)
 * }`; `steps` is the critical path by span id, `closing` says when the panel shows another span.
 */
export function drawDetails(panel, span, host) {
  const isCarried = ({ key }) => host.carried.has(key);
  panel.setAttribute('aria-label', `Details of ${span.name}`);
  replace(
    panel,
    spanHead(span, () => host.close()),
    span.isError &&
      el(
        'p',
        { class: 'notice' },
        icon('⚠', 'error'),
        ` ${[span.error_type, span.status_message].filter(Boolean).join(': ') || 'The span failed'}`,
      ),
    ...remarksOf(span).map((remark) => el('p', { class: 'notice remark-text' }, icon('△', 'remark'), ` ${remark}`)),
    facts(span, host),
    ...batches(span, host),
    section(
      'Attributes',
      attributeTable(
        span.attributes.filter((attribute) => !isCarried(attribute)),
        TRACES,
      ),
    ),
    section(
      'Carried along',
      attributeTable(span.attributes.filter(isCarried), TRACES),
      'The same on spans of several services: what baggage brought',
    ),
    section(
      `Events (${count(span.events.length)})`,
      span.events.map((event) => drawEvent(event, span)),
    ),
    logSection(span),
    section(
      `Links to (${count(span.links.length)})`,
      span.links.map((link) => drawLink(link, '→', host, link.span_held)),
    ),
    section(
      `Linked from (${count(span.backlink_count)})`,
      [
        ...span.backlinks.map((link) => drawLink(link, '←', host, true)),
        span.backlink_count > span.backlinks.length &&
          el('p', { class: 'soft' }, `and ${count(span.backlink_count - span.backlinks.length)} more`),
      ].filter(Boolean),
    ),
    section('Resource', attributeTable(span.resource?.attributes ?? [])),
    section('Scope', span.scope?.name ? scopeLines(span.scope) : []),
    lost(span),
  );
}

/** The head of a panel about a span: its service, its name, and a button that calls `close`. */
export const spanHead = (span, close) => panelHead(span.service, span.name || '(no name)', close);

function facts(span, host) {
  const onPath = (host.steps.get(span.id) ?? []).reduce((sum, { from, to }) => sum + to - from, 0);
  const rows = [
    ['Start', duration(span.start_ns)],
    ['Duration', duration(span.duration_ns)],
    span.children.length && ['Own time', duration(selfTime(span)), 'Time in which none of its children ran'],
    span.wait_ns !== null && [
      'Mailbox wait',
      duration(span.wait_ns),
      'Before the span: from the sending of the message to its handling',
    ],
    onPath && [
      'On the critical path',
      `${duration(onPath)} (${percent(onPath, host.model.duration_ns)})`,
      'Of the time that the trace took, its own and that of its wait',
    ],
    span.batch_size !== null && ['Serves', plural(span.batch_size, 'message')],
    ['Kind', span.kind],
    ['Status', span.status],
    span.actor && ['Actor', span.instance ? `${span.actor} ${span.instance}` : span.actor],
    span.trace_state && ['Trace state', span.trace_state],
  ].filter(Boolean);
  return el(
    'section',
    { class: 'facts' },
    el(
      'dl',
      {},
      rows.map(([name, value, title]) => el('div', { title }, el('dt', {}, name), el('dd', { class: 'num' }, value))),
    ),
    el(
      'div',
      { class: 'actions' },
      el('button', { type: 'button', onclick: () => host.fit(span) }, 'Zoom to it'),
      span.parent
        ? el('button', { type: 'button', onclick: () => host.show(span.parent) }, 'Parent')
        : span.parentId && el('span', { class: 'soft' }, `parent ${span.parentId} not held`),
      copyButton('Span id', span.id),
    ),
  );
}

function copyButton(name, id) {
  const button = el('button', { type: 'button', class: 'quiet', title: `Copy ${id}` }, `${name} `, el('code', {}, id));
  button.addEventListener('click', async () => {
    await navigator.clipboard?.writeText(id);
    announce(`${name} copied`);
  });
  return button;
}

function drawEvent(event, span) {
  return el(
    'div',
    { class: `event${isException(event) ? ' exception' : ''}` },
    el(
      'p',
      {},
      isException(event) && icon('⚠ ', 'error'),
      el('span', { class: 'event-name' }, event.name || '(no name)'),
      ' ',
      el(
        'span',
        { class: 'soft num', title: 'After the start of the span' },
        `+${duration(event.at_ns - span.start_ns)}`,
      ),
    ),
    ...attributeTable(event.attributes),
    event.dropped_attributes > 0 &&
      el('p', { class: 'soft' }, `${plural(event.dropped_attributes, 'attribute')} dropped by the sender`),
  );
}

// The batch that served a message: what it took, and who else was in it.

/** A section for each batch that the span is linked with; the others in it come from its own trace. */
function batches(span, host) {
  const found = linksOf(span).filter(({ batch_size: size, span_held: held }) => held && size !== null);
  return found.slice(0, MOST_BATCHES).map((link) => {
    const others = el(
      'div',
      { class: 'batch-others', role: 'status' },
      el('p', { class: 'soft' }, 'Looking for them…'),
    );
    if (link.batch_size > 1) listOthers(others, link, span, host);
    else others.replaceChildren();
    return el(
      'section',
      { class: 'batch-section' },
      el('h3', {}, link.batch_size > 1 ? `One of ${count(link.batch_size)} in a batch` : 'In a batch of its own'),
      drawLink(link, '→', host, true),
      others,
    );
  });
}

const MOST_BATCHES = 4;

async function listOthers(place, link, span, host) {
  const isHere = link.trace_id === host.model.trace_id;
  try {
    const model = isHere ? host.model : modelOf(readTrace(await fetchTrace(link.trace_id, host.closing)));
    const batch = model.byId.get(link.span_id);
    const others = (batch ? linksOf(batch) : []).filter(
      ({ trace_id, span_id }) => !(trace_id === host.model.trace_id && span_id === span.id),
    );
    const missing = link.batch_size - 1 - others.length;
    replace(
      place,
      el('p', {}, link.batch_size === 2 ? 'The other one:' : `The other ${count(link.batch_size - 1)}:`),
      el(
        'ul',
        { class: 'others' },
        others.map((other) => el('li', {}, drawOther(other, host))),
      ),
      missing > 0 && el('p', { class: 'soft' }, `${plural(missing, 'message')} without a link`),
    );
  } catch (error) {
    if (error.name !== 'AbortError') replace(place, el('p', { class: 'soft' }, error.message));
  }
}

function drawOther(other, host) {
  const isHere = other.trace_id === host.model.trace_id;
  return [
    el(
      'a',
      { href: tracePath(other.trace_id, other.span_id), onclick: (event) => here(event, other, host, isHere) },
      other.name ?? `span ${other.span_id}`,
    ),
    el(
      'span',
      { class: 'soft num' },
      ` ${other.held ? duration(other.duration_ns) : 'not held'}, trace ${shortId(other.trace_id)}`,
    ),
  ];
}

function drawLink(link, way, host, isHeld) {
  const isHere = link.trace_id === host.model.trace_id;
  return el(
    'div',
    { class: 'link-entry' },
    el(
      'p',
      {},
      icon(way, 'way-icon'),
      ' ',
      link.service &&
        el(
          'span',
          { class: 'service', 'data-series': series(link.service) },
          el('span', { class: 'swatch' }),
          `${link.service} `,
        ),
      el(
        'a',
        { href: tracePath(link.trace_id, link.span_id), onclick: (event) => here(event, link, host, isHere) },
        link.name ?? `span ${link.span_id}`,
      ),
      typeof link.duration_ns === 'number' && el('span', { class: 'soft num' }, ` ${duration(link.duration_ns)}`),
      link.batch_size > 1 && el('span', { class: 'instance' }, plural(link.batch_size, 'message')),
    ),
    el('p', { class: 'soft mono' }, isHere ? 'in this trace' : `trace ${link.trace_id}`, isHeld ? '' : ', not held'),
    ...attributeTable(link.attributes ?? []),
  );
}

function here(event, link, host, isHere) {
  const target = isHere && host.model.byId.get(link.span_id);
  if (!target) return;
  event.preventDefault();
  host.show(target);
}

function lost(span) {
  const parts = [
    [span.dropped_attributes, 'attribute', 'dropped by the sender'],
    [span.dropped_events, 'event', 'dropped by the sender'],
    [span.dropped_links, 'link', 'dropped by the sender'],
    [span.cut, 'value', 'cut by the limits of this viewer'],
  ].filter(([number]) => number > 0);
  return parts.length
    ? el(
        'section',
        { class: 'soft' },
        parts.map(([number, what, why]) => el('p', {}, `${plural(number, what)} ${why}`)),
      )
    : '';
}

// A trace as the views need it: read from OTLP's JSON, its spans as a tree, each knowing its actor,
// its place and its text.

import { duration, plural } from './format.js';

/**
 * Makes the model from the API's answer. Spans without a held parent are roots. Where parents go
 * round in a circle (strangers send such things), the circle is cut and one of it is a root.
 */
export function modelOf(trace) {
  const spans = trace.spans.map((span) => spanOf(span, trace));
  const byId = new Map(spans.map((span) => [span.id, span]));
  for (const span of spans) span.parent = (span.parentId && byId.get(span.parentId)) || null;
  breakCircles(spans);
  const roots = spans.filter((span) => !span.parent);
  for (const span of spans) span.parent?.children.push(span);
  const bounds = boundsOf(spans);
  return { ...trace, spans, byId, roots, services: servicesOf(spans), startNs: bounds.start, endNs: bounds.end };
}

/** Walks up from every span once; a walk that meets itself has found a circle. */
function breakCircles(spans) {
  const walkOf = new Map();
  for (const first of spans) {
    for (let at = first; at && walkOf.get(at) === undefined; at = at.parent) {
      walkOf.set(at, first);
      if (at.parent && walkOf.get(at.parent) === first) at.parent = null;
    }
  }
}

function spanOf(span, trace) {
  const resource = trace.resources[span.resource];
  return {
    ...span,
    parentId: span.parent,
    parent: null,
    children: [],
    resource,
    scope: trace.scopes[span.scope],
    service: resource?.service ?? '(unknown)',
    end_ns: span.start_ns + span.duration_ns,
    // The mailbox wait lies before the span: a span starts when its message reaches the actor.
    sent_ns: span.start_ns - (span.wait_ns ?? 0),
    isError: span.status === 'error',
    instance: instanceOf(span),
    logs: [],
  };
}

/**
 * Which one of several actors of a kind: the attribute that is named like the actor, in whatever
 * namespace its system uses (`shop.aisle` on an `Aisle`), or `actix.actor.instance`.
 */
function instanceOf(span) {
  if (!span.actor) return null;
  const name = span.actor.toLowerCase();
  const isName = ({ key, type }) => type === 'string' && key.toLowerCase().split('.').pop() === name;
  const found = span.attributes.find(({ key }) => key === 'actix.actor.instance') ?? span.attributes.find(isName);
  return found ? String(found.value) : null;
}

function boundsOf(spans) {
  let [start, end] = [Infinity, -Infinity];
  for (const span of spans) {
    start = Math.min(start, span.sent_ns);
    end = Math.max(end, span.end_ns);
  }
  if (start > end) return { start: 0, end: 1 };
  return { start: Math.min(0, start), end: Math.max(end, start + 1) };
}

function servicesOf(spans) {
  const counts = new Map();
  for (const { service } of spans) counts.set(service, (counts.get(service) ?? 0) + 1);
  return [...counts].map(([name, count]) => ({ name, count }));
}

/** Time in the span in which none of its children ran. */
export function selfTime(span) {
  span.self_ns ??= span.duration_ns - covered(span);
  return span.self_ns;
}

function covered(span) {
  const parts = span.children
    .map((child) => [Math.max(span.start_ns, child.start_ns), Math.min(span.end_ns, child.end_ns)])
    .filter(([from, to]) => to > from)
    .sort((a, b) => a[0] - b[0]);
  let [sum, reached] = [0, -Infinity];
  for (const [from, to] of parts) {
    sum += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return sum;
}

/** Spans in tree order: each before its children, siblings by their start. */
export function depthFirst(roots) {
  const spans = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const span = stack.pop();
    spans.push(span);
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push(span.children[i]);
  }
  return spans;
}

/** The span that stands for the trace: its root or, while that has not come, what starts first. */
export function topOf(model) {
  return model.roots.find(({ parentId }) => !parentId) ?? model.roots[0] ?? null;
}

/** What of a span does not add up, in words; the times are shown as they were sent. */
export function remarksOf(span) {
  const remarks = [];
  if (span.ends_early_ns) remarks.push(`It ends ${duration(span.ends_early_ns)} before it starts.`);
  if (span.clock_delta_ns) {
    const way = span.clock_delta_ns > 0 ? 'behind' : 'ahead of';
    remarks.push(
      `It does not lie within its parent on another host: its clock seems ${duration(Math.abs(span.clock_delta_ns))} ` +
        `${way} its parent's, or its parent did not wait for it.`,
    );
  }
  if (span.parentId && !span.parent) remarks.push(`Its parent ${span.parentId} is not held.`);
  if (span.has_duplicate_id) remarks.push('Another span of the trace has the same id.');
  if (span.invalid_links) remarks.push(`${plural(span.invalid_links, 'link')} without a valid id left out.`);
  return remarks;
}

/** Whether an event is an exception, by the semantic conventions' name for it. */
export const isException = ({ name }) => name === 'exception';

/** Everything of a span that a search in the trace looks at, in lower case. */
export function searchText(span) {
  span.text ??= [
    span.name,
    span.service,
    span.kind,
    span.actor,
    span.status_message,
    span.error_type,
    span.id,
    span.scope?.name,
    ...span.attributes.map(({ key, value }) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`),
    ...span.logs.map(({ text }) => text),
    ...span.events.flatMap(({ name, attributes }) => [name, ...attributes.map(({ key, value }) => `${key}=${value}`)]),
  ]
    .join('\n')
    .toLowerCase();
  return span.text;
}

/** The first words of attributes that the semantic conventions define. */
const CONVENTIONS = new Set(
  (
    'actix client code db error exception host http network os otel process rpc server service telemetry thread url ' +
    'user_agent'
  ).split(' '),
);

/** Whether a key is one of the semantic conventions. */
export const isConvention = (key) => key.includes('.') && CONVENTIONS.has(key.slice(0, key.indexOf('.')));

/**
 * What a request carried along: attributes with one value on spans of two services or more, outside
 * the semantic conventions, and those that a sender names `baggage.`. Returns their keys.
 */
export function carriedKeys(model) {
  const seen = new Map();
  for (const span of model.spans) {
    for (const { key, value } of span.attributes) {
      if (isConvention(key)) continue;
      const entry = seen.get(key) ?? { values: new Set(), services: new Set() };
      entry.values.add(JSON.stringify(value));
      entry.services.add(span.service);
      seen.set(key, entry);
    }
  }
  return new Set(
    [...seen]
      .filter(([key, { values, services }]) => key.startsWith('baggage.') || (values.size === 1 && services.size > 1))
      .map(([key]) => key),
  );
}

// Reads a trace as the API has it: its spans are OTLP's JSON, grouped by resource and scope, times
// in nanoseconds since the epoch as strings. The page counts from the start of the trace, in
// numbers, and has its spans in one list by their start.

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUSES = ['unset', 'ok', 'error'];

/** The trace with `resources`, `scopes` and `spans`, each span naming its own by their places. */
export function readTrace({ resourceSpans, ...trace }) {
  const start = BigInt(trace.start_unix_ns);
  const [resources, scopes, spans] = [[], [], []];
  for (const { resource, scopeSpans } of resourceSpans) {
    const attributes = readAttributes(resource.attributes);
    const service = attributes.find(({ key }) => key === 'service.name')?.value ?? '(unknown)';
    const dropped = resource.droppedAttributesCount ?? 0;
    resources.push({ service: String(service), attributes, dropped_attributes: dropped });
    for (const { scope, spans: ofScope } of scopeSpans) {
      const { name = '', version = '' } = scope;
      scopes.push({ name, version, attributes: readAttributes(scope.attributes) });
      const places = { resource: resources.length - 1, scope: scopes.length - 1 };
      for (const span of ofScope) spans.push({ ...readSpan(span, start), ...places });
    }
  }
  spans.sort((a, b) => a.start_ns - b.start_ns || (a.id < b.id ? -1 : 1));
  return { ...trace, resources, scopes, spans };
}

function readSpan(span, traceStart) {
  const attributes = readAttributes(span.attributes);
  const text = (key) => attributes.find((one) => one.key === key && one.type === 'string')?.value ?? null;
  return {
    id: span.spanId,
    parent: span.parentSpanId ?? null,
    name: span.name ?? '',
    kind: KINDS[span.kind ?? 0],
    ...readTimes(span, traceStart),
    status: STATUSES[span.status.code ?? 0],
    status_message: span.status.message ?? '',
    error_type: text('error.type'),
    actor: text('actix.actor.name'),
    wait_ns: readWait(attributes),
    message_kind: text('actix.message.kind'),
    batch_size: readBatchSize(attributes),
    clock_delta_ns: Number(span.clockDeltaNano ?? 0),
    has_duplicate_id: Boolean(span.hasDuplicateId),
    invalid_links: span.invalidLinkCount ?? 0,
    attributes,
    events: (span.events ?? []).map((event) => readEvent(event, traceStart)),
    links: (span.links ?? []).map((link) => readLink(link, traceStart)),
    backlinks: (span.linkedFrom ?? []).map((link) => readLink(link, traceStart)),
    backlink_count: span.linkedFromCount ?? 0,
    trace_state: span.traceState ?? '',
    dropped_attributes: span.droppedAttributesCount ?? 0,
    dropped_events: span.droppedEventsCount ?? 0,
    dropped_links: span.droppedLinksCount ?? 0,
    cut: span.cut ?? 0,
  };
}

/** Start and duration; a span that ends before it starts has none. */
function readTimes({ startTimeUnixNano = '0', endTimeUnixNano = '0' }, traceStart) {
  const [start, end] = [BigInt(startTimeUnixNano), BigInt(endTimeUnixNano)];
  const early = end < start ? number(start - end) : 0;
  return {
    start_ns: number(start - traceStart),
    duration_ns: end > start ? number(end - start) : 0,
    ends_early_ns: early,
  };
}

function readEvent(event, traceStart) {
  return {
    name: event.name ?? '',
    at_ns: number(BigInt(event.timeUnixNano ?? '0') - traceStart),
    attributes: readAttributes(event.attributes),
    dropped_attributes: event.droppedAttributesCount ?? 0,
  };
}

/** A link in either direction, with what is known of the span at its other end. */
function readLink({ traceId, spanId, target, traceHeld, attributes }, traceStart) {
  const known = target
    ? { name: target.name, service: target.serviceName, ...readTimes(target, traceStart), ...readTold(target) }
    : { name: null, service: null, start_ns: null, duration_ns: null, message_kind: null, batch_size: null };
  const held = { trace_held: Boolean(traceHeld), span_held: Boolean(target) };
  return { trace_id: traceId, span_id: spanId, ...known, ...held, attributes: readAttributes(attributes) };
}

/** What is told of the span at the other end of a link besides its name and time. */
function readTold(target) {
  const attributes = readAttributes(target.attributes);
  const kind = attributes.find(({ key }) => key === 'actix.message.kind')?.value;
  return { message_kind: kind ?? null, batch_size: readBatchSize(attributes) };
}

/** How many messages a span serves, if it is a batch. */
function readBatchSize(attributes) {
  const found = attributes.find(({ key, type }) => key === 'actix.batch.message_count' && type === 'int');
  return found && found.value >= 0 ? Number(found.value) : null;
}

/** How long a message waited in its actor's mailbox: the attribute says it in seconds. */
function readWait(attributes) {
  const wait = attributes.find(({ key }) => key === 'actix.mailbox.wait');
  const seconds = wait && ['int', 'double'].includes(wait.type) ? Number(wait.value) : NaN;
  return seconds >= 0 && seconds < Infinity ? Math.min(Number.MAX_SAFE_INTEGER, Math.round(seconds * 1e9)) : null;
}

/** Attributes as `{ key, type, value }`. */
export function readAttributes(attributes = []) {
  return attributes.map(({ key = '', value }) => ({ key, ...readValue(value) }));
}

/** A value of OTLP as `{ type, value }`. */
export function readValue(any) {
  const [[name, value] = []] = Object.entries(any ?? {});
  switch (name) {
    case 'stringValue':
      return { type: 'string', value };
    case 'boolValue':
      return { type: 'bool', value };
    case 'intValue':
      return { type: 'int', value: Number.isSafeInteger(Number(value)) ? Number(value) : value };
    case 'doubleValue':
      return { type: 'double', value };
    case 'bytesValue':
      return { type: 'bytes', value };
    case 'arrayValue':
      return { type: 'array', value: (value.values ?? []).map(plain) };
    case 'kvlistValue':
      return { type: 'kvlist', value: readAttributes(value.values) };
    default:
      return { type: 'empty', value: null };
  }
}

/** A value inside a list, without its type. */
function plain(any) {
  const { type, value } = readValue(any);
  if (type !== 'kvlist') return value;
  return Object.fromEntries((any.kvlistValue.values ?? []).map((entry) => [entry.key ?? '', plain(entry.value)]));
}

/** As a number, cut to what JavaScript keeps exactly. */
function number(big) {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(big)));
}

/**
 * Links of a span. `direction`: `to` what it links to, `from` what links to it, `both` where each
 * links to the other: that is one link to its reader.
 */
export function linksOf(span) {
  if (!span.links.length && !span.backlinks.length) return [];
  const key = ({ trace_id, span_id }) => `${trace_id}/${span_id}`;
  const back = new Set(span.backlinks.map(key));
  const out = new Set(span.links.map(key));
  const direction = (link) => (back.has(key(link)) ? 'both' : 'to');
  return [
    ...span.links.map((link) => ({ ...link, direction: direction(link), held: link.span_held })),
    ...span.backlinks.filter((link) => !out.has(key(link))).map((link) => ({ ...link, direction: 'from', held: true })),
  ];
}

/** How many links `linksOf` gives. */
export function linkCount(span) {
  if (!span.backlinks.length) return span.links.length;
  return linksOf(span).length;
}

// Messages of these kinds have no reply, so their sender does not wait for them.
const UNANSWERED = new Set(['tell', 'notify', 'delayed', 'interval', 'stream']);

/** Whether a parent waits for its child, as far as the two tell. */
export function isWaitedFor(span) {
  if (span.parent?.kind === 'producer' && span.kind === 'consumer') return false;
  return !UNANSWERED.has(span.message_kind);
}

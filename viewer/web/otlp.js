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
  return { start_ns: number(start - traceStart), duration_ns: end > start ? number(end - start) : 0 };
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
    ? { name: target.name, service: target.serviceName, ...readTimes(target, traceStart) }
    : { name: null, service: null, start_ns: null, duration_ns: null };
  const held = { trace_held: Boolean(traceHeld), span_held: Boolean(target) };
  return { trace_id: traceId, span_id: spanId, ...known, ...held, attributes: readAttributes(attributes) };
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

function readValue(any) {
  const [[name, value] = []] = Object.entries(any ?? {});
  switch (name) {
    case 'stringValue': return { type: 'string', value };
    case 'boolValue': return { type: 'bool', value };
    case 'intValue': return { type: 'int', value: Number.isSafeInteger(Number(value)) ? Number(value) : value };
    case 'doubleValue': return { type: 'double', value };
    case 'bytesValue': return { type: 'bytes', value };
    case 'arrayValue': return { type: 'array', value: (value.values ?? []).map(plain) };
    case 'kvlistValue': return { type: 'kvlist', value: readAttributes(value.values) };
    default: return { type: 'empty', value: null };
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

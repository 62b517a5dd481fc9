// A trace as the views need it: the spans as a tree, each knowing its actor, its place and its text.

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
  const parts = span.children
    .map((child) => [Math.max(span.start_ns, child.start_ns), Math.min(span.end_ns, child.end_ns)])
    .filter(([from, to]) => to > from)
    .sort((a, b) => a[0] - b[0]);
  let [covered, reached] = [0, -Infinity];
  for (const [from, to] of parts) {
    covered += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return span.duration_ns - covered;
}

/** Everything of a span that a search in the trace looks at, in lower case. */
export function searchText(span) {
  span.text ??= [
    span.name, span.service, span.kind, span.actor, span.status_message, span.error_type, span.id, span.scope?.name,
    ...span.attributes.map(({ key, value }) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`),
    ...span.events.flatMap(({ name, attributes }) => [name, ...attributes.map(({ key, value }) => `${key}=${value}`)]),
  ].join('\n').toLowerCase();
  return span.text;
}

const CONVENTIONS = /^(actix|client|code|db|error|exception|host|http|network|os|otel|process|rpc|server|service|telemetry|thread|url|user_agent)\./;

/**
 * What a request carried along: attributes with one value on spans of two services or more, outside
 * the semantic conventions, and those that a sender names `baggage.`. Returns their keys.
 */
export function carriedKeys(model) {
  const seen = new Map();
  for (const span of model.spans) {
    for (const { key, value } of span.attributes) {
      if (CONVENTIONS.test(key)) continue;
      const entry = seen.get(key) ?? { values: new Set(), services: new Set() };
      entry.values.add(JSON.stringify(value));
      entry.services.add(span.service);
      seen.set(key, entry);
    }
  }
  return new Set([...seen].filter(([key, { values, services }]) =>
    key.startsWith('baggage.') || (values.size === 1 && services.size > 1)).map(([key]) => key));
}

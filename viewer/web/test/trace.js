// A trace as the API answers it, in few words.

const NS = 1_000_000_000_000_000_000n;

/** A span from one nanosecond of the trace to another; `more` are fields of OTLP's JSON. */
export function span(id, parent, name, [from, to], more = {}) {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: id,
    ...(parent && { parentSpanId: parent }),
    name,
    startTimeUnixNano: String(NS + BigInt(from)),
    endTimeUnixNano: String(NS + BigInt(to)),
    status: {},
    ...more,
  };
}

/** An attribute that is a text. */
export const text = (key, value) => ({ key, value: { stringValue: value } });

/** The answer with the spans of these services. */
export function answer(services) {
  const group = ([name, spans]) => ({
    resource: { attributes: [text('service.name', name)] },
    scopeSpans: [{ scope: { name: 'tests', version: '1.0' }, spans }],
  });
  return {
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    start_unix_ns: String(NS),
    start_us: Number(NS / 1000n),
    warnings: [],
    resourceSpans: Object.entries(services).map(group),
  };
}

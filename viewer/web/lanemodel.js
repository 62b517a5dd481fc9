// Which lane a span belongs to, and how spans that overlap are stacked in it.

/**
 * Lanes in order of first sight, service by service: one for each actor (of each instance, where
 * the spans tell), and for what a service does outside its actors one for each kind of work.
 * A lane: `{ service, title, instance, isActor, spans, rows }`; `rowOf` gives a span's row.
 */
export function lanesOf(model) {
  const lanes = new Map();
  const laneOf = new Map();
  for (const span of [...model.spans].sort((a, b) => a.sent_ns - b.sent_ns || b.duration_ns - a.duration_ns)) {
    const title = span.actor ?? workOf(span);
    const key = JSON.stringify([span.service, Boolean(span.actor), title, span.instance]);
    if (!lanes.has(key)) lanes.set(key, { key, service: span.service, title, instance: span.instance, isActor: Boolean(span.actor), spans: [] });
    lanes.get(key).spans.push(span);
    laneOf.set(span.id, lanes.get(key));
  }
  const services = [...new Set([...lanes.values()].map(({ service }) => service))];
  const ordered = services.flatMap((service) => [...lanes.values()].filter((lane) => lane.service === service));
  const rowOf = new Map();
  for (const lane of ordered) lane.rows = stack(lane.spans, rowOf);
  return { lanes: ordered, laneOf, rowOf };
}

function workOf(span) {
  const database = span.attributes.find(({ key }) => key === 'db.system.name' || key === 'db.system');
  if (database) return `database ${database.value}`;
  const titles = { server: 'requests served', client: 'requests made', producer: 'messages sent', consumer: 'messages received' };
  return titles[span.kind] ?? 'other work';
}

// A lane of more overlapping spans than this is no longer readable, nor quickly stacked.
const MOST_ROWS = 200;

/** Each span, in order of start, takes the first row that is free by then. */
function stack(spans, rowOf) {
  const ends = [];
  for (const span of spans) {
    let row = ends.findIndex((end) => end <= span.sent_ns);
    if (row < 0) row = Math.min(ends.length, MOST_ROWS - 1);
    ends[row] = span.end_ns;
    rowOf.set(span.id, row);
  }
  return ends.length;
}

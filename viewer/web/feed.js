// The traces or log records on a list and those that wait to come onto it. New ones never push away
// what the reader is looking at: while the reader is busy with the list they are held back and counted.

const KEYS = {
  start: (trace) => trace.start_us,
  duration: (trace) => trace.duration_ns,
  spans: (trace) => trace.span_count,
  errors: (trace) => trace.error_count,
};

/** The order of a search, as a comparison of two traces; the viewer sorts in the same way. */
export function orderOf(sort, order) {
  const key = KEYS[sort] ?? KEYS.start;
  const sign = order === 'asc' ? 1 : -1;
  return (a, b) =>
    sign * (key(a) - key(b)) ||
    b.start_us - a.start_us ||
    (a.trace_id < b.trace_id ? -1 : Number(a.trace_id !== b.trace_id));
}

/** The order of log records: the latest first, of those of one moment the one that came last. */
export const latestFirst = (a, b) => b.time_us - a.time_us || b.number - a.number;

/** At most `limit` traces, in an order; or of whatever else `keyOf` tells apart. */
export class Feed {
  constructor(limit, compare = orderOf('start'), keyOf = ({ trace_id: id }) => id) {
    this.limit = limit;
    this.compare = compare;
    this.keyOf = keyOf;
    this.shown = new Map();
    this.held = new Map();
    this.skipped = 0;
    // Counts what was taken; of each trace, when it was told last.
    this.clock = 0;
    this.told = new Map();
  }

  /** Takes summaries. With `hold` those not yet on the list wait; known ones change in place. */
  take(traces, { hold = false, skipped = 0 } = {}) {
    this.clock += 1;
    for (const trace of traces) {
      const key = this.keyOf(trace);
      (this.shown.has(key) || !hold ? this.shown : this.held).set(key, trace);
      this.told.set(key, this.clock);
    }
    if (hold) this.skipped += skipped;
    else this.release();
    this.held = this.first(this.held);
    this.forget();
  }

  /**
   * Takes the answer to a search that was asked for when the clock stood at `since`: what was not
   * told after that and is not in it has been let go or has left the first of the order.
   */
  settle(traces, { since, hold = false }) {
    const found = new Set(traces.map(this.keyOf));
    const isGone = (id) => !found.has(id) && this.told.get(id) <= since;
    for (const id of this.held.keys()) if (isGone(id)) this.held.delete(id);
    if (!hold) for (const id of this.shown.keys()) if (isGone(id)) this.shown.delete(id);
    // Those that were skipped are in the answer, if they come first.
    this.skipped = 0;
    this.take(traces, { hold });
  }

  /** Lets those that wait onto the list. */
  release() {
    for (const [id, trace] of this.held) this.shown.set(id, trace);
    this.held.clear();
    this.skipped = 0;
    this.shown = this.first(this.shown);
    this.forget();
  }

  /** How many wait. */
  get waiting() {
    return this.held.size + this.skipped;
  }

  /** What is on the list, in the order. */
  get rows() {
    return [...this.shown.values()];
  }

  first(traces) {
    const sorted = [...traces.values()].sort(this.compare);
    return new Map(sorted.slice(0, this.limit).map((trace) => [this.keyOf(trace), trace]));
  }

  forget() {
    for (const id of this.told.keys()) if (!this.shown.has(id) && !this.held.has(id)) this.told.delete(id);
  }
}

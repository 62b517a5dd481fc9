// The traces on the list and those that wait to come onto it. New traces never push away what the
// reader is looking at: while the reader is busy with the list they are held back and counted.

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

/** At most `limit` traces, in an order. */
export class Feed {
  constructor(limit, compare = orderOf('start')) {
    this.limit = limit;
    this.compare = compare;
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
      const known = this.shown.has(trace.trace_id);
      (known || !hold ? this.shown : this.held).set(trace.trace_id, trace);
      this.told.set(trace.trace_id, this.clock);
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
    const found = new Set(traces.map((trace) => trace.trace_id));
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
    return new Map(sorted.slice(0, this.limit).map((trace) => [trace.trace_id, trace]));
  }

  forget() {
    for (const id of this.told.keys()) if (!this.shown.has(id) && !this.held.has(id)) this.told.delete(id);
  }
}

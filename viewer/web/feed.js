// The traces on the list and those that wait to come onto it. New traces never push away what the
// reader is looking at: while the reader is busy with the list they are held back and counted.

/** At most `limit` traces, newest first. */
export class Feed {
  constructor(limit) {
    this.limit = limit;
    this.shown = new Map();
    this.held = new Map();
    this.skipped = 0;
  }

  /** Takes summaries. With `hold` those not yet on the list wait; known ones change in place. */
  take(traces, { hold = false, skipped = 0 } = {}) {
    for (const trace of traces) {
      const known = this.shown.has(trace.trace_id);
      (known || !hold ? this.shown : this.held).set(trace.trace_id, trace);
    }
    if (hold) this.skipped += skipped;
    else this.release();
    this.held = newest(this.held, this.limit);
  }

  /** Lets those that wait onto the list. */
  release() {
    for (const [id, trace] of this.held) this.shown.set(id, trace);
    this.held.clear();
    this.skipped = 0;
    this.shown = newest(this.shown, this.limit);
  }

  /** How many wait. */
  get waiting() {
    return this.held.size + this.skipped;
  }

  /** What is on the list, newest first. */
  get rows() {
    return [...this.shown.values()];
  }
}

function newest(traces, limit) {
  const sorted = [...traces.values()].sort((a, b) => b.start_us - a.start_us || (a.trace_id < b.trace_id ? -1 : 1));
  return new Map(sorted.slice(0, limit).map((trace) => [trace.trace_id, trace]));
}

// The stretch of time on screen, and where a time lies in it.

import { duration } from './format.js';

/** A window on a trace's time, in nanoseconds from its start. */
export class Scale {
  constructor(start, end, changed) {
    Object.assign(this, { first: start, last: end, start, end, changed });
  }

  /** Where a time lies: 0 at the left edge, 1 at the right. */
  at(ns) {
    return (ns - this.start) / (this.end - this.start);
  }

  get isWhole() {
    return this.start === this.first && this.end === this.last;
  }

  /** Shows this stretch; never outside the trace, never shorter than a microsecond (or the trace). */
  show(start, end) {
    const shortest = Math.min(1000, this.last - this.first);
    const length = Math.min(this.last - this.first, Math.max(shortest, end - start));
    const middle = (start + end) / 2;
    this.start = Math.max(this.first, Math.min(this.last - length, middle - length / 2));
    this.end = this.start + length;
    this.changed();
  }

  /** Everything. */
  whole() {
    this.show(this.first, this.last);
  }

  /** Nearer (`factor` under 1) or further, around a time. */
  zoom(factor, around = (this.start + this.end) / 2) {
    const share = this.at(around);
    const length = (this.end - this.start) * factor;
    this.show(around - share * length, around + (1 - share) * length);
  }

  /** A span with some room around it. */
  fit({ sent_ns: from, end_ns: to }) {
    const room = Math.max(500, (to - from) * 0.15);
    this.show(from - room, to + room);
  }

  /** Earlier or later, by a share of the window. */
  pan(share) {
    const by = share * (this.end - this.start);
    this.show(this.start + by, this.end + by);
  }

  /** Round times to label: `{ at, label }`, about `wanted` of them. */
  ticks(wanted) {
    const step = roundStep((this.end - this.start) / Math.max(1, wanted));
    const ticks = [];
    for (let ns = Math.ceil(this.start / step) * step; ns <= this.end; ns += step) {
      ticks.push({ at: this.at(ns), label: ns === 0 ? '0' : duration(ns) });
    }
    return ticks;
  }
}

function roundStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5].find((digit) => digit * power >= raw) ?? 10) * power;
}

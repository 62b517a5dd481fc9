// The critical path: what a span was waiting for, from its end back to its beginning.
//
// It is Jaeger's (packages/jaeger-ui/src/components/TracePage/CriticalPath in its sources, after
// Uber's CRISP, https://www.usenix.org/conference/atc22/presentation/zhang-zhizhou), with three
// additions. Exactly:
//
// The path of a span covers its time, from the sending of its message to its end. Go back from the
// end. Of the children that ended by then, the one that ended last (of several, the one that began
// first) is what the span waited for. From the child's end on, the span's own time is on the path;
// then the child's path is, within the child's time; and then go on from where the child began. What
// is left when no child is left is the span's own time. Children that ran beside a child on the
// path are not on it: had they been faster, nothing would have ended sooner. A child counts only
// within its parent's time, and one that lies outside does not count at all.
//
// 1. A child begins when its message was sent. Its wait in the mailbox (`actix.mailbox.wait`) is a
//    step of its own.
// 2. A span that links to another, or is linked from it, waits for it like for a child if the other
//    began and ended within the span's time: an order waits for the batch that records it, which is
//    a trace of its own. A linked span of another trace is one step, `linked`; one of this trace has
//    its own path, like a child.
// 3. Where a child on another host does not lie within its parent, its clock is set right first, and
//    with it that of what is below it, as Jaeger does on request: the viewer's API says by how much.
//    A step's times are as on the parent's clock; `shift` is what was added to those of its span.
//
// Nobody waits for a message without a reply (a tell, a notify, a timer), nor a producer for its
// consumer. Such a span is on no path but its own and those of what it waited for. So that one may
// still ask what it took until a trace had ended, `pathTo` goes on above a span: after the span's own
// path comes what its parent did until it sent the message, and so on up to the root.
//
// The steps of a path follow one another without a gap, so their lengths add up to its length. A
// path has at most as many spans as the trace, each once, and nothing here is recursive: traces have
// been seen with thousands of levels.

import { isWaitedFor, linksOf, topOf } from './model.js';

/**
 * The path of a span: what it waited for.
 *
 * A step is `{ span, kind, from, to, shift, link }`, in nanoseconds from the start of the trace, in
 * the order of time. `kind`: `own`, `wait` (of the span's message in the mailbox), `linked` (`link`
 * is what the span waits for in another trace), `after` (the span had ended, and what it had begun
 * went on to send the message of the next step).
 */
export function pathOf(model, span) {
  if (!span) return [];
  const shifts = shiftsOf(model);
  const seen = new Set();
  const { sent_ns: from, end_ns: to } = moved(span, shifts);
  return walk(span, from, to, { model, shifts, seen }).reverse();
}

/** The path from the beginning of the trace to the end of a span: also why it began when it did. */
export function pathTo(model, span) {
  if (!span) return [];
  const shifts = shiftsOf(model);
  const context = { model, shifts, seen: new Set() };
  const { sent_ns: from, end_ns: to } = moved(span, shifts);
  const steps = walk(span, from, to, context);
  const add = (step) => steps.push(step);
  let until = from;
  for (let above = span.parent; above; above = above.parent) {
    const own = moved(above, shifts);
    if (own.sent_ns >= until) continue;
    const end = Math.min(until, own.end_ns);
    if (end < until) add({ span: above, kind: 'after', from: end, to: until, shift: own.shift });
    walk(above, own.sent_ns, end, context).forEach(add);
    until = own.sent_ns;
  }
  return steps.reverse();
}

/** The path that is drawn: that of the span that stands for the trace. */
export function criticalPath(model) {
  return pathOf(model, topOf(model));
}

/** The span of the trace that ends last. */
export function lastToEnd(model) {
  return model.spans.reduce((last, span) => (!last || span.end_ns > last.end_ns ? span : last), null);
}

/** Steps by their span's id. */
export function bySpan(steps) {
  const found = new Map();
  for (const step of steps) {
    if (!found.has(step.span.id)) found.set(step.span.id, []);
    found.get(step.span.id).push(step);
  }
  return found;
}

/** How long the steps of each kind are together: `{ own, wait, linked, after, all }`. */
export function sums(steps) {
  const sum = { own: 0, wait: 0, linked: 0, after: 0, all: 0 };
  for (const { kind, from, to } of steps) {
    sum[kind] += to - from;
    sum.all += to - from;
  }
  return sum;
}

/** Steps from the end backwards, of a span between two times. */
function walk(first, from, to, context) {
  const steps = [];
  const stack = [];
  const enter = (span, start, end) => {
    context.seen.add(span);
    const { start_ns: begun, shift } = moved(span, context.shifts);
    const run = Math.max(start, Math.min(begun, end));
    const others = candidates(span, run, end, context);
    stack.push({ span, shift, sent: start, run, at: end, others, next: 0 });
  };
  const step = (frame, kind, start, end, link) => {
    if (end > start) steps.push({ span: frame.span, kind, from: start, to: end, shift: frame.shift, link });
  };
  enter(first, from, to);
  while (stack.length) {
    const frame = stack[stack.length - 1];
    const other = nextOf(frame, context.seen);
    if (!other) {
      step(frame, 'own', frame.run, frame.at);
      step(frame, 'wait', frame.sent, frame.run);
      stack.pop();
      continue;
    }
    step(frame, 'own', other.to, frame.at);
    frame.at = other.from;
    if (other.span) enter(other.span, other.from, other.to);
    else step(frame, 'linked', other.from, other.to, other.link);
  }
  return steps;
}

/** The next that the span waited for, going back: the last that had ended. */
function nextOf(frame, seen) {
  while (frame.next < frame.others.length) {
    const other = frame.others[frame.next];
    frame.next += 1;
    if (other.to <= frame.at && !(other.span && seen.has(other.span))) return other;
  }
  return null;
}

/** What the span may have waited for between two times, cut to them; the last to end first. */
function candidates(span, start, end, context) {
  const found = [];
  const add = (from, to, other) => {
    const cut = { from: Math.max(start, from), to: Math.min(end, to), ...other };
    if (cut.to > cut.from) found.push(cut);
  };
  for (const child of span.children) {
    if (!isWaitedFor(child)) continue;
    const { sent_ns: from, end_ns: to } = moved(child, context.shifts);
    add(from, to, { span: child });
  }
  for (const link of linksOf(span)) {
    const here = link.trace_id === context.model.trace_id ? context.model.byId.get(link.span_id) : null;
    if (!isWithin(here ?? link, span) || !isWaitedFor(here ?? link)) continue;
    if (here) {
      const { sent_ns: from, end_ns: to } = moved(here, context.shifts);
      add(from, to, { span: here });
    } else {
      const { shift } = moved(span, context.shifts);
      add(link.start_ns + shift, link.start_ns + link.duration_ns + shift, { link });
    }
  }
  return found.sort((a, b) => b.to - a.to || a.from - b.from);
}

/** Whether a linked span, whose time may not be known, began and ended while the span ran. */
function isWithin(other, span) {
  if (typeof other.start_ns !== 'number' || other === span) return false;
  const end = other.start_ns + other.duration_ns;
  return other.start_ns >= span.start_ns && end <= span.end_ns && other.duration_ns < span.duration_ns;
}

/** A span's times on the clock of the trace's first span. */
function moved(span, shifts) {
  const shift = shifts.get(span) ?? 0;
  const { sent_ns, start_ns, end_ns } = span;
  return { sent_ns: sent_ns + shift, start_ns: start_ns + shift, end_ns: end_ns + shift, shift };
}

/**
 * What is added to the times of spans whose clock differs. A child that begins within its parent and
 * ends after it may just not have been waited for: it is cut like any other and not moved.
 */
function shiftsOf(model) {
  const shifts = new Map();
  if (!model.spans.some(({ clock_delta_ns: delta }) => delta)) return shifts;
  const stack = [...model.roots];
  while (stack.length) {
    const span = stack.pop();
    const above = shifts.get(span.parent) ?? 0;
    const isOutside = span.parent && (span.start_ns < span.parent.start_ns || span.start_ns >= span.parent.end_ns);
    const shift = above + (isOutside && isWaitedFor(span) ? span.clock_delta_ns : 0);
    if (shift) shifts.set(span, shift);
    for (const child of span.children) stack.push(child);
  }
  return shifts;
}

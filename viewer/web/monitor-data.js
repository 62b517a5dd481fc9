// The monitor as the page needs it, without a document: what an address asks for, where a row's traces
// are, lines and bars of charts, and figures in words.

import { count, duration, plural, rate } from './format.js';
import { searchPath, tagText } from './lib.js';

/** How far back can be looked, in seconds. */
export const RANGES = [
  ['300', '5 minutes'],
  ['900', '15 minutes'],
  ['3600', '1 hour'],
];

/** What is called so has no room for a series of its own. */
export const OTHER = '(other)';

/**
 * What the parameters of an address ask for: `{ range, service, isOther, row }`. `row` is what the charts
 * are of: `{ type: 'service' }`, `{ type: 'operation', name, kind }` or `{ type: 'actor', name }`.
 */
export function stateOf(params) {
  const range = params.get('range');
  const isOther = params.get('other') === 'true';
  let row = { type: 'service' };
  if (params.has('operation')) {
    row = { type: 'operation', name: params.get('operation'), kind: params.get('kind') ?? 'internal' };
  } else if (params.has('actor')) row = { type: 'actor', name: params.get('actor') };
  return {
    range: RANGES.some(([seconds]) => seconds === range) ? range : RANGES[0][0],
    service: isOther ? null : params.get('service'),
    isOther,
    row,
  };
}

/** The address of such a state. */
export function pathOf({ range, service, isOther, row }) {
  const params = new URLSearchParams();
  if (range !== RANGES[0][0]) params.set('range', range);
  if (isOther) params.set('other', 'true');
  else if (service) params.set('service', service);
  if (row.type === 'operation') {
    params.set('operation', row.name);
    params.set('kind', row.kind);
  } else if (row.type === 'actor') params.set('actor', row.name);
  return params.size ? `/monitor?${params}` : '/monitor';
}

/** The row that a state asks for, of an answer of the API; undefined when it is not there. */
export function chosenRow(answer, { row }) {
  if (row.type === 'operation') {
    return answer.operations.rows.find(({ name, kind }) => name === row.name && kind === row.kind);
  }
  if (row.type === 'actor') return answer.actors.rows.find(({ name }) => name === row.name);
  return answer.services.find(({ name }) => (name === null) === answer.is_other && name === answer.service);
}

/**
 * The search for the traces behind a row, from one moment to another (µs); `more` are further fields
 * of it. Null for what has no name to search by.
 */
export function tracesPath(service, row, { from, to }, more = {}) {
  if (!service || row.name === null) return null;
  const what = {
    service: {},
    operation: { operation: row.name },
    actor: { tags: tagText('actix.actor.name', row.name ?? '') },
  }[row.type];
  return searchPath({ service, ...what, start: from, end: to, ...more });
}

/** How long step `at` of an answer's charts is, as far as it has passed, in seconds; one at least. */
export function stepSeconds({ from_us: from, to_us: to, whole_from_us: whole, step_s: step }, at) {
  const start = from + at * step * 1e6;
  return Math.max(1, (Math.min(to, start + step * 1e6) - Math.max(whole, start)) / 1e6);
}

/** The time from step `first` to step `last`, both included: `{ from, to }` in µs. */
export function timeOfSteps({ from_us: from, to_us: to, step_s: step }, first, last) {
  const [least, most] = first <= last ? [first, last] : [last, first];
  return { from: from + least * step * 1e6, to: Math.min(to, from + (most + 1) * step * 1e6) };
}

/** A number for each row: its share of the time of all of them. */
export function impacts(rows) {
  const all = rows.reduce((sum, row) => sum + row.total_s, 0);
  return rows.map((row) => (all > 0 ? row.total_s / all : 0));
}

/** What the figures are of, and what is not in them. */
export function notesOf(answer) {
  const { from_us: from, to_us: to, whole_from_us: whole, held, relative_error: error } = answer;
  const isPart = whole > from + 1e6;
  return [
    isPart
      ? `Figures of the last ${duration((to - whole) * 1e3)}: before that nothing came, or it has been forgotten.`
      : `Figures of the last ${duration((to - from) * 1e3)}.`,
    `Percentiles are right to within ${(error * 100).toFixed(1)}%.`,
    held.other > 0 &&
      `${plural(held.other, 'span')} counted under ${OTHER}: there are more than ${count(held.max_series)} series.`,
    held.late > 0 && `${plural(held.late, 'span')} came too late to be counted.`,
    held.future > 0 && `${plural(held.future, 'span')} dated in the future left out.`,
  ]
    .filter(Boolean)
    .join(' ');
}

// Charts. A chart is as wide as it has steps, and as high as its largest value.

/** A line through values, one a step, as a path in a box of `width` and `height`; null is a gap. */
export function linePath(values, max, width, height) {
  const step = width / values.length;
  let path = '';
  let isOpen = false;
  values.forEach((value, i) => {
    if (value === null || value === undefined) {
      isOpen = false;
      return;
    }
    const [x, y] = [(i + 0.5) * step, height - (max > 0 ? (value / max) * height : 0)];
    const isAlone = !isOpen && (values[i + 1] ?? null) === null;
    // A value between gaps is a short line.
    if (isAlone) path += `M${place(x - step * 0.3)},${place(y)}h${place(step * 0.6)}`;
    else path += `${isOpen ? 'L' : 'M'}${place(x)},${place(y)}`;
    isOpen = true;
  });
  return path;
}

/** Bars of values, one a step. */
export function barsPath(values, max, width, height) {
  const step = width / values.length;
  return values
    .map((value, i) => {
      if (!value || !max) return '';
      // What happened at all is to be seen.
      const size = Math.max(1, (value / max) * height);
      return `M${place(i * step + step * 0.1)},${height}v${place(-size)}h${place(step * 0.8)}v${place(size)}z`;
    })
    .join('');
}

function place(number) {
  return Number(number.toFixed(2));
}

/** The largest of several lists of values; 0 when there is none. */
export function largest(...lists) {
  return lists.flat().reduce((most, value) => Math.max(most, value ?? 0), 0);
}

/**
 * The charts of a row: `{ title, unit(value), bars: [{ name, values }], lines: [{ name, values }] }`. Bars
 * lie on each other.
 */
export function chartsOf(answer, row) {
  const { points, mailbox } = row;
  const perSecond = (values) => values.map((value, i) => value / stepSeconds(answer, i));
  const charts = [
    {
      title: 'Rate',
      unit: rate,
      bars: [
        { name: 'all', values: perSecond(points.count) },
        { name: 'errors', values: perSecond(points.errors) },
      ],
      lines: [],
    },
    {
      title: 'Duration',
      unit: duration,
      bars: [],
      lines: [
        { name: 'p50', values: points.p50_ns },
        { name: 'p95', values: points.p95_ns },
        { name: 'p99', values: points.p99_ns },
      ],
    },
  ];
  if (!mailbox) return charts;
  charts.push(
    {
      title: 'Wait in the mailbox',
      unit: duration,
      bars: [],
      lines: [
        { name: 'p50', values: mailbox.points.wait_p50_ns },
        { name: 'p99', values: mailbox.points.wait_p99_ns },
      ],
    },
    {
      title: 'Messages in the mailbox',
      unit: amount,
      bars: [{ name: 'all', values: mailbox.points.depth }],
      lines: [],
    },
  );
  if (mailbox.batch_count > 0) {
    charts.push({
      title: 'Messages in a batch',
      unit: amount,
      bars: [{ name: 'all', values: mailbox.points.batch_mean }],
      lines: [],
    });
  }
  return charts;
}

/** A mean or a size: `0.0031`, `2.4`, `1,200`. */
export function amount(value) {
  if (value === null || value === undefined) return '–';
  return count(value >= 100 ? Math.round(value) : Number(value.toPrecision(2)));
}

/** What happened in a step, for those who do not see the chart. */
export function stepWords(answer, row, at) {
  const { points } = row;
  const errors = points.errors[at] ? `, ${points.errors[at]} failed` : '';
  const took =
    points.p50_ns[at] === null ? '' : `, p50 ${duration(points.p50_ns[at])}, p99 ${duration(points.p99_ns[at])}`;
  const time = timeOfSteps(answer, at, at);
  return `${clock(time.from)}: ${plural(points.count[at], 'span')}${errors}${took}`;
}

/** A time of day. */
export function clock(us) {
  return new Date(us / 1e3).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

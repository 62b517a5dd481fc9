// A trace in figures: what its spans took, by operation, service, actor or the value of an attribute.

import { bySpan, criticalPath } from './critical-path.js';
import { attributeValue, count, duration, plural } from './format.js';
import { Grid } from './grid.js';
import { el, series } from './lib.js';
import { selfTime } from './model.js';

/** What spans can be gathered by, besides an attribute: `[name, label]`. */
export const GROUPINGS = [
  ['operation', 'Operation'],
  ['service', 'Service'],
  ['actor', 'Actor'],
];

const WAYS = {
  operation: (span) => ({ service: span.service, name: span.name || '(no name)' }),
  service: (span) => ({ service: span.service, name: span.service }),
  actor: (span) => ({
    service: span.service,
    name: span.actor ? [span.actor, span.instance].filter(Boolean).join(' ') : '(outside actors)',
  }),
};

/**
 * The rows: `{ key, service, name, spans, count, errors, total, own, waited, wait, critical, p50,
 * p95, p99, max }`, the longest own time first.
 *
 * `by` is one of `GROUPINGS`, or `{ attribute: key }`. All times are nanoseconds. `total` adds up the
 * durations, so spans within one another and side by side count more than once; `own` is the time
 * in which no child ran; `wait` is the time in the mailbox, of the `waited` messages that tell it;
 * `critical` is how much of the trace's critical path they are. A percentile of the durations is
 * the smallest one that is not less than so many per cent of them: one that was really measured.
 */
export function statisticsOf(model, by) {
  const wayOf = by.attribute ? byAttribute(by.attribute) : WAYS[by];
  const groups = new Map();
  const onPath = bySpan(criticalPath(model));
  for (const span of model.spans) {
    const { service, name } = wayOf(span);
    const key = JSON.stringify([service, name]);
    if (!groups.has(key)) groups.set(key, { key, service, name, spans: [] });
    groups.get(key).spans.push(span);
  }
  return [...groups.values()].map((group) => figures(group, onPath)).sort((a, b) => b.own - a.own);
}

/** The keys that `{ attribute: key }` may name: those of at least one span, in order. */
export function attributeKeys(model) {
  const keys = new Set();
  for (const span of model.spans) for (const { key } of span.attributes) keys.add(key);
  return [...keys].sort();
}

function byAttribute(key) {
  return (span) => {
    const found = span.attributes.find((attribute) => attribute.key === key);
    return { service: null, name: found ? attributeValue(found) : `(without ${key})` };
  };
}

function figures({ key, service, name, spans }, onPath) {
  const durations = spans.map((span) => span.duration_ns).sort((a, b) => a - b);
  const waits = spans.map((span) => span.wait_ns).filter((wait) => wait !== null);
  const steps = spans.flatMap((span) => onPath.get(span.id) ?? []);
  return {
    key,
    service,
    name,
    spans,
    count: spans.length,
    errors: spans.filter((span) => span.isError).length,
    total: sum(durations),
    own: sum(spans.map(selfTime)),
    waited: waits.length,
    wait: sum(waits),
    critical: sum(steps.map(({ from, to }) => to - from)),
    p50: percentile(durations, 50),
    p95: percentile(durations, 95),
    p99: percentile(durations, 99),
    max: durations[durations.length - 1],
  };
}

/** By the nearest rank, of sorted values. */
export function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)];
}

function sum(values) {
  return values.reduce((all, value) => all + value, 0);
}

const time = (key, title, hint) => ({
  key,
  title,
  hint,
  width: 92,
  isNumber: true,
  value: (row) => row[key],
  draw: (row) => duration(row[key]),
});

const COLUMNS = [
  {
    key: 'name',
    title: 'Name',
    width: 230,
    value: (row) => row.name,
    draw: (row) => [
      row.service !== null && el('span', { class: 'swatch', 'data-series': series(row.service) }),
      el(
        'span',
        { class: 'grid-text', title: row.service === null ? row.name : `${row.service}: ${row.name}` },
        row.name,
      ),
    ],
  },
  {
    key: 'count',
    title: 'Spans',
    width: 72,
    isNumber: true,
    value: (row) => row.count,
    draw: (row) => count(row.count),
  },
  {
    key: 'errors',
    title: 'Errors',
    width: 76,
    isNumber: true,
    value: (row) => row.errors,
    draw: (row) => row.errors > 0 && el('span', { class: 'bad' }, `⚠ ${count(row.errors)}`),
  },
  time('total', 'Total', 'Durations added up; spans within one another count more than once'),
  time('own', 'Own time', 'Time in which no child ran'),
  {
    key: 'ownShare',
    title: 'Of all own time',
    width: 120,
    value: null,
    draw: (row) =>
      el('span', {
        class: 'share',
        'data-series': row.service === null ? null : series(row.service),
        title: row.shareWords,
        style: { '--share': `${(100 * row.share).toFixed(2)}%` },
      }),
  },
  {
    ...time('wait', 'Mailbox wait', 'Time that the messages waited, added up'),
    width: 112,
    draw: (row) => (row.waited ? duration(row.wait) : ''),
  },
  {
    ...time('critical', 'Critical path', 'How much of the critical path it is'),
    width: 108,
    draw: (row) => (row.critical ? duration(row.critical) : ''),
  },
  time('p50', 'p50', 'Half of the spans took no longer'),
  time('p95', 'p95', '95 % of the spans took no longer'),
  time('p99', 'p99', '99 % of the spans took no longer'),
  time('max', 'Max', 'The longest'),
];

/** The statistics on screen. A row leads to the table of its spans. `host` as for the waterfall. */
export class Statistics {
  constructor(host) {
    this.host = host;
    this.grid = new Grid({
      label: 'Statistics of the trace',
      columns: COLUMNS,
      keyOf: ({ key }) => key,
      open: (row) => host.showOnly(row.name, row.spans),
      sorted: host.sorted.statistics ?? { key: 'own', isDown: true },
    });
    this.says = el('span', { class: 'soft num', role: 'status' });
    this.buttons = new Map(
      GROUPINGS.map(([name, label]) => [
        name,
        el('button', { type: 'button', onclick: () => this.group(name) }, label),
      ]),
    );
    this.keys = el(
      'select',
      { 'aria-label': 'By attribute', onchange: (event) => this.group({ attribute: event.target.value }) },
      el('option', { value: '' }, 'Attribute…'),
      attributeKeys(host.model).map((key) => el('option', { value: key }, key)),
    );
    this.node = el(
      'div',
      { class: 'grid-view' },
      el(
        'div',
        { class: 'view-bar' },
        el('div', { class: 'segmented', role: 'group', 'aria-label': 'Gathered by' }, [...this.buttons.values()]),
        this.keys,
        this.says,
      ),
      this.grid.node,
    );
    this.group(host.grouping ?? 'operation');
  }

  group(by) {
    const isAttribute = typeof by === 'object';
    if (isAttribute && !by.attribute) by = 'operation';
    this.host.grouping = by;
    for (const [name, button] of this.buttons) button.setAttribute('aria-pressed', String(name === by));
    this.keys.value = by.attribute ?? '';
    const rows = statisticsOf(this.host.model, by);
    const own = sum(rows.map((row) => row.own));
    for (const row of rows) {
      row.share = own ? row.own / own : 0;
      row.shareWords = `${(100 * row.share).toFixed(1)} % of all own time`;
    }
    const spans = plural(this.host.model.spans.length, 'span');
    this.says.textContent = `${plural(rows.length, 'row')}, ${spans}; Enter: its spans`;
    this.grid.show(rows);
  }

  close() {
    this.host.sorted.statistics = this.grid.sorted;
    this.grid.close();
  }

  update() {
    this.grid.update();
  }

  refresh() {
    const { matches } = this.host;
    this.grid.classOf = (row) => (matches && !row.spans.some(({ id }) => matches.has(id)) ? 'dim' : '');
    this.grid.refresh();
  }

  /** Focuses the row of a span. */
  focus(id) {
    const row = this.grid.rows.find(({ spans }) => spans.some((span) => span.id === id));
    this.grid.focus(row?.key);
  }

  get focused() {
    const span = this.grid.focused?.spans[0];
    return span ? { key: span.id, span } : null;
  }

  /** Enter: the spans of the row. */
  activate() {
    const row = this.grid.focused;
    if (row) this.host.showOnly(row.name, row.spans);
  }

  move(step) {
    this.grid.move(step);
  }

  sideways(direction) {
    this.grid.sideways(direction);
  }
}

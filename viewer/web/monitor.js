// The monitor: rate, errors and duration of services, operations and actors over the last minutes, each
// with a way to the traces behind it.
//
// The address says what is shown: `range` in seconds, `service` (or `other=true`), and the row whose
// charts are drawn large: `operation` and `kind`, or `actor`; without them the service.

import { fetchMonitor } from './api.js';
import { duration, percent, rate } from './format.js';
import { el, failure, replace, series } from './lib.js';
import { smallChart, TimeCharts } from './monitor-chart.js';
import {
  amount,
  chartsOf,
  chosenRow,
  clock,
  impacts,
  notesOf,
  OTHER,
  pathOf,
  RANGES,
  stateOf,
  tracesPath,
} from './monitor-data.js';
import { monitorTabs } from './monitor-tabs.js';
import { Refresh } from './refresh.js';
import { setKeys } from './shell.js';

const EVERY_MS = 5000;
/** Columns of numbers. */
const NUMBERS = [
  'Rate',
  'Errors',
  'p50',
  'p95',
  'p99',
  'Wait p50',
  'Wait p99',
  'In mailbox',
  'Batches',
  'Batch mean',
  'Batch p99',
];

/** Opens the monitor. */
export function monitorView(root, { params, go }) {
  document.title = 'Monitor';
  const view = new Monitor(root, params, go);
  return {
    close: () => view.close(),
    moved: (changed) => {
      view.show(changed);
      return true;
    },
  };
}

class Monitor {
  constructor(root, params, go) {
    Object.assign(this, { root, go, answer: null });
    this.range = el(
      'select',
      { onchange: ({ target }) => this.change({ range: target.value }) },
      RANGES.map(([seconds, text]) => el('option', { value: seconds }, `last ${text}`)),
    );
    this.refresh = new Refresh(EVERY_MS, {
      get: (signal) => this.get(signal),
      show: (answer) => {
        this.answer = answer;
        this.draw();
      },
      failed: (error) => replace(this.notes, failure(error.message)),
    });
    this.notes = el('p', { class: 'monitor-notes soft', role: 'status' }, 'Loading the figures…');
    this.services = el('div', {});
    this.title = el('h2', {});
    this.behind = el('p', { class: 'behind' });
    this.charts = new TimeCharts((time) => this.showBehind(time));
    this.panel = el('section', { class: 'monitor-panel' }, this.title, this.charts.node, this.behind);
    this.operations = el('div', {});
    this.actors = el('div', {});
    this.content = el('div', { class: 'monitor-content' }, this.services, this.panel, this.operations, this.actors);
    this.content.hidden = true;
    root.append(
      el('h1', { class: 'sr-only' }, 'Monitor'),
      el(
        'div',
        { class: 'headline tools', role: 'toolbar', 'aria-label': 'Monitor' },
        monitorTabs('/monitor'),
        el('label', { class: 'soft' }, 'Time ', this.range),
        this.refresh.button,
      ),
      this.notes,
      this.content,
    );
    setKeys([
      { keys: ['p'], does: 'pause, or go on', run: () => this.refresh.toggle() },
      { keys: ['j', 'ArrowDown'], does: 'next row', run: () => this.move(1) },
      { keys: ['k', 'ArrowUp'], does: 'previous row', run: () => this.move(-1) },
      { keys: ['1'], does: 'the last 5 minutes', run: () => this.change({ range: '300' }) },
      { keys: ['2'], does: 'the last 15 minutes', run: () => this.change({ range: '900' }) },
      { keys: ['3'], does: 'the last hour', run: () => this.change({ range: '3600' }) },
      { keys: ['c'], does: 'to the charts: arrow keys choose a time in them', run: () => this.charts.node.focus() },
      { keys: ['l'], does: 'the slowest traces behind the charts', run: () => this.follow('slowest') },
      { keys: ['e'], does: 'the failed traces behind the charts', run: () => this.follow('failed') },
      { keys: ['Escape'], does: 'leave the row', run: () => document.activeElement?.blur() },
    ]);
    this.show(params);
  }

  close() {
    this.refresh.close();
  }

  /** Shows what an address asks for. */
  show(params) {
    this.state = stateOf(params);
    this.range.value = this.state.range;
    this.refresh.now();
  }

  change(changes) {
    this.go(pathOf({ ...this.state, ...changes }), { replace: true });
  }

  // Getting and drawing it.

  get(signal) {
    const { range, service, isOther } = this.state;
    const query = new URLSearchParams({ range });
    if (isOther) query.set('other', 'true');
    else if (service) query.set('service', service);
    return fetchMonitor(query, signal);
  }

  draw() {
    const { answer, state } = this;
    const focused = this.content.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.content.hidden = !answer.services.length;
    replace(
      this.notes,
      answer.services.length
        ? notesOf(answer)
        : 'Nothing has come in this time. Rate, errors and duration appear here as spans come.',
    );
    replace(this.services, this.table('Services', 'service', answer.services, answer.services.length));
    const chosen = chosenRow(answer, state);
    const service = answer.is_other ? OTHER : answer.service;
    this.panel.hidden = !chosen;
    if (chosen) {
      this.row = { ...state.row, name: state.row.type === 'service' ? answer.service : chosen.name };
      const what = { service: '', operation: ` ${chosen.name}, ${chosen.kind}`, actor: ` actor ${chosen.name}` };
      replace(this.title, el('span', { class: 'service' }, service), what[state.row.type]);
      this.charts.draw(answer, chosen, chartsOf(answer, chosen));
    }
    const { operations, actors } = answer;
    replace(this.operations, this.table(`Operations of ${service}`, 'operation', operations.rows, operations.total));
    replace(this.actors, this.table(`Actors of ${service}`, 'actor', actors.rows, actors.total));
    if (focused) this.content.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  /** The traces behind what the charts show, or behind the time chosen in them. */
  showBehind(time) {
    const { answer, row } = this;
    const span = time ?? { from: answer.whole_from_us, to: answer.to_us };
    const words = time ? `${clock(time.from)} to ${clock(time.to)}` : 'all of this time';
    const link = (text, more) => {
      const href = tracesPath(answer.service, row, span, more);
      return href && el('a', { href, 'data-key': `behind ${text}`, 'data-behind': text }, text);
    };
    const links = [link('slowest', { sort: 'duration' }), link('failed', { errors: 'true' }), link('all')];
    const shown = links.filter(Boolean).flatMap((node, i) => (i ? [' · ', node] : [node]));
    replace(
      this.behind,
      shown.length
        ? ['Traces of ', el('strong', { class: 'num' }, words), ': ', ...shown]
        : 'These have no name to search by.',
    );
  }

  follow(name) {
    const link = this.behind.querySelector(`[data-behind="${name}"]`);
    if (link) this.go(link.getAttribute('href'));
  }

  /** A table of rows of one type. `total` is how many there are. */
  table(caption, type, rows, total) {
    if (!rows.length) return null;
    const isActor = type === 'actor';
    const shares = impacts(rows);
    const names = [
      { service: 'Service', operation: 'Operation', actor: 'Actor' }[type],
      ...(type === 'operation' ? ['Kind'] : []),
      ...['Rate', 'Errors', 'p50', 'p95', 'p99'],
      ...(type === 'operation' ? ['Impact'] : []),
      ...(isActor ? ['Wait p50', 'Wait p99', 'In mailbox', 'Batches', 'Batch mean', 'Batch p99'] : []),
      ...['Rate over time', 'p95 over time', ...(isActor ? ['Wait p99 over time'] : []), 'Traces'],
    ];
    const more = total > rows.length ? ` The ${rows.length} with the most time of ${total}.` : '';
    return el(
      'div',
      { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': caption },
      el(
        'table',
        { class: `monitor-table ${type}s` },
        el('caption', {}, el('strong', {}, caption), more),
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            names.map((name) => el('th', { scope: 'col', class: NUMBERS.includes(name) && 'num' }, name)),
          ),
        ),
        el(
          'tbody',
          {},
          rows.map((row, i) => this.tableRow(type, row, shares[i])),
        ),
      ),
    );
  }

  tableRow(type, row, share) {
    const { state, answer } = this;
    const { points, mailbox } = row;
    const numbers = [rate(row.rate), errorCell(row), ...[row.p50_ns, row.p95_ns, row.p99_ns].map(duration)];
    const impact = () =>
      el(
        'td',
        { class: 'impact' },
        el('span', { class: 'impact-bar', style: { '--share': share } }),
        el('span', { class: 'num' }, percent(Math.round(share * 1000), 1000)),
      );
    const waits = mailbox && [
      ...[mailbox.wait_p50_ns, mailbox.wait_p99_ns].map(duration),
      amount(mailbox.depth),
      ...(mailbox.batch_count
        ? [rate(mailbox.batch_count / secondsOf(answer)), amount(mailbox.batch_mean), amount(mailbox.batch_p99)]
        : ['–', '–', '–']),
    ];
    const line = (name, values) => el('td', { class: 'over-time' }, smallChart({ lines: [{ name, values }] }));
    const bars = [
      { name: 'all', values: points.count },
      { name: 'errors', values: points.errors },
    ];
    return el(
      'tr',
      { class: this.isChosen(type, row) ? 'chosen' : '' },
      el('th', { scope: 'row' }, this.nameCell(type, row, state)),
      type === 'operation' && el('td', { class: 'soft' }, row.kind),
      numbers.map((number) => el('td', { class: 'num' }, number)),
      type === 'operation' && impact(),
      type === 'actor' && waits.map((number) => el('td', { class: 'num' }, number)),
      el('td', { class: 'over-time' }, smallChart({ bars })),
      line('p95', points.p95_ns),
      type === 'actor' && line('p99', mailbox.points.wait_p99_ns),
      el('td', { class: 'ways' }, this.ways(type, row)),
    );
  }

  isChosen(type, { name, kind }) {
    const { state, answer } = this;
    if (type === 'service') return name === answer.service && (name === null) === answer.is_other;
    const { row } = state;
    return name !== null && row.type === type && row.name === name && (type === 'actor' || row.kind === kind);
  }

  /** The name of a row: a link that has its charts drawn. */
  nameCell(type, { name, kind }, state) {
    const key = JSON.stringify([type, name, kind ?? null]);
    const { range } = state;
    if (type === 'service') {
      const href = pathOf({ range, service: name, isOther: name === null, row: { type } });
      return el(
        'a',
        { href, class: 'service', 'data-key': key, 'data-series': name === null ? null : series(name) },
        el('span', { class: 'swatch' }),
        el('span', { class: 'service-name' }, name ?? OTHER),
      );
    }
    if (name === null) return el('span', { class: 'soft' }, OTHER);
    const { service, is_other: isOther } = this.answer;
    const href = pathOf({ range, service, isOther, row: { type, name, kind } });
    return el('a', { href, 'data-key': key }, name);
  }

  ways(type, row) {
    const { answer } = this;
    const service = type === 'service' ? row.name : answer.service;
    const time = { from: answer.whole_from_us, to: answer.to_us };
    const way = (text, more) => {
      const href = tracesPath(service, { type, ...row }, time, more);
      return href && el('a', { href, 'data-key': JSON.stringify([text, type, row.name, row.kind ?? null]) }, text);
    };
    const ways = [way('slowest', { sort: 'duration' }), row.errors > 0 && way('failed', { errors: 'true' })];
    return ways.filter(Boolean).flatMap((node, i) => (i ? [' ', node] : [node]));
  }

  // Moving.

  move(step) {
    const rows = [...this.content.querySelectorAll('tbody th a')];
    const at = rows.findIndex((row) => row.closest('tr').contains(document.activeElement));
    rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + step))]?.focus();
  }
}

function secondsOf({ whole_from_us: whole, to_us: to }) {
  return Math.max(1, (to - whole) / 1e6);
}

function errorCell({ errors, count }) {
  if (!errors) return '0%';
  return failure(percent(errors, count));
}

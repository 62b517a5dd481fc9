// The spans of a trace as a table: every one with its figures, sorted and filtered. It is also the
// flame graph in words.

import { count, duration } from './format.js';
import { Grid } from './grid.js';
import { el, icon, replace, series, srOnly } from './lib.js';
import { linkCount, selfTime } from './model.js';

const time = (key, title, value, hint) => ({
  key,
  title,
  hint,
  width: 96,
  isNumber: true,
  value,
  draw: (span) => (value(span) === null ? '' : duration(value(span))),
});

const number = (key, title, value) => ({
  key,
  title,
  width: 72,
  isNumber: true,
  value,
  draw: (span) => (value(span) ? count(value(span)) : ''),
});

/** The columns. `onPath`: the steps of the critical path by span id. */
const columns = (onPath) => [
  {
    key: 'name',
    title: 'Span',
    width: 220,
    value: (span) => span.name,
    draw: (span) => [
      span.isError && icon('⚠', 'error bad'),
      span.isError && srOnly('error'),
      el('span', { class: 'grid-text', title: span.name }, span.name || '(no name)'),
    ],
  },
  {
    key: 'service',
    title: 'Service',
    width: 130,
    value: (span) => span.service,
    draw: (span) => [
      el('span', { class: 'swatch', 'data-series': series(span.service) }),
      el('span', { class: 'grid-text' }, span.service),
    ],
  },
  {
    key: 'actor',
    title: 'Actor',
    width: 120,
    value: (span) => actorOf(span),
    draw: (span) => el('span', { class: 'grid-text' }, actorOf(span)),
  },
  time('start', 'Start', (span) => span.start_ns, 'From the start of the trace'),
  time('duration', 'Duration', (span) => span.duration_ns),
  time('own', 'Own time', selfTime, 'Time in which none of its children ran'),
  time('wait', 'Wait', (span) => span.wait_ns, 'In the mailbox, before the span'),
  time('critical', 'On path', (span) => onPath.get(span.id)?.reduce(add, 0) ?? null, 'Its part of the critical path'),
  number('events', 'Events', (span) => span.events.length),
  number('links', 'Links', linkCount),
  {
    key: 'error',
    title: 'Error',
    width: 160,
    value: (span) => errorOf(span),
    draw: (span) => el('span', { class: 'grid-text bad', title: errorOf(span) }, errorOf(span)),
  },
];

const add = (sum, { from, to }) => sum + to - from;

function actorOf(span) {
  return span.actor ? [span.actor, span.instance].filter(Boolean).join(' ') : '';
}

function errorOf(span) {
  if (!span.isError) return '';
  return [span.error_type, span.status_message].filter(Boolean).join(': ') || 'error';
}

/** The table. `host` as for the waterfall, with `only` (`{ label, spans }`) what it is limited to. */
export class SpanTable {
  constructor(host) {
    this.host = host;
    this.grid = new Grid({
      label: 'Spans of the trace',
      columns: columns(host.onPath),
      keyOf: ({ id }) => id,
      open: (span) => host.select(span),
      classOf: (span) => (host.selected === span ? 'selected' : ''),
      sorted: host.sorted.table,
    });
    this.bar = el('div', { class: 'view-bar' });
    this.node = el('div', { class: 'grid-view' }, this.bar, this.grid.node);
    this.refresh();
  }

  close() {
    this.host.sorted.table = this.grid.sorted;
    this.grid.close();
  }

  update() {
    this.grid.update();
  }

  refresh() {
    const { model, matches, only, service } = this.host;
    const isMeant = (span) =>
      (!matches || matches.has(span.id)) &&
      (!service || span.service === service) &&
      (!only || only.spans.has(span.id));
    const spans = model.spans.filter(isMeant);
    if (spans.length !== this.grid.given.length || spans.some((span, i) => span !== this.grid.given[i])) {
      this.grid.show(spans);
    } else this.grid.refresh();
    this.drawBar(spans.length);
  }

  drawBar(shown) {
    const { host } = this;
    const { services, spans } = host.model;
    this.choice ??= el('select', {
      'aria-label': 'Service',
      onchange: (event) => {
        host.service = event.target.value;
        this.refresh();
      },
    });
    if (!this.choice.options.length) {
      const names = ['', ...services.map(({ name }) => name)];
      this.choice.append(...names.map((name) => el('option', { value: name }, name || 'all services')));
      this.choice.value = host.service ?? '';
    }
    const all = () => {
      host.only = null;
      this.refresh();
      this.choice.focus();
    };
    const label = shown === spans.length ? `${count(shown)} spans` : `${count(shown)} of ${count(spans.length)} spans`;
    const parts = [
      this.choice,
      host.only && el('button', { type: 'button', title: 'All spans again', onclick: all }, `${host.only.label} ✕`),
      el('span', { class: 'soft num', role: 'status' }, label),
    ].filter(Boolean);
    if (document.activeElement === this.choice) {
      for (const node of [...this.bar.children]) if (node !== this.choice) node.remove();
      this.bar.append(...parts.slice(1));
    } else replace(this.bar, parts);
  }

  focus(id) {
    this.grid.focus(this.grid.index.has(id) ? id : undefined);
  }

  get focused() {
    const span = this.grid.focused;
    return span ? { key: span.id, span } : null;
  }

  move(step) {
    this.grid.move(step);
  }

  sideways(direction) {
    this.grid.sideways(direction);
  }
}

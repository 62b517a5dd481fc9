// The critical path as a list: what was waited for, step by step.

import { lastToEnd, pathOf, pathTo, sums } from './critical-path.js';
import { duration, percent, plural, shortId } from './format.js';
import { Grid } from './grid.js';
import { el, series, tracePath } from './lib.js';
import { topOf } from './model.js';

const KINDS = {
  own: 'own time',
  wait: 'in the mailbox',
  linked: 'in linked trace',
  after: 'after its end',
};

const COLUMNS = [
  {
    key: 'name',
    title: 'What was waited for',
    width: 250,
    value: ({ span }) => span.name,
    draw: (step) => [
      el('span', { class: 'swatch', 'data-series': series(step.span.service) }),
      el(
        'span',
        { class: 'grid-text', title: `${step.span.service}: ${step.span.name}` },
        step.span.name || '(no name)',
      ),
      step.span.instance && el('span', { class: 'instance' }, step.span.instance),
    ],
  },
  {
    key: 'kind',
    title: 'How',
    width: 145,
    value: ({ kind }) => KINDS[kind],
    draw: ({ kind }) => [el('span', { class: `path-key is-${kind}`, 'aria-hidden': 'true' }), KINDS[kind]],
  },
  time('from', 'From', ({ from }) => from),
  time('length', 'Time', ({ from, to }) => to - from),
  {
    key: 'share',
    title: 'Of the path',
    width: 130,
    value: null,
    draw: (step) => [
      el('span', {
        class: 'share',
        'data-series': series(step.span.service),
        style: { '--share': `${(100 * step.share).toFixed(2)}%` },
      }),
      el('span', { class: 'num' }, step.shareWords),
    ],
  },
  {
    key: 'linked',
    title: 'Linked span',
    width: 250,
    value: ({ link }) => link?.name ?? null,
    draw: ({ link }) =>
      link && [
        el('a', { href: tracePath(link.trace_id, link.span_id), class: 'grid-text', tabindex: -1 }, `→ ${link.name}`),
        el('span', { class: 'soft' }, `in trace ${shortId(link.trace_id)}`),
      ],
  },
];

function time(key, title, value) {
  return { key, title, width: 96, isNumber: true, value, draw: (step) => duration(value(step)) };
}

/** The list. `host` as for the waterfall. */
export class PathList {
  constructor(host) {
    this.host = host;
    this.grid = new Grid({
      label: 'Critical path of the trace',
      columns: COLUMNS,
      keyOf: ({ key }) => key,
      open: (step) => this.open(step),
      classOf: ({ span }) => this.classOf(span),
      sorted: host.sorted.critical ?? { key: 'from', isDown: false },
    });
    this.says = el('p', { class: 'path-sums num' });
    this.choice = el('select', { 'aria-label': 'Path of', onchange: () => this.choose(this.choice.value) });
    this.node = el(
      'div',
      { class: 'grid-view' },
      el('div', { class: 'view-bar' }, this.choice, this.says),
      this.grid.node,
    );
    this.choose(host.pathOf ?? 'top');
  }

  /** Whose path may be shown: `[value, label, steps()]`. */
  choices() {
    const { model, selected } = this.host;
    const [top, last] = [topOf(model), lastToEnd(model)];
    return [
      ['top', `of ${top?.name || '(no name)'}`, () => this.host.steps],
      top && last.end_ns > top.end_ns && ['last', `to the last end: ${last.name}`, () => pathTo(model, last)],
      selected && selected !== top && ['selected', `of the selected ${selected.name}`, () => pathOf(model, selected)],
    ].filter(Boolean);
  }

  choose(wanted) {
    const choices = this.choices();
    const [value, , steps] = choices.find(([name]) => name === wanted) ?? choices[0];
    this.host.pathOf = value;
    this.choice.replaceChildren(...choices.map(([name, label]) => el('option', { value: name }, label)));
    this.choice.value = value;
    this.chosen = this.host.selected;
    this.draw(steps());
  }

  draw(steps) {
    const sum = sums(steps);
    const rows = steps.map((step, i) => ({
      ...step,
      key: `${i}`,
      share: sum.all ? (step.to - step.from) / sum.all : 0,
      shareWords: percent(step.to - step.from, sum.all),
    }));
    const parts = Object.entries(KINDS).filter(([kind]) => sum[kind] > 0);
    this.says.replaceChildren(
      el('strong', {}, duration(sum.all)),
      ` in ${plural(steps.length, 'step')}: `,
      parts.map(([kind, words]) => `${duration(sum[kind])} ${words} (${percent(sum[kind], sum.all)})`).join(', '),
    );
    this.grid.show(rows);
  }

  classOf(span) {
    const { matches, selected } = this.host;
    if (selected === span) return 'selected';
    return matches && !matches.has(span.id) ? 'dim' : '';
  }

  open({ span }) {
    this.host.select(span);
  }

  /** Enter: the details of the step's span. */
  activate() {
    if (this.grid.focused) this.open(this.grid.focused);
  }

  close() {
    this.host.sorted.critical = this.grid.sorted;
    this.grid.close();
  }

  update() {
    this.grid.update();
  }

  refresh() {
    if (this.chosen !== this.host.selected && this.host.pathOf !== 'selected') this.choose(this.host.pathOf);
    else this.grid.refresh();
  }

  /** Focuses the first step of a span, unless one of its steps has the focus. */
  focus(id) {
    if (this.grid.focused?.span.id === id) return this.grid.focus();
    return this.grid.focus(this.grid.rows.find(({ span }) => span.id === id)?.key);
  }

  get focused() {
    const step = this.grid.focused;
    return step ? { key: step.key, span: step.span, link: step.link } : null;
  }

  move(step) {
    this.grid.move(step);
  }

  sideways(direction) {
    this.grid.sideways(direction);
  }
}

// Charts over time: small ones in tables, and large ones in which a stretch of time can be chosen.

import { el, replace, svg } from './lib.js';
import { barsPath, clock, largest, linePath, stepWords, timeOfSteps } from './monitor-data.js';

const SMALL = { width: 120, height: 24 };
const LARGE = { width: 600, height: 90 };

/** A small chart: bars, of which some are errors, or a line. The row's figures say the same. */
export function smallChart({ bars = [], lines = [] }) {
  return drawing('small-plot', { bars, lines }, SMALL);
}

function drawing(name, { bars, lines }, { width, height }) {
  const max = largest(...bars.map(({ values }) => values), ...lines.map(({ values }) => values));
  return svg(
    'svg',
    { class: name, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    bars.map((bar) => svg('path', { class: `bars ${bar.name}`, d: barsPath(bar.values, max, width, height) })),
    lines.map((line) => svg('path', { class: `curve ${line.name}`, d: linePath(line.values, max, width, height) })),
  );
}

/** One chart with its title, its largest value, what its lines are, and the times of its answer. */
export function largeChart(chart, { from_us: from, to_us: to }, more = []) {
  const { title, unit, bars, lines, hasOwnKey } = chart;
  const most = largest(...bars.map(({ values }) => values), ...lines.map(({ values }) => values));
  const keys = hasOwnKey ? [] : [...bars.filter(({ name }) => name !== 'all'), ...lines];
  return el(
    'figure',
    { class: 'plot' },
    el(
      'figcaption',
      {},
      el('strong', {}, title),
      el('span', { class: 'soft num' }, ` up to ${unit(most)}`),
      keys.map(({ name }) => el('span', { class: `plot-key ${name}` }, name)),
    ),
    el('div', { class: 'plot-field' }, drawing('large-plot', chart, LARGE), more),
    el('div', { class: 'plot-times soft num' }, el('span', {}, clock(from)), el('span', {}, clock(to))),
  );
}

/**
 * The charts of one row, in which the pointer or the arrow keys choose a stretch of time. `chose(time)` is
 * told of it: `{ from, to }` in µs, or null when none is chosen any more.
 */
export class TimeCharts {
  constructor(chose) {
    Object.assign(this, { chose, first: null, last: null, steps: 0 });
    this.node = el('div', {
      class: 'charts',
      role: 'slider',
      tabindex: 0,
      'aria-label': 'Time in the charts: arrow keys choose a step, with Shift several',
      onkeydown: (event) => this.pressed(event),
      onpointerdown: (event) => this.pointed(event, true),
      onpointermove: (event) => event.buttons === 1 && this.pointed(event, false),
    });
  }

  /** Draws `charts` of `row`. What was chosen stays chosen, at the time at which it was. */
  draw(answer, row, charts) {
    if (this.first !== null && this.answer) {
      const moved = Math.round((answer.from_us - this.answer.from_us) / (answer.step_s * 1e6));
      const isSame = answer.step_s === this.answer.step_s;
      [this.first, this.last] = isSame ? [this.first - moved, this.last - moved] : [null, null];
      if (Math.min(this.first ?? -1, this.last ?? -1) < 0) [this.first, this.last] = [null, null];
    }
    Object.assign(this, { answer, row, steps: row.points.count.length });
    replace(
      this.node,
      charts.map((chart) => largeChart(chart, answer, el('div', { class: 'chosen-time' }))),
    );
    this.show();
  }

  pressed(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -this.steps, End: this.steps };
    if (event.key === 'Escape' && this.first !== null) {
      [this.first, this.last] = [null, null];
    } else if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const at = this.last ?? this.steps;
      this.last = Math.max(0, Math.min(this.steps - 1, at + steps[event.key]));
      if (!event.shiftKey || this.first === null) this.first = this.last;
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.show();
  }

  pointed(event, isFirst) {
    const field = event.target.closest('.plot-field');
    if (!field) return;
    const box = field.getBoundingClientRect();
    const at = Math.floor(((event.clientX - box.left) / box.width) * this.steps);
    this.last = Math.max(0, Math.min(this.steps - 1, at));
    if (isFirst) this.first = this.last;
    this.show();
  }

  show() {
    const { node, first, last, steps, answer, row } = this;
    const isChosen = first !== null;
    const [least, most] = isChosen ? [Math.min(first, last), Math.max(first, last)] : [0, 0];
    for (const mark of node.querySelectorAll('.chosen-time')) {
      mark.hidden = !isChosen;
      mark.style.setProperty('left', `${(100 * least) / steps}%`);
      mark.style.setProperty('width', `${(100 * (most - least + 1)) / steps}%`);
    }
    node.setAttribute('aria-valuemin', 0);
    node.setAttribute('aria-valuemax', steps - 1);
    node.setAttribute('aria-valuenow', last ?? steps - 1);
    const words = stepWords(answer, row, last ?? steps - 1);
    const from = least === most ? '' : `${clock(timeOfSteps(answer, least, most).from)} to `;
    node.setAttribute('aria-valuetext', isChosen ? from + words : 'all of the time shown');
    this.chose(isChosen ? timeOfSteps(answer, least, most) : null);
  }
}

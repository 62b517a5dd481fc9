// The instruments of the metrics that services send: a list of them, and of the chosen one its charts.
//
// The address says what is shown: `range` in seconds, the instrument (`service`, `name`, `unit`, `kind`,
// `scope`), and `attribute=key=value` for each attribute that its series must have.

import { fetchInstrument, fetchInstruments } from './api.js';
import { bytes, count, dateTime, plural, shortId } from './format.js';
import {
  chartsOf,
  chosenValue,
  firstToShow,
  inOrder,
  inUnit,
  isSame,
  keyOf,
  matching,
  paramsOf,
  pathOf,
  stateOf,
  withAttribute,
} from './instruments-data.js';
import { el, failure, replace, series, tracePath } from './lib.js';
import { largeChart } from './monitor-chart.js';
import { RANGES } from './monitor-data.js';
import { monitorTabs } from './monitor-tabs.js';
import { Refresh } from './refresh.js';
import { setKeys } from './shell.js';

const EVERY_MS = 5000;

/** Opens the instruments. */
export function instrumentsView(root, { params, go }) {
  document.title = 'Instruments';
  const view = new InstrumentsView(root, params, go);
  return {
    close: () => view.close(),
    moved: (changed) => {
      view.show(changed);
      return true;
    },
  };
}

class InstrumentsView {
  constructor(root, params, go) {
    Object.assign(this, { go, instruments: [] });
    this.range = el(
      'select',
      { onchange: ({ target }) => this.change({ range: target.value }) },
      RANGES.map(([seconds, text]) => el('option', { value: seconds }, `last ${text}`)),
    );
    this.filter = el('input', {
      type: 'search',
      placeholder: 'Part of a name',
      autocomplete: 'off',
      spellcheck: 'false',
      'aria-label': 'Instruments with these words',
      oninput: () => this.drawList(),
    });
    this.refresh = new Refresh(EVERY_MS, {
      get: (signal) => this.get(signal),
      show: ({ held, isThere, charts }) => {
        this.content.hidden = !this.instruments.length;
        replace(this.notes, notesOf(held));
        this.drawList();
        this.drawChosen(isThere, charts);
      },
      failed: (error) => replace(this.notes, failure(error.message)),
    });
    this.notes = el('p', { class: 'monitor-notes soft', role: 'status' }, 'Loading the instruments…');
    this.list = el('ul', { class: 'instruments' });
    this.chosen = el('section', { class: 'monitor-panel', 'aria-label': 'Chosen instrument' });
    this.content = el('div', { class: 'instruments-content' }, this.list, this.chosen);
    this.content.hidden = true;
    root.append(
      el('h1', { class: 'sr-only' }, 'Instruments'),
      el(
        'div',
        { class: 'headline tools', role: 'toolbar', 'aria-label': 'Instruments' },
        monitorTabs('/monitor/instruments'),
        el('label', { class: 'soft' }, 'Time ', this.range),
        this.filter,
        this.refresh.button,
      ),
      this.notes,
      this.content,
    );
    setKeys([
      { keys: ['/'], does: 'to the field for a name', run: () => this.filter.focus() },
      { keys: ['p'], does: 'pause, or go on', run: () => this.refresh.toggle() },
      { keys: ['j', 'ArrowDown'], does: 'next instrument', run: () => this.move(1) },
      { keys: ['k', 'ArrowUp'], does: 'previous instrument', run: () => this.move(-1) },
      { keys: ['Escape'], inFields: true, does: 'leave the field', run: () => document.activeElement?.blur() },
    ]);
    this.show(params);
  }

  close() {
    this.refresh.close();
  }

  show(params) {
    this.state = stateOf(params, RANGES);
    this.range.value = this.state.range;
    this.drawList();
    this.refresh.now();
  }

  change(changes) {
    this.go(pathOf({ ...this.state, ...changes }), { replace: true });
  }

  async get(signal) {
    const { instruments, held } = await fetchInstruments(signal);
    this.instruments = inOrder(instruments);
    this.state.key ??= instruments.length ? keyOf(firstToShow(this.instruments)) : null;
    const isThere = instruments.find((known) => isSame(known, this.state.key));
    const charts = isThere && (await fetchInstrument(paramsOf(this.state), signal));
    return { held, isThere, charts };
  }

  drawList() {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    const { range, key } = this.state;
    replace(
      this.list,
      matching(this.instruments, this.filter.value).map((instrument) => {
        const href = pathOf({ range, key: keyOf(instrument), attributes: [] });
        return el(
          'li',
          {},
          el(
            'a',
            { href, 'aria-current': isSame(instrument, key) && 'true', 'data-series': series(instrument.service) },
            el('span', { class: 'swatch' }),
            el('span', { class: 'instrument-name' }, instrument.name || '(no name)'),
            el('span', { class: 'soft' }, ` ${instrument.service}, ${instrument.kind}`),
          ),
        );
      }),
    );
    if (focused) [...this.list.querySelectorAll('a')].find((link) => link.getAttribute('href') === focused)?.focus();
  }

  drawChosen(instrument, answer) {
    // A field that somebody is in stays as it is.
    if (this.chosen.contains(document.activeElement) && document.activeElement.matches('select')) return;
    if (!instrument) {
      const { key } = this.state;
      replace(this.chosen, el('h2', {}, key?.name ?? ''), el('p', {}, 'Nothing of this instrument is held.'));
      return;
    }
    const { attributes } = this.state;
    // Where there is nothing to choose there is no field.
    const open = instrument.attributes.filter(({ key, values }) => values.length > 1 || chosenValue(attributes, key));
    const fields = open.map(({ key, values, has_more: hasMore }) =>
      el(
        'label',
        { class: 'soft' },
        `${key} `,
        el(
          'select',
          { onchange: ({ target }) => this.chose(key, target) },
          el('option', { value: '' }, hasMore ? `all (more than ${values.length})` : `all ${values.length}`),
          values.map((value) => el('option', { value, selected: chosenValue(attributes, key) === value }, value)),
        ),
      ),
    );
    const more = answer.series > answer.shown ? `, of which ${answer.shown} are looked at` : '';
    replace(
      this.chosen,
      el('h2', {}, instrument.name || '(no name)'),
      el(
        'p',
        { class: 'soft' },
        [
          instrument.description,
          `${instrument.kind} of ${instrument.service}`,
          instrument.unit && `unit ${instrument.unit}`,
        ]
          .filter(Boolean)
          .join(' · '),
        ` · ${plural(answer.series, 'series', 'series')}${more}`,
      ),
      fields.length > 0 && el('div', { class: 'instrument-attributes' }, fields),
      el(
        'div',
        { class: 'charts' },
        chartsOf(answer, instrument).map((chart) => chartWithLines(chart, answer)),
      ),
      answer.exemplars.length > 0 && exemplarsNode(answer.exemplars, inUnit(instrument.unit)),
    );
  }

  chose(key, select) {
    select.blur();
    this.change({ attributes: withAttribute(this.state.attributes, key, select.value) });
  }

  move(step) {
    const links = [...this.list.querySelectorAll('a')];
    const at = links.indexOf(document.activeElement);
    links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
  }
}

function chartWithLines(chart, answer) {
  return el(
    'div',
    {},
    largeChart({ ...chart, bars: [], hasOwnKey: true }, answer),
    el(
      'ul',
      { class: 'lines' },
      chart.lines.map(({ name, words, last }) =>
        el('li', {}, el('span', { class: `plot-key ${name}` }, words), el('span', { class: 'num' }, ` ${last}`)),
      ),
    ),
  );
}

/** Values with the spans in which they were measured. */
function exemplarsNode(exemplars, shown) {
  return el(
    'div',
    { class: 'exemplars' },
    el('h3', {}, 'Exemplars'),
    el(
      'ul',
      {},
      exemplars.map(({ time_us: time, value, trace_id: trace, span_id: span }) =>
        el(
          'li',
          {},
          el('a', { href: tracePath(trace, span) }, shown(value)),
          el('span', { class: 'soft' }, ` ${dateTime(time)}, trace ${shortId(trace)}`),
        ),
      ),
    ),
  );
}

function notesOf(held) {
  if (!held.instruments) {
    return 'No metrics have come. Services send them by OTLP, as with OTEL_METRICS_EXPORTER=otlp.';
  }
  return [
    `${plural(held.instruments, 'instrument')}, ${plural(held.series, 'series', 'series')} of the last hour.`,
    held.no_room > 0 &&
      `${plural(held.no_room, 'point')} rejected: there is room for ` +
        `${count(held.max_series)} series in ${bytes(held.max_bytes)}.`,
    held.future > 0 && `${plural(held.future, 'point')} dated in the future left out.`,
    held.late > 0 && `${plural(held.late, 'point')} of a time that is not held left out.`,
  ]
    .filter(Boolean)
    .join(' ');
}

// The actor graph: which service and actor sends what to which, and which database it asks, over
// everything that is held, or over a stretch of time; and two stretches side by side.
//
// The address says what is shown: `window=60` the last seconds, `start` and `end` (µs since the epoch)
// a stretch; `before=same` compares it with the time before it, `before_start` and `before_end`
// with another stretch.

import { fetchGraph } from './api.js';
import { showAddress } from './base-path.js';
import { plural } from './format.js';
import { changeWords, dotOf, errorWords, graphOf, MEASURES, measureWords, stretchWords } from './graph-data.js';
import { fileOf, GraphPicture, MOST_EDGES } from './graph-picture.js';
import { announce, el, failure, icon, replace, series, svg } from './lib.js';
import { Refresh } from './refresh.js';
import { setKeys } from './shell.js';

const EVERY_MS = 2000;
const WINDOWS = [
  ['', 'everything held'],
  ['60', 'last minute'],
  ['300', 'last 5 minutes'],
  ['600', 'last 10 minutes'],
  ['chosen', 'a chosen time'],
];
const BEFORES = [
  ['', 'nothing'],
  ['same', 'the time before it'],
  ['chosen', 'another time'],
];
const STRETCH = ['window', 'start', 'end'];
const BEFORE = ['before', 'before_start', 'before_end'];

/** Opens the graph. */
export function graphView(root, { params, go }) {
  document.title = 'Actor graph';
  const view = new GraphView(root, new URLSearchParams(params), go);
  return () => view.close();
}

class GraphView {
  constructor(root, params, go) {
    Object.assign(this, { params, isRefused: false, graph: null });
    this.notes = el('div', { class: 'graph-notes soft num', role: 'status' });
    this.svg = svg('svg', { class: 'graph', role: 'presentation', 'aria-hidden': 'true' });
    this.picture = new GraphPicture(this.svg, go);
    this.head = el('tr', {});
    this.body = el('tbody', {});
    this.blank = el('div', {});
    this.content = this.contentNode();
    const isReading = () => this.body.contains(document.activeElement);
    // The next is asked for when the last has come: to go through everything may take its time.
    this.refresh = new Refresh(EVERY_MS, {
      get: (signal) => this.fetch(signal),
      show: (answers) => this.show(answers),
      failed: (error) => this.failed(error),
      isBusy: () => this.isRefused || this.isFixed() || isReading(),
    });
    this.chosen = el('div', { class: 'graph-times' });
    root.append(
      el('h1', { class: 'sr-only' }, 'Actor graph'),
      this.tools(),
      this.chosen,
      this.notes,
      this.content,
      this.blank,
    );
    this.drawTimes();
    replace(this.notes, el('p', {}, 'Loading the graph…'));
    setKeys([
      { keys: ['p'], does: 'pause, or go on', run: () => this.refresh.toggle() },
      { keys: ['m'], does: 'compare what was before now with what comes', run: () => this.splitNow() },
      { keys: ['s'], does: 'save the picture (SVG)', run: () => this.save('svg') },
      { keys: ['d'], does: 'save the graph for Graphviz (DOT)', run: () => this.save('dot') },
      { keys: ['j', 'ArrowDown'], does: 'next row of the table', run: () => moveRow(this.body, 1) },
      { keys: ['k', 'ArrowUp'], does: 'previous row of the table', run: () => moveRow(this.body, -1) },
      { keys: ['Escape'], inFields: true, does: 'leave the table', run: () => document.activeElement?.blur() },
    ]);
    this.refresh.now();
  }

  close() {
    this.refresh.close();
  }

  tools() {
    const select = (name, options, value, run) =>
      el(
        'label',
        { class: 'soft' },
        `${name} `,
        el(
          'select',
          { onchange: ({ target }) => run(target.value) },
          options.map(([option, text]) => el('option', { value: option, selected: option === value }, text)),
        ),
      );
    const { params } = this;
    const isChosen = params.has('start') || params.has('end');
    const isOther = params.has('before_start') || params.has('before_end');
    return el(
      'div',
      { class: 'headline tools', role: 'toolbar', 'aria-label': 'Graph' },
      select('Time', WINDOWS, isChosen ? 'chosen' : (params.get('window') ?? ''), (value) => this.choose(value)),
      select('Compare with', BEFORES, isOther ? 'chosen' : (params.get('before') ?? ''), (value) =>
        this.chooseBefore(value),
      ),
      el(
        'button',
        { type: 'button', title: 'Compare what was before now with what comes (m)', onclick: () => this.splitNow() },
        'Before and after now',
      ),
      el(
        'span',
        { class: 'soft key' },
        el('span', { class: 'shape service-key' }),
        'service ',
        el('span', { class: 'shape actor-key' }),
        'actor ',
        el('span', { class: 'shape database-key' }),
        'database',
      ),
      el('button', { type: 'button', title: 'Save the picture (s)', onclick: () => this.save('svg') }, 'SVG'),
      el(
        'button',
        { type: 'button', title: 'Save the graph for Graphviz (d)', onclick: () => this.save('dot') },
        'DOT',
      ),
      this.refresh.button,
    );
  }

  contentNode() {
    return el(
      'div',
      { class: 'graph-content', hidden: true },
      el(
        'div',
        {
          class: 'picture',
          tabindex: 0,
          role: 'region',
          'aria-label': 'Picture of the graph; the table below says the same',
        },
        this.svg,
      ),
      el(
        'div',
        { class: 'table-scroll' },
        el(
          'table',
          { class: 'edges' },
          el('caption', {}, 'Messages, the most frequent first. A row opens the traces of its receiver.'),
          el('thead', {}, this.head),
          this.body,
        ),
      ),
    );
  }

  // What is shown.

  /** Whether what is shown can not change any more. */
  isFixed() {
    return this.params.has('end');
  }

  choose(value) {
    for (const name of STRETCH) this.params.delete(name);
    const shown = this.answers?.after;
    if (value === 'chosen' && shown) {
      this.params.set('start', shown.from_us);
      this.params.set('end', shown.to_us);
    } else if (value && value !== 'chosen') this.params.set('window', value);
    this.changed();
  }

  chooseBefore(value) {
    for (const name of BEFORE) this.params.delete(name);
    const shown = this.answers?.after;
    if (value === 'same') this.params.set('before', 'same');
    else if (value === 'chosen' && shown) {
      this.params.set('before_start', Math.max(0, 2 * shown.from_us - shown.to_us));
      this.params.set('before_end', shown.from_us);
    }
    this.changed();
  }

  /** Compares all that was before this moment with all that comes after it. */
  splitNow() {
    const now = Date.now() * 1000;
    for (const name of [...STRETCH, ...BEFORE]) this.params.delete(name);
    this.params.set('start', now);
    this.params.set('before_end', now);
    this.changed();
    announce('From now on the graph is compared with what was before');
  }

  changed() {
    showAddress(this.params.size ? `/graph?${this.params}` : '/graph');
    this.drawTimes();
    const { params } = this;
    const [time, before] = this.node('select');
    time.value = params.has('start') || params.has('end') ? 'chosen' : (params.get('window') ?? '');
    before.value = params.has('before_start') || params.has('before_end') ? 'chosen' : (params.get('before') ?? '');
    this.refresh.now();
  }

  node(css) {
    return [...this.content.parentElement.querySelectorAll(`.headline ${css}`)];
  }

  /** The fields of chosen times, while there are any. */
  drawTimes() {
    const field = (label, name) =>
      el(
        'label',
        { class: 'soft' },
        `${label} `,
        el('input', {
          type: 'datetime-local',
          step: 1,
          value: this.params.has(name) ? localTime(Number(this.params.get(name))) : '',
          onchange: ({ target }) => this.setTime(name, target.value),
        }),
      );
    const fields = [
      ['From', 'start'],
      ['to', 'end'],
      ['Before: from', 'before_start'],
      ['to', 'before_end'],
    ];
    const has = (...names) => names.some((name) => this.params.has(name));
    const shown = fields.filter(([, name]) =>
      name.startsWith('before') ? has('before_start', 'before_end') : has('start', 'end'),
    );
    replace(
      this.chosen,
      shown.map(([label, name]) => field(label, name)),
    );
    this.chosen.hidden = !shown.length;
  }

  setTime(name, text) {
    const time = new Date(text).getTime();
    if (Number.isFinite(time)) this.params.set(name, time * 1000);
    else this.params.delete(name);
    this.changed();
  }

  // Getting and drawing it.

  show(answers) {
    this.isRefused = false;
    this.answers = answers;
    this.graph = graphOf(answers.after, answers.before);
    this.draw();
  }

  failed(error) {
    // What the viewer refuses it refuses again, until something else is asked.
    this.isRefused = error.status >= 400 && error.status < 500;
    replace(this.notes, el('p', { class: 'bad' }, icon('⚠', 'error'), ` ${error.message}`));
  }

  /** The answer for the stretch, and for the one before it. */
  async fetch(signal) {
    const { params } = this;
    const pick = (names) =>
      new URLSearchParams(names.flatMap(([from, to]) => (params.has(from) ? [[to, params.get(from)]] : [])));
    const after = await fetchGraph(pick(STRETCH.map((name) => [name, name])), signal);
    const other = pick([
      ['before_start', 'start'],
      ['before_end', 'end'],
    ]);
    if (other.size) return { after, before: await fetchGraph(other, signal) };
    if (params.get('before') !== 'same') return { after, before: null };
    const [from, to] = [after.from_us, after.to_us];
    const isPart = STRETCH.some((name) => params.has(name));
    // Before everything there is nothing: then its first half is before its second.
    const middle = isPart ? from : Math.round((from + to) / 2);
    const start = isPart ? Math.max(0, 2 * from - to) : from;
    if (middle <= start) return { after, before: null };
    const before = await fetchGraph(new URLSearchParams({ start, end: middle }), signal);
    if (isPart) return { after, before };
    return { after: await fetchGraph(new URLSearchParams({ start: middle, end: to }), signal), before };
  }

  draw() {
    const { graph, answers } = this;
    this.content.hidden = !graph.nodes.length;
    replace(
      this.blank,
      !graph.nodes.length &&
        el(
          'div',
          { class: 'empty' },
          el('h2', {}, 'Nothing in this time'),
          el('p', {}, 'Services, actors, databases and their messages appear here as spans come.'),
        ),
    );
    const drawn = graph.edges.length > MOST_EDGES ? ` Drawn are the ${MOST_EDGES} busiest edges.` : '';
    const held = `${plural(graph.nodes.length, 'node')}, ${plural(graph.edges.length, 'edge')}.${drawn}`;
    replace(
      this.notes,
      graph.isCompared && el('p', {}, el('strong', {}, 'Before '), stretchWords(answers.before)),
      el('p', {}, graph.isCompared && el('strong', {}, 'After '), stretchWords(answers.after)),
      el('p', {}, held),
    );
    if (graph.nodes.length) this.picture.draw(graph);
    drawTable(this.head, this.body, graph);
  }

  /** Saves what is drawn. */
  save(kind) {
    if (!this.graph?.nodes.length) return announce('There is nothing to save');
    const { before, after } = this.answers;
    const title = `Actor graph, ${before ? `${stretchWords(before)}; then ` : ''}${stretchWords(after)}`;
    const [text, type] =
      kind === 'svg' ? [fileOf(this.svg, title), 'image/svg+xml'] : [dotOf(this.graph, title), 'text/vnd.graphviz'];
    const url = URL.createObjectURL(new Blob([text], { type }));
    el('a', { href: url, download: `actor-graph.${kind}` }).click();
    URL.revokeObjectURL(url);
    announce('Saved');
  }
}

/** A moment as the field for times has it: in the reader's own zone, to the second. */
function localTime(us) {
  const date = new Date(us / 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60e3).toISOString().slice(0, 19);
}

// The table: every edge with all its figures.

function drawTable(head, body, graph) {
  const names = ['From', 'To', 'Kind', ...MEASURES.map(({ name }) => name), 'Errors'];
  replace(
    head,
    names.map((name) => el('th', { scope: 'col' }, name)),
  );
  const weight = ({ now, before }) => (now ?? before).count;
  const rows = [...graph.edges].sort((a, b) => weight(b) - weight(a) || (a.key < b.key ? -1 : 1));
  replace(
    body,
    rows.map((edge) => {
      const isFailing = Boolean(edge.now?.errors || edge.before?.errors);
      const errors = errorWords(edge, graph.isCompared);
      return el(
        'tr',
        { class: isFailing ? 'failing' : '' },
        el('th', { scope: 'row' }, nodeName(edge.source)),
        el('td', {}, el('a', { href: edge.target.path }, nodeName(edge.target))),
        el('td', {}, edge.kind, graph.isCompared && stateOf(edge)),
        MEASURES.map((measure) => measureCell(measure, edge, graph.isCompared)),
        el('td', { class: 'num' }, isFailing ? failure(errors) : errors),
      );
    }),
  );
}

function stateOf({ now, before }) {
  if (now && before) return null;
  return el('strong', {}, now ? ' only after' : ' only before');
}

function measureCell(measure, edge, isCompared) {
  const change = isCompared && changeWords(measure, edge);
  return el('td', { class: 'num' }, measureWords(measure, edge, isCompared), change && el('strong', {}, ` ${change}`));
}

function nodeName(node) {
  return el(
    'span',
    { class: 'service', 'data-series': node.service === null ? null : series(node.service) },
    el('span', { class: `swatch ${node.kind}` }),
    el('span', { class: 'service-name' }, node.title),
    node.kind !== 'service' && el('span', { class: 'soft' }, ` ${node.under}`),
  );
}

function moveRow(body, step) {
  const links = [...body.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
}

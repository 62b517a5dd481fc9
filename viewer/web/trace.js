// One trace: loading it, and its page with head, tools, one of its views and the details of the
// selected span.

import { ApiError, fetchTrace } from './api.js';
import { showAddress } from './base-path.js';
import { compareLink, comparePath } from './compare-with.js';
import { bySpan, criticalPath } from './critical-path.js';
import { drawDetails } from './details.js';
import { exportDialog, savePicture } from './export.js';
import { Flame } from './flame.js';
import { count, dateTime, duration, plural } from './format.js';
import { Lanes } from './lanes.js';
import { announce, el, icon, perFrame, series, setStyle, tracePath } from './lib.js';
import { lastList } from './list.js';
import { carriedKeys, linksOf, modelOf, readTrace, searchText } from './model.js';
import { PathList } from './path-list.js';
import { Scale } from './scale.js';
import { setKeys } from './shell.js';
import { Statistics } from './statistics.js';
import { SpanTable } from './table.js';
import { minimap, timeAxis } from './timeline.js';
import { LogTable, logsFact, logsOf, logsWithoutSpans, withLogs } from './trace-logs.js';
import { downloads } from './transfer.js';
import { Folding, Waterfall } from './waterfall.js';

/** The views: the name in the address, the label, what draws it, and what its lines are if it has times. */
const VIEWS = [
  ['timeline', 'Timeline', Waterfall, 'Span'],
  ['lanes', 'Actor lanes', Lanes, 'Actor'],
  ['flame', 'Flame graph', Flame],
  ['table', 'Spans', SpanTable],
  ['statistics', 'Statistics', Statistics],
  ['critical', 'Critical path', PathList],
  ['logs', 'Logs', LogTable],
];
const viewNamed = (name) => VIEWS.find(([known]) => known === name) ?? VIEWS[0];

const LATE_MS = [1500, 3000, 6000, 12000];
const YOUNG_US = 60e6;

/** Opens a trace. */
export function traceView(root, { match, params, go }) {
  const id = decode(match[1]);
  const closing = new AbortController();
  let page = null;
  let timer = 0;

  const fetchBoth = () => Promise.all([fetchTrace(id, closing.signal), logsOf(id, closing.signal)]);

  const load = async () => {
    root.replaceChildren(el('p', { class: 'empty', role: 'status' }, 'Loading the trace…'));
    try {
      const [trace, logs] = await fetchBoth();
      root.replaceChildren();
      page?.close();
      page = new TracePage(root, withLogs(modelOf(readTrace(trace)), logs), { go, ...asked(params) });
      if (Date.now() * 1000 - trace.start_us < YOUNG_US) watch(trace.span_count, logs.held, 0);
    } catch (error) {
      if (error.name === 'AbortError') return;
      const logs = await logsOf(id, closing.signal).catch(() => ({ records: [] }));
      if (!closing.signal.aborted) root.replaceChildren(failure(error, id, load, logsWithoutSpans(logs)));
    }
  };

  // A trace opened while it happens goes on growing: its reader is told, never moved.
  const watch = (spans, records, round) => {
    if (round >= LATE_MS.length) return;
    timer = setTimeout(async () => {
      const [now, logs] = await fetchBoth().catch(() => []);
      if (closing.signal.aborted) return;
      const hasChanged = now && (now.span_count !== spans || logs.held !== records);
      if (hasChanged) page.offer(now.span_count - spans, logs.held - records, () => reload(now, logs));
      else watch(spans, records, round + 1);
    }, LATE_MS[round]);
  };

  const reload = (trace, logs) => {
    const { selected, mode, text } = page;
    page.close();
    root.replaceChildren();
    page = new TracePage(root, withLogs(modelOf(readTrace(trace)), logs), { go, span: selected?.id, mode, text });
    watch(trace.span_count, logs.held, 0);
  };

  document.title = `Trace ${id.slice(0, 8)}`;
  load();
  return {
    close: () => {
      closing.abort();
      clearTimeout(timer);
      page?.close();
    },
    moved: (now) => {
      params = now;
      page?.moved(asked(now));
      return true;
    },
  };
}

/** What an address asks for: a span, a view, and what to find (in Jaeger's name for it). */
function asked(params) {
  return { span: params.get('span'), mode: viewNamed(params.get('view'))[0], text: params.get('uiFind') ?? '' };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failure(error, id, retry, logs) {
  const isGone = error instanceof ApiError && error.status === 404;
  return el(
    'div',
    { class: 'empty', role: 'alert' },
    el('h1', {}, isGone ? 'This trace is not here' : 'The trace could not be loaded'),
    el('p', { class: 'mono' }, id),
    el('p', {}, isGone ? 'It has not come yet, or has made room for newer ones.' : error.message),
    el('button', { type: 'button', class: 'primary', onclick: retry }, 'Try again'),
    ' ',
    el('a', { href: lastList() }, 'All traces'),
    ...[logs].filter(Boolean),
  );
}

// The page of a loaded trace. It holds what its parts share: the window in time, the folding, the
// selected span and what a search found.

/** Draws a trace and answers to its reader. */
class TracePage {
  constructor(root, model, { go, span, mode, text }) {
    Object.assign(this, { root, model, go, mode, text, selected: null, matches: null, isPathShown: true });
    // What the views keep while another one is on screen: order of rows, service, group of spans.
    Object.assign(this, { sorted: {}, service: '', only: null });
    this.steps = criticalPath(model);
    this.onPath = bySpan(this.steps);
    this.carried = carriedKeys(model);
    this.folding = new Folding(model);
    const zoomed = perFrame(() => this.zoomed());
    this.scale = new Scale(model.startNs, model.endNs, zoomed);
    this.map = minimap(model, this.scale);
    this.panel = el('aside', { class: 'details', role: 'region', tabindex: -1, hidden: true });
    this.chart = el('div', { class: 'chart' });
    this.axis = timeAxis(this.scale, this.chart);
    this.tools = toolbar(this);
    this.late = el('div', { class: 'late', role: 'status' });
    root.append(this.head(), this.tools.node, this.map.node, el('div', { class: 'panes' }, this.chart, this.panel));
    this.resized = new ResizeObserver(zoomed);
    this.resized.observe(this.chart);
    this.chart.addEventListener('resized', zoomed);
    this.chart.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    setKeys(traceKeys(this));
    this.tools.search.value = text;
    this.mark();
    this.draw();
    this.open(span);
    document.title = `${model.root_name}, ${duration(model.duration_ns)}`;
  }

  open(spanId) {
    const span = this.model.byId.get(spanId);
    if (span) this.show(span);
    else this.view.focus(this.model.roots[0]?.id);
  }

  /** The address has changed, by the browser's back or by a link to this trace. */
  moved({ span, mode, text }) {
    if (text !== this.text) {
      this.text = text;
      this.tools.search.value = text;
      this.mark();
    }
    if (mode !== this.mode) {
      this.mode = mode;
      this.draw();
    }
    const wanted = this.model.byId.get(span) ?? null;
    if (wanted) this.show(wanted);
    else {
      this.select(null);
      this.view.focus(this.view.focused?.key);
    }
  }

  close() {
    this.map.close();
    this.view?.close();
    this.resized.disconnect();
  }

  head() {
    const { model } = this;
    return el(
      'header',
      { class: 'trace-head' },
      el('p', {}, el('a', { href: lastList(), class: 'back' }, '‹ Traces')),
      el(
        'h1',
        {},
        el('span', { class: 'soft' }, `${model.root_service} `),
        el('bdi', {}, model.root_name || '(no name)'),
      ),
      el(
        'p',
        { class: 'facts-line num' },
        el('span', {}, dateTime(model.start_us)),
        el('strong', {}, duration(model.duration_ns)),
        el('span', {}, plural(model.span_count, 'span')),
        model.error_count > 0 &&
          el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${plural(model.error_count, 'error')}`),
        logsFact(model, () => this.setMode('logs')),
        model.services.map(({ name, count: spans }) =>
          el(
            'span',
            { class: 'service', 'data-series': series(name) },
            el('span', { class: 'swatch' }),
            el('span', { class: 'service-name' }, name),
            ' ',
            el('span', { class: 'soft' }, count(spans)),
          ),
        ),
        el('code', { class: 'soft', title: 'Trace id' }, model.trace_id),
        downloads(model.trace_id),
      ),
      model.warnings.length > 0 &&
        el(
          'p',
          { class: 'warnings' },
          model.warnings.map((text) => el('span', { class: 'warning' }, text)),
        ),
      this.late,
    );
  }

  /** Tells that more spans or log records have come; `take` shows them. */
  offer(more, records, take) {
    const came = [more > 0 && plural(more, 'more span'), records > 0 && plural(records, 'more log record')];
    const words = came.filter(Boolean).join(' and ');
    this.late.replaceChildren(
      el(
        'button',
        { type: 'button', class: 'primary', onclick: take },
        words ? `${words} came: show` : 'The trace has changed: show',
      ),
    );
  }

  /** Another view, as a step that the browser's back undoes. */
  setMode(mode) {
    if (mode === this.mode) return;
    const { selected, view } = this;
    const span = selected ?? view.focused?.span;
    this.mode = mode;
    showAddress(this.address(), true);
    this.draw();
    this.view.focus(span?.id);
  }

  /** The spans of a group, as a table. */
  showOnly(label, spans) {
    this.only = { label, spans: new Set(spans.map(({ id }) => id)) };
    this.setMode('table');
  }

  get isTimed() {
    return Boolean(viewNamed(this.mode)[3]);
  }

  draw() {
    const [, , View, lines] = viewNamed(this.mode);
    this.view?.close();
    this.view = new View(this);
    this.chart.dataset.mode = this.mode;
    this.map.node.hidden = !lines;
    if (lines) {
      this.chart.replaceChildren(this.axis.node, el('div', { class: 'plot' }, this.axis.lines, this.view.node));
      this.axis.call(lines);
    } else this.chart.replaceChildren(this.view.node);
    this.drawAround();
    this.view.update();
  }

  address() {
    const { mode, model, selected, text } = this;
    return tracePath(model.trace_id, selected?.id, { view: mode === VIEWS[0][0] ? '' : mode, uiFind: text });
  }

  zoomed() {
    if (this.isTimed) {
      this.drawAround();
      this.view.refresh();
    } else this.view.update();
  }

  /** What stands around the chart and depends on the stretch of time or on the view. */
  drawAround() {
    setStyle(this.chart, { '--gutter': `${this.view.node.offsetWidth - this.view.node.clientWidth}px` });
    if (this.isTimed) {
      this.axis.draw();
      this.map.draw();
    }
    this.tools.draw();
  }

  /** A span's steps on the critical path, while they are to be shown. */
  stepsOf(span) {
    return this.isPathShown ? this.onPath.get(span.id) : null;
  }

  togglePath() {
    this.isPathShown = !this.isPathShown;
    this.tools.draw();
    this.view.refresh();
    announce(this.isPathShown ? 'Critical path shown' : 'Critical path hidden');
  }

  wheel(event) {
    if (!this.isTimed || (!event.ctrlKey && !event.shiftKey)) return;
    event.preventDefault();
    const plot = this.axis.node.querySelector('.ticks').getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - plot.left) / plot.width));
    if (event.ctrlKey) {
      this.scale.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.scale.start + share * (this.scale.end - this.scale.start));
    } else this.scale.pan((event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1);
  }

  /** Selects a span and shows its details; the focus stays where it is. */
  select(span) {
    this.selected = span;
    this.panel.hidden = !span;
    if (span) drawDetails(this.panel, span, this.detailsHost());
    else this.closing?.abort();
    this.panel.scrollTop = 0;
    showAddress(this.address());
    this.view.refresh();
    if (!this.covered()) return;
    this.chart.scrollIntoView({ block: 'start' });
    this.view.focus(span.id);
  }

  /** Brings a span into sight, selects and focuses it. */
  show(span) {
    this.folding.reveal(span);
    if (this.scale.at(span.end_ns) < 0 || this.scale.at(span.start_ns) > 1) this.scale.fit(span);
    this.view.reflow?.();
    this.select(span);
    this.view.focus(span.id);
  }

  /** How much of the chart the details lie over: on a narrow screen. */
  covered() {
    const isOver = !this.panel.hidden && getComputedStyle(this.panel).position === 'fixed';
    return isOver ? Math.max(0, this.chart.getBoundingClientRect().bottom - this.panel.getBoundingClientRect().top) : 0;
  }

  detailsHost() {
    this.closing?.abort();
    this.closing = new AbortController();
    return {
      model: this.model,
      steps: this.onPath,
      closing: this.closing.signal,
      carried: this.carried,
      close: () => this.closeDetails(),
      show: (span) => this.show(span),
      fit: (span) => this.scale.fit(span),
    };
  }

  closeDetails() {
    const { selected } = this;
    this.select(null);
    this.view.focus(selected?.id);
  }

  /** Goes to a linked span, here or in its own trace. */
  follow(link) {
    const here = link.trace_id === this.model.trace_id && this.model.byId.get(link.span_id);
    if (here) this.show(here);
    else this.go(tracePath(link.trace_id, link.span_id));
  }

  /** Enter: the details of a span, the other end of a link, or what the view makes of it. */
  activate() {
    if (this.view.activate) return this.view.activate();
    const line = this.view.focused;
    if (!line) return;
    if (line.link) this.follow(line.link);
    else this.select(line.span);
  }

  /** The key `l`: follows the first link of the focused span. */
  followFirst() {
    const line = this.view.focused;
    const link = line?.link ?? (line && linksOf(line.span).find(({ held }) => held));
    if (link) this.follow(link);
    else announce('No link here');
  }

  /** Finds what the reader types. */
  find(text) {
    this.text = text.trim();
    showAddress(this.address());
    this.mark();
    this.tools.draw();
    this.view.refresh();
  }

  /** Marks the spans that say what is to be found. */
  mark() {
    const wanted = this.text.toLowerCase();
    // Jaeger's addresses have ids of spans in uiFind.
    const ids = new Set(wanted.split(/\s+/));
    const isWanted = (span) => ids.has(span.id) || searchText(span).includes(wanted);
    this.matches = wanted ? new Set(this.model.spans.filter(isWanted).map(({ id }) => id)) : null;
  }

  /** Goes to the next or previous match. */
  nextMatch(step) {
    if (!this.matches?.size) return;
    const spans = this.model.spans.filter(({ id }) => this.matches.has(id));
    const at = spans.findIndex(({ id }) => id === (this.view.focused?.span.id ?? null));
    const next = at < 0 ? (step > 0 ? 0 : spans.length - 1) : (at + step + spans.length) % spans.length;
    this.show(spans[next]);
    announce(`Match ${next + 1} of ${spans.length}`);
  }

  foldAll() {
    this.folding.toggleAll(this.folding.closed.size > 0);
    this.view.reflow?.();
  }

  export() {
    exportDialog(this);
  }

  savePicture() {
    savePicture(this);
  }

  /** The whole trace, or as much as the focused span or box takes. */
  fit(isWhole) {
    if (this.view.fit) return this.view.fit(isWhole);
    if (isWhole) return this.scale.whole();
    const span = this.view.focused?.span;
    return span && this.scale.fit(span);
  }
}

// What each key does on the page of a trace.

/** The bindings, in the order of the help. */
function traceKeys(page) {
  const { scale } = page;
  const focused = () => page.view.focused?.span;
  const move = (step) => () => page.view.move(step);
  const inChart = (run) => () => (page.chart.contains(document.activeElement) ? run() : false);
  return [
    {
      keys: ['j', 'ArrowDown'],
      does: 'next line; in lanes: next lane; in the flame graph: the widest below',
      run: move(1),
    },
    {
      keys: ['k', 'ArrowUp'],
      does: 'previous line; in lanes: previous lane; in the flame graph: above',
      run: move(-1),
    },
    {
      keys: ['ArrowRight'],
      does: 'open, or to the first child; in lanes and the flame graph: the next beside it',
      run: inChart(() => page.view.sideways(1)),
    },
    {
      keys: ['ArrowLeft'],
      does: 'close, or to the parent; in lanes and the flame graph: the one before it',
      run: inChart(() => page.view.sideways(-1)),
    },
    { keys: ['PageDown'], run: move(20) },
    { keys: ['PageUp'], run: move(-20) },
    { keys: ['Home'], run: move(-1e9) },
    { keys: ['End'], run: move(1e9) },
    { keys: ['Enter'], does: 'details of the span; follow a link', run: inChart(() => page.activate()) },
    { keys: ['l'], does: 'follow the first link, in either direction', run: () => page.followFirst() },
    { keys: ['o'], does: 'show or hide the linked spans', run: () => focused() && page.view.links?.(focused()) },
    ...VIEWS.map(([name, label], i) => ({
      keys: [`${i + 1}`],
      does: label.toLowerCase(),
      run: () => page.setMode(name),
    })),
    {
      keys: ['v'],
      does: 'the next view',
      run: () => page.setMode(VIEWS[(VIEWS.findIndex(([name]) => name === page.mode) + 1) % VIEWS.length][0]),
    },
    { keys: ['c'], does: 'show or hide the critical path on the bars', run: () => page.togglePath() },
    { keys: ['/'], does: 'find in the trace (Enter: next match)', run: () => page.tools.search.focus() },
    { keys: ['n'], does: 'next match', run: () => page.nextMatch(1) },
    { keys: ['N'], does: 'previous match', run: () => page.nextMatch(-1) },
    { keys: ['+', '='], does: 'zoom in', run: () => scale.zoom(0.6) },
    { keys: ['-'], does: 'zoom out', run: () => scale.zoom(1.6) },
    { keys: ['z'], does: 'zoom to the span', run: () => page.fit(false) },
    { keys: ['0'], does: 'the whole trace', run: () => page.fit(true) },
    { keys: ['['], does: 'earlier', run: () => scale.pan(-0.2) },
    { keys: [']'], does: 'later', run: () => scale.pan(0.2) },
    { keys: ['x'], does: 'collapse or expand all', run: () => page.foldAll() },
    { keys: ['e'], does: 'export: text, picture, JSON', run: () => page.export() },
    { keys: ['p'], does: 'save a picture of the timeline (SVG)', run: () => page.savePicture() },
    { keys: ['w'], does: 'compare with another trace', run: () => page.go(comparePath(page.model.trace_id)) },
    { keys: ['Escape'], inFields: true, does: 'close the details; back to the traces', run: () => escape(page) },
  ];
}

function escape(page) {
  if (document.activeElement === page.tools.search) {
    return page.view.focus(page.selected?.id ?? page.view.focused?.span.id);
  }
  if (page.selected) return page.closeDetails();
  return page.go(lastList());
}

// The tools over a trace: its views, search in the trace, zoom, folding, export.

/** `node`, and `draw()` for when the page's state has changed. */
function toolbar(page) {
  const found = el('span', { class: 'found soft num', role: 'status' });
  const search = el('input', {
    type: 'search',
    placeholder: 'Find in this trace',
    'aria-label': 'Find in this trace',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  search.addEventListener('input', () => page.find(search.value));
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    page.nextMatch(event.shiftKey ? -1 : 1);
    search.focus();
  });
  const modes = Object.fromEntries(
    VIEWS.map(([name, label], i) => [
      name,
      el('button', { type: 'button', title: `${label} (${i + 1})`, onclick: () => page.setMode(name) }, label),
    ]),
  );
  const path = button('Path on bars', 'Show the critical path on the bars (c)', () => page.togglePath());
  const whole = button('Whole trace', 'Show the whole trace (0)', () => page.scale.whole());
  const fold = button('Collapse all', 'Collapse or expand all (x)', () => {
    page.foldAll();
    draw();
  });
  const window = el('span', { class: 'soft num window' });
  const draw = () => {
    for (const [mode, node] of Object.entries(modes)) node.setAttribute('aria-pressed', String(page.mode === mode));
    found.textContent = page.matches ? `${count(page.matches.size)} of ${count(page.model.spans.length)}` : '';
    path.setAttribute('aria-pressed', String(page.isPathShown));
    for (const part of timed) part.hidden = !page.isTimed;
    whole.disabled = page.scale.isWhole;
    fold.textContent = page.folding.closed.size ? 'Expand all' : 'Collapse all';
    fold.hidden = page.mode !== 'timeline';
    window.textContent =
      page.scale.isWhole || !page.isTimed ? '' : `${duration(page.scale.start)} to ${duration(page.scale.end)}`;
  };
  const zoom = el(
    'div',
    { class: 'segmented', role: 'group', 'aria-label': 'Zoom' },
    button('−', 'Zoom out (-)', () => page.scale.zoom(1.6)),
    button('+', 'Zoom in (+)', () => page.scale.zoom(0.6)),
    whole,
  );
  const key = el(
    'span',
    { class: 'key' },
    el('span', { class: 'hatch-key' }),
    'mailbox wait',
    el('span', { class: 'path-key is-own' }),
    'critical path',
    el('span', { class: 'event-key' }),
    'event',
    page.model.logs.length > 0 && el('span', { class: 'log-key' }),
    page.model.logs.length > 0 && 'log record',
    el('span', { class: 'key-error' }, icon('⚠', 'error'), ' error'),
    el('span', {}, '⇄ links'),
  );
  const timed = [zoom, window, key, path];
  const node = el(
    'div',
    { class: 'tools', role: 'toolbar', 'aria-label': 'Trace' },
    el('div', { class: 'segmented views', role: 'group', 'aria-label': 'View' }, Object.values(modes)),
    search,
    found,
    zoom,
    window,
    path,
    fold,
    button('Picture', 'Save a picture of the timeline (p)', () => page.savePicture()),
    button('Export', 'Export the trace: text, picture, JSON (e)', () => page.export()),
    compareLink(page.model),
    key,
  );
  return { node, draw, search };
}

function button(label, title, run) {
  // A sign is no name; words are, and then they are what a reader says to press it.
  const name = /\p{L}/u.test(label) ? null : title.replace(/ \(.\)$/, '');
  return el('button', { type: 'button', title, 'aria-label': name, onclick: run }, label);
}

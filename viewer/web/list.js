// The list of traces: search, and a live tail that never moves what the reader is looking at.

import { liveTraces, searchTraces } from './api.js';
import { Feed } from './feed.js';
import { age, count, dateTime, duration, plural } from './format.js';
import { announce, el, icon, perFrame, series, setStyle, svg, tracePath } from './lib.js';
import { filterOf, searchForm } from './search.js';
import { setKeys } from './shell.js';
import { downloadAll, uploads } from './transfer.js';

let lastOpened = null;
let lastPath = '/';
let isLive = true;

/** The address of the list as it was left: where "back" goes. */
export const lastList = () => lastPath;

/** Opens the list. */
export function listView(root, { params, go }) {
  document.title = 'Traces';
  lastPath = location.pathname + location.search;
  const view = new List(root, params, go);
  view.start();
  return () => view.stop();
}

class List {
  constructor(root, params, go) {
    this.go = go;
    this.filter = filterOf(params);
    this.feed = new Feed(Number(this.filter.get('limit')) || 50);
    this.rows = new Map();
    this.state = 'loading';
    this.total = 0;
    this.form = searchForm(params, go);
    this.problem = el('div', { role: 'alert' });
    this.summary = el('span', { class: 'summary' });
    this.liveButton = el('button', { type: 'button', onclick: () => this.toggleLive() });
    this.newButton = el('button', {
      type: 'button',
      class: 'primary new',
      hidden: true,
      onclick: () => this.showNew(),
    });
    this.uploads = uploads(() => this.search());
    this.download = downloadAll(() => [...this.rows.keys()]);
    this.scatter = scatter((trace) => this.open(trace.trace_id));
    this.body = el('div', { role: 'rowgroup', class: 'rows' });
    this.scroller = el(
      'div',
      { class: 'grid', role: 'grid', 'aria-label': 'Traces, newest first' },
      el(
        'div',
        { role: 'rowgroup', class: 'head-group' },
        el(
          'div',
          { role: 'row', class: 'row head' },
          COLUMNS.map((name) => el('div', { role: 'columnheader', class: `cell ${name.toLowerCase()}` }, name)),
        ),
      ),
      this.body,
    );
    this.blank = el('div', { class: 'blank' });
    this.draw = perFrame(() => this.drawNow());
    root.append(
      el('h1', { class: 'sr-only' }, 'Traces'),
      this.form,
      this.problem,
      el(
        'div',
        { class: 'headline' },
        this.summary,
        this.newButton,
        this.uploads.button,
        this.download,
        this.liveButton,
      ),
      this.uploads.result,
      this.scatter.node,
      this.scroller,
      this.blank,
    );
  }

  start() {
    this.scroller.addEventListener('pointerleave', () => this.relax());
    this.scroller.addEventListener('focusout', () => this.relax());
    this.scroller.addEventListener('scroll', () => this.relax(), { passive: true });
    this.body.addEventListener('click', (event) => this.clicked(event));
    this.ages = setInterval(() => this.drawAges(), 5000);
    this.onVisible = () => this.connect();
    document.addEventListener('visibilitychange', this.onVisible);
    setKeys(listKeys(this));
    this.search();
    this.connect();
  }

  stop() {
    this.uploads.close();
    this.abort?.abort();
    this.disconnect?.();
    clearInterval(this.ages);
    document.removeEventListener('visibilitychange', this.onVisible);
  }

  async search() {
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      const answer = await searchTraces(this.filter, this.abort.signal);
      this.total = answer.total;
      this.state = 'ready';
      this.problem.replaceChildren();
      this.feed.take(answer.traces, { hold: this.isEngaged() });
      this.draw();
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.state = 'failed';
      this.problem.replaceChildren(el('p', { class: 'notice' }, error.message));
      this.draw();
    }
  }

  /** One connection while the page is visible and live: a browser allows six to a server. */
  connect() {
    this.disconnect?.();
    this.disconnect = null;
    this.liveButton.setAttribute('aria-pressed', String(isLive));
    this.liveButton.dataset.state = isLive ? 'live' : 'paused';
    this.liveButton.textContent = isLive ? 'Live' : 'Paused';
    this.liveButton.title = isLive ? 'Pause the live tail (p)' : 'Go on with the live tail (p)';
    if (!isLive || document.hidden) return;
    this.disconnect = liveTraces(this.filter, {
      hello: () => {
        this.liveButton.dataset.state = 'live';
        // Traces that came after the last search and before this connection were not told: search again.
        this.search();
      },
      traces: ({ traces, skipped }) => this.arrived(traces, skipped),
      lost: () => {
        this.liveButton.dataset.state = 'lost';
      },
    });
  }

  arrived(traces, skipped) {
    const before = this.feed.waiting;
    const known = this.feed.shown.size;
    this.feed.take(traces, { hold: this.isEngaged(), skipped });
    this.total += Math.max(0, this.feed.shown.size - known) + Math.max(0, this.feed.waiting - before);
    if (!before && this.feed.waiting) announce('New traces: press n to show them');
    this.draw();
  }

  toggleLive() {
    isLive = !isLive;
    announce(isLive ? 'Live' : 'Paused');
    this.connect();
  }

  isEngaged() {
    return (
      this.state === 'ready' &&
      this.feed.shown.size > 0 &&
      (this.scroller.matches(':hover') || this.scroller.contains(document.activeElement) || this.scroller.scrollTop > 0)
    );
  }

  relax() {
    if (!this.feed.waiting || this.isEngaged()) return;
    this.feed.release();
    this.draw();
  }

  showNew() {
    this.feed.release();
    this.scroller.scrollTop = 0;
    this.draw();
  }

  drawNow() {
    const traces = this.feed.rows;
    const longest = Math.max(0, ...traces.map((trace) => trace.duration_ns));
    for (const [id, entry] of this.rows) {
      if (!this.feed.shown.has(id)) {
        entry.row.remove();
        this.rows.delete(id);
      }
    }
    traces.forEach((trace, i) => {
      const row = this.rowOf(trace, longest);
      if (this.body.children[i] !== row) this.body.insertBefore(row, this.body.children[i] ?? null);
    });
    this.keepOneStop();
    this.scatter.draw(traces);
    this.drawState(traces.length);
  }

  rowOf(trace, longest) {
    let entry = this.rows.get(trace.trace_id);
    if (!entry) {
      entry = { row: el('div', { role: 'row', class: 'row', tabindex: -1 }) };
      this.rows.set(trace.trace_id, entry);
    }
    if (entry.trace !== trace || entry.longest !== longest) {
      drawRow(entry.row, trace, longest);
      Object.assign(entry, { trace, longest });
    }
    return entry.row;
  }

  drawState(shown) {
    const { waiting } = this.feed;
    this.newButton.hidden = !waiting;
    this.newButton.textContent = `↑ ${plural(waiting, 'new trace')}`;
    this.scroller.hidden = !shown;
    this.scatter.node.hidden = !shown;
    this.scroller.setAttribute('aria-rowcount', String(shown + 1));
    const more = this.total > shown ? ` of ${count(this.total)}` : '';
    this.summary.textContent =
      this.state === 'loading' ? 'Searching…' : `${count(shown)}${more} ${shown === 1 && !more ? 'trace' : 'traces'}`;
    this.blank.replaceChildren(...(shown || this.state !== 'ready' ? [] : [this.nothing()]));
  }

  nothing() {
    const isFiltered = [...this.filter.keys()].some((key) => key !== 'limit');
    return isFiltered
      ? el(
          'div',
          { class: 'empty' },
          el('h2', {}, 'No trace matches'),
          el('p', {}, 'Traces that do will appear here as they come.'),
          el('button', { type: 'button', onclick: () => this.go('/') }, 'Show all traces'),
        )
      : el(
          'div',
          { class: 'empty' },
          el('h2', {}, 'No traces yet'),
          el('p', {}, 'Send some by OTLP and they appear here as they come:'),
          el('pre', {}, `OTEL_EXPORTER_OTLP_ENDPOINT=http://${location.hostname}:4318`),
        );
  }

  drawAges() {
    const now = Date.now();
    for (const time of this.body.querySelectorAll('time')) time.textContent = age(Number(time.dataset.us), now);
  }

  /** Exactly one row is a tab stop: the focused one, the one last opened, or the first. */
  keepOneStop() {
    const last = lastOpened && this.rows.get(lastOpened)?.row;
    const stop = this.body.contains(document.activeElement)
      ? document.activeElement.closest('.row')
      : (last ?? this.body.firstElementChild);
    for (const row of this.body.querySelectorAll('[tabindex="0"]')) if (row !== stop) row.tabIndex = -1;
    if (stop) stop.tabIndex = 0;
    if (last && document.activeElement === document.body) last.focus({ preventScroll: false });
    if (last) lastOpened = null;
  }

  clicked(event) {
    const row = event.target.closest('.row');
    if (row && !event.target.closest('a') && !String(getSelection())) this.open(row.dataset.trace);
    else if (row) lastOpened = row.dataset.trace;
  }

  open(id) {
    lastOpened = id;
    this.go(tracePath(id));
  }

  move(step) {
    const rows = [...this.body.children];
    const at = rows.indexOf(document.activeElement);
    const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
    this.keepOneStop();
  }
}

// What each key does on the list of traces.

/** The bindings, in the order of the help. */
function listKeys(list) {
  return [
    { keys: ['j', 'ArrowDown'], does: 'next trace', run: () => list.move(1) },
    { keys: ['k', 'ArrowUp'], does: 'previous trace', run: () => list.move(-1) },
    { keys: ['PageDown'], run: () => list.move(15) },
    { keys: ['PageUp'], run: () => list.move(-15) },
    { keys: ['Home'], run: () => list.move(-1e6) },
    { keys: ['End'], run: () => list.move(1e6) },
    {
      keys: ['Enter'],
      does: 'open the trace',
      run: () => {
        const id = document.activeElement?.dataset?.trace;
        return id ? list.open(id) : false;
      },
    },
    { keys: ['/'], does: 'search by tags', run: () => list.form.elements.tags.focus() },
    {
      keys: ['Escape'],
      inFields: true,
      does: 'leave the search or the list',
      run: () => document.activeElement?.blur(),
    },
    { keys: ['n'], does: 'show the new traces', run: () => list.showNew() },
    { keys: ['u'], does: 'load traces from a file', run: () => list.uploads.choose() },
    { keys: ['p'], does: 'pause the live tail, or go on', run: () => list.toggleLive() },
  ];
}

// One row of the trace list.

/** The column heads, in the order of the cells. */
const COLUMNS = ['Started', 'Trace', 'Duration', 'Spans', 'Errors', 'Services'];

/** Draws `trace` into its row. `longest` is the duration that fills the bar. */
function drawRow(row, trace, longest) {
  row.dataset.trace = trace.trace_id;
  row.classList.toggle('has-error', trace.error_count > 0);
  row.replaceChildren(
    cell('started', el('time', { title: dateTime(trace.start_us), 'data-us': trace.start_us }, age(trace.start_us))),
    cell('trace', traceName(trace)),
    cell('duration', durationBar(trace, longest)),
    cell('spans num', count(trace.span_count)),
    cell(
      'errors',
      trace.error_count
        ? el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${plural(trace.error_count, 'error')}`)
        : '',
    ),
    cell(
      'services',
      trace.services.map(service),
      trace.more_services && el('span', { class: 'soft' }, `+${count(trace.more_services)}`),
    ),
  );
}

function traceName(trace) {
  return [
    el(
      'a',
      { href: tracePath(trace.trace_id), tabindex: -1, 'data-series': series(trace.root_service) },
      el('span', { class: 'swatch' }),
      el('span', { class: 'root-service' }, trace.root_service),
      el('span', { class: 'root-name' }, trace.root_name || '(no name)'),
    ),
    trace.root_held ? null : el('span', { class: 'tag', title: 'The root span has not come (yet)' }, 'no root'),
    trace.link_count
      ? el('span', { class: 'tag', title: 'Span links to other spans' }, plural(trace.link_count, 'link'))
      : null,
  ];
}

function durationBar(trace, longest) {
  // Logarithmic, three decades: one slow trace must not make all others look alike.
  const share = longest ? 100 * Math.max(0.01, 1 + Math.log10(Math.max(1, trace.duration_ns) / longest) / 3) : 0;
  return [
    el(
      'span',
      { class: 'track', 'aria-hidden': 'true' },
      el('span', {
        class: 'fill',
        'data-series': series(trace.root_service),
        style: { width: `${share.toFixed(2)}%` },
      }),
    ),
    el('span', { class: 'num' }, duration(trace.duration_ns)),
  ];
}

function service({ name, spans, errors }) {
  return el(
    'span',
    {
      class: 'service',
      'data-series': series(name),
      title: `${name}: ${plural(spans, 'span')}${errors ? `, ${plural(errors, 'error')}` : ''}`,
    },
    el('span', { class: 'swatch' }),
    `${name} `,
    el('span', { class: 'soft num' }, count(spans)),
  );
}

function cell(classes, ...content) {
  return el('div', { class: `cell ${classes}`, role: 'gridcell' }, ...content);
}

// The traces of the list as points, time against duration: outliers are seen at a glance. The list
// below says the same in words, so this drawing is hidden from screen readers and the tab order.

const HEIGHT = 84;
const TOP = 8;
const BOTTOM = 8;

/** Makes the drawing: `node`, and `draw(traces)`. `open(trace)` is called for a clicked point. */
function scatter(open) {
  const picture = svg('svg', { width: '100%', height: HEIGHT });
  const labels = el('div', { class: 'labels' });
  const node = el('div', { class: 'scatter', 'aria-hidden': 'true', hidden: true }, labels, picture);
  return { node, draw: (traces) => traces.length && draw(picture, labels, traces, open) };
}

function draw(picture, labels, traces, open) {
  const starts = traces.map((trace) => trace.start_us);
  const [from, to] = [Math.min(...starts), Math.max(...starts)];
  const logs = traces.map((trace) => Math.log10(Math.max(1e3, trace.duration_ns)));
  const low = Math.floor(Math.min(...logs));
  const high = Math.max(low + 1, Math.ceil(Math.max(...logs)));
  const y = (log) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (log - low) / (high - low));
  const decades = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  labels.replaceChildren(
    ...decades
      .filter((_, i) => decades.length < 4 || (decades.length - 1 - i) % 2 === 0)
      .map((log) => {
        const label = el('span', {}, duration(10 ** log));
        setStyle(label, { top: `${y(log)}px` });
        return label;
      }),
  );
  picture.replaceChildren(
    ...decades.map((log) => svg('line', { class: 'gridline', x1: 0, x2: '100%', y1: y(log), y2: y(log) })),
    ...traces.map((trace, i) => point(trace, to === from ? 0.5 : (starts[i] - from) / (to - from), y(logs[i]), open)),
  );
}

function point(trace, x, y, open) {
  const isError = trace.error_count > 0;
  const mark = isError ? svg('path', { class: 'cross', d: 'M-4,-4L4,4M4,-4L-4,4' }) : svg('circle', { r: 4 });
  return svg(
    'svg',
    {
      x: `${(1 + 98 * x).toFixed(2)}%`,
      y,
      overflow: 'visible',
      class: 'point',
      'data-series': series(trace.root_service),
      onclick: () => open(trace),
    },
    mark,
    svg('circle', { r: 9, class: 'target' }),
    svg('title', {}, `${trace.root_name}: ${duration(trace.duration_ns)}${isError ? ', with errors' : ''}`),
  );
}

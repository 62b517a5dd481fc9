// One trace: loading it, and its page with head, tools, chart (tree or lanes) and the details of the
// selected span.

import { ApiError, fetchTrace } from './api.js';
import { drawDetails } from './details.js';
import { count, dateTime, duration, plural } from './format.js';
import { Lanes } from './lanes.js';
import { announce, el, icon, perFrame, series, setStyle, tracePath } from './lib.js';
import { lastList } from './list.js';
import { carriedKeys, linksOf, modelOf, readTrace, searchText } from './model.js';
import { Scale } from './scale.js';
import { openDialog, setKeys } from './shell.js';
import { minimap, timeAxis } from './timeline.js';
import { Folding, Waterfall } from './waterfall.js';

const LATE_MS = [1500, 3000, 6000, 12000];
const YOUNG_US = 60e6;

/** Opens a trace. */
export function traceView(root, { match, params, go }) {
  const id = decode(match[1]);
  const closing = new AbortController();
  let page = null;
  let timer = 0;

  const load = async () => {
    root.replaceChildren(el('p', { class: 'empty', role: 'status' }, 'Loading the trace…'));
    try {
      const trace = await fetchTrace(id, closing.signal);
      root.replaceChildren();
      page?.close();
      page = new TracePage(root, modelOf(readTrace(trace)), { go, span: params.get('span'), mode: params.get('view') });
      if (Date.now() * 1000 - trace.start_us < YOUNG_US) watch(trace.span_count, 0);
    } catch (error) {
      if (error.name === 'AbortError') return;
      root.replaceChildren(failure(error, id, load));
    }
  };

  // A trace opened while it happens goes on growing: its reader is told, never moved.
  const watch = (spans, round) => {
    if (round >= LATE_MS.length) return;
    timer = setTimeout(async () => {
      const now = await fetchTrace(id, closing.signal).catch(() => null);
      if (closing.signal.aborted) return;
      if (now && now.span_count !== spans) page.offer(now.span_count - spans, () => reload(now));
      else watch(spans, round + 1);
    }, LATE_MS[round]);
  };

  const reload = (trace) => {
    const { selected, mode } = page;
    page.close();
    root.replaceChildren();
    page = new TracePage(root, modelOf(readTrace(trace)), { go, span: selected?.id, mode });
    watch(trace.span_count, 0);
  };

  document.title = `Trace ${id.slice(0, 8)}`;
  load();
  return () => {
    closing.abort();
    clearTimeout(timer);
    page?.close();
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failure(error, id, retry) {
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
  );
}

// The page of a loaded trace. It holds what its parts share: the window in time, the folding, the
// selected span and what a search found.

/** Draws a trace and answers to its reader. */
class TracePage {
  constructor(root, model, { go, span, mode }) {
    Object.assign(this, { root, model, go, selected: null, matches: null, mode: mode === 'lanes' ? 'lanes' : 'tree' });
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
    this.setMode(this.mode);
    this.open(span);
    document.title = `${model.root_name}, ${duration(model.duration_ns)}`;
  }

  open(spanId) {
    const span = this.model.byId.get(spanId);
    if (span) this.show(span);
    else this.view.focus(this.model.roots[0]?.id);
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
      el('h1', {}, el('span', { class: 'soft' }, `${model.root_service} `), model.root_name || '(no name)'),
      el(
        'p',
        { class: 'facts-line num' },
        el('span', {}, dateTime(model.start_us)),
        el('strong', {}, duration(model.duration_ns)),
        el('span', {}, plural(model.span_count, 'span')),
        model.error_count > 0 &&
          el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${plural(model.error_count, 'error')}`),
        model.services.map(({ name, count: spans }) =>
          el(
            'span',
            { class: 'service', 'data-series': series(name) },
            el('span', { class: 'swatch' }),
            `${name} `,
            el('span', { class: 'soft' }, count(spans)),
          ),
        ),
        el('code', { class: 'soft', title: 'Trace id' }, model.trace_id),
      ),
      model.warnings.map((text) => el('p', { class: 'warning' }, text)),
      this.late,
    );
  }

  /** Tells that more spans have come; `take` shows them. */
  offer(more, take) {
    this.late.replaceChildren(
      el(
        'button',
        { type: 'button', class: 'primary', onclick: take },
        more > 0 ? `${plural(more, 'more span')} came: show` : 'The trace has changed: show',
      ),
    );
  }

  setMode(mode) {
    this.mode = mode;
    this.view?.close();
    this.view = mode === 'lanes' ? new Lanes(this) : new Waterfall(this);
    this.chart.replaceChildren(this.axis.node, el('div', { class: 'plot' }, this.axis.lines, this.view.node));
    this.chart.dataset.mode = mode;
    this.axis.call(mode === 'lanes' ? 'Actor' : 'Span');
    this.drawAround();
    this.view.update();
  }

  zoomed() {
    this.drawAround();
    this.view.refresh();
  }

  /** What stands around the chart and depends on the stretch of time or on the mode. */
  drawAround() {
    setStyle(this.chart, { '--gutter': `${this.view.node.offsetWidth - this.view.node.clientWidth}px` });
    this.axis.draw();
    this.map.draw();
    this.tools.draw();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
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
    this.panel.scrollTop = 0;
    history.replaceState(
      {},
      '',
      `${tracePath(this.model.trace_id, span?.id)}${this.mode === 'lanes' ? `${span ? '&' : '?'}view=lanes` : ''}`,
    );
    this.view.refresh();
    if (this.covered()) this.view.focus(span.id);
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
    return {
      model: this.model,
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

  /** Enter: the details of a span, the other end of a link. */
  activate() {
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

  /** Marks the spans that say `text`. */
  find(text) {
    const wanted = text.trim().toLowerCase();
    this.matches = wanted
      ? new Set(this.model.spans.filter((span) => searchText(span).includes(wanted)).map(({ id }) => id))
      : null;
    this.tools.draw();
    this.view.refresh();
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
    exportDialog(this.model);
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
    { keys: ['j', 'ArrowDown'], does: 'next line; in lanes: next lane', run: move(1) },
    { keys: ['k', 'ArrowUp'], does: 'previous line; in lanes: previous lane', run: move(-1) },
    {
      keys: ['ArrowRight'],
      does: 'open, or to the first child; in lanes: later',
      run: inChart(() => page.view.sideways(1)),
    },
    {
      keys: ['ArrowLeft'],
      does: 'close, or to the parent; in lanes: earlier',
      run: inChart(() => page.view.sideways(-1)),
    },
    { keys: ['PageDown'], run: move(20) },
    { keys: ['PageUp'], run: move(-20) },
    { keys: ['Home'], run: move(-1e9) },
    { keys: ['End'], run: move(1e9) },
    { keys: ['Enter'], does: 'details of the span; follow a link', run: inChart(() => page.activate()) },
    { keys: ['l'], does: 'follow the first link, in either direction', run: () => page.followFirst() },
    { keys: ['o'], does: 'show or hide the linked spans', run: () => focused() && page.view.links?.(focused()) },
    {
      keys: ['v'],
      does: 'tree or lanes',
      run: () => {
        page.setMode(page.mode === 'tree' ? 'lanes' : 'tree');
        page.view.focus(page.selected?.id ?? page.view.focused?.span.id);
      },
    },
    { keys: ['/'], does: 'find in the trace (Enter: next match)', run: () => page.tools.search.focus() },
    { keys: ['n'], does: 'next match', run: () => page.nextMatch(1) },
    { keys: ['N'], does: 'previous match', run: () => page.nextMatch(-1) },
    { keys: ['+', '='], does: 'zoom in', run: () => scale.zoom(0.6) },
    { keys: ['-'], does: 'zoom out', run: () => scale.zoom(1.6) },
    { keys: ['z'], does: 'zoom to the span', run: () => focused() && scale.fit(focused()) },
    { keys: ['0'], does: 'the whole trace', run: () => scale.whole() },
    { keys: ['['], does: 'earlier', run: () => scale.pan(-0.2) },
    { keys: [']'], does: 'later', run: () => scale.pan(0.2) },
    { keys: ['x'], does: 'collapse or expand all', run: () => page.foldAll() },
    { keys: ['e'], does: 'the trace as text', run: () => page.export() },
    { keys: ['Escape'], inFields: true, does: 'close the details; back to the traces', run: () => escape(page) },
  ];
}

function escape(page) {
  if (document.activeElement === page.tools.search) return page.view.focus(page.view.focused?.key);
  if (page.selected) return page.closeDetails();
  return page.go(lastList());
}

// The tools over a trace: tree or lanes, search in the trace, zoom, folding, text.

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
    [
      ['tree', 'Tree'],
      ['lanes', 'Actor lanes'],
    ].map(([mode, label]) => [mode, el('button', { type: 'button', onclick: () => page.setMode(mode) }, label)]),
  );
  const whole = button('Whole trace', 'Show the whole trace (0)', () => page.scale.whole());
  const fold = button('Collapse all', 'Collapse or expand all (x)', () => {
    page.foldAll();
    draw();
  });
  const window = el('span', { class: 'soft num window' });
  const draw = () => {
    for (const [mode, node] of Object.entries(modes)) node.setAttribute('aria-pressed', String(page.mode === mode));
    found.textContent = page.matches ? `${count(page.matches.size)} of ${count(page.model.spans.length)}` : '';
    whole.disabled = page.scale.isWhole;
    fold.textContent = page.folding.closed.size ? 'Expand all' : 'Collapse all';
    fold.hidden = page.mode !== 'tree';
    window.textContent = page.scale.isWhole ? '' : `${duration(page.scale.start)} to ${duration(page.scale.end)}`;
  };
  const node = el(
    'div',
    { class: 'tools', role: 'toolbar', 'aria-label': 'Trace' },
    el('div', { class: 'segmented', role: 'group', 'aria-label': 'View' }, Object.values(modes)),
    search,
    found,
    el(
      'div',
      { class: 'segmented', role: 'group', 'aria-label': 'Zoom' },
      button('−', 'Zoom out (-)', () => page.scale.zoom(1.6)),
      button('+', 'Zoom in (+)', () => page.scale.zoom(0.6)),
      whole,
    ),
    window,
    el(
      'span',
      { class: 'key' },
      el('span', { class: 'hatch-key' }),
      'mailbox wait',
      el('span', { class: 'key-error' }, icon('⚠', 'error'), ' error'),
      el('span', {}, '⇄ links'),
    ),
    fold,
    button('Text', 'The trace as text (e)', () => page.export()),
  );
  return { node, draw, search };
}

function button(label, title, run) {
  // A sign is no name; words are, and then they are what a reader says to press it.
  const name = /\p{L}/u.test(label) ? null : title.replace(/ \(.\)$/, '');
  return el('button', { type: 'button', title, 'aria-label': name, onclick: run }, label);
}

// A trace as indented text: for an issue, a chat, a test.

/** The tree as text, a line a span and a line a link. */
export function asText(model) {
  const width = Math.max(...model.services.map(({ name }) => name.length), 7);
  const lines = [
    `${model.root_name}  trace ${model.trace_id}  ${dateTime(model.start_us)}  ${duration(model.duration_ns)}`,
  ];
  const stack = model.roots.map((span) => [span, 0]).reverse();
  while (stack.length) {
    const [span, level] = stack.pop();
    const indent = '  '.repeat(level);
    lines.push(`${span.service.padEnd(width)}  ${indent}${words(span)}`);
    for (const link of linksOf(span)) {
      const way = link.direction === 'to' ? '->' : '<-';
      const target = `${link.name ?? 'not held'}  trace ${link.trace_id} span ${link.span_id}`;
      lines.push(`${' '.repeat(width)}  ${indent}  ${way} ${target}`);
    }
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push([span.children[i], level + 1]);
  }
  return `${lines.join('\n')}\n`;
}

function words(span) {
  return [
    span.name,
    span.instance && `(${span.instance})`,
    span.kind.toUpperCase(),
    duration(span.duration_ns),
    span.wait_ns && `wait ${duration(span.wait_ns)}`,
    span.isError && `ERROR ${[span.error_type, span.status_message].filter(Boolean).join(': ')}`,
  ]
    .filter(Boolean)
    .join('  ');
}

/** Shows the text, to copy or to save. */
function exportDialog(model) {
  const text = asText(model);
  const area = el('textarea', {
    class: 'export',
    readonly: true,
    'aria-label': 'The trace as text',
    spellcheck: 'false',
  });
  area.value = text;
  const copy = async () => {
    area.select();
    await navigator.clipboard?.writeText(text);
    announce('Copied');
  };
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    el('a', { href: url, download: `trace-${model.trace_id}.txt` }).click();
    URL.revokeObjectURL(url);
  };
  openDialog(
    'The trace as text',
    area,
    el(
      'p',
      { class: 'actions' },
      el('button', { type: 'button', class: 'primary', onclick: copy }, 'Copy'),
      ' ',
      el('button', { type: 'button', onclick: save }, 'Save'),
      ' ',
      el(
        'a',
        { href: `/api/traces/${encodeURIComponent(model.trace_id)}`, target: '_blank', rel: 'noopener' },
        'JSON (Jaeger)',
      ),
    ),
  );
}

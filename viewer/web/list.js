// The list of traces: search, and a live tail that never moves what the reader is looking at.

import { fetchStats, liveTraces, searchTraces } from './api.js';
import { comparePath } from './compare-with.js';
import { Feed, orderOf } from './feed.js';
import { age, count, duration, plural } from './format.js';
import { announce, el, endpoint, isInUse, onLessUse, perFrame, replace, tracePath } from './lib.js';
import { LiveTail } from './live-tail.js';
import { COLUMNS, drawRow, isArriving } from './row.js';
import { scatter } from './scatter.js';
import { SearchForm, filterOf, isFiltered, pathWith, tagsOf } from './search.js';
import { setKeys } from './shell.js';
import { downloadAll, uploads } from './transfer.js';

/** How long after something came the list asks anew how many there are, in milliseconds. */
const SETTLE_MS = 2000;

let lastOpened = null;
let lastPath = '/';
const live = { isOn: true };
// The traces to be compared, two at most: `{ id, title }`. They outlast the search that found them.
let marked = [];

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
    Object.assign(this, { params, go, state: 'loading', total: 0, rows: new Map() });
    this.filter = filterOf(params);
    this.sort = this.filter.get('sort') ?? 'start';
    this.order = this.filter.get('order') ?? 'desc';
    this.feed = new Feed(Math.max(1, Number(this.filter.get('limit')) || 50), orderOf(this.sort, this.order));
    this.form = new SearchForm(params, go);
    this.problem = el('div', { role: 'alert' });
    this.summary = el('span', { class: 'summary' });
    this.marks = el('span', { class: 'marks', role: 'status' });
    this.tail = new LiveTail(live, this.feed, {
      connect: (on) =>
        liveTraces(this.filter, { ...on, traces: ({ traces, skipped }) => this.arrived(traces, skipped) }),
      ask: (signal, since) => this.ask(signal, since),
      failed: (error) => this.failed(error),
      settleMs: SETTLE_MS,
    });
    this.newButton = el('button', {
      type: 'button',
      class: 'primary new',
      hidden: true,
      onclick: () => this.showNew(),
    });
    this.uploads = uploads(() => this.tail.search());
    this.download = downloadAll(() => [...this.rows.keys()]);
    this.scatter = scatter((trace) => this.open(trace.trace_id));
    this.body = el('div', { role: 'rowgroup', class: 'rows' });
    this.scale = el('span', { class: 'scale' });
    this.scroller = el(
      'div',
      { class: 'grid', role: 'grid', 'aria-label': 'Traces', 'aria-multiselectable': 'true' },
      el(
        'div',
        { role: 'rowgroup', class: 'head-group' },
        el(
          'div',
          { role: 'row', class: 'row head' },
          COLUMNS.map((column) => this.heading(column)),
        ),
      ),
      this.body,
    );
    this.blank = el('div', { class: 'blank' });
    this.draw = perFrame(() => this.drawNow());
    replace(
      root,
      el('h1', { class: 'sr-only' }, 'Traces'),
      this.form.node,
      this.problem,
      el(
        'div',
        { class: 'headline' },
        this.summary,
        this.quick(),
        this.marks,
        this.newButton,
        this.uploads.button,
        this.download,
        this.tail.button,
      ),
      this.uploads.result,
      this.scatter.node,
      this.scroller,
      this.blank,
    );
  }

  start() {
    onLessUse(this.scroller, () => this.relax());
    this.body.addEventListener('click', (event) => this.clicked(event));
    this.ages = setInterval(() => this.drawAges(), 5000);
    setKeys(listKeys(this));
    this.tail.start();
  }

  stop() {
    this.uploads.close();
    this.tail.stop();
    clearInterval(this.ages);
  }

  /** What the list shows at one click: an order of everything held, or what failed. */
  quick() {
    const by = (sort, label) => {
      const isOn = this.sort === sort && this.order === 'desc';
      return quickLink(pathWith(this.params, { sort: sort === 'start' ? null : sort, order: null }), label, isOn);
    };
    const onlyFailed = this.params.get('errors') === 'true';
    return el(
      'nav',
      { class: 'quick', 'aria-label': 'Order and failures' },
      by('start', 'Newest'),
      by('duration', 'Slowest'),
      by('spans', 'Most spans'),
      by('errors', 'Most errors'),
      quickLink(pathWith(this.params, { errors: onlyFailed ? null : 'true' }), 'Failed', onlyFailed),
    );
  }

  heading({ name, sort, hidden }) {
    const isSorted = sort && sort === this.sort;
    const next = isSorted && this.order === 'desc' ? 'asc' : null;
    const words = sort
      ? el(
          'a',
          {
            href: pathWith(this.params, { sort: sort === 'start' && !next ? null : sort, order: next }),
            title: `Sort by this, ${next ? 'smallest' : 'largest'} first`,
          },
          name,
          isSorted && el('span', { 'aria-hidden': 'true' }, this.order === 'desc' ? ' ▼' : ' ▲'),
        )
      : el('span', { class: hidden ? 'sr-only' : null }, name);
    return el(
      'div',
      {
        role: 'columnheader',
        class: `cell ${name.toLowerCase()}`,
        'aria-sort': isSorted ? (this.order === 'desc' ? 'descending' : 'ascending') : null,
      },
      words,
      sort === 'duration' && this.scale,
    );
  }

  async ask(signal, since) {
    const answer = await searchTraces(this.filter, signal);
    this.total = answer.total;
    this.state = 'ready';
    this.problem.replaceChildren();
    this.feed.settle(answer.traces, { since, hold: this.isEngaged() });
    this.form.learn(answer.traces);
    this.draw();
  }

  failed(error) {
    this.state = 'failed';
    this.problem.replaceChildren(el('p', { class: 'notice' }, error.message));
    this.draw();
  }

  arrived(traces, skipped) {
    const before = this.feed.waiting;
    this.feed.take(traces, { hold: this.isEngaged(), skipped });
    this.form.learn(traces);
    if (!before && this.feed.waiting) announce('New traces: press n to show them');
    this.draw();
    this.tail.settleSoon();
  }

  isEngaged() {
    return this.state === 'ready' && this.feed.shown.size > 0 && isInUse(this.scroller);
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
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    traces.forEach((trace, i) => {
      const row = this.rowOf(trace, longest);
      if (this.body.children[i] !== row) this.body.insertBefore(row, this.body.children[i] ?? null);
    });
    // A row that was moved has lost the focus.
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
    this.scale.textContent = longest ? `full bar ${duration(longest)}` : '';
    this.keepOneStop();
    this.scatter.draw(traces);
    this.drawMarks();
    this.drawState(traces.length);
  }

  rowOf(trace, longest) {
    let entry = this.rows.get(trace.trace_id);
    if (!entry) {
      entry = { row: el('div', { role: 'row', class: 'row', tabindex: -1 }) };
      this.rows.set(trace.trace_id, entry);
    }
    const isMarked = marked.some(({ id }) => id === trace.trace_id);
    if (entry.trace !== trace || entry.longest !== longest || entry.isMarked !== isMarked) {
      const searchFor = (tag) => pathWith(this.params, { tags: withTag(this.params, tag), tag: null });
      drawRow(entry.row, trace, { longest, isMarked, searchFor });
      Object.assign(entry, { trace, longest, isMarked });
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
    if (shown || this.state !== 'ready') this.blank.replaceChildren();
    else if (!this.blank.hasChildNodes()) this.blank.replaceChildren(this.nothing());
  }

  nothing() {
    return isFiltered(this.filter)
      ? el(
          'div',
          { class: 'empty' },
          el('h2', {}, 'No trace matches'),
          el('p', {}, 'Traces that do will appear here as they come.'),
          el('button', { type: 'button', onclick: () => this.go('/') }, 'Show all traces'),
        )
      : nothingYet();
  }

  drawAges() {
    const now = Date.now();
    for (const time of this.body.querySelectorAll('time')) time.textContent = age(Number(time.dataset.us), now);
    for (const { row, trace } of this.rows.values()) {
      const state = row.querySelector('.root-state');
      if (state) state.textContent = isArriving(trace, now) ? 'still arriving' : 'no root';
    }
  }

  /** Exactly one row is a tab stop: the focused one, the one last opened, or the first. */
  keepOneStop() {
    const last = lastOpened && this.rows.get(lastOpened)?.row;
    const stop = this.body.contains(document.activeElement)
      ? document.activeElement.closest('.row')
      : (last ?? this.body.firstElementChild);
    for (const row of this.body.querySelectorAll('.row[tabindex="0"]')) if (row !== stop) row.tabIndex = -1;
    if (stop) stop.tabIndex = 0;
    if (last && document.activeElement === document.body) last.focus({ preventScroll: false });
    if (last) lastOpened = null;
  }

  clicked(event) {
    const row = event.target.closest('.row');
    if (!row) return;
    if (event.target.closest('.mark')) {
      this.mark(row.dataset.trace);
      // Its checkbox has been drawn anew.
      row.focus({ preventScroll: true });
    } else if (event.target.closest('a')) lastOpened = row.dataset.trace;
    else if (!String(getSelection())) this.open(row.dataset.trace);
  }

  open(id) {
    lastOpened = id;
    this.go(tracePath(id));
  }

  /** Marks a trace to be compared, or no longer. Of a third one the first gives way. */
  mark(id) {
    const isMarked = marked.some((one) => one.id === id);
    const trace = this.feed.shown.get(id);
    if (isMarked) marked = marked.filter((one) => one.id !== id);
    else if (trace) {
      const title = `${trace.root_name || '(no name)'}, ${duration(trace.duration_ns)}`;
      marked = [...marked, { id, title }].slice(-2);
    } else return;
    announce(
      ['No trace is marked', 'Marked: mark another to compare', 'Two marked: press c to compare'][marked.length],
    );
    this.drawNow();
  }

  drawMarks() {
    // Only when they have changed: its controls may have the focus.
    if (this.drawnMarks === marked) return;
    this.drawnMarks = marked;
    const [a, b] = marked;
    this.marks.hidden = !a;
    if (!a) return this.marks.replaceChildren();
    replace(
      this.marks,
      b
        ? el(
            'a',
            { class: 'button primary', href: comparePath(a.id, b.id), title: `${a.title} and ${b.title} (c)` },
            'Compare the two marked',
          )
        : el('span', { class: 'soft', title: a.title }, '1 marked: mark another to compare'),
      el(
        'button',
        {
          type: 'button',
          class: 'quiet',
          onclick: () => {
            marked = [];
            this.drawNow();
          },
        },
        'Unmark',
      ),
    );
  }

  compare() {
    const [a, b] = marked;
    if (b) this.go(comparePath(a.id, b.id));
    else announce('Mark two traces to compare them (x)');
  }

  move(step) {
    const rows = [...this.body.children];
    const at = rows.indexOf(document.activeElement?.closest('.row'));
    const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
    this.keepOneStop();
  }
}

/** The tags of a search and one more; of one key the last holds. */
function withTag(params, tag) {
  const tags = tagsOf(params);
  return tags.split(' ').includes(tag) ? tags : `${tags} ${tag}`.trim();
}

function quickLink(href, label, isOn) {
  return el('a', { href, class: 'button', 'aria-current': isOn ? 'true' : null }, label);
}

/** What to do when there is no trace at all; the viewer says where it listens. */
function nothingYet() {
  const how = el('pre', {});
  fetchStats()
    .then(({ receives }) => {
      how.textContent = [
        `OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint(receives.otlp)}`,
        '',
        '# or over gRPC',
        'OTEL_EXPORTER_OTLP_PROTOCOL=grpc',
        `OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint(receives.otlp_grpc)}`,
      ].join('\n');
    })
    .catch(() => how.remove());
  return el(
    'div',
    { class: 'empty' },
    el('h2', {}, 'No traces yet'),
    el('p', {}, 'Send some by OTLP and they appear here as they come:'),
    how,
  );
}

// What each key does on the list of traces.

/** The bindings, in the order of the help. */
function listKeys(list) {
  const focused = () => document.activeElement?.closest('.rows .row')?.dataset.trace;
  const toggle = (name, value) => (list.params.get(name) === value ? null : value);
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
    {
      keys: ['x'],
      does: 'mark the trace, to compare it with another',
      run: () => (focused() ? list.mark(focused()) : false),
    },
    { keys: ['c'], does: 'compare the two that are marked', run: () => list.compare() },
    {
      keys: ['s'],
      does: 'the slowest first, or the newest',
      run: () => list.go(pathWith(list.params, { sort: toggle('sort', 'duration'), order: null })),
    },
    {
      keys: ['f'],
      does: 'only what failed, or everything',
      run: () => list.go(pathWith(list.params, { errors: toggle('errors', 'true') })),
    },
    { keys: ['/'], does: 'search by tags', run: () => list.form.node.elements.tags.focus() },
    {
      keys: ['Escape'],
      inFields: true,
      does: 'leave the search or the list',
      run: () => document.activeElement?.blur(),
    },
    { keys: ['n'], does: 'show the new traces', run: () => list.showNew() },
    { keys: ['u'], does: 'load traces from a file', run: () => list.uploads.choose() },
    { keys: ['p'], does: 'pause the live tail, or go on', run: () => list.tail.toggle() },
  ];
}

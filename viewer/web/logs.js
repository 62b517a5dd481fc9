// The log records: a search, a live tail that never moves what the reader is looking at, and everything
// about one record beside them.

import { fetchLog, fetchLogServices, liveLogs, logFile, searchLogs } from './api.js';
import { Feed, latestFirst } from './feed.js';
import { field, options, putTimes, select, timeFields } from './form.js';
import { clock, count, dateTime, plural } from './format.js';
import { Grid } from './grid.js';
import { announce, el, isInUse, onLessUse, perFrame, replace, series, tracePath } from './lib.js';
import { LiveTail } from './live-tail.js';
import { LEVELS, readLogs } from './log-model.js';
import { drawRecord, level } from './log-parts.js';
import { setKeys } from './shell.js';

const FIELDS = ['severity', 'service', 'text', 'tags', 'traceID', 'spanID', 'lookback', 'start', 'end', 'limit'];
const LIMITS = ['200', '500', '2000', '5000'];
const DEFAULT_LIMIT = 500;
/** How long after something came the list asks anew for what only the viewer knows, in milliseconds. */
const SETTLE_MS = 4000;

const live = { isOn: true };

/** Opens the page. */
export function logsView(root, { params, go }) {
  document.title = 'Logs';
  const view = new LogPage(root, params, go);
  view.start();
  return {
    close: () => view.stop(),
    // Only the open record has changed: the list stays as it is.
    moved: (now) => view.moved(now),
  };
}

/** The search that an address means, as the viewer's API takes it. */
export function logFilterOf(params) {
  const filter = new URLSearchParams();
  for (const name of FIELDS) {
    const value = params.get(name)?.trim();
    if (value && !(name === 'lookback' && value === 'custom')) filter.set(name, value);
  }
  if (!filter.has('limit')) filter.set('limit', DEFAULT_LIMIT);
  return filter;
}

class LogPage {
  constructor(root, params, go) {
    Object.assign(this, { params, go, state: 'loading', total: 0, held: 0, counted: 0, open: null });
    this.filter = logFilterOf(params);
    const limit = Math.max(1, Math.min(10_000, Number(this.filter.get('limit')) || DEFAULT_LIMIT));
    this.feed = new Feed(limit, latestFirst, ({ number }) => number);
    this.service = el('select', { name: 'service' });
    this.form = this.makeForm();
    this.problem = el('div', { role: 'alert' });
    this.summary = el('span', { class: 'summary' });
    this.tail = new LiveTail(live, this.feed, {
      connect: (on) => liveLogs(this.filter, { ...on, logs: (told) => this.arrived(told) }),
      ask: (signal, since) => this.ask(signal, since),
      failed: (error) => this.failed(error),
      // The spans of records that came before them are known then, and what was let go.
      settleMs: SETTLE_MS,
    });
    this.newButton = el('button', {
      type: 'button',
      class: 'primary new',
      hidden: true,
      onclick: () => this.showNew(),
    });
    this.grid = new Grid({
      label: 'Log records',
      columns: columns(),
      keyOf: ({ number }) => number,
      open: (row) => this.select(row.number),
      classOf: (row) => `log-row at-${row.level || 'unset'}${row.number === this.open ? ' selected' : ''}`,
    });
    this.grid.node.classList.add('log-grid');
    this.panel = el('aside', { class: 'details', role: 'region', tabindex: -1, hidden: true });
    this.blank = el('div', { class: 'blank' });
    this.draw = perFrame(() => this.drawNow());
    replace(
      root,
      el('h1', { class: 'sr-only' }, 'Logs'),
      this.form,
      this.problem,
      el(
        'div',
        { class: 'headline' },
        this.summary,
        quick(params),
        this.newButton,
        el('a', { class: 'button', href: logFile(this.filter), download: '' }, 'Download'),
        this.tail.button,
      ),
      el('div', { class: 'panes' }, this.grid.node, this.panel),
      this.blank,
    );
  }

  start() {
    onLessUse(this.grid.node, () => this.relax());
    setKeys(logKeys(this));
    this.offerServices();
    this.tail.start();
    const open = this.params.get('record');
    if (open) this.show(open);
  }

  stop() {
    this.tail.stop();
    this.opening?.abort();
    this.grid.close();
  }

  /** The address has changed. Returns whether this page goes on: if only the open record is another. */
  moved(now) {
    if (String(logFilterOf(now)) !== String(this.filter)) return false;
    this.params = now;
    const open = now.get('record');
    if (open) this.show(open);
    else this.hide();
    return true;
  }

  makeForm() {
    const { params } = this;
    const input = (name, placeholder, type = 'text') =>
      el('input', { name, type, value: params.get(name) ?? '', placeholder, autocomplete: 'off', spellcheck: 'false' });
    const ids = params.get('traceID') || params.get('spanID');
    const form = el(
      'form',
      { class: 'search', role: 'search', 'aria-label': 'Search log records' },
      field('Severity', select('severity', [['', 'all'], ...LEVELS.map(atLeast)], params.get('severity') ?? '')),
      field('Service', this.service),
      field('Text', input('text', 'in text or attributes', 'search')),
      field(
        'Attributes',
        el('input', {
          name: 'tags',
          class: 'tags',
          value: params.get('tags') ?? '',
          placeholder: 'key=value key="two words"',
          autocomplete: 'off',
          spellcheck: 'false',
        }),
      ),
      ...timeFields(params),
      ids && field('Trace', input('traceID', 'trace id')),
      params.get('spanID') && field('Span', input('spanID', 'span id')),
      field(
        'Limit',
        select(
          'limit',
          LIMITS.map((limit) => [limit, limit]),
          params.get('limit') ?? String(DEFAULT_LIMIT),
        ),
      ),
      el('button', { class: 'primary' }, 'Search'),
      el('button', { type: 'button', class: 'quiet', onclick: () => this.go('/logs') }, 'Reset'),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.go(pathOf(new FormData(form)));
    });
    options(this.service, 'all services', [], params.get('service') ?? '');
    this.service.addEventListener('focus', () => this.offerServices());
    return form;
  }

  /** At most once a second. */
  async offerServices() {
    if (this.offering) return;
    this.offering = true;
    const answer = await fetchLogServices().catch(() => null);
    if (answer) {
      const names = answer.services.map(({ name }) => name);
      options(this.service, 'all services', names, this.service.value || this.params.get('service') || '');
    }
    setTimeout(() => {
      this.offering = false;
    }, 1000);
  }

  async ask(signal, since) {
    const answer = await searchLogs(this.filter, signal);
    this.state = 'ready';
    this.problem.replaceChildren();
    this.held = answer.held;
    // What is told from here on and has come before that has been counted.
    this.total = answer.total;
    this.counted = answer.oldest + answer.held - 1;
    this.feed.settle(answer.records, { since, hold: this.isEngaged() });
    this.draw();
  }

  failed(error) {
    this.state = 'failed';
    this.problem.replaceChildren(el('p', { class: 'notice' }, error.message));
    this.draw();
  }

  arrived({ records, skipped, held }) {
    const before = this.feed.waiting;
    this.held = held;
    this.total += skipped + records.filter(({ number }) => number > this.counted).length;
    this.feed.take(records, { hold: this.isEngaged(), skipped });
    if (!before && this.feed.waiting) announce('New log records: press n to show them');
    this.draw();
    this.tail.settleSoon();
  }

  isEngaged() {
    return this.state === 'ready' && this.feed.shown.size > 0 && isInUse(this.grid.node);
  }

  relax() {
    if (!this.feed.waiting || this.isEngaged()) return;
    this.feed.release();
    this.draw();
  }

  showNew() {
    this.feed.release();
    this.grid.node.scrollTop = 0;
    this.draw();
  }

  drawNow() {
    const { waiting, rows } = this.feed;
    // Only when they have changed: what has the focus is drawn anew otherwise.
    const isSame = rows.length === this.grid.given.length && rows.every((row, i) => row === this.grid.given[i]);
    if (!isSame) this.grid.show(rows);
    this.newButton.hidden = !waiting;
    this.newButton.textContent = `↑ ${plural(waiting, 'new record')}`;
    const more = this.total > rows.length ? ` of ${count(this.total)}` : '';
    this.summary.textContent =
      this.state === 'loading'
        ? 'Searching…'
        : `${count(rows.length)}${more} ${this.total === 1 ? 'record' : 'records'}`;
    this.grid.node.hidden = !rows.length;
    if (rows.length || this.state !== 'ready') this.blank.replaceChildren();
    else if (!this.blank.hasChildNodes()) this.blank.replaceChildren(this.nothing());
  }

  nothing() {
    const isAll = [...this.filter.keys()].every((name) => name === 'limit');
    return el(
      'div',
      { class: 'empty' },
      el('h2', {}, isAll ? 'No log records yet' : 'No log record matches'),
      el(
        'p',
        {},
        isAll
          ? 'Send some by OTLP, and they appear here as they come.'
          : 'Those that do will appear here as they come.',
      ),
      !isAll && el('button', { type: 'button', onclick: () => this.go('/logs') }, 'Show all log records'),
    );
  }

  /** Opens a record, as a step that the browser's back undoes. */
  select(number) {
    this.go(this.pathWith('record', number));
  }

  pathWith(name, value) {
    const params = new URLSearchParams(this.params);
    if (value === null) params.delete(name);
    else params.set(name, value);
    return params.size ? `/logs?${params}` : '/logs';
  }

  /** Draws everything about a record beside the list. */
  async show(number) {
    this.opening?.abort();
    this.opening = new AbortController();
    this.open = Number(number);
    this.grid.refresh();
    const close = () => this.closeDetails();
    try {
      const whole = await fetchLog(number, this.opening.signal);
      const [record] = readLogs(whole.resourceLogs);
      if (!record) throw new Error('It has made room for newer ones.');
      drawRecord(this.panel, record, { row: whole, close });
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.panel.setAttribute('aria-label', 'A log record');
      replace(
        this.panel,
        el(
          'header',
          {},
          el('h2', {}, 'This log record is not here'),
          el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close the details', onclick: close }, '✕'),
        ),
        el('p', { class: 'notice', role: 'alert' }, error.message),
      );
    }
    this.panel.hidden = false;
    this.panel.scrollTop = 0;
  }

  hide() {
    this.opening?.abort();
    this.open = null;
    this.panel.hidden = true;
    this.grid.refresh();
  }

  closeDetails() {
    const { open } = this;
    this.go(this.pathWith('record', null));
    this.grid.focus(open);
  }

  /** The key `s`: to the span of the focused record. */
  follow() {
    const row = this.grid.focused;
    if (row?.trace_id) this.go(tracePath(row.trace_id, row.span_id));
    else announce('This record belongs to no trace');
  }
}

const atLeast = (name) => [name, name === 'fatal' ? name : `${name} and worse`];

/** What is wanted at one click: all, or what went wrong. */
function quick(params) {
  const link = (severity, label) => {
    const changed = new URLSearchParams(params);
    changed.delete('record');
    if (severity) changed.set('severity', severity);
    else changed.delete('severity');
    const isOn = (params.get('severity') ?? '') === severity;
    const href = changed.size ? `/logs?${changed}` : '/logs';
    return el('a', { href, class: 'button', 'aria-current': isOn ? 'true' : null }, label);
  };
  return el(
    'nav',
    { class: 'quick', 'aria-label': 'Severity' },
    link('', 'All'),
    link('warn', 'Warnings'),
    link('error', 'Errors'),
  );
}

/** The address of what the form asks for. */
function pathOf(data) {
  const params = new URLSearchParams();
  for (const name of FIELDS) {
    const value = String(data.get(name) ?? '').trim();
    const isDefault = name === 'limit' && value === String(DEFAULT_LIMIT);
    if (value && value !== 'custom' && !isDefault) params.set(name, value);
  }
  putTimes(params, data);
  return params.size ? `/logs?${params}` : '/logs';
}

function columns() {
  return [
    {
      key: 'time',
      title: 'Time',
      width: 128,
      draw: ({ time_us: us }) =>
        us ? el('time', { class: 'num', title: dateTime(us) }, clock(us)) : el('span', { class: 'soft' }, 'no time'),
    },
    { key: 'severity', title: 'Severity', width: 84, draw: level },
    {
      key: 'service',
      title: 'Service',
      width: 130,
      draw: ({ service }) => [
        el('span', { class: 'swatch', 'data-series': series(service) }),
        el('span', { class: 'grid-text', title: service }, service),
      ],
    },
    {
      key: 'actor',
      title: 'Actor',
      hint: 'Of the span that the record belongs to',
      width: 120,
      draw: ({ actor, trace_id: trace, span_id: span }) =>
        actor &&
        el(
          'a',
          {
            class: 'grid-text',
            tabindex: -1,
            href: tracePath(trace, span, { view: 'lanes' }),
            title: `${actor}: its lane in the trace`,
          },
          actor,
        ),
    },
    {
      key: 'text',
      title: 'Record',
      width: 320,
      grows: true,
      draw: ({ text, event_name: event, fields, scope }) =>
        el(
          'span',
          { class: 'grid-text', title: [text, fields, scope].filter(Boolean).join('\n') },
          text || event || '(no text)',
          fields && el('span', { class: 'soft log-fields' }, ` ${fields}`),
        ),
    },
    {
      key: 'span',
      title: 'Span',
      width: 190,
      draw: ({ trace_id: trace, span_id: span, span_name: name, trace_held: isHeld }) =>
        trace &&
        el(
          'a',
          { class: `grid-text${isHeld ? '' : ' soft'}`, tabindex: -1, href: tracePath(trace, span), title: trace },
          name ?? (isHeld ? `trace ${trace.slice(0, 8)}` : `${trace.slice(0, 8)}, not held`),
        ),
    },
  ];
}

// What each key does on the page of the logs.

/** The bindings, in the order of the help. */
function logKeys(page) {
  const move = (step) => () => page.grid.move(step);
  const inGrid = (run) => () => (page.grid.node.contains(document.activeElement) ? run() : false);
  return [
    { keys: ['j', 'ArrowDown'], does: 'next record', run: move(1) },
    { keys: ['k', 'ArrowUp'], does: 'previous record', run: move(-1) },
    { keys: ['PageDown'], run: move(15) },
    { keys: ['PageUp'], run: move(-15) },
    { keys: ['Home'], run: move(-1e6) },
    { keys: ['End'], run: move(1e6) },
    {
      keys: ['Enter'],
      does: 'everything about the record',
      run: inGrid(() => (document.activeElement.matches('a, button') ? false : page.select(page.grid.focused.number))),
    },
    { keys: ['s'], does: 'to the span of the record', run: inGrid(() => page.follow()) },
    {
      keys: ['f'],
      does: 'only errors, or everything',
      run: () => page.go(page.pathWith('severity', page.params.get('severity') === 'error' ? null : 'error')),
    },
    { keys: ['/'], does: 'search for a text', run: () => page.form.elements.text.focus() },
    {
      keys: ['Escape'],
      inFields: true,
      does: 'close the details; leave the search or the list',
      run: () =>
        page.panel.hidden || page.form.contains(document.activeElement)
          ? document.activeElement?.blur()
          : page.closeDetails(),
    },
    { keys: ['n'], does: 'show the new records', run: () => page.showNew() },
    { keys: ['p'], does: 'pause the live tail, or go on', run: () => page.tail.toggle() },
  ];
}

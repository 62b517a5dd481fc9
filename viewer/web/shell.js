// What stands around every view: which view an address means, the field for an id, the keyboard, the
// footer.

import { fetchStats } from './api.js';
import { reached, showAddress, within } from './base-path.js';
import { bytes, count, plural, rate } from './format.js';
import { legend } from './help.js';
import { el, idsIn, replace as fill, tracePath } from './lib.js';

// Which view an address means, and moving between them without loading the page anew.

/**
 * Starts routing. `routes`: `[pattern, open]`, where `open(root, match, params)` draws a view into
 * `root` and returns how to close it, or `{ close(), moved(params) }`: `moved` is asked first when only
 * what is behind the path's `?` has changed, and says whether the view has taken it. `elsewhere`:
 * `[pattern, to]`, where `to(match)` is the path that stands for such a one. Returns
 * `go(path, { replace })`.
 */
export function startRouter(root, routes, elsewhere) {
  let view = { close: () => {} };

  const show = () => {
    const asked = within(location.pathname);
    const moved = elsewhere.find(([pattern]) => pattern.test(asked));
    if (moved) showAddress(moved[1](moved[0].exec(asked)));
    // Not through the proxy, but straight from the viewer.
    else if (reached(asked) !== location.pathname) showAddress(asked + location.search);
    const { search } = location;
    const pathname = within(location.pathname);
    const params = new URLSearchParams(search);
    if (view.path === pathname && view.moved?.(params)) return;
    view.close();
    root.replaceChildren();
    const [pattern, open] = routes.find(([candidate]) => candidate.test(pathname));
    const opened = open(root, pattern.exec(pathname), params) ?? (() => {});
    view = { path: pathname, ...(typeof opened === 'function' ? { close: opened } : opened) };
  };

  const go = (path, { replace = false } = {}) => {
    showAddress(path, !replace);
    show();
  };

  addEventListener('popstate', show);
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="/"]');
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button;
    if (!link || link.target || link.hasAttribute('download') || modified || event.defaultPrevented) return;
    event.preventDefault();
    go(link.getAttribute('href'));
  });
  return { go, show };
}

// The field for an id.

/** Opens the trace that is typed or pasted, in whatever text its id stands. */
export function startJump(form, go) {
  const field = form.elements.id;
  const problem = form.querySelector('.problem');
  const tell = (text) => {
    problem.textContent = text;
    if (text) field.setAttribute('aria-invalid', 'true');
    else field.removeAttribute('aria-invalid');
  };
  field.addEventListener('input', () => tell(''));
  field.addEventListener('blur', () => tell(''));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = field.value.trim();
    const ids = idsIn(text);
    if (!text) return;
    if (!ids) return tell('No trace id in this. Expected 32 hexadecimal digits, or a text that holds them.');
    form.reset();
    field.blur();
    go(tracePath(ids.traceId, ids.spanId));
  });
}

// The keyboard: each view says which keys it knows and what they do, and the help lists them.

let viewKeys = [];

const EVERYWHERE = [
  { keys: ['?'], does: 'this help' },
  { keys: ['g', 't'], does: 'to the traces', sequence: true },
  { keys: ['g', 'l'], does: 'to the logs', sequence: true },
  { keys: ['g', 'a'], does: 'to the actor graph', sequence: true },
  { keys: ['g', 'm'], does: 'to the monitor', sequence: true },
  { keys: ['g', 'i'], does: 'to the field for a trace id', sequence: true },
];

/**
 * Sets the keys of the view on screen: `{ keys: ['j', 'ArrowDown'], does: 'next', run(event) }`.
 * `run` may return false to leave the key to the browser. `inFields`: also while typing.
 */
export function setKeys(bindings) {
  viewKeys = bindings;
}

/** Starts listening. `go(path)` opens another view. */
export function startKeys(go) {
  let after = '';
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    const typing = event.target.closest('input, select, textarea');
    if (after === 'g' && !typing) {
      after = '';
      if (event.key === 't') return go('/');
      if (event.key === 'l') return go('/logs');
      if (event.key === 'a') return go('/graph');
      if (event.key === 'm') return go('/monitor');
      if (event.key === 'i') {
        event.preventDefault();
        return document.querySelector('.jump input').focus();
      }
    }
    const binding = viewKeys.find(({ keys, inFields }) => keys.includes(event.key) && (!typing || inFields));
    if (binding) {
      if (binding.run(event) !== false) event.preventDefault();
      return;
    }
    if (typing) return;
    if (event.key === '?') showHelp();
    if (event.key === 'g') after = 'g';
  });
}

/** The dialog that says what is to be seen, and lists every key of this view. */
export function showHelp() {
  const rows = [...viewKeys.filter(({ does }) => does), ...EVERYWHERE].map(({ keys, does, sequence }) =>
    el(
      'tr',
      {},
      el(
        'th',
        { scope: 'row' },
        keys.flatMap((key, i) => [i ? (sequence ? ' then ' : ' or ') : '', el('kbd', {}, named(key))]),
      ),
      el('td', {}, does),
    ),
  );
  openDialog(
    'Help',
    el('h3', {}, 'What you see'),
    legend(),
    el('h3', {}, 'Keyboard'),
    el('table', { class: 'help' }, el('tbody', {}, rows)),
  );
}

/** A modal dialog with a heading and a way out; the browser gives focus back when it closes. */
export function openDialog(title, ...content) {
  const dialog = el(
    'dialog',
    { 'aria-label': title },
    el(
      'header',
      {},
      el('h2', {}, title),
      el('form', { method: 'dialog' }, el('button', { class: 'quiet', 'aria-label': 'Close' }, 'Close')),
    ),
    ...content,
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function named(key) {
  const names = { ArrowDown: '↓', ArrowUp: '↑', ArrowLeft: '←', ArrowRight: '→', Escape: 'Esc', ' ': 'Space' };
  return names[key] ?? key;
}

// The footer: what the viewer holds, what it let go, and whether it is there at all.

const EVERY_MS = 2000;

/** Keeps the footer up to date while the page is visible. */
export function startStats(footer) {
  const update = async () => {
    if (document.hidden) return;
    try {
      draw(footer, await fetchStats(AbortSignal.timeout(EVERY_MS * 2)));
    } catch {
      footer.dataset.state = 'lost';
      footer.replaceChildren(el('span', { role: 'status' }, '⚠ The viewer does not answer. Trying again…'));
    }
  };
  update();
  setInterval(update, EVERY_MS);
  document.addEventListener('visibilitychange', update);
}

function draw(footer, stats) {
  footer.dataset.state = 'up';
  const traces = stats.signals.traces;
  const losses = [
    ['evicted', stats.evicted.spans, 'Oldest traces that made room for newer ones'],
    ['refused', traces.refused, 'The sender was told to come again: the viewer could not keep up'],
    ['rejected', traces.rejected, 'Bad data'],
    ['cut', stats.cut, 'Attributes or values shortened or left out by the limits'],
  ];
  fill(
    footer,
    item(
      'held',
      `${plural(stats.traces, 'trace')}, ${plural(stats.spans, 'span')}`,
      `At most ${count(stats.max_spans)} spans and ${bytes(stats.max_bytes)}`,
    ),
    item('memory', `${bytes(stats.bytes)} of ${bytes(stats.max_bytes)}`),
    stats.logs.records > 0 &&
      item(
        'logs',
        plural(stats.logs.records, 'record'),
        `At most ${count(stats.logs.max_records)} records and ${bytes(stats.logs.max_bytes)}`,
      ),
    item('received', `${plural(traces.received, 'span')} (${rate(stats.spans_per_second)})`),
    ...losses
      .filter(([name, value]) => value > 0 || name === 'evicted')
      .map(([name, value, title]) => item(name, plural(value, name === 'cut' ? 'value' : 'span'), title)),
    el('span', { class: 'version' }, `viewer ${stats.version}`),
  );
}

function item(name, value, title) {
  return el('span', { class: 'stat', title }, el('span', { class: 'stat-name' }, name), ' ', value);
}

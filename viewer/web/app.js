// Starts the page: routes, theme, footer, keyboard.
//
// The files of the page, of which no two import each other:
//
// - The list of traces: `list`, with `search`, `feed` (what is on it and what waits), `row` and `scatter`.
// - One trace: `trace`, with its views `waterfall`, `lanes`, `flame`, `table`, `statistics` and `path-list`; beside
//   them the `details` of a span (`panel` has what these share with a log record's), and `export` with `picture`.
//   `grid` is a table of any length.
// - Two traces: `compare`, with `compare-tree`, `compare-details` and `compare-with` (what to compare with).
// - The actor graph: `graph`, drawn by `graph-picture`, laid out by `graph-layout`.
// - The monitor: `monitor`, with `monitor-chart` and `monitor-data`; `instruments`, with `instruments-data`;
//   `monitor-tabs` leads from one to the other. `refresh` asks again and again for what the graph and the monitor show.
// - What they show, without a document: `model` (a trace), `critical-path`, `scale` (a stretch of time), `comparison`
//   with `align` (two traces), `graph-data`.
// - The log records: `logs`, with `log-model` (records read) and `log-parts` (how one is shown); those of a trace
//   are in `trace-logs`. `form` has the fields that both searches share, `live-tail` their live tail.
// - For every view: `shell` (what stands around it) with `help`, `transfer` (files), `timeline` (time on screen), `api`
//   (the viewer's API), `format` (numbers), `lib` (elements, colours, addresses). `theme` runs before all of them.

import { comparePath } from './compare-with.js';
import { compareView } from './compare.js';
import { graphView } from './graph.js';
import { instrumentsView } from './instruments.js';
import { el } from './lib.js';
import { listView } from './list.js';
import { logsView } from './logs.js';
import { monitorView } from './monitor.js';
import { setKeys, showHelp, startJump, startKeys, startRouter, startStats } from './shell.js';
import { traceView } from './trace.js';

const view = document.getElementById('view');

function opened(name, open) {
  return (root, match, params) => {
    for (const link of document.querySelectorAll('[data-nav]')) {
      // The instruments are a part of the monitor.
      if (link.dataset.nav === (name === 'instruments' ? 'monitor' : name)) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    setKeys([]);
    root.dataset.view = name;
    return open(root, { match, params, go });
  };
}

/** Addresses of Jaeger's page, and what is nearest to each here. */
const ELSEWHERE = [
  [/^\/trace\/([^/.]+)\.\.\.([^/.]+)\/?$/, ([, a, b]) => comparePath(a, b)],
  [/^\/trace\/(?:([^/.]+)\.\.\.|\.\.\.([^/.]+))\/?$/, ([, a, b]) => `/trace/${a ?? b}`],
  [/^\/(?:dependencies|deep-dependencies|quality-metrics)\/?$/, () => '/graph'],
];

const { go, show } = startRouter(
  view,
  [
    [/^\/trace\/([^/]+)\/?$/, opened('trace', traceView)],
    [/^\/compare(?:\/([^/]+))?(?:\/([^/]+))?\/?$/, opened('compare', compareView)],
    [/^\/graph\/?$/, opened('graph', graphView)],
    [/^\/logs\/?$/, opened('logs', logsView)],
    [/^\/monitor\/?$/, opened('monitor', monitorView)],
    [/^\/monitor\/instruments\/?$/, opened('instruments', instrumentsView)],
    [/^\/(?:search\/?)?$/, opened('list', listView)],
    [/^/, opened('nothing', nothingView)],
  ],
  ELSEWHERE,
);

function nothingView(root) {
  document.title = 'No such page';
  root.append(
    el(
      'div',
      { class: 'empty', role: 'alert' },
      el('h1', {}, 'There is no such page'),
      el('p', { class: 'mono' }, location.pathname),
      el('p', {}, el('a', { href: '/' }, 'All traces')),
    ),
  );
}

/** Jaeger's parameters for a page within a page: without head and foot, in a theme of its choice. */
function startEmbedded() {
  const params = new URLSearchParams(location.search);
  if (params.get('uiEmbed') !== 'v0') return;
  const hidden = [...params].filter(([name, value]) => name.startsWith('ui') && value === '1').map(([name]) => name);
  document.documentElement.dataset.embedded = hidden.join(' ');
  if (['light', 'dark'].includes(params.get('uiTheme'))) document.documentElement.dataset.theme = params.get('uiTheme');
}

function startTheme(button) {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const current = () => document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light');
  const label = () => {
    const other = current() === 'dark' ? 'light' : 'dark';
    const [symbol, word] = other === 'light' ? ['☀', 'Light'] : ['☾', 'Dark'];
    button.replaceChildren(`${symbol} `, el('span', {}, word));
    button.setAttribute('aria-label', `Switch to the ${other} theme`);
  };
  button.addEventListener('click', () => {
    const theme = current() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem('theme', theme);
    } catch {
      // No storage: the choice lasts as long as the page.
    }
    label();
    dispatchEvent(new Event('themechange'));
  });
  system.addEventListener('change', () => {
    label();
    dispatchEvent(new Event('themechange'));
  });
  label();
}

function start() {
  startEmbedded();
  startTheme(document.querySelector('[data-action="theme"]'));
  document.querySelector('[data-action="help"]').addEventListener('click', showHelp);
  startJump(document.querySelector('.jump'), go);
  startKeys(go);
  startStats(document.querySelector('footer.stats'));
  show();
}

start();

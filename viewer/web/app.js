// Starts the page: routes, theme, footer, keyboard.

import { compareView } from './compare.js';
import { graphView } from './graph.js';
import { tracePath } from './lib.js';
import { listView } from './list.js';
import { setKeys, showHelp, startKeys, startRouter, startStats } from './shell.js';
import { traceView } from './trace.js';

const view = document.getElementById('view');

function opened(name, open) {
  return (root, match, params) => {
    for (const link of document.querySelectorAll('[data-nav]')) {
      if (link.dataset.nav === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    setKeys([]);
    root.dataset.view = name;
    return open(root, { match, params, go });
  };
}

const { go, show } = startRouter(view, [
  [/^\/trace\/([^/]+)\/?$/, opened('trace', traceView)],
  [/^\/compare(?:\/([^/]+))?(?:\/([^/]+))?\/?$/, opened('compare', compareView)],
  [/^\/graph\/?$/, opened('graph', graphView)],
  [/^/, opened('list', listView)],
]);

function startTheme(button) {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const current = () => document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light');
  const label = () => {
    const other = current() === 'dark' ? 'light' : 'dark';
    button.textContent = current() === 'dark' ? '☀ Light' : '☾ Dark';
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
  startTheme(document.querySelector('[data-action="theme"]'));
  document.querySelector('[data-action="help"]').addEventListener('click', showHelp);
  document.querySelector('.jump').addEventListener('submit', (event) => {
    event.preventDefault();
    const id = new FormData(event.target).get('id').trim().toLowerCase();
    if (id) go(tracePath(id));
    event.target.reset();
  });
  startKeys(go);
  startStats(document.querySelector('footer.stats'));
  show();
}

start();

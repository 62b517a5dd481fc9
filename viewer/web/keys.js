// The keyboard: each view says which keys it knows and what they do, and the help lists them.

import { el } from './dom.js';

let viewKeys = [];

const EVERYWHERE = [
  { keys: ['?'], does: 'this help' },
  { keys: ['g', 't'], does: 'to the traces', sequence: true },
  { keys: ['g', 'a'], does: 'to the actor graph', sequence: true },
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
      if (event.key === 'a') return go('/graph');
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

/** The dialog that lists every key of this view. */
export function showHelp() {
  const rows = [...viewKeys.filter(({ does }) => does), ...EVERYWHERE].map(({ keys, does, sequence }) =>
    el('tr', {},
      el('th', { scope: 'row' }, keys.flatMap((key, i) => [i ? (sequence ? ' then ' : ' or ') : '', el('kbd', {}, named(key))])),
      el('td', {}, does)));
  openDialog('Keyboard', el('table', { class: 'help' }, el('tbody', {}, rows)));
}

/** A modal dialog with a heading and a way out; the browser gives focus back when it closes. */
export function openDialog(title, ...content) {
  const dialog = el('dialog', { 'aria-label': title },
    el('header', {},
      el('h2', {}, title),
      el('form', { method: 'dialog' }, el('button', { class: 'quiet', 'aria-label': 'Close' }, 'Close'))),
    ...content);
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

// The tools over a trace: tree or lanes, search in the trace, zoom, folding, text.

import { el, icon } from './dom.js';
import { count, duration } from './format.js';

/** `node`, and `draw()` for when the page's state has changed. */
export function toolbar(page) {
  const found = el('span', { class: 'found soft num', role: 'status' });
  const search = el('input', { type: 'search', placeholder: 'Find in this trace', 'aria-label': 'Find in this trace', autocomplete: 'off', spellcheck: 'false' });
  search.addEventListener('input', () => page.find(search.value));
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    page.nextMatch(event.shiftKey ? -1 : 1);
    search.focus();
  });
  const modes = Object.fromEntries([['tree', 'Tree'], ['lanes', 'Actor lanes']].map(([mode, label]) =>
    [mode, el('button', { type: 'button', onclick: () => page.setMode(mode) }, label)]));
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
  const node = el('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Trace' },
    el('div', { class: 'segmented', role: 'group', 'aria-label': 'View' }, Object.values(modes)),
    search, found,
    el('div', { class: 'segmented', role: 'group', 'aria-label': 'Zoom' },
      button('−', 'Zoom out (-)', () => page.scale.zoom(1.6)), button('+', 'Zoom in (+)', () => page.scale.zoom(0.6)), whole),
    window,
    el('span', { class: 'key' }, el('span', { class: 'hatch-key' }), 'mailbox wait', el('span', { class: 'key-error' }, icon('⚠', 'error'), ' error'), el('span', {}, '⇄ links')),
    fold, button('Text', 'The trace as text (e)', () => page.export()));
  return { node, draw, search };
}

function button(label, title, run) {
  return el('button', { type: 'button', title, 'aria-label': title.replace(/ \(.\)$/, ''), onclick: run }, label);
}

// The time axis over the chart, its grid lines, and the divider between names and times.

import { el, setStyle } from './dom.js';

const LABEL_PX = 110;
const NARROWEST = 120;

/**
 * `node` goes above the chart, `lines` behind it; `draw()` after a zoom or a resize; `call(what)`
 * names what the lines are.
 */
export function timeAxis(scale, panes) {
  const ticks = el('div', { class: 'ticks' });
  const rules = el('div', {});
  const lines = el('div', { class: 'gridlines', 'aria-hidden': 'true' }, rules);
  const name = el('span', {});
  const node = el('div', { class: 'axis' }, el('div', { class: 'axis-name' }, name, divider(panes)), ticks);
  const draw = () => {
    const marks = scale.ticks(Math.floor(ticks.clientWidth / LABEL_PX)).filter(({ at }) => at < 0.97);
    ticks.replaceChildren(...marks.map(({ at, label }) => el('span', { class: 'tick num', style: { left: `${100 * at}%` } }, label)));
    rules.replaceChildren(...marks.map(({ at }) => el('span', { class: 'gridline', style: { left: `${100 * at}%` } })));
  };
  const call = (what) => { name.textContent = what; };
  return { node, lines, draw, call };
}

function divider(panes) {
  const node = el('div', { class: 'divider', role: 'separator', tabindex: 0, 'aria-orientation': 'vertical', 'aria-label': 'Width of the names' });
  const set = (px) => {
    const width = Math.round(Math.max(NARROWEST, Math.min(panes.clientWidth * 0.75, px)));
    setStyle(panes, { '--names': `${width}px` });
    node.setAttribute('aria-valuenow', String(width));
    panes.dispatchEvent(new Event('resized'));
  };
  const width = () => node.parentElement.getBoundingClientRect().width;
  node.addEventListener('pointerdown', (event) => {
    node.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  node.addEventListener('pointermove', (event) => {
    if (node.hasPointerCapture(event.pointerId)) set(event.clientX - panes.getBoundingClientRect().left);
  });
  node.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -20, ArrowRight: 20 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    set(width() + step);
  });
  return node;
}

// The footer: what the viewer holds, what it let go, and whether it is there at all.

import { fetchStats } from './api.js';
import { el } from './dom.js';
import { bytes, count, plural, rate } from './format.js';

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
  footer.replaceChildren(
    item('held', `${plural(stats.traces, 'trace')}, ${plural(stats.spans, 'span')}`,
      `At most ${count(stats.max_spans)} spans and ${bytes(stats.max_bytes)}`),
    item('memory', `${bytes(stats.bytes)} of ${bytes(stats.max_bytes)}`),
    item('received', `${plural(traces.received, 'span')} (${rate(stats.spans_per_second)})`),
    ...losses.filter(([name, value]) => value > 0 || name === 'evicted')
      .map(([name, value, title]) => item(name, plural(value, name === 'cut' ? 'value' : 'span'), title)),
    el('span', { class: 'version' }, `viewer ${stats.version}`),
  );
}

function item(name, value, title) {
  return el('span', { class: 'stat', title }, el('span', { class: 'stat-name' }, name), ' ', value);
}

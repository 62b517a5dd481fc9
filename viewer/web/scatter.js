// The traces of the list as points, time against duration: outliers are seen at a glance. The list
// below says the same in words, so this drawing is hidden from screen readers and the tab order.

import { duration } from './format.js';
import { el, series, setStyle, svg } from './lib.js';

const HEIGHT = 84;
const TOP = 8;
const BOTTOM = 8;

/** Makes the drawing: `node`, and `draw(traces)`. `open(trace)` is called for a clicked point. */
export function scatter(open) {
  const picture = svg('svg', { width: '100%', height: HEIGHT });
  const labels = el('div', { class: 'labels' });
  const node = el('div', { class: 'scatter', 'aria-hidden': 'true', hidden: true }, labels, picture);
  return { node, draw: (traces) => traces.length && draw(picture, labels, traces, open) };
}

function draw(picture, labels, traces, open) {
  const starts = traces.map((trace) => trace.start_us);
  const [from, to] = [Math.min(...starts), Math.max(...starts)];
  const logs = traces.map((trace) => Math.log10(Math.max(1e3, trace.duration_ns)));
  const low = Math.floor(Math.min(...logs));
  const high = Math.max(low + 1, Math.ceil(Math.max(...logs)));
  const y = (log) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (log - low) / (high - low));
  const decades = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  labels.replaceChildren(
    ...decades
      .filter((_, i) => decades.length < 4 || (decades.length - 1 - i) % 2 === 0)
      .map((log) => {
        const label = el('span', {}, log < 11 ? duration(10 ** log) : `${10 ** (log - 9)} s`);
        setStyle(label, { top: `${y(log)}px` });
        return label;
      }),
  );
  picture.replaceChildren(
    ...decades.map((log) => svg('line', { class: 'gridline', x1: 0, x2: '100%', y1: y(log), y2: y(log) })),
    ...traces.map((trace, i) => point(trace, to === from ? 0.5 : (starts[i] - from) / (to - from), y(logs[i]), open)),
  );
}

function point(trace, x, y, open) {
  const isError = trace.error_count > 0;
  const mark = isError ? svg('path', { class: 'cross', d: 'M-4,-4L4,4M4,-4L-4,4' }) : svg('circle', { r: 4 });
  return svg(
    'svg',
    {
      x: `${(1 + 98 * x).toFixed(2)}%`,
      y,
      overflow: 'visible',
      class: 'point',
      'data-series': series(trace.root_service),
      onclick: () => open(trace),
    },
    mark,
    svg('circle', { r: 9, class: 'target' }),
    svg('title', {}, `${trace.root_name}: ${duration(trace.duration_ns)}${isError ? ', with errors' : ''}`),
  );
}

// The whole trace in a strip, with the stretch on screen marked; dragging over it zooms. The keys
// + - 0 z and the buttons do the same, so the strip is hidden from screen readers.

import { series } from './colors.js';
import { el, perFrame, setStyle } from './dom.js';

const HEIGHT = 44;

/** `node`, and `draw()` for when the window or the theme has changed. */
export function minimap(model, scale) {
  const canvas = el('canvas', { height: HEIGHT });
  const shown = el('div', { class: 'shown' });
  const drag = el('div', { class: 'drag', hidden: true });
  const probe = el('span', { class: 'probe' });
  const node = el('div', { class: 'minimap', 'aria-hidden': 'true', title: 'Drag to zoom, double-click for everything' }, canvas, shown, drag, probe);
  const paint = perFrame(() => paintSpans(canvas, probe, model));
  const draw = () => {
    const whole = scale.last - scale.first;
    setStyle(shown, {
      left: `${(100 * (scale.start - scale.first)) / whole}%`,
      width: `${(100 * (scale.end - scale.start)) / whole}%`,
    });
    shown.hidden = scale.isWhole;
  };
  const resized = new ResizeObserver(paint);
  resized.observe(node);
  addEventListener('themechange', paint);
  startDrag(node, drag, scale);
  return {
    node,
    draw,
    close: () => {
      resized.disconnect();
      removeEventListener('themechange', paint);
    },
  };
}

function startDrag(node, drag, scale) {
  let from = null;
  const share = (event) => {
    const box = node.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  node.addEventListener('pointerdown', (event) => {
    from = share(event);
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener('pointermove', (event) => {
    if (from === null) return;
    const to = share(event);
    drag.hidden = false;
    setStyle(drag, { left: `${100 * Math.min(from, to)}%`, width: `${100 * Math.abs(to - from)}%` });
  });
  node.addEventListener('pointerup', (event) => {
    if (from === null) return;
    const to = share(event);
    const [whole, start] = [scale.last - scale.first, from];
    from = null;
    drag.hidden = true;
    if (Math.abs(to - start) > 0.004) scale.show(scale.first + Math.min(start, to) * whole, scale.first + Math.max(start, to) * whole);
  });
  node.addEventListener('dblclick', () => scale.whole());
}

function paintSpans(canvas, probe, model) {
  const width = canvas.parentElement?.clientWidth ?? 0;
  if (!width) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const colors = new Map();
  const lines = depthFirst(model.roots);
  const [height, whole] = [HEIGHT - 8, model.endNs - model.startNs];
  const thick = Math.max(1, Math.min(4, height / lines.length - 0.5));
  lines.forEach((span, i) => {
    if (!colors.has(span.service)) colors.set(span.service, colorOf(probe, span.service));
    pen.fillStyle = colors.get(span.service);
    const x = ((span.start_ns - model.startNs) / whole) * width;
    pen.fillRect(x, 4 + (height * i) / lines.length, Math.max(1, (span.duration_ns / whole) * width), thick);
  });
}

function depthFirst(roots) {
  const spans = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const span = stack.pop();
    spans.push(span);
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push(span.children[i]);
  }
  return spans;
}

function colorOf(probe, service) {
  probe.dataset.series = series(service);
  return getComputedStyle(probe).color;
}

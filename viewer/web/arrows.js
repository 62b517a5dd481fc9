// Arrows between a span and the spans it is linked with, in the direction of the link: from the
// span that has the link to the one it names.

import { setStyle, svg } from './dom.js';
import { anchorOf } from './linkline.js';
import { LINE } from './waterfall.js';

/** Draws the arrows of the lines from `from` to `to` into `picture`. */
export function drawArrows(picture, waterfall, from, to) {
  const time = waterfall.body.querySelector('.time');
  const lines = [];
  for (let i = from; i < to; i += 1) if (waterfall.lines[i].link) lines.push(i);
  picture.toggleAttribute('hidden', !lines.length || !time);
  if (!lines.length || !time) return;
  const width = time.clientWidth;
  const top = from * LINE;
  setStyle(picture, { left: `${time.offsetLeft}px`, top: `${top}px`, width: `${width}px`, height: `${(to - from) * LINE}px` });
  picture.replaceChildren(heads(), ...lines.map((i) => arrow(waterfall, i, width, top)));
}

function arrow(waterfall, i, width, top) {
  const { host, index, lines } = waterfall;
  const { span, link } = lines[i];
  const own = Math.max(0, Math.min(1, host.scale.at(span.start_ns)));
  const x = Math.min(width - 30, own * width) + 5;
  const y = (index.get(span.id) + 0.5) * LINE - top + 7;
  const farY = (i + 0.5) * LINE - top;
  const anchor = anchorOf(link, host);
  const d = route({ x, y }, { x: anchor === null ? x + 18 : anchor * width, y: farY }, link.direction === 'to');
  return svg('path', { class: `arrow ${link.direction}`, d, 'marker-end': 'url(#head)' });
}

/** Down along the span's own time, then across to the other's; straight where the two are close. */
function route(own, far, isOut) {
  if (Math.abs(far.x - own.x) < 12) {
    return isOut ? `M${own.x},${own.y}V${far.y - 7}` : `M${own.x},${far.y - 7}V${own.y + 2}`;
  }
  const corner = far.x > own.x ? 5 : -5;
  return isOut
    ? `M${own.x},${own.y}V${far.y - 5}q0,5 ${corner},5H${far.x - Math.sign(corner) * 2}`
    : `M${far.x},${far.y}H${own.x + corner}q${-corner},0 ${-corner},-5V${own.y + 2}`;
}

function heads() {
  return svg('defs', {},
    svg('marker', { id: 'head', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
      svg('path', { class: 'arrow-head', d: 'M0,0L8,4L0,8z' })));
}

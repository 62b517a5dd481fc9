// What is to be seen on the page, in pictures: they are drawn as the page draws, in its own colours.

import { el, svg } from './lib.js';

const WIDTH = 190;
const HEIGHT = 52;

/** A picture and what it says, for each thing that has to be known. */
const FIGURES = [
  [
    'A span is a bar from its start to its end. Its colour is its service’s, the same on every page.',
    () => [bar(8, 6, 170, 1), bar(30, 20, 60, 1), bar(60, 34, 100, 11)],
  ],
  [
    'The hatched stretch before a bar is the time that a message waited in its actor’s mailbox.',
    () => [bar(8, 8, 170, 1), wait(40, 26, 44), bar(84, 26, 80, 1)],
  ],
  [
    'In lanes each actor has a row of its own, and an arrow is a message from one to another.',
    () => [
      word(6, 15, 'Checkout'),
      word(6, 41, 'Aisle'),
      bar(64, 6, 112, 1),
      bar(104, 32, 50, 1),
      svg('path', { class: 'figure-arrow', d: 'M88,18 C88,30 92,37 101,37' }),
      svg('path', { class: 'figure-head', d: 'M98,33L104,37L98,41Z' }),
    ],
  ],
  [
    'A dashed bar is a span of another trace, at its own time, that this one links to (→) or is linked from (←).',
    () => [
      bar(40, 8, 84, 1),
      word(6, 41, '←'),
      svg('rect', { class: 'figure-ghost', x: 70, y: 30, width: 104, height: 12, rx: 2, 'data-series': 1 }),
    ],
  ],
  [
    'What failed has a red edge and this sign, and says why.',
    () => [bar(8, 20, 90, 1, 'figure-failed'), svg('text', { class: 'figure-error', x: 106, y: 31 }, '⚠ out_of_stock')],
  ],
  [
    'The line under a bar is its part of the critical path: what the whole was waiting for. Dashed, it waited itself.',
    () => [
      bar(8, 6, 170, 1),
      path(8, 20, 34),
      path(140, 20, 38),
      bar(42, 30, 98, 1),
      path(42, 44, 98, 'figure-waiting'),
    ],
  ],
  [
    'A diamond is an event, a red one an exception. △ says that something does not add up, such as a clock.',
    () => [bar(8, 22, 150, 1), diamond(50, 22), diamond(110, 22, 'figure-exception'), word(168, 32, '△')],
  ],
  [
    'A ring is a log record where it happened; a full red one tells of an error.',
    () => [bar(8, 14, 150, 1), ring(50, 27), ring(110, 27, 'figure-exception')],
  ],
  [
    'In the list a bar is as long as the trace took; a full one is the longest that is listed.',
    () => [bar(8, 8, 110, 1), word(126, 17, '405 ms'), bar(8, 30, 2, 1), word(126, 39, '6.03 ms')],
  ],
  [
    'In the graph a node is a service or an actor. An edge says how often one sends to another, and how long it takes.',
    () => [
      node(4, 'Checkout'),
      node(122, 'Aisle'),
      svg('path', { class: 'figure-arrow', d: 'M68,26L116,26' }),
      svg('path', { class: 'figure-head', d: 'M114,22L121,26L114,30Z' }),
      word(84, 20, '9/s'),
    ],
  ],
  [
    'In the monitor a bar is what came in a step of time, its red part what failed; a line is a percentile.',
    () => [
      svg('path', { class: 'bars', d: 'M8,44v-22h12v22zM24,44v-34h12v34zM40,44v-16h12v16zM56,44v-28h12v28z' }),
      svg('path', { class: 'bars errors', d: 'M24,44v-10h12v10z' }),
      svg('path', { class: 'curve p95', fill: 'none', d: 'M84,36L104,22L124,30L144,12L164,26' }),
    ],
  ],
  [
    'How many messages are in a mailbox is there the mean over time: what they waited together in each second.',
    () => [wait(8, 8, 60), bar(68, 8, 60, 1), wait(30, 28, 70), bar(100, 28, 60, 1)],
  ],
];

/** The figures as a list. */
export function legend() {
  return el(
    'ul',
    { class: 'legend' },
    FIGURES.map(([says, draw]) =>
      el(
        'li',
        {},
        svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, 'aria-hidden': 'true' }, draw()),
        el('p', {}, says),
      ),
    ),
  );
}

function bar(x, y, width, colour, more = '') {
  return svg('rect', { class: `figure-bar ${more}`, x, y, width, height: 11, rx: 2, 'data-series': colour });
}

function wait(x, y, width) {
  const stripes = Array.from({ length: Math.floor(width / 5) }, (_, i) => `M${x + 5 * i},${y + 11}l5,-11`).join('');
  return svg(
    'g',
    { class: 'figure-wait', 'data-series': 1 },
    svg('rect', { x, y, width, height: 11 }),
    svg('path', { d: stripes }),
  );
}

function path(x, y, width, more = '') {
  return svg('path', { class: `figure-path ${more}`, d: `M${x},${y}h${width}` });
}

function diamond(x, y, more = '') {
  return svg('path', { class: `figure-event ${more}`, d: `M${x},${y - 5}l5,5l-5,5l-5,-5z` });
}

function ring(x, y, more = '') {
  return svg('circle', { class: `figure-ring ${more}`, cx: x, cy: y, r: 4 });
}

function node(x, name) {
  return svg(
    'g',
    { 'data-series': 1 },
    svg('rect', { class: 'figure-node', x, y: 12, width: 64, height: 28, rx: 4 }),
    word(x + 8, 30, name),
  );
}

function word(x, y, text) {
  return svg('text', { class: 'figure-word', x, y }, text);
}

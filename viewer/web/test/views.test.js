// What the views of a trace are made of, without a browser: rows in order, boxes of the flame graph,
// marks of events, the picture.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bySpan, criticalPath } from '../critical-path.js';
import { flameOf, layOut } from '../flame.js';
import { sortRows } from '../grid.js';
import { modelOf, readTrace } from '../model.js';
import { pictureOf } from '../picture.js';
import { Scale } from '../scale.js';
import { gatherEvents, gatherSteps } from '../timeline.js';
import { Folding } from '../waterfall.js';
import { answer, span, text } from './trace.js';

const model = (services, more = {}) => modelOf(readTrace({ ...answer(services), ...more }));

test('rows are sorted by value either way, equal ones keep their order, and what has none comes last', () => {
  const rows = [
    ['a', 2],
    ['b', null],
    ['c', 10],
    ['d', 2],
  ];
  const names = (isDown) => sortRows(rows, ([, value]) => value, isDown).map(([name]) => name);

  assert.deepEqual(names(false), ['a', 'd', 'c', 'b']);
  assert.deepEqual(names(true), ['c', 'a', 'd', 'b']);
  assert.deepEqual(
    sortRows(['b', '', 'a'], (value) => value, false),
    ['a', 'b', ''],
  );
});

/** Boxes as `name all/own ×spans`, indented by their depth. */
function boxes(box, indent = '') {
  const many = box.spans.length > 1 ? ` ×${box.spans.length}` : '';
  return [
    `${indent}${box.name} ${box.all}/${box.own}${many}`,
    ...box.children.flatMap((one) => boxes(one, `${indent}  `)),
  ];
}

const flaming = model({
  store: [
    span('a', null, 'root', [0, 100]),
    span('b', 'a', 'ask', [0, 40]),
    span('c', 'b', 'query', [10, 30]),
    span('d', 'a', 'ask', [20, 80]),
    span('e', 'd', 'query', [30, 40]),
    span('f', null, 'orphan', [0, 10]),
  ],
});

test('a box of the flame graph is the spans of one name under the same parents, as wide as their own times', () => {
  // root: 100 less 0 to 80. ask: 40 less 20, 60 less 10.
  assert.deepEqual(boxes(flameOf(flaming).root), [
    'the trace 130/0',
    '  root 120/20',
    '    ask 100/70 ×2',
    '      query 30/30 ×2',
    '  orphan 10/10',
  ]);
});

test('the boxes of a level share the width of the one above, and what is too narrow is gathered', () => {
  const { root } = flameOf(flaming);
  const shown = (top, width) =>
    layOut(top, width).map((level) => level.map(({ box, few, x, width: wide }) => [box?.name ?? few, x, wide]));

  assert.deepEqual(shown(root, 130), [
    [['the trace', 0, 130]],
    [
      ['root', 0, 120],
      ['orphan', 120, 10],
    ],
    [['ask', 0, 100]],
    [['query', 0, 30]],
  ]);
  assert.deepEqual(shown(root.children[0].children[0], 130), [
    [['the trace', 0, 130]],
    [['root', 0, 130]],
    [['ask', 0, 130]],
    [['query', 0, 39]],
  ]);
  assert.deepEqual(shown(root, 13)[1], [
    ['root', 0, 12],
    [1, 12, 1],
  ]);
});

test('events that lie on one another on screen have one mark, and those outside have none', () => {
  const events = [10, 10.001, 50, 200].map((at_ns) => ({ name: `at ${at_ns}`, at_ns }));
  const groups = gatherEvents(events, new Scale(0, 100, () => {}));

  assert.deepEqual(
    groups.map(({ at, events: some }) => [at, some.length]),
    [
      [0.1, 2],
      [0.5, 1],
    ],
  );
});

test('steps of a path that no pixel lies between are one line, each kind for itself, by the clock of the span', () => {
  const step = (kind, from, to) => ({ kind, from, to, shift: 1000 });
  const steps = [
    step('wait', 1000, 2000),
    ...Array.from({ length: 20_000 }, (_, i) => step('own', 2000 + 2 * i, 2001 + 2 * i)),
    step('linked', 30_000, 31_000),
    step('own', 90_000, 101_000),
    step('after', 101_000, 102_000),
  ];
  const shown = (scale) => gatherSteps(steps, scale).map(({ kind, from, to }) => [kind, from, to]);

  assert.deepEqual(shown(new Scale(0, 100_000, () => {})), [
    ['wait', 0, 1000],
    ['own', 1000, 40_999],
    ['linked', 29_000, 30_000],
    ['own', 89_000, 100_000],
  ]);
  assert.equal(shown(new Scale(1000, 1020, () => {})).length, 20_003, 'near, each is seen');
});

const COLORS = {
  text: 'black',
  soft: 'gray',
  line: 'silver',
  surface: 'white',
  raised: 'lightgray',
  error: 'red',
  series: () => 'blue',
};

function picture(made) {
  const scale = new Scale(made.startNs, made.endNs, () => {});
  const steps = bySpan(criticalPath(made));
  return pictureOf({ model: made, lines: new Folding(made).lines(), scale, steps, colors: COLORS });
}

test('a picture has every line, and nothing of a stranger is markup in it', () => {
  const evil = '</text><script>alert(1)</script>"&\u0000';
  const made = model(
    { store: [span('a', null, evil, [0, 100]), span('b', 'a', 'ask', [10, 40], { attributes: [text('k', evil)] })] },
    { root_name: evil, root_service: 'store', duration_ns: 100, span_count: 2, error_count: 0 },
  );

  const svg = picture(made);

  assert.ok(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"'));
  assert.ok(!svg.includes('<script') && !svg.includes('\u0000'));
  assert.ok(svg.includes('&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;\ufffd'));
  assert.equal(svg.split('font-weight="550"').length - 1, 2);
});

test('a picture of a very long trace says how much it leaves out', () => {
  const spans = Array.from({ length: 2_500 }, (_, i) => span(`${i}`, null, 's', [i, i + 1]));
  const named = { root_name: 's', root_service: 'store', duration_ns: 2_500, span_count: 2_500, error_count: 0 };

  assert.ok(picture(model({ store: spans }, named)).includes('and 500 more lines'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { layout, pathOf } from '../graph-layout.js';

const NODE = { width: 168, height: 60 };
const nodes = (...keys) => keys.map((key) => ({ key, ...NODE }));
const edges = (...pairs) =>
  pairs.map(([from, to], i) => ({ key: `e${i}`, from, to, width: 190, height: 22 + (i % 3) * 14 }));

/** A source of numbers that look like chance, the same ones each time. */
function chance(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

/** A graph of up to twelve nodes, with circles, doubles and messages to oneself. */
function anyGraph(seed) {
  const next = chance(seed);
  const keys = Array.from({ length: 2 + next(11) }, (_, i) => `n${i}`);
  const pairs = Array.from({ length: 1 + next(2 * keys.length) }, () => [
    keys[next(keys.length)],
    keys[next(keys.length)],
  ]);
  return [nodes(...keys), edges(...pairs)];
}

const meet = (a, b) =>
  a.x < b.x + b.width - 0.5 && b.x < a.x + a.width - 0.5 && a.y < b.y + b.height - 0.5 && b.y < a.y + a.height - 0.5;

/** Points along a way, close together. */
function along(way) {
  return way.flatMap((piece) =>
    Array.from({ length: 21 }, (_, i) => {
      const t = i / 20;
      const weights =
        piece.length === 2 ? [1 - t, t] : [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
      const sum = (axis) => piece.reduce((total, point, k) => total + weights[k] * point[axis], 0);
      return { x: sum('x'), y: sum('y') };
    }),
  );
}

test('messages go from left to right', () => {
  const { nodes: at } = layout(nodes('db', 'store', 'shopper'), edges(['shopper', 'store'], ['store', 'db']));

  assert.ok(at.get('shopper').x < at.get('store').x);
  assert.ok(at.get('store').x < at.get('db').x);
});

test('figures of a message to oneself that are wider than the node lie in the picture, and the rest with them', () => {
  const loop = { key: 'loop', from: 'ledger', to: 'ledger', width: 230, height: 22 };
  const wide = layout(nodes('ledger', 'db'), [loop, { key: 'e', from: 'ledger', to: 'db', width: 190, height: 22 }]);
  const alone = layout(nodes('ledger'), [loop]);

  const [ledger, figures] = [wide.nodes.get('ledger'), wide.edges.get('loop').label];
  assert.deepEqual([figures.x, figures.width], [20, 230]);
  assert.equal(figures.x + figures.width / 2, ledger.x + ledger.width / 2);
  const [{ way }, db] = [wide.edges.get('e'), wide.nodes.get('db')];
  assert.deepEqual([way[0][0].x, way.at(-1).at(-1).x], [ledger.x + ledger.width, db.x]);
  assert.deepEqual([alone.edges.get('loop').label.x, alone.width], [20, 270]);
});

test('no figures lie on other figures or on a node, no node on another, and all lie in the picture', () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const placed = layout(...anyGraph(seed * 7919));
    const boxes = [...placed.nodes, ...[...placed.edges].map(([key, { label }]) => [key, label])];
    for (const [i, [key, box]] of boxes.entries()) {
      const isInside =
        box.x >= 0 &&
        box.y >= 0 &&
        box.x + box.width <= placed.width + 0.5 &&
        box.y + box.height <= placed.height + 0.5;
      assert.ok(isInside, `${seed}: ${key} hangs over the edge`);
      for (const [other, box2] of boxes.slice(i + 1)) assert.ok(!meet(box, box2), `${seed}: ${key} lies on ${other}`);
    }
  }
});

test('the figures of an edge lie on it, and it goes from its own source to its own target', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const [someNodes, someEdges] = anyGraph(seed * 104729);
    const placed = layout(someNodes, someEdges);
    for (const { key, from, to } of someEdges.filter((edge) => edge.from !== edge.to)) {
      const { way, label } = placed.edges.get(key);
      const points = along(way);
      const isOn = ({ x, y }) =>
        x >= label.x && x <= label.x + label.width && Math.abs(y - (label.y + label.height / 2)) < 0.5;
      assert.ok(points.some(isOn), `${seed}: the figures of ${key} are not on it`);
      const touches = ({ x, y }, box) =>
        x >= box.x - 0.5 && x <= box.x + box.width + 0.5 && y >= box.y - 0.5 && y <= box.y + box.height + 0.5;
      assert.ok(touches(points[0], placed.nodes.get(from)), `${seed}: ${key} does not begin at ${from}`);
      assert.ok(touches(points.at(-1), placed.nodes.get(to)), `${seed}: ${key} does not end at ${to}`);
    }
  }
});

test('no edge runs through a node or through the figures of another edge', () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const [someNodes, someEdges] = anyGraph(seed * 15485863);
    const placed = layout(someNodes, someEdges);
    for (const { key, from, to } of someEdges.filter((edge) => edge.from !== edge.to)) {
      const others = [
        ...[...placed.nodes].filter(([node]) => node !== from && node !== to),
        ...[...placed.edges].filter(([edge]) => edge !== key).map(([edge, { label }]) => [edge, label]),
      ];
      for (const point of along(placed.edges.get(key).way)) {
        const hit = others.find(([, box]) => meet({ ...point, width: 0, height: 0 }, shrink(box)));
        assert.ok(!hit, `${seed}: ${key} runs through ${hit?.[0]}`);
      }
    }
  }
});

/** The inside of a box: an edge may touch a corner. */
function shrink({ x, y, width, height }) {
  return { x: x + 2, y: y + 2, width: width - 4, height: height - 4 };
}

test('circles and messages to oneself end', () => {
  const { nodes: at, edges: ways } = layout(
    nodes('a', 'b', 'c'),
    edges(['a', 'b'], ['b', 'c'], ['c', 'a'], ['b', 'b']),
  );

  assert.ok(at.get('a').x < at.get('b').x && at.get('b').x < at.get('c').x);
  const [node, { label, way }] = [at.get('b'), ways.get('e3')];
  assert.ok(label.y > node.y + node.height, 'the figures of a message to oneself stand below its node');
  const [first, ...rest] = along(way);
  assert.deepEqual([first.y, rest.at(-1).y], [node.y + node.height, node.y + node.height]);
  const lowest = Math.max(...rest.map(({ y }) => y));
  assert.ok(Math.abs(lowest - (label.y + label.height / 2)) < 0.5, 'and lie on it');
});

test('the same graph always gives the same picture', () => {
  assert.deepEqual(layout(...anyGraph(42)), layout(...anyGraph(42)));
});

test('a node alone has a picture, and nothing has none', () => {
  const { nodes: at, width, height } = layout(nodes('a'), []);

  assert.equal(at.size, 1);
  assert.ok(width >= NODE.width && height >= NODE.height);
  assert.deepEqual(layout([], []), { width: 0, height: 0, nodes: new Map(), edges: new Map() });
});

test('a way is written as a path', () => {
  const [a, b, c] = [
    { x: 0, y: 0 },
    { x: 10.04, y: 0 },
    { x: 20, y: 5 },
  ];
  assert.equal(
    pathOf([
      [a, b],
      [b, { x: 15, y: 0 }, { x: 15, y: 5 }, c],
    ]),
    'M0,0L10,0C15,0 15,5 20,5',
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NODE_HEIGHT, NODE_WIDTH, layered } from '../layout.js';

const nodes = (...keys) => keys.map((key) => ({ key }));
const edges = (...pairs) => pairs.map(([from, to]) => ({ from, to }));

test('messages go from left to right', () => {
  const { at } = layered(nodes('db', 'store', 'shopper'), edges('shopper store'.split(' '), 'store db'.split(' ')));

  assert.ok(at.get('shopper').x < at.get('store').x);
  assert.ok(at.get('store').x < at.get('db').x);
});

test('no two nodes lie on one another, and all lie in the picture', () => {
  const keys = Array.from({ length: 20 }, (_, i) => `n${i}`);
  const all = keys.flatMap((from, i) => keys.slice(i + 1).map((to) => [from, to])).filter((_, i) => i % 3 === 0);
  const { at, width, height } = layered(nodes(...keys), edges(...all));

  const places = [...at.values()];
  for (const [i, one] of places.entries()) {
    assert.ok(one.x >= 0 && one.y >= 0 && one.x + NODE_WIDTH <= width && one.y + NODE_HEIGHT <= height);
    for (const other of places.slice(i + 1)) {
      const apart = Math.abs(one.x - other.x) >= NODE_WIDTH || Math.abs(one.y - other.y) >= NODE_HEIGHT;
      assert.ok(apart, JSON.stringify([one, other]));
    }
  }
});

test('circles and messages to oneself end', () => {
  const { at } = layered(nodes('a', 'b', 'c'), edges(['a', 'b'], ['b', 'c'], ['c', 'a'], ['b', 'b']));

  assert.equal(at.size, 3);
  assert.ok(at.get('a').x < at.get('b').x && at.get('b').x < at.get('c').x);
});

test('the same graph always gives the same picture', () => {
  const draw = () => layered(nodes('a', 'b', 'c', 'd'), edges(['a', 'b'], ['a', 'c'], ['b', 'd'], ['c', 'd']));

  assert.deepEqual(draw(), draw());
});

test('a node alone has a picture', () => {
  const { at, width, height } = layered(nodes('a'), []);

  assert.equal(at.size, 1);
  assert.ok(width >= NODE_WIDTH && height >= NODE_HEIGHT);
});

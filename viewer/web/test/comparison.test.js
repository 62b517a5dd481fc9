import assert from 'node:assert/strict';
import { test } from 'node:test';

import { attributesOf, beginOf, compare, idsOf, linesOf } from '../comparison.js';
import { traces } from './forest.js';

const compared = (a, b) => compare(traces(a), traces(b));

/** Each node that differs: its name, its differences, and where it is. */
function differing(a, b) {
  return compared(a, b)
    .nodes.filter(({ differences }) => differences.length)
    .map(({ a: one, b: other, mark, where, differences }) =>
      [mark, (other ?? one).name, differences.join('+'), where].filter(Boolean).join(' '),
    );
}

/** The kinds of difference that there are, with their counts. */
const counts = (a, b) => Object.fromEntries(Object.entries(compared(a, b).counts).filter(([, number]) => number));

test('a trace does not differ from itself', () => {
  const trip = 'trip  who=ann\n  GET  @store  !  who=ann\n    ask  ~Aisle';
  assert.deepEqual(differing(trip, trip), []);
  assert.deepEqual(counts(trip, trip), {});
});

test('cut: what goes on in a trace of its own is cut off, and what is nowhere is only in one', () => {
  assert.deepEqual(
    differing('trip\n  POST\n    checkout\n      ask Till\n        pay', 'trip\n  POST\n    checkout\npay  ?'),
    ['onlyA ask Till onlyA', 'movedAway pay cut own', 'movedHere pay cut own'],
  );
  assert.deepEqual(counts('trip\n  a\n    b', 'trip\nb  ?'), { cut: 1, onlyA: 1 });
});

test('cut: a root in place whose parent is not held in one', () => {
  assert.deepEqual(differing('ask Till  ?\n  pay', 'ask Till\n  pay'), ['both ask Till cut']);
});

test('moved: another parent in the same trace', () => {
  assert.deepEqual(differing('trip\n  a\n    b\n      c', 'trip\n  a\n  b\n    c'), [
    'movedAway b moved parent',
    'movedHere b moved parent',
  ]);
});

test("moved: a trace of its own that stands under another's span", () => {
  assert.deepEqual(differing('order\n  record\nbatch\n  INSERT', 'order\n  record\n    batch\n      INSERT'), [
    'movedHere batch moved joined',
    'movedAway batch moved joined',
  ]);
});

test("mixed: a span in the trace of another customer's visit", () => {
  const right = 'visit of Ann\n  ask Till\nvisit of Bob\n  ask Till\n    receipt';
  const wrong = 'visit of Ann\n  ask Till\n    receipt\nvisit of Bob\n  ask Till';
  assert.deepEqual(differing(right, wrong), ['movedHere receipt mixed other', 'movedAway receipt mixed other']);
});

test('mixed: a span that carries what another trace carries along', () => {
  const alone = 'visit  who=ann\n  ask Till  who=ann  aisle=dairy\n    pay  who=ann';
  const mixed =
    'visit  who=ann\n  ask Till  who=ann  aisle=bread\n    pay  who=ann\n    ask Aisle  who=bob\n      count  who=bob';
  assert.deepEqual(differing(alone, mixed), ['onlyB ask Aisle mixed+onlyB', 'onlyB count mixed+onlyB']);
  const [{ mixed: found }] = compared(alone, mixed).nodes.filter(({ b }) => b?.name === 'count');
  assert.deepEqual(found, { key: 'who', value: 'bob', own: 'ann' });
});

test('mixed: what is carried along need not begin at the root', () => {
  const alone = 'visit\n  POST  who=ann\n    pay  who=ann';
  assert.deepEqual(differing(alone, 'visit\n  POST  who=ann\n    pay  who=bob'), ['both pay mixed']);
});

test('what every customer has in a trace of their own is not mixed, nor what is one value by chance', () => {
  assert.deepEqual(differing('visit  who=ann\n  ask  who=ann', 'visit  who=bob\n  ask  who=bob'), []);
  assert.deepEqual(differing('visit\n  ask  aisle=dairy', 'visit\n  ask  aisle=bread\n  ask  aisle=dairy'), [
    'onlyB ask onlyB',
  ]);
});

test('errors, names and keys of attributes that are in one only', () => {
  assert.deepEqual(differing('a\n  b  who=ann', 'a\n  b  !'), ['both b status+attributes']);
  assert.deepEqual(differing('a\n  GET\n    b', 'a\n  GET /x\n    b'), ['both GET /x renamed']);
  assert.deepEqual(differing('a  k=1', 'a  k=2'), []);
});

test('the totals of each side', () => {
  const { a, b } = compared(
    'trip  @shopper  0+100\n  GET  @store  10+20  !\n    query  12+5',
    'trip  @shopper  0+50\nquery  ?  10+90',
  );
  const figures = ({ duration_ns: ns, spans, errors, services, orphans, models }) => [
    ns,
    spans,
    errors,
    services,
    orphans,
    models.length,
  ];
  assert.deepEqual(figures(a), [100, 3, 1, 2, 0, 1]);
  assert.deepEqual(figures(b), [100, 2, 0, 2, 1, 2]);
});

test('traces that lie far apart in time count from their own start', () => {
  const far = compared('one  1000+10\ntwo  9000+10', 'one');
  assert.equal(far.a.duration_ns, 10);
  assert.deepEqual(
    far.a.roots.map((span) => beginOf(span)),
    [0, 0],
  );
  const near = compared('one  1000+10\ntwo  1015+10', 'one');
  assert.equal(near.a.duration_ns, 25);
  assert.deepEqual(
    near.a.roots.map((span) => beginOf(span)),
    [0, 15],
  );
});

test('lines: folded, and only what leads to a difference', () => {
  const { roots, nodes } = compared('a\n  b\n    c\n  d\n    e', 'a\n  b\n    c\n  d\n    f');
  const names = (closed, isOnly) => linesOf(roots, closed, isOnly).map((node) => (node.a ?? node.b).name);
  const d = nodes.find(({ a }) => a?.name === 'd');

  assert.deepEqual(names(new Set(), false), ['a', 'b', 'c', 'd', 'e', 'f']);
  assert.deepEqual(names(new Set(), true), ['a', 'd', 'e', 'f']);
  assert.deepEqual(names(new Set([d]), true), ['a', 'd']);
});

test('attributes side by side, those that differ first', () => {
  const [[one], [other]] = ['a  same=1  only=2  value=3', 'a  same=1  value=4  more=5'].map(
    (text) => traces(text)[0].spans,
  );
  assert.deepEqual(
    attributesOf(one.attributes, other.attributes).map(({ key, a, b, isSame }) => [key, a?.value, b?.value, isSame]),
    [
      ['more', undefined, '5', false],
      ['only', '2', undefined, false],
      ['value', '3', '4', false],
      ['same', '1', '1', true],
    ],
  );
});

test('one side of an address is an id or several, each once', () => {
  assert.deepEqual(idsOf('AB'), ['ab']);
  assert.deepEqual(idsOf('ab+cd,ef  ab'), ['ab', 'cd', 'ef']);
  assert.deepEqual(idsOf(' + '), []);
});

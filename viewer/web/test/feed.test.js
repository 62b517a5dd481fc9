import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Feed, orderOf } from '../feed.js';

const trace = (id, start, more = {}) => ({ trace_id: id, start_us: start, ...more });
const ids = (feed) => feed.rows.map(({ trace_id: id }) => id).join('');

test('the newest are on the list, newest first', () => {
  const feed = new Feed(2);
  feed.take([trace('a', 1), trace('c', 3), trace('b', 2)]);

  assert.equal(ids(feed), 'cb');
});

test('while the reader is busy new traces wait and known ones change in place', () => {
  const feed = new Feed(3);
  feed.take([trace('a', 1), trace('b', 2)]);
  feed.take([trace('c', 3), trace('a', 1, { span_count: 9 })], { hold: true });

  assert.equal(ids(feed), 'ba');
  assert.equal(feed.rows[1].span_count, 9);
  assert.equal(feed.waiting, 1);
  feed.release();
  assert.equal(ids(feed), 'cba');
  assert.equal(feed.waiting, 0);
});

test('what the viewer skipped is counted among those that wait', () => {
  const feed = new Feed(3);
  feed.take([trace('a', 1)], { hold: true, skipped: 7 });

  assert.equal(feed.waiting, 8);
});

test('no more wait than the list takes', () => {
  const feed = new Feed(2);
  feed.take([trace('a', 1)]);
  feed.take([trace('b', 2), trace('c', 3), trace('d', 4)], { hold: true });
  feed.release();

  assert.equal(ids(feed), 'dc');
});

test('the order is the one that was asked for, and equal ones go by their start', () => {
  const traces = [
    trace('a', 1, { duration_ns: 5, span_count: 1, error_count: 0 }),
    trace('b', 2, { duration_ns: 9, span_count: 1, error_count: 2 }),
    trace('c', 3, { duration_ns: 7, span_count: 4, error_count: 0 }),
  ];
  const sorted = (sort, order) => {
    const feed = new Feed(2, orderOf(sort, order));
    feed.take(traces);
    return ids(feed);
  };

  assert.equal(sorted('start'), 'cb');
  assert.equal(sorted('start', 'asc'), 'ab');
  assert.equal(sorted('duration'), 'bc');
  assert.equal(sorted('duration', 'asc'), 'ac');
  assert.equal(sorted('spans'), 'cb');
  assert.equal(sorted('errors'), 'bc');
  assert.equal(sorted('nonsense'), 'cb');
});

test('what a search no longer finds goes, unless it was told since the search was asked for', () => {
  const feed = new Feed(9);
  feed.take([trace('a', 1), trace('b', 2), trace('c', 3)]);
  const since = feed.clock;
  feed.take([trace('b', 2), trace('d', 4)]);
  feed.settle([trace('c', 3), trace('e', 5)], { since });

  assert.equal(ids(feed), 'edcb');
});

test('a search takes nothing from under a busy reader, and knows what was skipped', () => {
  const feed = new Feed(9);
  feed.take([trace('a', 1), trace('b', 2)]);
  feed.take([trace('c', 3)], { hold: true, skipped: 5 });
  feed.settle([trace('d', 4)], { since: feed.clock, hold: true });

  assert.equal(ids(feed), 'ba');
  assert.equal(feed.waiting, 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Feed } from '../feed.js';

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

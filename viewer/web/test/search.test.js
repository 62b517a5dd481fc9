import assert from 'node:assert/strict';
import { test } from 'node:test';

import { filterOf, isFiltered, pathWith, tagsOf } from '../search.js';

const params = (text) => new URLSearchParams(text);

test('an address is the search that it says, with a limit', () => {
  assert.equal(
    String(filterOf(params('service=store&sort=duration&errors=true&unknown=1'))),
    ['service=store', 'errors=true', 'sort=duration', 'limit=50'].join('&'),
  );
});

test('an address of Jaeger’s page is understood', () => {
  const jaeger = params(
    'service=store&operation=GET%20%2F&tags=%7B%22error%22%3A%22true%22%2C%22a%20b%22%3A%22c%22%7D' +
      '&lookback=custom&start=1000&end=2000&minDuration=1ms&limit=20&traceID=aa&traceID=bb&span=s1%20s2%40cc',
  );

  const filter = filterOf(jaeger);

  assert.deepEqual(
    [...filter.keys()],
    ['service', 'operation', 'tags', 'minDuration', 'start', 'end', 'limit', 'traceID', 'traceID', 'traceID'],
  );
  assert.deepEqual(filter.getAll('traceID'), ['aa', 'bb', 'cc']);
  assert.equal(tagsOf(jaeger), 'error=true "a b"=c');
});

test('tags are shown as they were written, and single ones with them', () => {
  assert.equal(tagsOf(params('tags=a%3D1%20b&tag=c:d:e')), 'a=1 b c="d:e"');
  assert.equal(tagsOf(params('tags=%7Bnot%20json')), '{not json');
  assert.equal(tagsOf(params('')), '');
});

test('one field changes and the others stay', () => {
  const before = params('service=store&sort=duration&order=asc');

  assert.equal(pathWith(before, { sort: 'spans', order: null }), '/?service=store&sort=spans');
  assert.equal(pathWith(before, { service: null, sort: null, order: null }), '/');
  assert.equal(String(before), 'service=store&sort=duration&order=asc');
});

test('an order and a limit leave nothing out', () => {
  assert.ok(!isFiltered(filterOf(params('sort=duration&order=asc&limit=20'))));
  assert.ok(isFiltered(filterOf(params('traceID=aa'))));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outcomeOf } from '../transfer.js';

test('the outcome of a file is told in a sentence', () => {
  const ids = ['0af7651916cd43dd8448eb211c80319c'];
  const came = { trace_count: 1, span_count: 17, trace_ids: ids, rejected: 0 };
  assert.deepEqual(outcomeOf('trip.json', came), {
    text: 'trip.json: 1 trace with 17 spans came',
    ids,
    isProblem: false,
  });
  const rejected = { ...came, trace_count: 2, rejected: 3, reason: 'data[0].spans[1].spanID is missing' };
  assert.deepEqual(outcomeOf('trip.json', rejected), {
    text: 'trip.json: 2 traces with 17 spans came. 3 spans could not be read: data[0].spans[1].spanID is missing',
    ids,
    isProblem: true,
  });
  const nothing = { trace_count: 0, span_count: 0, trace_ids: [], rejected: 0 };
  assert.equal(outcomeOf('empty.json', nothing).text, 'empty.json: no traces in it');
});

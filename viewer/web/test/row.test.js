import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isArriving } from '../row.js';

test('a trace without its root is on its way for a minute after its last span', () => {
  const trace = { root_held: false, start_us: 1_000_000_000_000, duration_ns: 2e9 };
  const end = 1_000_000_000 + 2000;

  assert.ok(isArriving(trace, end + 59_000));
  assert.ok(!isArriving(trace, end + 61_000));
  assert.ok(!isArriving({ ...trace, root_held: true }, end));
});

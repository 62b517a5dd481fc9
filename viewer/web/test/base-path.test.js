import assert from 'node:assert/strict';
import { test } from 'node:test';

import { reached, within } from '../base-path.js';

test('an address of the viewer is reached below the base path', () => {
  const base = '/tools/traces';
  for (const [path, address] of [
    ['/', '/tools/traces/'],
    ['/?service=shop', '/tools/traces/?service=shop'],
    ['/trace/1?span=2', '/tools/traces/trace/1?span=2'],
    ['/tools/tracesque', '/tools/traces/tools/tracesque'],
  ]) {
    assert.equal(reached(path, base), address);
    assert.equal(reached(address, base), address);
    assert.equal(reached(path, ''), path);
  }
  for (const elsewhere of ['#view', 'blob:http://localhost/1', 'https://example.com/']) {
    assert.equal(reached(elsewhere, base), elsewhere);
  }
});

test('the router sees addresses without the base path', () => {
  const base = '/tools/traces';
  assert.equal(within('/tools/traces', base), '/');
  assert.equal(within('/tools/traces/', base), '/');
  assert.equal(within('/tools/traces/trace/1', base), '/trace/1');
  assert.equal(within('/trace/1', base), '/trace/1');
  assert.equal(within('/tools/tracesque', base), '/tools/tracesque');
  assert.equal(within('/trace/1', ''), '/trace/1');
  assert.equal(within('/', ''), '/');
});

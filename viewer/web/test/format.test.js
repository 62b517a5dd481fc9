import assert from 'node:assert/strict';
import { test } from 'node:test';

import { age, attributeValue, bytes, duration, percent, plural, rate } from '../format.js';

test('a duration has three figures and the unit that fits', () => {
  const texts = [
    [null, '–'],
    [0, '0 ns'],
    [7, '7 ns'],
    [999, '999 ns'],
    [1000, '1 µs'],
    [1234567, '1.23 ms'],
    [12345678, '12.3 ms'],
    [123456789, '123 ms'],
    [999_600_000, '1 s'],
    [-1500, '-1.5 µs'],
    [59_000_000_000, '59 s'],
    [Number.MAX_SAFE_INTEGER, '2,501 h or more'],
    [60_000_000_000, '1 min 0 s'],
    [3_725_000_000_000, '1 h 2 min'],
  ];
  for (const [ns, text] of texts) assert.equal(duration(ns), text);
});

test('a rate is zero only when nothing happened', () => {
  assert.equal(rate(0), '0/s');
  assert.equal(rate(1 / 600), '0.0017/s');
  assert.equal(rate(1 / 60), '0.02/s');
  assert.equal(rate(0.00001), '<0.001/s');
  assert.equal(rate(0.42), '0.42/s');
  assert.equal(rate(12.34), '12.3/s');
  assert.equal(rate(1234.5), '1,235/s');
  for (let messages = 1; messages < 1000; messages += 1) {
    for (const seconds of [60, 300, 600]) assert.notEqual(parseFloat(rate(messages / seconds)), 0);
  }
});

test('a share is 0% only of nothing and 100% only of everything', () => {
  assert.equal(percent(0, 3000), '0%');
  assert.equal(percent(3000, 3000), '100%');
  assert.equal(percent(2999, 3000), '99.97%');
  assert.equal(percent(1, 3000), '0.03%');
  assert.equal(percent(1, 200_000), '0.001%');
  assert.equal(percent(199_999, 200_000), '99.999%');
  assert.equal(percent(1, 2), '50%');
  assert.equal(percent(1, 0), '0%');
  for (let part = 1; part < 3000; part += 1) assert.ok(!['0%', '100%'].includes(percent(part, 3000)), part);
});

test('bytes are in binary units, ages coarse, counts with their noun', () => {
  assert.equal(bytes(512), '512 B');
  assert.equal(bytes(1536), '1.5 KiB');
  assert.equal(bytes(256 * 1024 * 1024), '256 MiB');
  assert.deepEqual(
    [0, 59, 60, 7200, 200_000].map((seconds) => age(1e15, 1e12 + seconds * 1000)),
    ['now', '59 s', '1 min', '2 h', '2 d'],
  );
  assert.deepEqual(
    [-1, -59, -60, -7200, -200_000].map((seconds) => age(1e15, 1e12 + seconds * 1000)),
    ['now', 'now', 'in 1 min', 'in 2 h', 'in 2 d'],
  );
  assert.equal(plural(1, 'span'), '1 span');
  assert.equal(plural(2, 'span'), '2 spans');
});

test('an attribute is shown by its type', () => {
  const shown = [
    [{ type: 'empty', value: null }, '(empty)'],
    [{ type: 'string', value: 'a b' }, 'a b'],
    [{ type: 'bool', value: false }, 'false'],
    [{ type: 'array', value: [1, 'x', null] }, '[1,"x",null]'],
    [{ type: 'kvlist', value: [{ key: 'k', type: 'int', value: 1 }] }, '[["k",1]]'],
  ];
  for (const [attribute, text] of shown) assert.equal(attributeValue(attribute), text);
});

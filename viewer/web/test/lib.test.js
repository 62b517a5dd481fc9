import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { searchPath, series, tagText, tracePath } from '../lib.js';

test('a tag is written as the viewer reads it', () => {
  // The viewer's own tests read every text of this list and expect the same keys and values.
  const cases = JSON.parse(readFileSync(new URL('tags.json', import.meta.url), 'utf8'));
  for (const [key, value, written] of cases) assert.equal(tagText(key, value), written);
});

test('an address holds anything', () => {
  assert.equal(tracePath('a/b', 'c d'), '/trace/a%2Fb?span=c%20d');
  assert.equal(
    searchPath({ service: 'a&b', tags: tagText('k k', 'v'), limit: '' }),
    '/?service=a%26b&tags=%22k+k%22%3Dv',
  );
});

test('a service has the same colour whatever came before it', () => {
  assert.deepEqual(['shopper', 'grocery-store', 'sqlite', 'postgresql'].map(series), [11, 1, 4, 0]);
  series('another');
  assert.equal(series('shopper'), 11);
});

test('names that differ a little are spread over all colours', () => {
  const used = new Map();
  for (let i = 0; i < 1600; i += 1) used.set(series(`service-${i}`), (used.get(series(`service-${i}`)) ?? 0) + 1);
  assert.equal(used.size, 16);
  assert.ok(
    [...used.values()].every((services) => services > 60 && services < 140),
    [...used.values()].join(),
  );
});

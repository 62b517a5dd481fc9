import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { searchPath, tagText, tracePath } from '../lib.js';

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

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { endpoint, idsIn, onLessUse, searchPath, series, tagText, tracePath } from '../lib.js';

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

test('an id is found in whatever text holds one', () => {
  const id = '0af7651916cd43dd8448eb211c80319c';
  const span = 'b7ad6b7169203331';
  for (const text of [
    id,
    `  ${id}\n`,
    id.toUpperCase(),
    `"${id}"`,
    `trace_id=${id}`,
    `traceId: "${id}",`,
    `{"traceID":"${id}"}`,
    `http://localhost:16686/trace/${id}`,
    `http://localhost:16686/trace/${id}?view=lanes`,
    `http://localhost:16686/api/traces/${id}?raw=true`,
    `2026-11-27T12:00:00Z ERROR the order ${id} is lost`,
    '0af76519-16cd-43dd-8448-eb211c80319c',
    `0x${id}`,
  ]) {
    assert.deepEqual(idsIn(text), { traceId: id, spanId: undefined }, text);
  }
  for (const text of [
    `00-${id}-${span}-01`,
    `traceparent: 00-${id.toUpperCase()}-${span}-00`,
    `/trace/${id}?span=${span}`,
    `http%3A%2F%2Fhost%2Ftrace%2F${id}%3Fspan%3D${span}`,
    `trace_id=${id} span_id=${span}`,
    `b3: ${id}-${span}-1`,
    `${id}-${span}`,
  ]) {
    assert.deepEqual(idsIn(text), { traceId: id, spanId: span }, text);
  }
  // Short ones: what Jaeger calls 64 bits, and leading zeroes left out.
  assert.deepEqual(idsIn('8448eb211c80319c'), { traceId: '8448eb211c80319c', spanId: undefined });
  assert.deepEqual(idsIn('trace_id=1f'), { traceId: '1f', spanId: undefined });
});

test('a text without an id has none', () => {
  for (const text of ['', 'no id', 'xyz', '0x1f', `${'a'.repeat(33)}`, 'trace_id=', '/trace/', '%', 'GET /graph']) {
    assert.equal(idsIn(text), null, text);
  }
});

test('an endpoint is the address that is listened on, or the page’s own host where that is all', () => {
  assert.equal(endpoint('127.0.0.1:14318', 'localhost'), 'http://127.0.0.1:14318');
  assert.equal(endpoint('0.0.0.0:4318', 'box.local'), 'http://box.local:4318');
  assert.equal(endpoint('[::]:4318', 'box.local'), 'http://box.local:4318');
});

test('a list is left by the pointer, by the focus only to what is outside, and by scrolling', () => {
  const rows = ['first', 'second'];
  const list = Object.assign(new EventTarget(), { contains: (other) => rows.includes(other) });
  const after = [];
  let left = 0;
  onLessUse(list, () => (left += 1));
  const happens = (type, relatedTarget) => {
    list.dispatchEvent(Object.assign(new Event(type), { relatedTarget }));
    after.push([type, relatedTarget, left]);
  };

  happens('focusout', 'second');
  happens('focusout', 'a button elsewhere');
  happens('focusout', null);
  happens('pointerleave', 'a button elsewhere');
  happens('scroll');
  assert.deepEqual(after, [
    ['focusout', 'second', 0],
    ['focusout', 'a button elsewhere', 1],
    ['focusout', null, 2],
    ['pointerleave', 'a button elsewhere', 3],
    ['scroll', undefined, 4],
  ]);
});

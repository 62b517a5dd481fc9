import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  amount,
  barsPath,
  chartsOf,
  chosenRow,
  impacts,
  linePath,
  notesOf,
  pathOf,
  stateOf,
  stepSeconds,
  stepWords,
  timeOfSteps,
  tracesPath,
} from '../monitor-data.js';

const held = { series: 3, max_series: 1000, bytes: 1, max_bytes: 2, other: 0, late: 0, future: 0 };
const row = (name, more = {}) => ({
  name,
  count: 3,
  errors: 1,
  total_s: 1,
  points: { count: [3, 0], errors: [1, 0], p50_ns: [1e6, null], p95_ns: [2e6, null], p99_ns: [2e6, null] },
  ...more,
});
const answer = {
  from_us: 1e9,
  to_us: 1e9 + 15e6,
  whole_from_us: 1e9,
  step_s: 10,
  relative_error: 0.015625,
  held,
  services: [row('store'), row(null)],
  service: 'store',
  is_other: false,
  operations: { rows: [row('GET /', { kind: 'server' }), row('GET /', { kind: 'client' })], total: 2 },
  actors: { rows: [row('Aisle')], total: 1 },
};

test('an address and what it asks for are the same thing in two forms', () => {
  for (const path of [
    '/monitor',
    '/monitor?range=900&service=store',
    '/monitor?service=a%26b&operation=GET+%2F&kind=server',
    '/monitor?range=3600&service=store&actor=Aisle',
    '/monitor?other=true',
  ]) {
    assert.equal(pathOf(stateOf(new URL(path, 'http://x').searchParams)), path);
  }
  // What is not offered is the default.
  assert.equal(stateOf(new URLSearchParams('range=7')).range, '300');
});

test('the row of an address is found by its name and kind', () => {
  const found = (query) => chosenRow(answer, stateOf(new URLSearchParams(query)));
  assert.equal(found(''), answer.services[0]);
  assert.equal(found('operation=GET+/&kind=client'), answer.operations.rows[1]);
  assert.equal(found('operation=GET+/&kind=producer'), undefined);
  assert.equal(found('actor=Aisle'), answer.actors.rows[0]);
  assert.equal(
    chosenRow({ ...answer, service: null, is_other: true }, stateOf(new URLSearchParams())),
    answer.services[1],
  );
});

test('a row leads to the traces behind it', () => {
  const time = { from: 1, to: 2 };
  assert.equal(tracesPath('store', { type: 'service', name: 'store' }, time), '/?service=store&start=1&end=2');
  assert.equal(
    tracesPath('store', { type: 'operation', name: 'GET /' }, time, { sort: 'duration' }),
    '/?service=store&operation=GET+%2F&start=1&end=2&sort=duration',
  );
  assert.equal(
    tracesPath('store', { type: 'actor', name: 'an "actor"' }, time, { errors: 'true' }),
    '/?service=store&tags=actix.actor.name%3D%22an+%5C%22actor%5C%22%22&start=1&end=2&errors=true',
  );
  assert.equal(tracesPath('store', { type: 'actor', name: null }, time), null);
  assert.equal(tracesPath(null, { type: 'service', name: null }, time), null);
});

test('a step is as long as it has passed', () => {
  assert.deepEqual([stepSeconds(answer, 0), stepSeconds(answer, 1)], [10, 5]);
  assert.equal(stepSeconds({ ...answer, whole_from_us: 1e9 + 9.9e6 }, 0), 1);
  assert.deepEqual(timeOfSteps(answer, 0, 0), { from: 1e9, to: 1e9 + 10e6 });
  assert.deepEqual(timeOfSteps(answer, 1, 0), { from: 1e9, to: 1e9 + 15e6 });
});

test('a line has gaps, and a value between gaps is a short line', () => {
  assert.equal(linePath([1, 2, null, 4], 4, 40, 8), 'M5,6L15,4M32,0h6');
  assert.equal(linePath([null, null], 0, 40, 8), '');
  assert.equal(linePath([0, 0], 0, 40, 8), 'M10,8L30,8');
});

test('bars are as high as their values, and what happened at all is to be seen', () => {
  assert.equal(barsPath([4, 0, 0.001, null], 4, 40, 8), 'M1,8v-8h8v8zM21,8v-1h8v1z');
  assert.equal(barsPath([0], 0, 40, 8), '');
});

test('a rate is over the part of its step that has passed; an actor has waits, depths and batches', () => {
  assert.deepEqual(
    chartsOf(answer, row('GET /')).map(({ title, bars }) => [title, bars.map(({ values }) => values)]),
    [
      [
        'Rate',
        [
          [0.3, 0],
          [0.1, 0],
        ],
      ],
      ['Duration', []],
    ],
  );
  const points = { wait_p50_ns: [1, 2], wait_p99_ns: [3, 4], depth: [0.5, 0], batch_mean: [null, 2] };
  const titles = (batches) =>
    chartsOf(answer, row('Aisle', { mailbox: { batch_count: batches, points } })).map(({ title }) => title);
  assert.deepEqual(titles(1).slice(2), ['Wait in the mailbox', 'Messages in the mailbox', 'Messages in a batch']);
  assert.deepEqual(titles(0).slice(2), ['Wait in the mailbox', 'Messages in the mailbox']);
});

test('figures are in words', () => {
  assert.deepEqual(impacts([row('a', { total_s: 3 }), row('b')]), [0.75, 0.25]);
  assert.deepEqual(impacts([row('a', { total_s: 0 })]), [0]);
  assert.deepEqual([0.00312, 2.41, 1234.4, null].map(amount), ['0.003', '2.4', '1,234', '–']);
  assert.match(stepWords(answer, answer.services[0], 0), /: 3 spans, 1 failed, p50 1 ms, p99 2 ms$/);
  assert.match(stepWords(answer, answer.services[0], 1), /: 0 spans$/);
});

test('the notes say what the figures are of, and what is not in them', () => {
  assert.equal(notesOf(answer), 'Figures of the last 15 s. Percentiles are right to within 1.6%.');
  assert.equal(
    notesOf({ ...answer, whole_from_us: 1e9 + 5e6, held: { ...held, max_series: 9, other: 1, late: 2, future: 3 } }),
    'Figures of the last 10 s: before that nothing came, or it has been forgotten. ' +
      'Percentiles are right to within 1.6%. ' +
      '1 span counted under (other): there are more than 9 series. ' +
      '2 spans came too late to be counted. 3 spans dated in the future left out.',
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Feed, latestFirst } from '../feed.js';
import { clock } from '../format.js';
import { hangLogs, levelOf, readLogs } from '../log-model.js';
import { logFilterOf } from '../logs.js';
import { modelOf, readTrace, searchText } from '../model.js';
import { answer, span, text } from './trace.js';

const NS = 1_000_000_000_000_000_000n;

/** An answer with records of one service: each its number, its nanosecond, and fields of OTLP's JSON. */
const logs = (records) => [
  {
    resource: { attributes: [text('service.name', 'store')] },
    scopeLogs: [
      {
        scope: { name: 'store::ledger' },
        logRecords: records.map(([number, at, more = {}]) => ({
          number,
          timeUnixNano: String(NS + BigInt(at)),
          ...more,
        })),
      },
    ],
  },
];

test('records are read in the order of their time, with all that OTLP has', () => {
  const records = readLogs(
    logs([
      [2, 9, { body: { stringValue: 'later' }, severityNumber: 17 }],
      [1, 5, { body: { kvlistValue: { values: [text('why', 'full')] } }, attributes: [text('k', 'v')] }],
    ]),
  );

  assert.deepEqual(
    records.map(({ number, level, text: said, service, scope }) => [number, level, said, service, scope.name]),
    [
      [1, '', '[["why","full"]]', 'store', 'store::ledger'],
      [2, 'error', 'later', 'store', 'store::ledger'],
    ],
  );
  assert.deepEqual(records[0].attributes, [{ key: 'k', type: 'string', value: 'v' }]);
});

test('a record without a time stands where it was observed, and one without a text says its event', () => {
  const [record] = readLogs(
    logs([[1, 0, { timeUnixNano: undefined, observedTimeUnixNano: String(NS + 7n), eventName: 'order.placed' }]]),
  );

  assert.equal(record.time_ns, NS + 7n);
  assert.equal(record.text, 'order.placed');
});

test('a severity has the name of its range', () => {
  assert.deepEqual([0, 1, 4, 5, 9, 12, 13, 17, 21, 24, 25].map(levelOf), [
    '',
    'trace',
    'trace',
    'debug',
    'info',
    'info',
    'warn',
    'error',
    'fatal',
    'fatal',
    '',
  ]);
});

test('records hang on their spans, at the time of the trace, and those of other spans are kept', () => {
  const trace = answer({ store: [span('a', null, 'root', [0, 50]), span('b', 'a', 'child', [20, 30])] });
  const records = logs([
    [1, 25, { spanId: 'b', body: { stringValue: 'Within' } }],
    [2, -5, { spanId: 'b', body: { stringValue: 'before' } }],
    [3, 40, { spanId: 'c' }],
    [4, 40],
  ]);

  const model = hangLogs(modelOf(readTrace(trace)), readLogs(records));

  assert.deepEqual(
    model.logs.map(({ number, at_ns, span: of }) => [number, at_ns, of?.id ?? null]),
    [
      [2, -5, 'b'],
      [1, 25, 'b'],
      [3, 40, null],
      [4, 40, null],
    ],
  );
  assert.deepEqual(
    model.spans.map(({ id, logs: own }) => [id, own.length]),
    [
      ['a', 0],
      ['b', 2],
    ],
  );
  assert.ok(searchText(model.byId.get('b')).includes('within'));
});

test('of many records the latest are listed, each once, and those that wait are counted', () => {
  const feed = new Feed(3, latestFirst, ({ number }) => number);
  const record = (number, time_us) => ({ number, time_us });
  feed.take([record(1, 10), record(2, 30), record(3, 20), record(4, 20)]);
  const numbers = () => feed.rows.map(({ number }) => number);

  assert.deepEqual(numbers(), [2, 4, 3]);
  feed.take([record(5, 40), record(2, 30)], { hold: true, skipped: 7 });
  assert.deepEqual(numbers(), [2, 4, 3]);
  assert.equal(feed.waiting, 8);
  feed.release();
  assert.deepEqual(numbers(), [5, 2, 4]);
});

test('a search for records is in the address, and the open record is no part of it', () => {
  const params = new URLSearchParams('severity=warn&text=+late+&record=7&lookback=custom&start=5&other=1');

  assert.equal(String(logFilterOf(params)), 'severity=warn&text=late&start=5&limit=500');
  assert.equal(String(logFilterOf(new URLSearchParams())), 'limit=500');
});

test('a moment of today is a time, one of another day has its date', () => {
  const noon = new Date(2026, 0, 31, 12, 0, 0, 5);

  assert.match(clock(noon.getTime() * 1e3, noon.getTime()), /^12:00:00[.,]005$/);
  assert.match(clock(noon.getTime() * 1e3, noon.getTime() + 86_400_000), /2026.*12:00:00[.,]005$/);
});

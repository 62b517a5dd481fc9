// Three traces whose tree, statistics and critical path were worked out by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bySpan, criticalPath, lastToEnd, pathOf, pathTo, sums } from '../critical-path.js';
import { modelOf, readTrace, remarksOf } from '../model.js';
import { percentile, statisticsOf } from '../statistics.js';
import { answer, span, text } from './trace.js';

const model = (services) => modelOf(readTrace(answer(services)));

/** Attributes of a message to an actor that waited so many nanoseconds in its mailbox. */
const message = (kind, actor, wait) => ({
  attributes: [
    text('actix.actor.name', actor),
    text('actix.message.kind', kind),
    { key: 'actix.mailbox.wait', value: { doubleValue: wait / 1e9 } },
  ],
});

/** The tree as lines. */
function tree(spans, indent = '') {
  return spans.flatMap(({ name, children }) => [indent + name, ...tree(children, `${indent}  `)]);
}

/** The path as lines, each with its length. */
const steps = (path) =>
  path.map(
    ({ span: { name }, kind, from, to, link }) =>
      `${from}-${to} (${to - from}) ${name} ${kind}${link ? ` ${link.name}` : ''}`,
  );

/** A table of the statistics: count, errors, total, own, wait, on the path, p50, p95, p99, max. */
const table = (rows) =>
  rows.map(
    (row) =>
      `${row.name}: ${row.count} ${row.errors} | ${row.total} ${row.own} ${row.wait} ${row.critical} | ` +
      `${row.p50} ${row.p95} ${row.p99} ${row.max}`,
  );

//           0    10   20   30   40   50   60   70   80   90   100
// GET       |----------------------------------------------------|
//   ask A      ~~~~|-----------------------------------|              sent at 10, handled 20 to 80
//     ask B1         ~|-----|                                         sent at 25, handled 30 to 45
//     ask B2         ~~~~~~|-------|                                  sent at 25, handled 40 to 60
//     ask B3                        |--|                              65 to 70, a failure
//   tell C                                        ~|------------|     sent at 82, handled 85 to 120
const asks = model({
  store: [
    span('1', null, 'GET', [0, 100], { kind: 2 }),
    span('2', '1', 'ask A', [20, 80], message('ask', 'A', 10)),
    span('3', '2', 'ask B', [30, 45], message('ask', 'B', 5)),
    span('4', '2', 'ask B', [40, 60], message('ask', 'B', 15)),
    span('5', '2', 'ask B', [65, 70], { ...message('ask', 'B', 0), status: { code: 2 } }),
    span('6', '1', 'tell C', [85, 120], message('tell', 'C', 3)),
  ],
});

test('a chain of asks: the path goes through the waits in mailboxes, past what ran beside it', () => {
  assert.deepEqual(tree(asks.roots), ['GET', '  ask A', '    ask B', '    ask B', '    ask B', '  tell C']);

  assert.deepEqual(steps(criticalPath(asks)), [
    '0-10 (10) GET own',
    '10-20 (10) ask A wait',
    '20-25 (5) ask A own',
    '25-40 (15) ask B wait',
    '40-60 (20) ask B own',
    '60-65 (5) ask A own',
    '65-70 (5) ask B own',
    '70-80 (10) ask A own',
    // Nobody waits for the tell.
    '80-100 (20) GET own',
  ]);
  assert.deepEqual(sums(criticalPath(asks)), { own: 75, wait: 25, linked: 0, after: 0, all: 100 });
});

test('the path to the last end goes up from what nobody waited for', () => {
  const last = lastToEnd(asks);
  assert.equal(last.name, 'tell C');
  assert.deepEqual(steps(pathOf(asks, last)), ['82-85 (3) tell C wait', '85-120 (35) tell C own']);
  assert.deepEqual(steps(pathTo(asks, last)), [
    '0-10 (10) GET own',
    '10-20 (10) ask A wait',
    '20-25 (5) ask A own',
    '25-40 (15) ask B wait',
    '40-60 (20) ask B own',
    '60-65 (5) ask A own',
    '65-70 (5) ask B own',
    '70-80 (10) ask A own',
    '80-82 (2) GET own',
    '82-85 (3) tell C wait',
    '85-120 (35) tell C own',
  ]);
});

test('a chain of asks in figures', () => {
  // Own time. GET: 100 less 20 to 80 and 85 to 100. A: 60 less 30 to 60 and 65 to 70.
  assert.deepEqual(table(statisticsOf(asks, 'operation')), [
    'ask B: 3 1 | 40 40 20 40 | 15 20 20 20',
    'tell C: 1 0 | 35 35 3 0 | 35 35 35 35',
    'GET: 1 0 | 100 25 0 30 | 100 100 100 100',
    'ask A: 1 0 | 60 25 10 30 | 60 60 60 60',
  ]);
  assert.deepEqual(table(statisticsOf(asks, 'actor')), [
    'B: 3 1 | 40 40 20 40 | 15 20 20 20',
    'C: 1 0 | 35 35 3 0 | 35 35 35 35',
    '(outside actors): 1 0 | 100 25 0 30 | 100 100 100 100',
    'A: 1 0 | 60 25 10 30 | 60 60 60 60',
  ]);
  assert.deepEqual(table(statisticsOf(asks, 'service')), ['store: 6 1 | 235 125 33 100 | 20 100 100 100']);
  assert.deepEqual(table(statisticsOf(asks, { attribute: 'actix.message.kind' })), [
    'ask: 4 1 | 100 65 30 70 | 15 60 60 60',
    'tell: 1 0 | 35 35 3 0 | 35 35 35 35',
    '(without actix.message.kind): 1 0 | 100 25 0 30 | 100 100 100 100',
  ]);
});

/** The other end of a link. */
const end = (traceId, spanId, name, [from, to], attributes = []) => ({
  traceId,
  spanId,
  traceHeld: true,
  target: {
    name,
    serviceName: 'store',
    startTimeUnixNano: String(1_000_000_000_000_000_000n + BigInt(from)),
    endTimeUnixNano: String(1_000_000_000_000_000_000n + BigInt(to)),
    attributes,
  },
});
const count = (messages) => ({ key: 'actix.batch.message_count', value: { intValue: String(messages) } });

//            0    10   20   30   40   50   60   70   80   90   100
// POST       |----------------------------------------------------|
//   Record     ~~~|-------------------------------------|             sent at 10, handled 15 to 90
//   the batch                  |-----------------|                    40 to 80, in a trace of its own
//   a timer                                    |----------------|     70 to 99, set by Record, in another
const order = model({
  store: [
    span('1', null, 'POST', [0, 100]),
    span('2', '1', 'ask Ledger Record', [15, 90], {
      ...message('ask', 'Ledger', 5),
      links: [end('batch', 'b', 'process Ledger batch', [40, 80], [count(3)])],
      linkedFrom: [
        end('batch', 'b', 'process Ledger batch', [40, 80], [count(3)]),
        end('timer', 't', 'delayed Ledger Remind', [70, 85], [text('actix.message.kind', 'delayed')]),
      ],
    }),
  ],
});

test('an order waits for its batch in another trace, which is a step with its link', () => {
  assert.deepEqual(steps(criticalPath(order)), [
    '0-10 (10) POST own',
    '10-15 (5) ask Ledger Record wait',
    '15-40 (25) ask Ledger Record own',
    '40-80 (40) ask Ledger Record linked process Ledger batch',
    '80-90 (10) ask Ledger Record own',
    '90-100 (10) POST own',
  ]);
  assert.deepEqual(sums(criticalPath(order)), { own: 55, wait: 5, linked: 40, after: 0, all: 100 });
  const [linked] = criticalPath(order).filter(({ kind }) => kind === 'linked');
  assert.deepEqual([linked.link.trace_id, linked.link.span_id, linked.link.batch_size], ['batch', 'b', 3]);
});

test('a batch does not wait for the orders that it links to: they were there before it', () => {
  const batch = model({
    store: [
      span('1', null, 'process Ledger batch', [40, 80], {
        attributes: [count(2)],
        links: [end('one', 'a', 'ask Ledger Record', [15, 90]), end('two', 'a', 'ask Ledger Record', [40, 80])],
      }),
      span('2', '1', 'INSERT orders', [45, 70], { kind: 3 }),
    ],
  });

  assert.deepEqual(tree(batch.roots), ['process Ledger batch', '  INSERT orders']);
  assert.equal(batch.spans[0].batch_size, 2);
  assert.deepEqual(steps(criticalPath(batch)), [
    '40-45 (5) process Ledger batch own',
    '45-70 (25) INSERT orders own',
    '70-80 (10) process Ledger batch own',
  ]);
  assert.deepEqual(table(statisticsOf(batch, 'operation')), [
    'INSERT orders: 1 0 | 25 25 0 25 | 25 25 25 25',
    'process Ledger batch: 1 0 | 40 15 0 15 | 40 40 40 40',
  ]);
});

test('a batch in the same trace has a path of its own there', () => {
  const link = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: '3' };
  const one = model({
    store: [
      span('1', null, 'ask Ledger Record', [0, 100], { links: [link] }),
      span('3', null, 'process Ledger batch', [20, 80]),
      span('4', '3', 'INSERT orders', [30, 60]),
    ],
  });

  assert.deepEqual(steps(criticalPath(one)), [
    '0-20 (20) ask Ledger Record own',
    '20-30 (10) process Ledger batch own',
    '30-60 (30) INSERT orders own',
    '60-80 (20) process Ledger batch own',
    '80-100 (20) ask Ledger Record own',
  ]);
});

// The client waits from 100 to 200. The server's clock is 1,000 ahead: it says 1,110 to 1,180, and is
// moved into the middle, by -995 to 115 to 185. What it does itself has the same clock.
const skewed = model({
  shopper: [
    span('1', null, 'trip', [0, 300]),
    span('2', '1', 'GET', [100, 200], { kind: 3 }),
    span('9', '1', 'early', [20, 60]),
  ],
  store: [
    span('3', '2', 'GET /', [1110, 1180], { kind: 2, clockDeltaNano: '-995' }),
    span('4', '3', 'welcome', [1120, 1150]),
    // Its parent never came.
    span('5', 'gone', 'orphan', [1190, 1240]),
    // It ends before it starts, and outlives nothing.
    span('6', '3', 'backwards', [1160, 1150]),
    // It begins before its parent on the same host: it is cut.
    span('7', '4', 'outside', [1100, 1125]),
  ],
});

test('a skewed clock, an orphan, and spans that lie outside their parents', () => {
  assert.deepEqual(tree(skewed.roots), [
    'trip',
    '  early',
    '  GET',
    '    GET /',
    '      welcome',
    '        outside',
    '      backwards',
    'orphan',
  ]);

  assert.deepEqual(steps(criticalPath(skewed)), [
    '0-20 (20) trip own',
    '20-60 (40) early own',
    '60-100 (40) trip own',
    '100-115 (15) GET own',
    '115-125 (10) GET / own',
    '125-130 (5) outside own',
    '130-155 (25) welcome own',
    '155-185 (30) GET / own',
    '185-200 (15) GET own',
    '200-300 (100) trip own',
  ]);
  // On the server's own bar the steps lie where its clock has them.
  assert.deepEqual(
    bySpan(criticalPath(skewed))
      .get('3')
      .map(({ from, to, shift }) => [from - shift, to - shift]),
    [
      [1110, 1120],
      [1150, 1180],
    ],
  );
});

test('what does not add up is remarked, span by span', () => {
  const remarks = skewed.spans.map((one) => [one.name, ...remarksOf(one)]).filter(([, ...said]) => said.length);

  assert.deepEqual(remarks, [
    [
      'GET /',
      "It does not lie within its parent on another host: its clock seems 995 ns ahead of its parent's, or its " +
        'parent did not wait for it.',
    ],
    ['backwards', 'It ends 10 ns before it starts.'],
    ['orphan', 'Its parent gone is not held.'],
  ]);
});

test('a skewed trace in figures: durations are right whatever the clock', () => {
  assert.deepEqual(table(statisticsOf(skewed, 'operation')), [
    // Own time by the times as sent: the server's span lies outside its client's.
    'trip: 1 0 | 300 160 0 160 | 300 300 300 300',
    'GET: 1 0 | 100 100 0 30 | 100 100 100 100',
    'orphan: 1 0 | 50 50 0 0 | 50 50 50 50',
    'early: 1 0 | 40 40 0 40 | 40 40 40 40',
    'GET /: 1 0 | 70 40 0 40 | 70 70 70 70',
    'outside: 1 0 | 25 25 0 5 | 25 25 25 25',
    'welcome: 1 0 | 30 25 0 25 | 30 30 30 30',
    'backwards: 1 0 | 0 0 0 0 | 0 0 0 0',
  ]);
});

test('links that go round in a circle end', () => {
  const here = (spanId) => ({ links: [{ traceId: '0af7651916cd43dd8448eb211c80319c', spanId }] });
  const round = model({
    store: [
      span('1', null, 'a', [0, 10], here('2')),
      span('2', null, 'b', [0, 9], here('4')),
      span('3', '2', 'c', [0, 20], here('1')),
      span('4', '3', 'd', [1, 5], here('2')),
    ],
  });

  assert.deepEqual(steps(criticalPath(round)), ['0-1 (1) c own', '1-5 (4) d own', '5-9 (4) c own', '9-10 (1) a own']);
});

test('a path has no gap and no span twice, in a trace of many levels and of many children', () => {
  const deep = Array.from({ length: 15_000 }, (_, i) => span(`${i}`, i ? `${i - 1}` : null, 'level', [i, 40_000 - i]));
  const wide = Array.from({ length: 20_001 }, (_, i) =>
    span(`w${i}`, i ? 'w0' : null, 'child', i ? [i, i + 1] : [0, 30_000]),
  );
  for (const spans of [deep, wide]) {
    const made = model({ store: spans });
    const path = criticalPath(made);
    assert.equal(new Set(path.map(({ span: one }) => one)).size, spans.length);
    assert.deepEqual([path[0].from, path[path.length - 1].to], [made.spans[0].start_ns, made.spans[0].end_ns]);
    for (let i = 1; i < path.length; i += 1) assert.equal(path[i].from, path[i - 1].to);
  }
});

test('a percentile is a value that was measured', () => {
  const values = Array.from({ length: 200 }, (_, i) => i + 1);

  assert.deepEqual(
    [0, 50, 95, 99, 100].map((share) => percentile(values, share)),
    [1, 100, 190, 198, 200],
  );
  assert.equal(percentile([7], 50), 7);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { carriedKeys, linksOf, modelOf, readTrace, searchText, selfTime } from '../model.js';
import { answer, span, text } from './trace.js';

const model = (services) => modelOf(readTrace(answer(services)));
const tree = ({ roots }) => roots.map(({ name, children }) => [name, ...tree({ roots: children })]);

test('spans are in the order of their start, with times from the start of the trace', () => {
  const { spans } = readTrace(answer({ store: [span('b', 'a', 'child', [20, 30]), span('a', null, 'root', [0, 50])] }));

  assert.deepEqual(
    spans.map(({ name, start_ns, duration_ns, parent }) => [name, start_ns, duration_ns, parent]),
    [
      ['root', 0, 50, null],
      ['child', 20, 10, 'a'],
    ],
  );
});

test('times keep their nanoseconds, and a span that ends before it starts has none', () => {
  const { spans } = readTrace(
    answer({ store: [span('a', null, 'exact', [1, 1_234_567_891]), span('b', null, 'backwards', [9, 3])] }),
  );

  assert.deepEqual(
    spans.map(({ start_ns, duration_ns }) => [start_ns, duration_ns]),
    [
      [1, 1_234_567_890],
      [9, 0],
    ],
  );
});

test('every type of value is read', () => {
  const values = [
    [{ stringValue: '' }, 'string', ''],
    [{ boolValue: false }, 'bool', false],
    [{ intValue: '-7' }, 'int', -7],
    [{ intValue: '9223372036854775807' }, 'int', '9223372036854775807'],
    [{ doubleValue: 0.5 }, 'double', 0.5],
    [{ doubleValue: 'NaN' }, 'double', 'NaN'],
    [{ bytesValue: 'AP8=' }, 'bytes', 'AP8='],
    [{ arrayValue: {} }, 'array', []],
    [
      { arrayValue: { values: [{ intValue: '1' }, { kvlistValue: { values: [text('k', 'v')] } }] } },
      'array',
      [1, { k: 'v' }],
    ],
    [{ kvlistValue: { values: [text('k', 'v')] } }, 'kvlist', [{ key: 'k', type: 'string', value: 'v' }]],
    [{}, 'empty', null],
  ];
  const attributes = values.map(([value], at) => ({ key: `k${at}`, value }));

  const { spans } = readTrace(answer({ store: [span('a', null, 's', [0, 1], { attributes })] }));

  assert.deepEqual(
    spans[0].attributes.map(({ type, value }) => [type, value]),
    values.map(([, type, value]) => [type, value]),
  );
});

test('a link knows the other end if it is held, in both directions', () => {
  const target = {
    name: 'batch',
    serviceName: 'store',
    startTimeUnixNano: '999999999999999990',
    endTimeUnixNano: '1000000000000000010',
  };
  const links = [
    { traceId: 't', spanId: 's', target, traceHeld: true },
    { traceId: 'gone', spanId: 'g' },
  ];
  const sent = span('a', null, 's', [0, 1], { links, linkedFrom: [{ traceId: 'u', spanId: 'v' }], linkedFromCount: 9 });

  const [read] = readTrace(answer({ store: [sent] })).spans;

  assert.deepEqual(
    linksOf(read).map(({ trace_id, direction, name, start_ns, duration_ns, span_held, trace_held }) => [
      trace_id,
      direction,
      name,
      start_ns,
      duration_ns,
      span_held,
      trace_held,
    ]),
    [
      ['t', 'to', 'batch', -10, 20, true, true],
      ['gone', 'to', null, null, null, false, false],
      ['u', 'from', null, null, null, false, false],
    ],
  );
  assert.equal(read.backlink_count, 9);
});

test('spans without a held parent are roots', () => {
  const made = model({
    shopper: [span('a', null, 'trip', [0, 50])],
    store: [span('b', 'a', 'GET /', [5, 40]), span('c', 'gone', 'orphan', [10, 20]), span('d', 'b', 'ask', [6, 9])],
  });

  assert.deepEqual(tree(made), [['trip', ['GET /', ['ask']]], ['orphan']]);
  assert.deepEqual(made.services, [
    { name: 'shopper', count: 1 },
    { name: 'store', count: 3 },
  ]);
});

test('a circle of parents is cut, and no span is lost', () => {
  const made = model({
    store: [
      span('a', 'c', 'a', [0, 9]),
      span('b', 'a', 'b', [1, 9]),
      span('c', 'b', 'c', [2, 9]),
      span('d', 'd', 'd', [3, 9]),
    ],
  });

  const count = (spans) => spans.reduce((sum, { children }) => sum + 1 + count(children), 0);
  assert.equal(count(made.roots), 4);
});

test('an actor has its instance, and its message the time that it waited', () => {
  const attributes = [
    text('actix.actor.name', 'Aisle'),
    text('shop.aisle', 'produce'),
    { key: 'actix.mailbox.wait', value: { doubleValue: 0.000_000_25 } },
  ];
  const [asked] = model({ store: [span('a', null, 'ask Aisle Reserve', [1000, 2000], { attributes })] }).spans;

  assert.deepEqual([asked.actor, asked.instance, asked.wait_ns, asked.sent_ns], ['Aisle', 'produce', 250, 750]);
});

test('what is no time is no wait', () => {
  for (const value of [
    { doubleValue: -1 },
    { doubleValue: 'NaN' },
    { doubleValue: 'Infinity' },
    { stringValue: '1' },
  ]) {
    const attributes = [{ key: 'actix.mailbox.wait', value }];
    assert.equal(model({ store: [span('a', null, 's', [0, 1], { attributes })] }).spans[0].wait_ns, null);
  }
});

test('own time is the time in which no child ran, however they overlap', () => {
  const [root] = model({
    store: [
      span('a', null, 'root', [0, 100]),
      span('b', 'a', 'one', [10, 40]),
      span('c', 'a', 'two', [30, 50]),
      span('d', 'a', 'inside', [35, 38]),
      span('e', 'a', 'late', [90, 300]),
    ],
  }).roots;

  assert.equal(selfTime(root), 50);
});

test('what is the same on several services was carried along', () => {
  const with_ = (...attributes) => ({ attributes });
  const made = model({
    shopper: [span('a', null, 'trip', [0, 9], with_(text('shopper.kind', 'hurried'), text('own', '1')))],
    store: [
      span(
        'b',
        'a',
        'GET /',
        [1, 8],
        with_(text('shopper.kind', 'hurried'), text('http.route', '/'), text('own', '2')),
      ),
      span('c', 'b', 'work', [2, 3], with_(text('baggage.tour', 'x'), text('http.route', '/'))),
    ],
  });

  assert.deepEqual([...carriedKeys(made)].sort(), ['baggage.tour', 'shopper.kind']);
});

test('a search in the trace looks at names, attributes and events', () => {
  const events = [{ name: 'Restocked', attributes: [text('crates', '3')] }];
  const attributes = [text('Aisle', 'Produce')];
  const [read] = model({ store: [span('a', null, 'Ask', [0, 1], { attributes, events })] }).spans;

  for (const words of ['ask', 'store', 'aisle=produce', 'restocked', 'crates=3']) {
    assert.ok(searchText(read).includes(words), words);
  }
});

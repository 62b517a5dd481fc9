import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lanesOf } from '../lanes.js';
import { modelOf, readTrace } from '../model.js';
import { answer, span, text } from './trace.js';

const actor = (name, instance) => ({
  attributes: [text('actix.actor.name', name), ...(instance ? [text('actix.actor.instance', instance)] : [])],
});
const lanes = (services) => lanesOf(modelOf(readTrace(answer(services))));

test('there is a lane for each actor and instance, and for each kind of work outside actors', () => {
  const database = { attributes: [text('db.system.name', 'sqlite')], kind: 3 };
  const made = lanes({
    shopper: [span('a', null, 'trip', [0, 100]), span('b', 'a', 'GET', [1, 90], { kind: 3 })],
    store: [
      span('c', 'b', 'GET /', [2, 80], { kind: 2 }),
      span('d', 'c', 'ask Aisle List', [3, 20], actor('Aisle', 'produce')),
      span('e', 'c', 'ask Aisle List', [3, 30], actor('Aisle', 'dairy')),
      span('f', 'e', 'SELECT', [4, 9], database),
    ],
  });

  assert.deepEqual(
    made.lanes.map(({ service, title, instance, isActor }) => [service, title, instance, isActor]),
    [
      ['shopper', 'other work', null, false],
      ['shopper', 'requests made', null, false],
      ['store', 'requests served', null, false],
      ['store', 'Aisle', 'dairy', true],
      ['store', 'Aisle', 'produce', true],
      ['store', 'database sqlite', null, false],
    ],
  );
});

test('spans that overlap are stacked, and a row is used again when it is free', () => {
  const made = lanes({
    store: [
      span('a', null, 'one', [0, 10], actor('Aisle')),
      span('b', null, 'two', [5, 20], actor('Aisle')),
      span('c', null, 'three', [10, 15], actor('Aisle')),
      span('d', null, 'four', [15, 30], actor('Aisle')),
    ],
  });

  assert.equal(made.lanes.length, 1);
  assert.equal(made.lanes[0].rows, 2);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((id) => made.rowOf.get(id)),
    [0, 1, 0, 0],
  );
});

test('a wait in the mailbox takes room too', () => {
  const waiting = actor('Aisle');
  waiting.attributes.push({ key: 'actix.mailbox.wait', value: { doubleValue: 8e-9 } });
  const made = lanes({
    store: [span('a', null, 'one', [0, 10], actor('Aisle')), span('b', null, 'two', [12, 20], waiting)],
  });

  assert.deepEqual([made.rowOf.get('a'), made.rowOf.get('b')], [0, 1]);
});

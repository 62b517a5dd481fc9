import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Scale } from '../scale.js';

const scale = (start = 0, end = 1_000_000) => new Scale(start, end, () => {});
const shown = ({ start, end }) => [start, end];

test('a time lies between the edges', () => {
  const whole = scale(-100, 900);

  assert.deepEqual(
    [-100, 400, 900].map((ns) => whole.at(ns)),
    [0, 0.5, 1],
  );
});

test('zooming keeps the time under the pointer where it is', () => {
  const zoomed = scale();
  zoomed.zoom(0.5, 250_000);

  assert.deepEqual(shown(zoomed), [125_000, 625_000]);
  assert.equal(zoomed.at(250_000), 0.25);
});

test('nothing outside the trace is shown, and nothing shorter than a microsecond', () => {
  const moved = scale();
  moved.show(-500_000, 200_000);
  assert.deepEqual(shown(moved), [0, 700_000]);
  moved.pan(10);
  assert.deepEqual(shown(moved), [300_000, 1_000_000]);
  moved.show(500_000, 500_001);
  assert.deepEqual(shown(moved), [499_500.5, 500_500.5]);
  moved.whole();
  assert.ok(moved.isWhole);
});

test('a trace shorter than a microsecond is shown whole', () => {
  const short = scale(0, 10);
  short.zoom(0.1);

  assert.deepEqual(shown(short), [0, 10]);
});

test('a span is fitted with some room around it, its wait included', () => {
  const fitted = scale();
  fitted.fit({ sent_ns: 400_000, start_ns: 450_000, end_ns: 500_000 });

  assert.deepEqual(shown(fitted), [385_000, 515_000]);
});

test('ticks are round times, about as many as wanted', () => {
  assert.deepEqual(
    scale()
      .ticks(5)
      .map(({ label }) => label),
    ['0', '200 µs', '400 µs', '600 µs', '800 µs', '1 ms'],
  );
  for (const length of [7, 999, 12_345, 987_654_321]) {
    const ticks = scale(0, length).ticks(8);
    assert.ok(ticks.length >= 3 && ticks.length <= 9, `${length}: ${ticks.length}`);
    assert.ok(ticks.every(({ at }) => at >= 0 && at <= 1));
  }
});

test('whoever shows the scale is told of every change', () => {
  let changes = 0;
  const told = new Scale(0, 1_000_000, () => {
    changes += 1;
  });
  told.zoom(0.5);
  told.pan(0.1);
  told.whole();

  assert.equal(changes, 3);
});

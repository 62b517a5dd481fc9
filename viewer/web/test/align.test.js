import assert from 'node:assert/strict';
import { test } from 'node:test';

import { align } from '../align.js';
import { rootsOf, traces } from './forest.js';

const SIGNS = { both: '=', onlyA: '-', onlyB: '+', movedAway: '<', movedHere: '>' };

/** The common tree as text: a sign and a line a node. */
function drawn(a, b) {
  const lines = [];
  const stack = align(rootsOf(traces(a)), rootsOf(traces(b))).reverse();
  while (stack.length) {
    const { level, mark, isRenamed, children, ...node } = stack.pop();
    const name = isRenamed ? `${node.a.name} → ${node.b.name}` : (node.a ?? node.b).name;
    const instance = (node.a ?? node.b).attributes.find(({ key }) => key === 'aisle')?.value;
    const other = instance && node.b && node.a ? node.b.attributes.find(({ key }) => key === 'aisle')?.value : instance;
    const shown = instance === other ? instance : `${instance}/${other}`;
    lines.push(`${SIGNS[mark]} ${'  '.repeat(level - 1)}${name}${instance ? ` ${shown}` : ''}`);
    stack.push(...[...children].reverse());
  }
  return `\n${lines.join('\n')}\n`;
}

const TRIP = `
trip
  GET
    GET /
      welcome message
  GET
    GET /whats-in-store
      ask Inventory
        ask Aisle  ~Aisle  aisle=bakery
        ask Aisle  ~Aisle  aisle=dairy
  POST
    POST /checkout
      ask Checkout
        ask Ledger
`;

test('a trace is equal to itself', () => {
  assert.equal(
    drawn(TRIP, TRIP),
    `
= trip
=   GET
=     GET /
=       welcome message
=   GET
=     GET /whats-in-store
=       ask Inventory
=         ask Aisle bakery
=         ask Aisle dairy
=   POST
=     POST /checkout
=       ask Checkout
=         ask Ledger
`,
  );
});

test('cut: a subtree that is missing is marked whole, and only it', () => {
  const cut = `
trip
  GET
    GET /whats-in-store
      ask Inventory
        ask Aisle  ~Aisle  aisle=dairy
        ask Aisle  ~Aisle  aisle=bakery
  POST
    POST /checkout
`;
  assert.equal(
    drawn(TRIP, cut),
    `
= trip
-   GET
-     GET /
-       welcome message
=   GET
=     GET /whats-in-store
=       ask Inventory
=         ask Aisle bakery
=         ask Aisle dairy
=   POST
=     POST /checkout
-       ask Checkout
-         ask Ledger
`,
  );
});

test('cut off: what goes on in a trace of its own stands at both places', () => {
  const orphans = `
trip
  POST
    POST /checkout
ask Ledger  ?
`;
  const whole = `
trip
  POST
    POST /checkout
      ask Checkout
        ask Ledger
`;
  assert.equal(
    drawn(whole, orphans),
    `
= trip
=   POST
=     POST /checkout
-       ask Checkout
<         ask Ledger
> ask Ledger
`,
  );
});

test('moved: a tree under a wrong parent is compared where it hangs now', () => {
  const right = `
handler
  ask Checkout
    reserve
    ask Ledger
      INSERT
      COMMIT
`;
  const wrong = `
handler
  ask Checkout
    reserve
  ask Ledger
    INSERT
    INSERT
    COMMIT
`;
  assert.equal(
    drawn(right, wrong),
    `
= handler
=   ask Checkout
=     reserve
<     ask Ledger
>   ask Ledger
=     INSERT
+     INSERT
=     COMMIT
`,
  );
});

test('moved: work beside the span that it belongs to', () => {
  assert.equal(
    drawn('handler\n  work\n    query', 'handler\n  work\n  query'),
    `
= handler
=   work
<     query
>   query
`,
  );
});

test("mixed: another customer's spans are only in one", () => {
  const mixed = `
trip
  POST
    POST /checkout
      ask Checkout
        ask Ledger
        ask Aisle  ~Aisle  aisle=produce
`;
  const alone = `
trip
  POST
    POST /checkout
      ask Checkout
        ask Ledger
`;
  assert.equal(
    drawn(alone, mixed),
    `
= trip
=   POST
=     POST /checkout
=       ask Checkout
=         ask Ledger
+         ask Aisle produce
`,
  );
});

test('mixed: with both customers on each side, their spans moved from one trace to the other', () => {
  const right = 'visit of Ann\n  ask Till\n    pay\nvisit of Bob\n  ask Till\n    pay\n    receipt';
  const wrong = 'visit of Ann\n  ask Till\n    pay\n    receipt\nvisit of Bob\n  ask Till\n    pay';
  assert.equal(
    drawn(right, wrong),
    `
= visit of Ann
=   ask Till
=     pay
>     receipt
= visit of Bob
=   ask Till
=     pay
<     receipt
`,
  );
});

test('of repeated siblings the one that is missing is found by what hangs below', () => {
  assert.equal(
    drawn('a\n  GET\n    one\n  GET\n    two\n  GET\n    three', 'a\n  GET\n    two\n  GET\n    three'),
    `
= a
-   GET
-     one
=   GET
=     two
=   GET
=     three
`,
  );
});

test('of repeated siblings alike in all below the one that is missing is found by its attributes', () => {
  assert.equal(
    drawn('a\n  q  aisle=1\n  q  aisle=2\n  q  aisle=3', 'a\n  q  aisle=2\n  q  aisle=3'),
    `
= a
-   q 1
=   q 2
=   q 3
`,
  );
});

test('siblings alike in everything are matched in their order, and more of them are only in one', () => {
  assert.equal(drawn('a\n  q\n  q', 'a\n  q\n  q\n  q'), '\n= a\n=   q\n=   q\n+   q\n');
  assert.equal(drawn('a\n  q\n  q\n  q', 'a\n  q'), '\n= a\n=   q\n-   q\n-   q\n');
});

test('the order of siblings is no difference', () => {
  assert.equal(drawn('a\n  b\n  c\n    d', 'a\n  c\n    d\n  b'), '\n= a\n=   b\n=   c\n=     d\n');
});

test('the same message to another instance of an actor is the same span', () => {
  assert.equal(
    drawn(
      'a\n  ask Aisle  ~Aisle  aisle=dairy\n  ask Aisle  ~Aisle  aisle=bakery',
      'a\n  ask Aisle  ~Aisle  aisle=bakery\n  ask Aisle  ~Aisle  aisle=produce',
    ),
    `
= a
=   ask Aisle dairy/produce
=   ask Aisle bakery
`,
  );
});

test('the same name in another service, of another kind or to another actor is matched as far as it may be', () => {
  assert.equal(drawn('a\n  b  @one', 'a\n  b  @two'), '\n= a\n=   b\n');
  assert.equal(drawn('a\n  b  ~One', 'a\n  b  ~Two'), '\n= a\n-   b\n+   b\n');
});

test('two spans of other names in one place, with the same below them, are one that was renamed', () => {
  assert.equal(
    drawn('a\n  GET\n    serve\n      work', 'a\n  GET /path\n    serve\n      work'),
    `
= a
=   GET → GET /path
=     serve
=       work
`,
  );
});

test('two lone roots are compared whatever they are called; a root and an orphan are not', () => {
  assert.equal(drawn('a\n  c', 'b\n  c\n  d'), '\n= a → b\n=   c\n+   d\n');
  assert.equal(drawn('a\n  c', 'b  ?\n  d'), '\n- a\n-   c\n+ b\n+   d\n');
});

test('nothing is compared with nothing', () => {
  assert.deepEqual(align([], []), []);
  assert.equal(drawn('', 'a\n  b'), '\n+ a\n+   b\n');
});

test('between two spans of both stands what only A has, then what B adds', () => {
  assert.equal(
    drawn('a\n  b\n  c\n  d', 'a\n  x\n  b\n  y\n  d'),
    `
= a
+   x
=   b
-   c
+   y
=   d
`,
  );
});

/** A tree of `count` spans, each with what `parentOf(i)` says above it. */
function large(count, parentOf, nameOf) {
  const spans = [];
  for (let i = 0; i < count; i += 1) {
    const parent = i ? spans[parentOf(i)] : null;
    const of = { name: nameOf(i), kind: 'internal', actor: null, service: 's', instance: null, attributes: [] };
    spans.push({ ...of, id: String(i), parent, parentId: parent?.id ?? null, children: [] });
    parent?.children.push(spans[i]);
  }
  return [spans[0]];
}

/** How many nodes have each mark. */
function marks(roots) {
  const counts = {};
  const stack = [...roots];
  while (stack.length) {
    const { mark, children } = stack.pop();
    counts[mark] = (counts[mark] ?? 0) + 1;
    for (const child of children) stack.push(child);
  }
  return counts;
}

test('a trace of 15,000 levels is aligned, also with one that lacks a level', () => {
  const chain = (missing) =>
    large(
      15_000 - (missing ? 1 : 0),
      (i) => i - 1,
      (i) => `level ${missing && i >= missing ? i + 1 : i}`,
    );

  assert.deepEqual(marks(align(chain(0), chain(0))), { both: 15_000 });
  assert.deepEqual(marks(align(chain(0), chain(7_000))), { both: 14_998, onlyA: 1, movedAway: 1, movedHere: 1 });
});

test('20,001 children alike in name are aligned, also when both sides have other trees below them', () => {
  const wide = (count, step) =>
    large(
      count,
      (i) => (i % step === 0 ? 0 : i - 1),
      (i) => (i === 0 ? 'root' : i % step === 0 ? 'child' : `leaf ${i % 7}`),
    );

  assert.deepEqual(marks(align(wide(20_002, 1), wide(20_001, 1))), { both: 20_001, onlyA: 1 });
  const counts = marks(align(wide(40_000, 2), wide(40_000, 3)));
  assert.equal(counts.both + counts.onlyA + (counts.movedHere ?? 0), 40_000);
});

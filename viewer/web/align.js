// Which span of one forest is which span of another, and both as one tree.
//
// Spans have no identity across two runs, so they are matched by what they are: name, kind, service,
// actor and instance (their key), by what hangs below them, and by their place among siblings. It
// goes in four steps:
//
// 1. From the roots down, the children of two matched spans are matched with one another.
// 2. What is left over on both sides with the same key hangs under another parent: it has moved.
// 3. Two leftovers in one place that hold the same children have another name.
// 4. Both forests become one tree. A span that moved stands in it twice: where it hangs in B,
//    with everything below it, and as a line of its own where it hung in A.
//
// Long lists cost no more than their length: siblings are grouped by key, and only small groups are
// compared one by one. Nothing recurses, because a trace can be as deep as it is long.

/** Pairs of one group of siblings that are all compared; of more, only those this near in their order. */
const GROUP_PAIRS = 400;
const NEAR = 4;
/** Spans that are considered, of all that a moved span could be. */
const CANDIDATES = 64;
/** Keys below a span that are remembered, to tell how alike two spans are. */
const SKETCH = 32;
/** Attributes that are looked at for the same. */
const ATTRIBUTES = 32;

/**
 * Aligns two forests: lists of roots, each a span of `modelOf`. Returns the roots of the common tree.
 * A node of it is
 *
 * `{ a, b, mark, parent, children, level, isRenamed, other }`
 *
 * with `a` and `b` the spans (one of them null where there is only one), and `mark`
 *
 * - `both`: in both at the same place;
 * - `onlyA`, `onlyB`: only in one;
 * - `movedHere`: in both, and in A it hangs elsewhere: `other` is the line there;
 * - `movedAway`: the line of A where it hung; `other` is the node with both. It has no children.
 */
export function align(rootsA, rootsB) {
  const number = numbering();
  const [a, b] = [entriesOf(rootsA, number), entriesOf(rootsB, number)];
  matchDown(a.roots, b.roots);
  matchMoved(a.all, b.all);
  matchRenamed(a, b);
  return oneTree(a.roots, b.roots);
}

// Reading a forest.

/** Numbers for texts, the same for the same text. */
function numbering() {
  const numbers = new Map();
  return (text) => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, numbers.size);
    return numbers.size - 1;
  };
}

/** Every span with what is needed to match it: `{ roots, all }`, `all` with parents before children. */
function entriesOf(rootSpans, number) {
  const all = [];
  const stack = rootSpans.map((span) => ({ span, parent: null })).reverse();
  while (stack.length) {
    const { span, parent } = stack.pop();
    const loose = number(JSON.stringify([span.name, span.kind, span.actor]));
    const key = number(JSON.stringify([loose, span.service, span.instance]));
    const entry = { span, parent, children: [], loose, key, match: null, node: null, known: null };
    all.push(entry);
    parent?.children.push(entry);
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push({ span: span.children[i], parent: entry });
  }
  for (let i = all.length - 1; i >= 0; i -= 1) summarize(all[i], number);
  return { roots: all.filter(({ parent }) => !parent), all };
}

/**
 * `size`: spans from here down. `shape`: the same number for the same tree of keys, whatever the
 * order of siblings, which run side by side. `sketch`: some of the keys below, always the same ones
 * for the same keys (a bottom-k sketch), so that likeness is the share they have in common.
 */
function summarize(entry, number) {
  const shapes = [];
  const below = new Set();
  entry.size = 1;
  for (const child of entry.children) {
    entry.size += child.size;
    shapes.push(child.shape);
    below.add(scatter(child.key));
    for (const key of child.sketch) below.add(key);
  }
  entry.shape = number(`${entry.key}:${shapes.sort((x, y) => x - y).join()}`);
  entry.sketch = below.size ? [...below].sort((x, y) => x - y).slice(0, SKETCH) : [];
}

/** A number for a number, as if by chance. */
function scatter(key) {
  let mixed = Math.imul(key ^ (key >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

// Step 1: the same place.

/** Matches two lists of siblings, then the children of each match, and so on down. */
function matchDown(as, bs) {
  const waiting = [[as, bs]];
  while (waiting.length) {
    const [left, right] = waiting.pop();
    for (const [one, other] of matchSiblings(left, right)) waiting.push([one.children, other.children]);
  }
}

/** Matches siblings: those with the same tree below first, then by key, then by name, kind and actor. */
function matchSiblings(as, bs) {
  const matched = [];
  for (const by of ['shape', 'key', 'loose']) {
    const groups = new Map();
    for (const entry of as) if (!entry.match) groupOf(groups, entry[by]).as.push(entry);
    for (const entry of bs) if (!entry.match && groups.has(entry[by])) groups.get(entry[by]).bs.push(entry);
    for (const group of groups.values()) {
      for (const [one, other] of pairsOf(group, by === 'shape')) {
        join(one, other);
        matched.push([one, other]);
      }
    }
  }
  return matched;
}

function groupOf(groups, key) {
  if (!groups.has(key)) groups.set(key, { as: [], bs: [] });
  return groups.get(key);
}

/** Pairs within a group: the most alike first, and of equally alike ones those of the same place. */
function pairsOf({ as, bs }, isSameShape) {
  const inTurn = (ones, others) => ones.slice(0, others.length).map((one, i) => [one, others[i]]);
  if (as.length * bs.length < 2 || (isSameShape && as.length === bs.length)) return inTurn(as, bs);
  const near = as.length * bs.length > GROUP_PAIRS ? NEAR : Infinity;
  const all = [];
  as.forEach((one, i) => {
    for (let j = Math.max(0, i - near); j < bs.length && j <= i + near; j += 1) {
      all.push({ one, other: bs[j], i, j, alike: likeness(one, bs[j]) });
    }
  });
  all.sort((x, y) => y.alike - x.alike || Math.abs(x.i - x.j) - Math.abs(y.i - y.j) || x.i - y.i);
  const [taken, pairs] = [new Set(), []];
  for (const { one, other } of all) {
    if (taken.has(one) || taken.has(other)) continue;
    taken.add(one).add(other);
    pairs.push([one, other]);
  }
  const isFree = (entry) => !taken.has(entry);
  return [...pairs, ...inTurn(as.filter(isFree), bs.filter(isFree))];
}

/** How alike two spans of one name are, from 0 to 3: by what is below them, and by their attributes. */
function likeness(one, other) {
  const [left, right] = [knownOf(one), knownOf(other)];
  return 2 * shareOf(left.below, right.below) + shareOf(left.values, right.values);
}

/** The share of all values that are in both; nothing is like nothing. */
function shareOf(values, others) {
  let common = 0;
  for (const value of values) if (others.has(value)) common += 1;
  const all = values.size + others.size - common;
  return all ? common / all : 1;
}

/** What is below an entry, and its attributes as texts; made when they are first asked for. */
function knownOf(entry) {
  entry.known ??= {
    below: new Set(entry.sketch),
    values: new Set(
      entry.span.attributes.slice(0, ATTRIBUTES).map(({ key, value }) => `${key}=${JSON.stringify(value)}`),
    ),
  };
  return entry.known;
}

function join(one, other) {
  one.match = other;
  other.match = one;
}

// Step 2: another place.

/** Matches what is left over on both sides, large trees first, and what hangs below. */
function matchMoved(as, bs) {
  const left = (entries) => entries.filter(({ match }) => !match);
  const [byShape, byKey] = [new Map(), new Map()];
  // Stacks with the first on top.
  for (const entry of left(bs).reverse()) {
    for (const [index, key] of [
      [byShape, entry.shape],
      [byKey, entry.key],
    ]) {
      if (!index.has(key)) index.set(key, []);
      index.get(key).push(entry);
    }
  }
  // Sorting is stable: of two equally large trees the earlier one comes first.
  for (const entry of left(as).sort((x, y) => y.size - x.size)) {
    if (entry.match) continue;
    const found = best(entry, byShape.get(entry.shape)) ?? best(entry, byKey.get(entry.key));
    if (!found) continue;
    join(entry, found);
    matchDown(entry.children, found.children);
  }
}

/** The most alike of the first few that are free; those that are not leave the stack. */
function best(entry, stack = []) {
  const free = [];
  while (stack.length && free.length < CANDIDATES) {
    const candidate = stack.pop();
    if (!candidate.match) free.push(candidate);
  }
  for (let i = free.length - 1; i >= 0; i -= 1) stack.push(free[i]);
  if (free.length < 2) return free[0];
  const alike = free.map((candidate) => likeness(entry, candidate));
  return free[alike.indexOf(Math.max(...alike))];
}

// Step 3: another name.

/** Matches two leftovers in one place that hold spans matched with each other, and two lone roots. */
function matchRenamed(a, b) {
  const isSamePlace = (one, other) =>
    one.parent ? one.parent.match === other.parent && other.parent !== null : isRoot(one) && isRoot(other);
  const rename = (one, other) => {
    join(one, other);
    matchDown(one.children, other.children);
  };
  for (const { parent: one, match } of a.all) {
    const other = match?.parent;
    if (!one || !other || one.match || other.match) continue;
    const { span } = one;
    const isAlike = span.kind === other.span.kind && span.service === other.span.service;
    if (isAlike && isSamePlace(one, other)) rename(one, other);
  }
  const lone = ({ roots }) => roots.filter((entry) => !entry.match && isRoot(entry));
  const [ones, others] = [lone(a), lone(b)];
  if (ones.length === 1 && others.length === 1) rename(ones[0], others[0]);
}

/** Whether a span began its trace; an orphan did not. */
function isRoot({ parent, span }) {
  return !parent && !span.parentId;
}

// Step 4: one tree.

function oneTree(rootsA, rootsB) {
  const top = { a: null, b: null, children: [], level: 0 };
  const waiting = [[top, rootsA, rootsB]];
  while (waiting.length) {
    const [parent, as, bs] = waiting.pop();
    for (const { one, other, mark } of siblings(as, bs)) {
      const node = {
        a: one?.span ?? null,
        b: other?.span ?? null,
        mark,
        parent: parent === top ? null : parent,
        children: [],
        level: parent.level + 1,
        isRenamed: Boolean(one && other && one.loose !== other.loose),
        other: null,
      };
      parent.children.push(node);
      if (mark === 'movedAway' || mark === 'movedHere') meet(mark === 'movedAway' ? one : other.match, node);
      if (mark !== 'movedAway') waiting.push([node, one?.children ?? [], other?.children ?? []]);
    }
  }
  return top.children;
}

/** Two nodes of one moved span learn of each other. */
function meet(entry, node) {
  if (entry.node) {
    entry.node.other = node;
    node.other = entry.node;
  } else entry.node = node;
}

/** Siblings of both sides in one order, that of A: between two of both, first what only A has, then what B adds. */
function siblings(as, bs) {
  const ofA = new Set(as);
  const isInPlace = (other) => ofA.has(other.match);
  // What B adds, by the sibling of both that it follows in B.
  const added = new Map([[null, []]]);
  let before = null;
  for (const other of bs) {
    if (isInPlace(other)) added.set((before = other), []);
    else added.get(before).push({ one: other.match, other, mark: other.match ? 'movedHere' : 'onlyB' });
  }
  const lines = [];
  before = null;
  for (const one of as) {
    if (one.match && added.has(one.match)) {
      lines.push(...added.get(before), { one, other: one.match, mark: 'both' });
      before = one.match;
    } else lines.push({ one, other: null, mark: one.match ? 'movedAway' : 'onlyA' });
  }
  lines.push(...added.get(before));
  return lines;
}

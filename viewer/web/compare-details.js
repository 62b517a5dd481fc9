// Two aligned spans in full, beside the tree: where each is, and what differs between them.

import { attributesOf, DIFFERENCES } from './comparison.js';
import { differenceWords } from './compare-tree.js';
import { spanHead } from './details.js';
import { attributeValue, count, duration, plural } from './format.js';
import { el, icon, replace, tracePath } from './lib.js';
import { linksOf, selfTime } from './model.js';

/** Draws the panel of a node. `host`: `{ names, closeDetails(), jump(node) }`. */
export function drawPair(panel, node, host) {
  // The line where a span hung before it moved stands for both, too.
  const { a, b } = node.mark === 'movedAway' ? node.other : node;
  const span = b ?? a;
  panel.setAttribute('aria-label', `Both of ${span.name}`);
  replace(
    panel,
    spanHead(span, () => host.closeDetails()),
    node.differences.length > 0 &&
      el(
        'ul',
        { class: 'pair-notes' },
        node.differences.map((kind) => el('li', {}, DIFFERENCES[kind])),
      ),
    node.other &&
      el(
        'p',
        { class: 'actions' },
        el('button', { type: 'button', onclick: () => host.jump(node.other) }, 'The other place'),
      ),
    table('Facts', factsOf(a, b), host.names),
    attributes('Attributes', a?.attributes ?? [], b?.attributes ?? [], host.names),
    attributes('Resource', a?.resource?.attributes ?? [], b?.resource?.attributes ?? [], host.names),
    table('Events', eventsOf(a, b), host.names),
    table('Links', linksRows(a, b), host.names),
  );
}

/** Rows of the facts: a name, both values, and the difference where they are times. */
function factsOf(a, b) {
  const times = (name, of) => ({
    name,
    a: a && duration(of(a)),
    b: b && duration(of(b)),
    isSame: Boolean(a && b) && of(a) === of(b),
    difference: a && b && of(a) !== null && of(b) !== null && of(a) !== of(b) && differenceWords(of(a), of(b)),
  });
  const words = (name, of) => ({ name, a: a && of(a), b: b && of(b), isSame: Boolean(a && b) && of(a) === of(b) });
  const has = (of) => (a && of(a)) || (b && of(b));
  return [
    { name: 'In its trace', a: a && spanLink(a), b: b && spanLink(b), isSame: true },
    words('Parent', ({ parent, parentId }) => parent?.name ?? (parentId ? `${parentId}, not held` : 'none: a root')),
    times('Duration', ({ duration_ns: ns }) => ns),
    has(({ children }) => children.length) && times('Own time', selfTime),
    has(({ wait_ns: wait }) => wait !== null) && times('Mailbox wait', ({ wait_ns: wait }) => wait),
    times('Start in its trace', ({ start_ns: start }) => start),
    words('Children', ({ children }) => count(children.length)),
    words('Status', (span) => [span.status, span.error_type, span.status_message].filter(Boolean).join(': ')),
    words('Kind', ({ kind }) => kind),
    words('Service', ({ service }) => service),
    has(({ actor }) => actor) && words('Actor', ({ actor, instance }) => [actor, instance].filter(Boolean).join(' ')),
  ].filter(Boolean);
}

function spanLink(span) {
  return el('a', { href: tracePath(span.trace.trace_id, span.id) }, el('code', {}, span.id));
}

function eventsOf(a, b) {
  const names = (span) => [...new Set((span?.events ?? []).map(({ name }) => name))];
  return [...new Set([...names(a), ...names(b)])].map((name) => {
    const times = (span) => span && count(span.events.filter((event) => event.name === name).length);
    return { name: name || '(no name)', a: times(a), b: times(b), isSame: times(a) === times(b) };
  });
}

function linksRows(a, b) {
  const names = (span) => (span ? linksOf(span).map((link) => `${link.direction} ${link.name ?? link.span_id}`) : []);
  const times = (span, wanted) => span && count(names(span).filter((name) => name === wanted).length);
  return [...new Set([...names(a), ...names(b)])].map((name) => {
    const [one, other] = [times(a, name), times(b, name)];
    return {
      name: name.replace(/^to /, 'links to ').replace(/^from /, 'linked from '),
      a: one,
      b: other,
      isSame: one === other,
    };
  });
}

/** Attributes: those that differ in sight, those that do not a click away. */
function attributes(title, ones, others, names) {
  const rows = attributesOf(ones, others).map(({ key, a, b, isSame }) => ({
    name: key,
    a: a && attributeValue(a),
    b: b && attributeValue(b),
    isSame,
  }));
  const [same, other] = [rows.filter(({ isSame }) => isSame), rows.filter(({ isSame }) => !isSame)];
  if (!rows.length) return null;
  const all = count(rows.length);
  return el(
    'section',
    {},
    el('h3', {}, `${title}: ${other.length ? `${count(other.length)} of ${all} differ` : `all ${all} are the same`}`),
    other.length > 0 && rowsTable(`${title} that differ`, other, names),
    same.length > 0 &&
      el(
        'details',
        {},
        el('summary', {}, plural(same.length, 'attribute is', 'attributes are'), ' the same'),
        rowsTable(`${title} that are the same`, same, names),
      ),
  );
}

function table(title, rows, names) {
  return rows.length ? el('section', {}, el('h3', {}, title), rowsTable(title, rows, names)) : null;
}

function rowsTable(title, rows, names) {
  return el(
    'table',
    { class: 'attributes both', 'aria-label': title },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        ['', names.a, names.b].map((name) => (name ? el('th', { scope: 'col' }, name) : el('td', {}))),
      ),
    ),
    el(
      'tbody',
      {},
      rows.map(({ name, a, b, isSame, difference }) =>
        el(
          'tr',
          { class: isSame ? 'same' : 'differs' },
          el(
            'th',
            { scope: 'row' },
            !isSame && icon('≠ ', 'sign'),
            name,
            difference && el('span', { class: 'soft num' }, ` ${difference}`),
          ),
          [a, b].map((value) => el('td', {}, value ?? el('span', { class: 'soft' }, 'missing'))),
        ),
      ),
    ),
  );
}

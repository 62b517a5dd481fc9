// Choosing what a trace is compared with: the control on its page, and the page that asks for the
// other trace.

import { fetchTrace, searchTraces } from './api.js';
import { idsOf } from './comparison.js';
import { age, duration, shortId } from './format.js';
import { el, replace } from './lib.js';
import { setKeys } from './shell.js';

/** The address of a comparison. Each side is an id or several. */
export function comparePath(a, b = null) {
  const side = (ids) => [ids].flat().map(encodeURIComponent).join('+');
  return `/compare/${side(a)}${b === null ? '' : `/${side(b)}`}`;
}

const STORED = 'traces seen';
const SEEN = 12;

/** The control on the page of a trace; it remembers the trace as one that was seen. */
export function compareLink(model) {
  const { trace_id: id, root_name: name, root_service: service, start_us: start, duration_ns: took } = model;
  const rest = seen().filter((trace) => trace.id !== id);
  store([{ id, name, service, start, took }, ...rest]);
  return el('a', { class: 'button', href: comparePath(id), title: 'Compare with another trace (w)' }, 'Compare with…');
}

/** The traces seen in this window, the last first. */
function seen() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? '[]');
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

function store(traces) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(traces.slice(0, SEEN)));
  } catch {
    // No storage: then none is remembered.
  }
}

/** Asks for the ids that the address does not have; `a` are those of the first side, if any. */
export function askFor(root, a, go) {
  const closing = new AbortController();
  const field = (name, value) =>
    el('input', {
      name,
      value,
      required: true,
      'aria-label': name === 'a' ? 'First trace' : 'Second trace',
      placeholder: 'Trace id, or several with +',
      autocomplete: 'off',
      spellcheck: 'false',
    });
  const form = el(
    'form',
    { class: 'compare-form' },
    el('label', {}, 'A ', field('a', a.join('+'))),
    el('label', {}, 'B ', field('b', '')),
    el('button', { class: 'primary' }, 'Compare'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const [one, other] = ['a', 'b'].map((name) => idsOf(data.get(name)));
    if (one.length && other.length) go(comparePath(one, other));
  });
  const known = el('div', { class: 'compare-known' });
  root.replaceChildren(
    el(
      'div',
      { class: 'compare-ask' },
      el('h1', {}, a.length ? 'Compare with which trace?' : 'Compare which traces?'),
      form,
      known,
    ),
  );
  setKeys([{ keys: ['Escape'], inFields: true, does: 'back', run: () => history.back() }]);
  form.elements[a.length ? 'b' : 'a'].focus();
  if (a.length) suggest(known, a, closing.signal);
  return () => closing.abort();
}

/** Lists what the first is likely to be compared with: traces seen, and those that begin alike. */
async function suggest(known, a, signal) {
  const draw = (title, traces) =>
    traces.length > 0 &&
    el(
      'section',
      {},
      el('h2', {}, title),
      el(
        'ul',
        {},
        traces.map(({ id, name, service, start, took }) =>
          el(
            'li',
            {},
            el('a', { href: comparePath(a, id) }, `${service} ${name}`),
            ` ${duration(took)}, ${age(start)} ago `,
            el('code', { class: 'soft' }, shortId(id)),
          ),
        ),
      ),
    );
  const before = seen().filter(({ id }) => !a.includes(id));
  replace(known, draw('Seen before', before));
  try {
    const first = await fetchTrace(a[0], signal);
    const filter = new URLSearchParams({ service: first.root_service, operation: first.root_name, limit: '20' });
    const { traces } = await searchTraces(filter, signal);
    const alike = traces
      .filter((trace) => !a.includes(trace.trace_id))
      .map((trace) => ({
        id: trace.trace_id,
        name: trace.root_name,
        service: trace.root_service,
        start: trace.start_us,
        took: trace.duration_ns,
      }));
    replace(known, draw('Seen before', before), draw('Begin alike', alike));
  } catch (error) {
    if (error.name !== 'AbortError') known.append(el('p', { class: 'warning', role: 'alert' }, error.message));
  }
}

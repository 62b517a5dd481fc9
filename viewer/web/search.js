// The search form. The address of the page holds the search, so that a search can be bookmarked,
// shared and gone back to.

import { fetchServices } from './api.js';
import { field, options, putTimes, select, timeFields } from './form.js';
import { el, tagText } from './lib.js';

const LIMITS = ['20', '50', '100', '200', '500'];
const FIELDS = [
  'service',
  'operation',
  'tags',
  'minDuration',
  'maxDuration',
  'lookback',
  'start',
  'end',
  'limit',
  'errors',
  'sort',
  'order',
];
/** Of these, what is not chosen in the form but in the list. */
const IN_LIST = ['sort', 'order'];

/** Traces shown when the address does not say. */
const DEFAULT_LIMIT = 50;

/** The search that an address means, as the query API takes it. Jaeger's addresses are understood too. */
export function filterOf(params) {
  const filter = new URLSearchParams();
  for (const name of FIELDS) {
    const value = params.get(name)?.trim();
    if (value) filter.set(name, value);
  }
  for (const tag of params.getAll('tag')) filter.append('tag', tag);
  for (const id of idsOf(params)) filter.append('traceID', id);
  if (filter.get('lookback') === 'custom') filter.delete('lookback');
  if (!filter.has('limit')) filter.set('limit', DEFAULT_LIMIT);
  return filter;
}

/** The traces that an address names: as `traceID=ID`, or as Jaeger's `span=SPAN@ID`. */
function idsOf(params) {
  const ofSpans = params.getAll('span').map((span) => span.slice(span.indexOf('@') + 1));
  return [...new Set([...params.getAll('traceID'), ...ofSpans])].filter(Boolean);
}

/** Whether a search leaves anything out. */
export function isFiltered(filter) {
  return [...filter.keys()].some((key) => !['limit', 'sort', 'order'].includes(key));
}

/** The address of the search in `params` with some fields changed; null takes one away. */
export function pathWith(params, changes) {
  const changed = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') changed.delete(name);
    else changed.set(name, value);
  }
  return changed.size ? `/?${changed}` : '/';
}

/** The tags of a search as the field shows them. */
export function tagsOf(params) {
  const single = params.getAll('tag').map((tag) => {
    const [key, ...value] = tag.split(':');
    return tagText(key, value.join(':'));
  });
  return [pairs(params.get('tags') ?? ''), ...single].filter(Boolean).join(' ');
}

/** Jaeger writes tags as a JSON object: here they are pairs, which people can change. */
function pairs(tags) {
  if (!tags.trimStart().startsWith('{')) return tags;
  try {
    return Object.entries(JSON.parse(tags))
      .map(([key, value]) => tagText(key, String(value)))
      .join(' ');
  } catch {
    return tags;
  }
}

/** The form: its `node`, and `learn(traces)` for what is seen. `search(path)` opens an address. */
export class SearchForm {
  constructor(params, search) {
    // A copy: what the reader changes in the form means nothing before it is sent.
    this.params = new URLSearchParams(params);
    this.services = [];
    this.service = el('select', { name: 'service' });
    this.operation = el('select', { name: 'operation' });
    this.node = this.form(search);
    this.node.addEventListener('submit', (event) => {
      event.preventDefault();
      search(pathOf(new FormData(this.node), params));
    });
    this.service.addEventListener('change', () => {
      this.operation.value = '';
      this.params.delete('operation');
      this.offer();
    });
    this.service.addEventListener('focus', () => this.load());
    this.operation.addEventListener('focus', () => this.load());
    this.offer();
    this.load();
  }

  form(search) {
    const time = timeFields(this.params);
    return el(
      'form',
      { class: 'search', role: 'search', 'aria-label': 'Search traces' },
      field('Service', this.service),
      field('Operation', this.operation),
      field(
        'Tags',
        el('input', {
          name: 'tags',
          class: 'tags',
          value: tagsOf(this.params),
          placeholder: 'key=value key="two words"',
          autocomplete: 'off',
          spellcheck: 'false',
        }),
      ),
      ...time,
      field(
        'Min',
        el('input', {
          name: 'minDuration',
          class: 'short',
          value: this.params.get('minDuration') ?? '',
          placeholder: '10ms',
          autocomplete: 'off',
        }),
        'Shortest duration',
      ),
      field(
        'Max',
        el('input', {
          name: 'maxDuration',
          class: 'short',
          value: this.params.get('maxDuration') ?? '',
          placeholder: '1.5s',
          autocomplete: 'off',
        }),
        'Longest duration',
      ),
      field(
        'Limit',
        select(
          'limit',
          LIMITS.map((limit) => [limit, limit]),
          this.params.get('limit') ?? String(DEFAULT_LIMIT),
        ),
      ),
      el(
        'label',
        { class: 'check' },
        el('input', { type: 'checkbox', name: 'errors', value: 'true', checked: this.params.get('errors') === 'true' }),
        ' Errors only',
      ),
      el('button', { class: 'primary' }, 'Search'),
      el('button', { type: 'button', class: 'quiet', onclick: () => search('/') }, 'Reset'),
    );
  }

  /** Fetches what there is to choose from, if these traces have a service or a root not yet offered. */
  learn(traces) {
    const isNew = ({ name }) => !this.services.some((known) => known.name === name);
    const hasNewRoot = ({ root_service: service, root_name: root }) =>
      !this.services.some(({ name, operations }) => name === service && operations.includes(root));
    if (traces.some((trace) => hasNewRoot(trace) || trace.services.some(isNew))) this.load();
  }

  /** At most once a second: many traces may come with something new. */
  async load() {
    if (this.loading) return;
    this.loading = true;
    const answer = await fetchServices().catch(() => null);
    if (answer) this.services = answer.services;
    this.offer();
    setTimeout(() => {
      this.loading = false;
    }, 1000);
  }

  offer() {
    const { service, operation, services, params } = this;
    options(
      service,
      'all services',
      services.map(({ name }) => name),
      service.value || params.get('service') || '',
    );
    const operations = services
      .filter(({ name }) => !service.value || name === service.value)
      .flatMap((known) => known.operations);
    options(
      operation,
      'all operations',
      [...new Set(operations)].sort(),
      operation.value || params.get('operation') || '',
    );
  }
}

/** The address of what the form asks for, in the order that the list has. */
function pathOf(data, before) {
  const params = new URLSearchParams();
  for (const name of FIELDS) {
    const value = String(data.get(name) ?? before.get(IN_LIST.includes(name) ? name : '') ?? '').trim();
    const isDefault = name === 'limit' && value === String(DEFAULT_LIMIT);
    if (value && value !== 'custom' && !isDefault) params.set(name, value);
  }
  putTimes(params, data);
  return params.size ? `/?${params}` : '/';
}

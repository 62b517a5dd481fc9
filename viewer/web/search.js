// The search form. The address of the page holds the search, so that a search can be bookmarked,
// shared and gone back to.

import { fetchServices } from './api.js';
import { el, tagText } from './lib.js';

const LOOKBACKS = [
  ['', 'any time'],
  ['1m', 'last minute'],
  ['5m', 'last 5 minutes'],
  ['15m', 'last 15 minutes'],
  ['1h', 'last hour'],
  ['6h', 'last 6 hours'],
  ['custom', 'from … to …'],
];
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
];

/** Traces shown when the address does not say. */
const DEFAULT_LIMIT = 50;

/** The search that an address means, as the query API takes it. */
export function filterOf(params) {
  const filter = new URLSearchParams();
  for (const name of FIELDS) {
    const value = params.get(name)?.trim();
    if (value) filter.set(name, value);
  }
  for (const tag of params.getAll('tag')) filter.append('tag', tag);
  if (filter.get('lookback') === 'custom') filter.delete('lookback');
  if (!filter.has('limit')) filter.set('limit', DEFAULT_LIMIT);
  return filter;
}

/** The form. `search(path)` opens the address of what was asked for. */
export function searchForm(params, search) {
  const service = el('select', { name: 'service' });
  const operation = el('select', { name: 'operation' });
  const range = el(
    'span',
    { class: 'range' },
    field(
      'From',
      el('input', { type: 'datetime-local', step: 1, name: 'from', value: localTime(params.get('start')) }),
    ),
    field('To', el('input', { type: 'datetime-local', step: 1, name: 'to', value: localTime(params.get('end')) })),
  );
  const isRange = params.has('start') || params.has('end');
  const lookback = select('lookback', LOOKBACKS, isRange ? 'custom' : (params.get('lookback') ?? ''));
  const showRange = () => {
    range.hidden = lookback.value !== 'custom';
  };
  lookback.addEventListener('change', showRange);
  showRange();

  const form = el(
    'form',
    { class: 'search', role: 'search', 'aria-label': 'Search traces' },
    field('Service', service),
    field('Operation', operation),
    field(
      'Tags',
      el('input', {
        name: 'tags',
        class: 'tags',
        value: tagsOf(params),
        placeholder: 'key=value key="two words"',
        autocomplete: 'off',
        spellcheck: 'false',
      }),
    ),
    field(
      'Min',
      el('input', {
        name: 'minDuration',
        class: 'short',
        value: params.get('minDuration') ?? '',
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
        value: params.get('maxDuration') ?? '',
        placeholder: '1.5s',
        autocomplete: 'off',
      }),
      'Longest duration',
    ),
    field('Time', lookback),
    range,
    field(
      'Limit',
      select(
        'limit',
        LIMITS.map((limit) => [limit, limit]),
        params.get('limit') ?? String(DEFAULT_LIMIT),
      ),
    ),
    el(
      'label',
      { class: 'check' },
      el('input', { type: 'checkbox', name: 'errors', value: 'true', checked: params.get('errors') === 'true' }),
      ' Errors only',
    ),
    el('button', { class: 'primary' }, 'Search'),
    el('button', { type: 'button', class: 'quiet', onclick: () => search('/') }, 'Reset'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    search(pathOf(new FormData(form)));
  });
  offerServices(service, operation, params);
  return form;
}

function pathOf(data) {
  const params = new URLSearchParams();
  for (const name of FIELDS) {
    const value = String(data.get(name) ?? '').trim();
    const isDefault = name === 'limit' && value === String(DEFAULT_LIMIT);
    if (value && value !== 'custom' && !isDefault) params.set(name, value);
  }
  if (data.get('lookback') === 'custom') {
    for (const [from, to] of [
      ['from', 'start'],
      ['to', 'end'],
    ]) {
      if (data.get(from)) params.set(to, new Date(data.get(from)).getTime() * 1000);
    }
  }
  return params.size ? `/?${params}` : '/';
}

async function offerServices(service, operation, params) {
  let services = [];
  const draw = () => {
    const wanted = service.value || params.get('service') || '';
    options(
      service,
      'all services',
      services.map(({ name }) => name),
      wanted,
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
  };
  const load = async () => {
    services = (await fetchServices().catch(() => ({ services }))).services;
    draw();
  };
  service.addEventListener('change', () => {
    operation.value = '';
    params.delete('operation');
    draw();
  });
  service.addEventListener('focus', load);
  draw();
  await load();
}

function options(node, all, names, wanted) {
  const offered = wanted && !names.includes(wanted) ? [...names, wanted] : names;
  const current = [...node.options].slice(1).map((option) => option.value);
  if (current.length !== offered.length || offered.some((name, i) => name !== current[i])) {
    node.replaceChildren(
      el('option', { value: '' }, all),
      ...offered.map((name) => el('option', { value: name }, name)),
    );
  }
  node.value = wanted;
}

function tagsOf(params) {
  const single = params.getAll('tag').map((tag) => {
    const [key, ...value] = tag.split(':');
    return tagText(key, value.join(':'));
  });
  return [params.get('tags'), ...single].filter(Boolean).join(' ');
}

function select(name, choices, value) {
  const known = choices.some(([choice]) => choice === value) ? choices : [...choices, [value, value]];
  return el(
    'select',
    { name },
    known.map(([choice, label]) => el('option', { value: choice, selected: choice === value }, label)),
  );
}

function field(label, control, title) {
  return el('label', { class: 'field', title }, el('span', {}, label), control);
}

function localTime(us) {
  if (!us) return '';
  const date = new Date(Number(us) / 1000);
  return Number.isNaN(date.getTime())
    ? ''
    : new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

// The fields that the search forms of traces and of log records have in common.

import { el } from './lib.js';

const LOOKBACKS = [
  ['', 'any time'],
  ['1m', 'last minute'],
  ['5m', 'last 5 minutes'],
  ['15m', 'last 15 minutes'],
  ['1h', 'last hour'],
  ['6h', 'last 6 hours'],
  ['custom', 'from … to …'],
];

/** A control with its label. */
export function field(label, control, title) {
  return el('label', { class: 'field', title }, el('span', {}, label), control);
}

/** A choice of `[value, label]`; a value that is none of them is one more. */
export function select(name, choices, value) {
  const known = choices.some(([choice]) => choice === value) ? choices : [...choices, [value, value]];
  return el(
    'select',
    { name },
    known.map(([choice, label]) => el('option', { value: choice, selected: choice === value }, label)),
  );
}

/** Offers these names in a choice, and `all`; `wanted` is chosen, whether it is among them or not. */
export function options(node, all, names, wanted) {
  const offered = wanted && !names.includes(wanted) ? [...names, wanted] : names;
  const current = [...node.options].map((option) => option.value);
  if (JSON.stringify(current) !== JSON.stringify(['', ...offered])) {
    node.replaceChildren(
      el('option', { value: '' }, all),
      ...offered.map((name) => el('option', { value: name }, name)),
    );
  }
  node.value = wanted;
}

/** The fields for a stretch of time, as the parameters have it: back from now, or from and to. */
export function timeFields(params) {
  const moment = (name, us) => el('input', { type: 'datetime-local', step: 1, name, value: localTime(us) });
  const range = el(
    'span',
    { class: 'range' },
    field('From', moment('from', params.get('start'))),
    field('To', moment('to', params.get('end'))),
  );
  const isRange = params.has('start') || params.has('end');
  const lookback = select('lookback', LOOKBACKS, isRange ? 'custom' : (params.get('lookback') ?? ''));
  const showRange = () => {
    range.hidden = lookback.value !== 'custom';
  };
  lookback.addEventListener('change', showRange);
  showRange();
  return [field('Time', lookback), range];
}

/** Puts what stands in the fields for from and to among the parameters, in µs since the epoch. */
export function putTimes(params, data) {
  if (data.get('lookback') !== 'custom') return;
  for (const [from, to] of [
    ['from', 'start'],
    ['to', 'end'],
  ]) {
    if (data.get(from)) params.set(to, new Date(data.get(from)).getTime() * 1000);
  }
}

function localTime(us) {
  if (!us) return '';
  const date = new Date(Number(us) / 1000);
  return Number.isNaN(date.getTime())
    ? ''
    : new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

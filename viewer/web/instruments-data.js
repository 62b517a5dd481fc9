// The instruments of metrics as the page needs them, without a document: what an address asks for, names
// and values in words, charts.

import { bytes, count, duration } from './format.js';

const KEY = ['service', 'name', 'unit', 'kind', 'scope'];

/** What the parameters of an address ask for: `{ range, key, attributes }`; `key` is null without a name. */
export function stateOf(params, ranges) {
  const range = params.get('range');
  const key =
    params.get('name') === null ? null : Object.fromEntries(KEY.map((name) => [name, params.get(name) ?? '']));
  return {
    range: ranges.some(([seconds]) => seconds === range) ? range : ranges[0][0],
    key,
    attributes: params.getAll('attribute'),
  };
}

/** The parameters of such a state, for the page's address and for the API. */
export function paramsOf({ range, key, attributes }) {
  const params = new URLSearchParams({ range });
  if (key) for (const name of KEY) if (key[name]) params.set(name, key[name]);
  for (const attribute of attributes) params.append('attribute', attribute);
  return params;
}

/** The address of such a state. */
export function pathOf(state) {
  return `/monitor/instruments?${paramsOf(state)}`;
}

/** What tells an instrument from all others, of one in the API's list. */
export function keyOf(instrument) {
  return Object.fromEntries(KEY.map((name) => [name, instrument[name]]));
}

export function isSame(one, other) {
  return Boolean(one && other) && KEY.every((name) => one[name] === other[name]);
}

/** The attributes with one of them chosen, or none of that key. */
export function withAttribute(attributes, key, value) {
  const others = attributes.filter((text) => !text.startsWith(`${key}=`));
  return value === '' ? others : [...others, `${key}=${value}`];
}

/** The value of `key` that is chosen among `attributes`; empty when none is. */
export function chosenValue(attributes, key) {
  return attributes.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
}

// Semantic conventions begin the names of what is measured of a process, its machine and its runtime like this.
const PROCESS = /^(process|system|container|k8s|tokio|go|jvm|nodejs|v8js|cpython|dotnet)\./;

/** How soon a reader wants to see an instrument of a service: 0 is first. */
function rank({ name }) {
  if (name.startsWith('otel.')) return 2;
  return PROCESS.test(name) ? 1 : 0;
}

/**
 * The instruments of each service together: first what the service measures of its work, then its process, and last
 * what its SDK counts of itself.
 */
export function inOrder(instruments) {
  const services = [...new Set(instruments.map(({ service }) => service))];
  const of = (service, wanted) => instruments.filter((one) => one.service === service && rank(one) === wanted);
  return services.flatMap((service) => [0, 1, 2].flatMap((wanted) => of(service, wanted)));
}

/** The instrument to open with: how long requests take that a service answers, or what comes nearest to that. */
export function firstToShow(instruments) {
  const ofWork = instruments.filter((instrument) => rank(instrument) === 0);
  return (
    ofWork.find(({ name }) => /\.server\..*duration$/.test(name)) ??
    ofWork.find(({ kind }) => isDistribution(kind)) ??
    ofWork[0] ??
    instruments.find((instrument) => rank(instrument) === 1) ??
    instruments[0]
  );
}

function isDistribution(kind) {
  return kind.endsWith('histogram') || kind === 'summary';
}

/** The instruments whose name, service or description has every word of `text`. */
export function matching(instruments, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return instruments.filter(({ name, service, description }) => {
    const all = `${name} ${service} ${description}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

const SECONDS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, min: 60e9, h: 3600e9 };

/** How values of a unit are written: https://ucum.org/ucum, as OpenTelemetry uses it. */
export function inUnit(unit) {
  if (Object.hasOwn(SECONDS, unit)) return (value) => duration(value === null ? null : value * SECONDS[unit]);
  if (unit === 'By') return (value) => (value === null ? '–' : bytes(value));
  // What is in braces is a remark, and "1" is no unit.
  const shown = unit === '1' ? '' : unit.replace(/^\{(.*)\}$/, '$1');
  return (value) => (value === null ? '–' : `${number(value)}${shown && ` ${shown}`}`);
}

function number(value) {
  if (value === 0 || Number.isInteger(value)) return count(value);
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** A rate of such values. */
export function inUnitPerSecond(unit) {
  const shown = unit === '1' ? '' : unit.replace(/^\{(.*)\}$/, '$1');
  const isBytes = unit === 'By';
  return (value) => {
    if (value === null) return '–';
    return isBytes ? `${bytes(value)}/s` : `${number(value)}${shown && ` ${shown}`}/s`;
  };
}

/** The charts of an answer: `{ title, unit(value), lines: [{ name, words, values, last }] }`. */
export function chartsOf({ charts }, { unit, kind }) {
  const ofValues = isDistribution(kind);
  return charts.map(({ of, lines }) => {
    const isRate = of === 'rate';
    const shown = isRate ? inUnitPerSecond(ofValues ? '{value}' : unit) : inUnit(unit);
    const title = { value: ofValues ? 'Percentiles' : 'Value', rate: ofValues ? 'Values' : 'Rate' }[of];
    return {
      title,
      unit: shown,
      lines: lines.map(({ name, attributes, values }, i) => ({
        name: `series-${i % 8}`,
        words: lineWords(name, attributes, lines),
        values,
        last: shown(values.findLast((value) => value !== null) ?? null),
      })),
    };
  });
}

/** What tells a line from the others of its chart: what all have is left out. */
function lineWords(name, attributes, lines) {
  const isOfAll = ([key, value]) =>
    lines.every((line) => !line.attributes.length || line.attributes.some(([k, v]) => k === key && v === value));
  const own = attributes.filter((attribute) => lines.length === 1 || !isOfAll(attribute));
  const words = own.map(([key, value]) => `${key}=${value}`).join(' ');
  return [name, words].filter(Boolean).join(' · ') || 'value';
}

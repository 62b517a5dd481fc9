// Numbers as people read them: three significant figures and a unit that fits.

const UNITS = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

/** `1234567` nanoseconds is `1.23 ms`. */
export function duration(ns) {
  if (ns === null || ns === undefined) return '–';
  if (ns === 0) return '0 ns';
  const most = Math.abs(ns);
  if (most >= 60e9) return longDuration(ns);
  const [unit, name] = UNITS.find(([size]) => most >= size * 0.9995) ?? UNITS[3];
  return `${significant(ns / unit)} ${name}`;
}

function longDuration(ns) {
  // No longer ones come: JSON's numbers end here.
  if (ns >= Number.MAX_SAFE_INTEGER) return '2,501 h or more';
  const seconds = Math.round(ns / 1e9);
  const hours = Math.trunc(seconds / 3600);
  const minutes = Math.trunc((seconds % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

function significant(value) {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return trim(value.toFixed(1));
  return trim(value.toFixed(2));
}

function trim(digits) {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}

/** `1234567` is `1,234,567`: in the page's language, since "1.234" beside "1.23 ms" would be read as less. */
export function count(value) {
  return Number(value).toLocaleString('en');
}

/** `one span`, `1,200 spans`. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Per second: `0.0017/s`, `0.42/s`, `12.3/s`, `1,234/s`. Zero is only what never happened. */
export function rate(value) {
  if (value >= 1000) return `${count(Math.round(value))}/s`;
  if (value > 0 && value < 0.001) return '<0.001/s';
  return `${value > 0 && value < 0.01 ? trim(value.toPrecision(2)) : significant(value)}/s`;
}

/** A share as a percentage. 0% is only nothing and 100% only everything: 2,999 of 3,000 is 99.97%. */
export function percent(part, whole) {
  if (!whole) return '0%';
  const share = (100 * part) / whole;
  const isWhole = part === 0 || part === whole;
  let text = significant(share);
  for (let digits = 2; !isWhole && digits < 12 && (Number(text) === 0 || Number(text) === 100); digits += 1) {
    text = trim(share.toFixed(digits));
  }
  return `${text}%`;
}

/** Bytes in binary units. */
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${significant(value)} ${units[unit]}`;
}

/** How long ago, coarsely: what a list needs. A clock that is some seconds ahead is no future. */
export function age(us, nowMs = Date.now()) {
  const seconds = Math.round(nowMs / 1e3 - us / 1e6);
  if (seconds <= -60) return `in ${coarse(-seconds)}`;
  return seconds < 1 ? 'now' : coarse(seconds);
}

function coarse(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Date and time with milliseconds, in the reader's own way and zone. */
export function dateTime(us) {
  return new Date(us / 1e3).toLocaleString(undefined, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
  });
}

/** The time of day with milliseconds, in the reader's own zone; of another day with its date. */
export function clock(us, nowMs = Date.now()) {
  const moment = new Date(us / 1e3);
  const isToday = moment.toDateString() === new Date(nowMs).toDateString();
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' };
  const day = isToday ? {} : { year: 'numeric', month: '2-digit', day: '2-digit' };
  return moment.toLocaleString(undefined, { ...day, ...time });
}

/** The first digits of an id: enough to recognise it by. */
export function shortId(id) {
  return id.slice(0, 8);
}

/** An attribute's value as text. */
export function attributeValue(attribute) {
  const { type, value } = attribute;
  if (type === 'empty') return '(empty)';
  if (type === 'array' || type === 'kvlist') return JSON.stringify(plain(type, value));
  return String(value);
}

function plain(type, value) {
  if (type !== 'kvlist' || !Array.isArray(value)) return value;
  return value.map((entry) => [entry.key, plain(entry.type, entry.value)]);
}

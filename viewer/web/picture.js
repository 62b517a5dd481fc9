// A picture of a trace for documents: the waterfall as it is seen, as an SVG that stands alone, in
// the light theme.

import { dateTime, duration, plural, shortId } from './format.js';
import { gatherEvents, gatherSteps } from './timeline.js';
import { isException } from './model.js';

const WIDTH = 1200;
const NAMES = 440;
const RIGHT = 20;
const HEAD = 66;
const AXIS = 24;
const LINE = 24;
const STEP = 14;
const DEEPEST = 12;
/** Lines beyond these are counted and not drawn: a document shows no more. */
const MOST_LINES = 2000;
/** Width of a character of the text, about, in pixels of its size. */
const CHARACTER = 0.56;

/**
 * The SVG as text. `lines` are those of the waterfall (`Folding.lines()`), `scale` the stretch of
 * time, `steps` the critical path by span id or null, `colors` `{ text, soft, line, surface, raised,
 * error, series(service) }`.
 */
export function pictureOf({ model, lines, scale, steps, colors }) {
  const shown = lines.slice(0, MOST_LINES);
  const rest = lines.length - shown.length;
  const height = HEAD + AXIS + shown.length * LINE + (rest ? LINE : 0) + 10;
  const sheet = new Sheet(scale, colors);
  const parts = [
    sheet.rect(0, 0, WIDTH, height, { fill: colors.surface }),
    ...head(sheet, model),
    ...axis(sheet, height),
    ...shown.flatMap((line, i) => drawLine(sheet, line, HEAD + AXIS + i * LINE, steps)),
    rest && sheet.text(10, height - 16, `and ${plural(rest, 'more line')}`, { fill: colors.soft }),
  ].filter(Boolean);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="system-ui, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif" font-size="12" role="img">\n` +
    `<title>${escape(titleOf(model))}</title>\n<defs>${sheet.patterns()}</defs>\n${parts.join('\n')}\n</svg>\n`
  );
}

function titleOf({ root_name: name, root_service: service, duration_ns: took, span_count: spans }) {
  return `${service} ${name || '(no name)'}: ${duration(took)}, ${plural(spans, 'span')}`;
}

/** Where things lie, and how they are written. */
class Sheet {
  constructor(scale, colors) {
    Object.assign(this, { scale, colors, hatched: new Map() });
  }

  /** Left edge and width of a stretch of time, cut to the picture; null when outside. */
  place(from, to) {
    const [start, end] = [this.scale.at(from), this.scale.at(to)];
    if (end < 0 || start > 1) return null;
    const [x, right] = [this.x(from), this.x(to)];
    return { x, width: Math.max(1.5, right - x) };
  }

  x(ns) {
    return NAMES + Math.max(0, Math.min(1, this.scale.at(ns))) * (WIDTH - NAMES - RIGHT);
  }

  rect(x, y, width, height, attributes) {
    return `<rect${write({ x: round(x), y: round(y), width: round(width), height: round(height), ...attributes })}/>`;
  }

  line(x1, y1, x2, y2, attributes) {
    const ends = { x1: round(x1), y1: round(y1), x2: round(x2), y2: round(y2) };
    return `<line${write({ stroke: this.colors.line, ...ends, ...attributes })}/>`;
  }

  text(x, y, words, attributes) {
    return this.phrase(x, y, [[words, {}]], attributes);
  }

  /** Words of several looks, `[words, attributes]`, one after the other. */
  phrase(x, y, parts, attributes) {
    const tspan = ([words, look]) => `<tspan${write(look)}>${escape(words)}</tspan>`;
    const content = parts.length === 1 ? escape(parts[0][0]) : parts.map(tspan).join('');
    return `<text${write({ x: round(x), y: round(y), fill: this.colors.text, ...attributes })}>${content}</text>`;
  }

  /** The hatching of a mailbox wait in a colour. */
  hatch(color) {
    if (!this.hatched.has(color)) this.hatched.set(color, `wait-${this.hatched.size}`);
    return `url(#${this.hatched.get(color)})`;
  }

  patterns() {
    return [...this.hatched]
      .map(
        ([color, id]) =>
          `<pattern id="${id}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
          `<line x1="0" y1="0" x2="0" y2="5" stroke="${escape(color)}" stroke-width="3"/></pattern>`,
      )
      .join('');
  }
}

function head(sheet, model) {
  const { soft, error } = sheet.colors;
  const facts = [dateTime(model.start_us), duration(model.duration_ns), plural(model.span_count, 'span')];
  const title = fit(`${model.root_service} ${model.root_name || '(no name)'}`, WIDTH - 20, 16);
  const errors = model.error_count ? plural(model.error_count, 'error') : '';
  const line = [...facts, `trace ${model.trace_id}`].join(' · ');
  let x = 10;
  const services = model.services.slice(0, 8).flatMap(({ name }) => {
    const words = fit(name, 200);
    const parts = [
      sheet.rect(x, 49, 9, 9, { rx: 2, fill: sheet.colors.series(name) }),
      sheet.text(x + 14, 58, words, { fill: soft }),
    ];
    x += 32 + widthOf(words);
    return parts;
  });
  return [
    sheet.text(10, 22, title, { 'font-size': 16, 'font-weight': 650 }),
    sheet.text(10, 41, line, { fill: soft }),
    errors && sheet.text(WIDTH - RIGHT, 41, errors, { fill: error, 'text-anchor': 'end', 'font-weight': 600 }),
    ...services,
  ].filter(Boolean);
}

function axis(sheet, height) {
  const { raised, soft } = sheet.colors;
  const ticks = sheet.scale.ticks(8).filter(({ at }) => at < 0.97);
  const x = (at) => NAMES + at * (WIDTH - NAMES - RIGHT);
  return [
    sheet.rect(0, HEAD, WIDTH, AXIS, { fill: raised }),
    sheet.text(10, HEAD + 16, 'Span', { fill: soft, 'font-size': 11 }),
    ...ticks.flatMap(({ at, label: words }) => [
      sheet.line(x(at), HEAD, x(at), height - 10),
      sheet.text(x(at) + 4, HEAD + 16, words, { fill: soft, 'font-size': 11 }),
    ]),
  ];
}

function drawLine(sheet, line, y, steps) {
  const parts = line.link ? linkLine(sheet, line, y) : spanLine(sheet, line, y, steps?.get(line.span.id) ?? []);
  return [...parts, sheet.line(0, y + LINE, WIDTH, y + LINE, { 'stroke-opacity': 0.5 })];
}

function spanLine(sheet, { span, level }, y, steps) {
  const { colors } = sheet;
  const color = colors.series(span.service);
  const [x, base] = [12 + Math.min(level - 1, DEEPEST) * STEP, y + 16];
  const service = span.parent?.service === span.service ? '' : span.service;
  const error = span.isError ? `⚠ ${span.error_type ?? 'error'}` : '';
  const name = [span.name || '(no name)', span.instance].filter(Boolean).join(' ');
  const words = fit(name, NAMES - x - 40 - widthOf(service) - widthOf(error));
  const parts = [
    service && [service, { fill: colors.soft, 'font-size': 11 }],
    [words, { 'font-weight': 550, dx: service ? 6 : 0 }],
    error && [error, { fill: colors.error, 'font-size': 11, dx: 8 }],
  ].filter(Boolean);
  return [
    sheet.rect(x, y + 7, 9, 9, { rx: 2, fill: color }),
    sheet.phrase(x + 15, base, parts, parts.length === 1 ? parts[0][1] : {}),
    ...bars(sheet, span, y, color),
    ...gatherSteps(steps, sheet.scale).flatMap((step) => pathPart(sheet, step, y)),
    ...gatherEvents(span.events, sheet.scale).map(({ at, events }) => mark(sheet, at, events, y)),
    label(sheet, span, base),
  ].filter(Boolean);
}

function bars(sheet, span, y, color) {
  const wait = span.wait_ns > 0 && sheet.place(span.sent_ns, span.start_ns);
  const bar = sheet.place(span.start_ns, span.end_ns);
  const failed = span.isError ? { stroke: sheet.colors.error, 'stroke-width': 2 } : {};
  return [
    wait &&
      sheet.rect(wait.x, y + 6.5, wait.width, 10, { fill: sheet.hatch(color), stroke: color, 'stroke-width': 0.8 }),
    bar && sheet.rect(bar.x, y + 6, bar.width, 11, { rx: 2, fill: color, ...failed }),
  ];
}

function pathPart(sheet, { kind, from, to }, y) {
  const box = sheet.place(from, to);
  const dashes = kind === 'own' ? {} : { 'stroke-dasharray': '3 2' };
  if (!box) return [];
  const stroke = { stroke: sheet.colors.text, 'stroke-width': 2, ...dashes };
  return [sheet.line(box.x, y + 20, box.x + box.width, y + 20, stroke)];
}

function mark(sheet, at, events, y) {
  const x = NAMES + at * (WIDTH - NAMES - RIGHT);
  const fill = events.some(isException) ? sheet.colors.error : sheet.colors.text;
  const d = `M${round(x)},${y + 4}l4,4l-4,4l-4,-4z`;
  return `<path${write({ d, fill, stroke: sheet.colors.surface })}/>`;
}

/** The duration beside the bar, on the side that has room. */
function label(sheet, span, base) {
  const bar = sheet.place(span.sent_ns, span.end_ns);
  if (!bar) return null;
  const words = duration(span.duration_ns);
  const style = { fill: sheet.colors.soft, 'font-size': 11 };
  const room = widthOf(words) + 14;
  if (bar.x + bar.width + room < WIDTH) return sheet.text(bar.x + bar.width + 7, base, words, style);
  if (bar.x - room > NAMES) return sheet.text(bar.x - 7, base, words, { ...style, 'text-anchor': 'end' });
  const x = bar.x + (bar.width - room) / 2 + 6;
  const paper = sheet.rect(x - 3, base - 10, room - 6, 13, { fill: sheet.colors.surface, rx: 2 });
  return `${paper}${sheet.text(x, base, words, { ...style, fill: sheet.colors.text })}`;
}

const WAYS = { to: '→ links to', from: '← linked from', both: '⇄ linked with' };

function linkLine(sheet, { link, level }, y) {
  const { colors } = sheet;
  const [x, base] = [26 + Math.min(level - 1, DEEPEST) * STEP, y + 16];
  const words = `${WAYS[link.direction]} ${link.name ?? `span ${link.span_id}`}`;
  const ends = typeof link.start_ns === 'number' && sheet.place(link.start_ns, link.start_ns + link.duration_ns);
  const dashed = { fill: 'none', stroke: colors.series(link.service ?? ''), 'stroke-dasharray': '4 3' };
  const where = `in trace ${shortId(link.trace_id)}`;
  const room = widthOf(where) + 14;
  const isLeft = ends && ends.x + ends.width + room > WIDTH && ends.x - room > NAMES;
  const at = isLeft ? ends.x - 7 : Math.min(WIDTH - room, ends ? ends.x + ends.width + 7 : NAMES + 30);
  return [
    sheet.text(x, base, fit(words, NAMES - x - 10, 11), { fill: colors.soft, 'font-size': 11 }),
    ends && sheet.rect(ends.x, y + 6.5, ends.width, 10, { rx: 2, ...dashed }),
    sheet.text(at, base, where, { fill: colors.soft, 'font-size': 11, 'text-anchor': isLeft ? 'end' : 'start' }),
  ].filter(Boolean);
}

/** How wide words are, about: an SVG cannot be asked before it is drawn. */
function widthOf(words, size = 12) {
  return [...words].length * size * CHARACTER;
}

/** The words, cut to a width. */
function fit(words, width, size = 12) {
  const letters = [...words];
  const most = Math.max(1, Math.floor(width / (size * CHARACTER)));
  return letters.length <= most ? words : `${letters.slice(0, most - 1).join('')}…`;
}

function write(attributes) {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escape(value)}"`)
    .join('');
}

const round = (value) => Math.round(value * 100) / 100;

/** As XML has it; characters that XML cannot hold are replaced. */
function escape(value) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  const replaced = [...String(value)].map((letter) => (isXml(letter) ? (entities[letter] ?? letter) : '\ufffd'));
  return replaced.join('');
}

function isXml(letter) {
  const code = letter.codePointAt(0);
  const isControl = code < 0x20 && ![0x09, 0x0a, 0x0d].includes(code);
  return !isControl && !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
}

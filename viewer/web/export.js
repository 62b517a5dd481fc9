// What leaves the page of a trace: text for an issue or a chat, a picture for a document, and JSON.

import { dateTime, duration } from './format.js';
import { announce, el, series, setStyle } from './lib.js';
import { linksOf } from './model.js';
import { pictureOf } from './picture.js';
import { openDialog } from './shell.js';

/** Offers it all. `page`: `{ model, scale, folding, onPath, isPathShown }`. */
export function exportDialog(page) {
  const { model } = page;
  const id = encodeURIComponent(model.trace_id);
  const text = asText(model);
  const area = el('textarea', {
    class: 'export',
    readonly: true,
    'aria-label': 'The trace as text',
    spellcheck: 'false',
  });
  area.value = text;
  const copy = async () => {
    area.select();
    await navigator.clipboard?.writeText(text);
    announce('Copied');
  };
  openDialog(
    'Export the trace',
    area,
    el(
      'p',
      { class: 'actions' },
      el('button', { type: 'button', class: 'primary', onclick: copy }, 'Copy'),
      button('Text', () => save(text, 'text/plain', `trace-${model.trace_id}.txt`)),
      button('Picture (SVG)', () => savePicture(page)),
      el('a', { href: `/api/traces/${id}`, target: '_blank', rel: 'noopener' }, 'JSON (Jaeger)'),
    ),
  );
}

function button(label, run) {
  return el('button', { type: 'button', title: `Save as a file: ${label}`, onclick: run }, label);
}

/** Saves the waterfall, as it is folded and zoomed. */
export function savePicture({ model, scale, folding, onPath, isPathShown }) {
  const { colors, close } = lightColors();
  const picture = pictureOf({ model, lines: folding.lines(), scale, steps: isPathShown ? onPath : null, colors });
  close();
  save(picture, 'image/svg+xml', `trace-${model.trace_id}.svg`);
  announce('The picture is saved');
}

function save(text, type, name) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el('a', { href: url, download: name }).click();
  // The browser takes the file in its own time.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The page's colours as they are in the light theme, read from its style sheet. */
function lightColors() {
  const probe = el('span', { hidden: true, style: { 'color-scheme': 'light' } });
  document.body.append(probe);
  const read = (name) => {
    setStyle(probe, { color: `var(--${name})` });
    return getComputedStyle(probe).color;
  };
  const ofService = new Map();
  const names = { text: 'text', soft: 'text-soft', line: 'line', surface: 'surface', raised: 'raised', error: 'error' };
  const colors = {
    ...Object.fromEntries(Object.entries(names).map(([name, variable]) => [name, read(variable)])),
    series: (service) => {
      if (!ofService.has(service)) {
        probe.dataset.series = series(service);
        ofService.set(service, read('series'));
      }
      return ofService.get(service);
    },
  };
  return { colors, close: () => probe.remove() };
}

/** The tree as text, a line a span and a line a link. */
export function asText(model) {
  const width = Math.max(...model.services.map(({ name }) => name.length), 7);
  const lines = [
    `${model.root_name}  trace ${model.trace_id}  ${dateTime(model.start_us)}  ${duration(model.duration_ns)}`,
  ];
  const stack = model.roots.map((span) => [span, 0]).reverse();
  while (stack.length) {
    const [span, level] = stack.pop();
    const indent = '  '.repeat(level);
    lines.push(`${span.service.padEnd(width)}  ${indent}${words(span)}`);
    for (const link of linksOf(span)) {
      const way = { to: '->', from: '<-', both: '<->' }[link.direction];
      const target = `${link.name ?? 'not held'}  trace ${link.trace_id} span ${link.span_id}`;
      lines.push(`${' '.repeat(width)}  ${indent}  ${way} ${target}`);
    }
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push([span.children[i], level + 1]);
  }
  return `${lines.join('\n')}\n`;
}

function words(span) {
  return [
    span.name,
    span.instance && `(${span.instance})`,
    span.kind.toUpperCase(),
    duration(span.duration_ns),
    span.wait_ns && `wait ${duration(span.wait_ns)}`,
    span.isError && `ERROR ${[span.error_type, span.status_message].filter(Boolean).join(': ')}`,
  ]
    .filter(Boolean)
    .join('  ');
}

// A trace as indented text: for an issue, a chat, a test.

import { announce, el } from './dom.js';
import { dateTime, duration } from './format.js';
import { openDialog } from './keys.js';
import { linksOf } from './rows.js';

/** The tree as text, a line a span and a line a link. */
export function asText(model) {
  const width = Math.max(...model.services.map(({ name }) => name.length), 7);
  const lines = [`${model.root_name}  trace ${model.trace_id}  ${dateTime(model.start_us)}  ${duration(model.duration_ns)}`];
  const stack = model.roots.map((span) => [span, 0]).reverse();
  while (stack.length) {
    const [span, level] = stack.pop();
    const indent = '  '.repeat(level);
    lines.push(`${span.service.padEnd(width)}  ${indent}${words(span)}`);
    for (const link of linksOf(span)) lines.push(`${' '.repeat(width)}  ${indent}  ${link.direction === 'to' ? '->' : '<-'} ${link.name ?? 'not held'}  trace ${link.trace_id} span ${link.span_id}`);
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push([span.children[i], level + 1]);
  }
  return `${lines.join('\n')}\n`;
}

function words(span) {
  return [
    span.name, span.instance && `(${span.instance})`, span.kind.toUpperCase(), duration(span.duration_ns),
    span.wait_ns && `wait ${duration(span.wait_ns)}`,
    span.isError && `ERROR ${[span.error_type, span.status_message].filter(Boolean).join(': ')}`,
  ].filter(Boolean).join('  ');
}

/** Shows the text, to copy or to save. */
export function exportDialog(model) {
  const text = asText(model);
  const area = el('textarea', { class: 'export', readonly: true, 'aria-label': 'The trace as text', spellcheck: 'false' });
  area.value = text;
  const copy = async () => {
    area.select();
    await navigator.clipboard?.writeText(text);
    announce('Copied');
  };
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    el('a', { href: url, download: `trace-${model.trace_id}.txt` }).click();
    URL.revokeObjectURL(url);
  };
  openDialog('The trace as text', area, el('p', { class: 'actions' },
    el('button', { type: 'button', class: 'primary', onclick: copy }, 'Copy'), ' ',
    el('button', { type: 'button', onclick: save }, 'Save'), ' ',
    el('a', { href: `/api/traces/${encodeURIComponent(model.trace_id)}`, target: '_blank', rel: 'noopener' }, 'JSON (Jaeger)')));
}

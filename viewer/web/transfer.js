// Traces as files: what of a trace can be downloaded, and files that are chosen for the list or
// dropped on it.

import { jaegerFile, otlpFile, otlpFiles, uploadTraces } from './api.js';
import { plural } from './format.js';
import { announce, el, replace, tracePath } from './lib.js';

// Traces of a file that are linked to; of more the number says enough.
const LINKED = 10;

/** The links that download a trace. */
export function downloads(id) {
  const link = (href, name, text, title) => [' ', el('a', { href, download: name, title }, text)];
  return el(
    'span',
    { class: 'downloads' },
    'Download',
    link(otlpFile(id), `trace-${id}.otlp.json`, 'OTLP JSON', 'All of it, for collectors and other viewers'),
    link(jaegerFile(id), `trace-${id}.jaeger.json`, 'Jaeger JSON', 'For Jaeger; times in microseconds'),
  );
}

/** A button that downloads all traces of a list as one file. `ids()` says which those are. */
export function downloadAll(ids) {
  const download = () => {
    const listed = ids();
    if (listed.length) el('a', { href: otlpFiles(listed), download: 'traces.otlp.json' }).click();
    else announce('No trace to download');
  };
  const title = 'Download the traces on this list in OTLP JSON';
  return el('button', { type: 'button', title, onclick: download }, 'Download');
}

/**
 * Takes files while the list is open: `button` to choose some, `result` that says what came of
 * them, `choose()` for a key, `close()`. Files may also be dropped anywhere on the page.
 * `loaded()` is called when traces have come.
 */
export function uploads(loaded) {
  const closing = new AbortController();
  const result = el('div', { class: 'uploaded', role: 'status' });
  const input = el('input', { type: 'file', multiple: true, accept: '.json,.jsonl,.gz', hidden: true });
  const choose = () => input.click();
  const button = el(
    'span',
    {},
    el(
      'button',
      { type: 'button', title: 'Load traces from a file (u), or drop it on the page', onclick: choose },
      'Load file',
    ),
    input,
  );

  const take = async (files) => {
    const lines = [];
    for (const file of files) {
      replace(result, lines, el('p', {}, `Loading ${file.name}…`));
      const outcome = await send(file);
      lines.push(drawOutcome(outcome));
      replace(result, lines);
      if (outcome.ids.length) loaded();
    }
    const dismiss = () => replace(result);
    if (lines.length) result.append(el('button', { type: 'button', class: 'quiet', onclick: dismiss }, 'Dismiss'));
  };

  input.addEventListener('change', async () => {
    await take([...input.files]);
    input.value = '';
  });
  const { signal } = closing;
  const dropping = (is) => document.body.classList.toggle('dropping', is);
  const withFiles = (run) => (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    run(event);
  };
  document.addEventListener(
    'dragover',
    withFiles(() => dropping(true)),
    { signal },
  );
  document.addEventListener('dragleave', (event) => event.relatedTarget || dropping(false), { signal });
  document.addEventListener(
    'drop',
    withFiles((event) => {
      dropping(false);
      take([...event.dataTransfer.files]);
    }),
    { signal },
  );
  const close = () => {
    closing.abort();
    dropping(false);
  };
  return { button, result, choose, close };
}

async function send(file) {
  try {
    const isGzip = /\.gz$/i.test(file.name);
    // Traces shrink to a tenth: a file may be larger than what is taken uncompressed.
    const canPack = !isGzip && 'CompressionStream' in globalThis;
    const body = canPack ? await new Response(file.stream().pipeThrough(new CompressionStream('gzip'))).blob() : file;
    return outcomeOf(file.name, await uploadTraces(body, isGzip || canPack));
  } catch (error) {
    return { text: `${file.name}: ${error.message}`, ids: [], isProblem: true };
  }
}

/** What the answer to an uploaded file says: `{ text, ids, isProblem }`. */
export function outcomeOf(name, answer) {
  const came = answer.trace_count
    ? `${plural(answer.trace_count, 'trace')} with ${plural(answer.span_count, 'span')} came`
    : 'no traces in it';
  const lost = answer.rejected
    ? `. ${plural(answer.rejected, 'span')} could not be read: ${answer.reason ?? 'no reason was given'}`
    : '';
  return { text: `${name}: ${came}${lost}`, ids: answer.trace_ids, isProblem: answer.rejected > 0 };
}

function drawOutcome({ text, ids, isProblem }) {
  return el(
    'p',
    { class: isProblem && 'notice' },
    text,
    ids
      .slice(0, LINKED)
      .map((id) => [' ', el('a', { href: tracePath(id), class: 'mono' }, id.slice(-8))])
      .flat(),
    ids.length > LINKED && ' …',
  );
}

// One trace: its head, tools, chart (tree or lanes) and the details of the selected span.

import { ApiError, fetchTrace } from './api.js';
import { el } from './dom.js';
import { lastList } from './list.js';
import { modelOf } from './model.js';
import { readTrace } from './otlp.js';
import { TracePage } from './tracepage.js';

const LATE_MS = [1500, 3000, 6000, 12000];
const YOUNG_US = 60e6;

/** Opens a trace. */
export function traceView(root, { match, params, go }) {
  const id = decode(match[1]);
  const closing = new AbortController();
  let page = null;
  let timer = 0;

  const load = async () => {
    root.replaceChildren(el('p', { class: 'empty', role: 'status' }, 'Loading the trace…'));
    try {
      const trace = await fetchTrace(id, closing.signal);
      root.replaceChildren();
      page?.close();
      page = new TracePage(root, modelOf(readTrace(trace)), { go, span: params.get('span'), mode: params.get('view') });
      if (Date.now() * 1000 - trace.start_us < YOUNG_US) watch(trace.span_count, 0);
    } catch (error) {
      if (error.name === 'AbortError') return;
      root.replaceChildren(failure(error, id, load));
    }
  };

  // A trace opened while it happens goes on growing: its reader is told, never moved.
  const watch = (spans, round) => {
    if (round >= LATE_MS.length) return;
    timer = setTimeout(async () => {
      const now = await fetchTrace(id, closing.signal).catch(() => null);
      if (closing.signal.aborted) return;
      if (now && now.span_count !== spans) page.offer(now.span_count - spans, () => reload(now));
      else watch(spans, round + 1);
    }, LATE_MS[round]);
  };

  const reload = (trace) => {
    const { selected, mode } = page;
    page.close();
    root.replaceChildren();
    page = new TracePage(root, modelOf(readTrace(trace)), { go, span: selected?.id, mode });
    watch(trace.span_count, 0);
  };

  document.title = `Trace ${id.slice(0, 8)}`;
  load();
  return () => {
    closing.abort();
    clearTimeout(timer);
    page?.close();
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failure(error, id, retry) {
  const isGone = error instanceof ApiError && error.status === 404;
  return el('div', { class: 'empty', role: 'alert' },
    el('h1', {}, isGone ? 'This trace is not here' : 'The trace could not be loaded'),
    el('p', { class: 'mono' }, id),
    el('p', {}, isGone ? 'It has not come yet, or has made room for newer ones.' : error.message),
    el('button', { type: 'button', class: 'primary', onclick: retry }, 'Try again'), ' ',
    el('a', { href: lastList() }, 'All traces'));
}


// What each key does on the page of a trace.

import { lastList } from './list.js';

/** The bindings, in the order of the help. */
export function traceKeys(page) {
  const { scale } = page;
  const focused = () => page.view.focused?.span;
  const move = (step) => () => page.view.move(step);
  const inChart = (run) => () => (page.chart.contains(document.activeElement) ? run() : false);
  return [
    { keys: ['j', 'ArrowDown'], does: 'next line; in lanes: next lane', run: move(1) },
    { keys: ['k', 'ArrowUp'], does: 'previous line; in lanes: previous lane', run: move(-1) },
    { keys: ['ArrowRight'], does: 'open, or to the first child; in lanes: later', run: inChart(() => page.view.sideways(1)) },
    { keys: ['ArrowLeft'], does: 'close, or to the parent; in lanes: earlier', run: inChart(() => page.view.sideways(-1)) },
    { keys: ['PageDown'], run: move(20) },
    { keys: ['PageUp'], run: move(-20) },
    { keys: ['Home'], run: move(-1e9) },
    { keys: ['End'], run: move(1e9) },
    { keys: ['Enter'], does: 'details of the span; follow a link', run: inChart(() => page.activate()) },
    { keys: ['l'], does: 'follow the first link, in either direction', run: () => page.followFirst() },
    { keys: ['o'], does: 'show or hide the linked spans', run: () => focused() && page.view.links?.(focused()) },
    { keys: ['v'], does: 'tree or lanes', run: () => {
      page.setMode(page.mode === 'tree' ? 'lanes' : 'tree');
      page.view.focus(page.selected?.id ?? page.view.focused?.span.id);
    } },
    { keys: ['/'], does: 'find in the trace (Enter: next match)', run: () => page.tools.search.focus() },
    { keys: ['n'], does: 'next match', run: () => page.nextMatch(1) },
    { keys: ['N'], does: 'previous match', run: () => page.nextMatch(-1) },
    { keys: ['+', '='], does: 'zoom in', run: () => scale.zoom(0.6) },
    { keys: ['-'], does: 'zoom out', run: () => scale.zoom(1.6) },
    { keys: ['z'], does: 'zoom to the span', run: () => focused() && scale.fit(focused()) },
    { keys: ['0'], does: 'the whole trace', run: () => scale.whole() },
    { keys: ['['], does: 'earlier', run: () => scale.pan(-0.2) },
    { keys: [']'], does: 'later', run: () => scale.pan(0.2) },
    { keys: ['x'], does: 'collapse or expand all', run: () => page.foldAll() },
    { keys: ['e'], does: 'the trace as text', run: () => page.export() },
    { keys: ['Escape'], inFields: true, does: 'close the details; back to the traces', run: () => escape(page) },
  ];
}

function escape(page) {
  if (document.activeElement === page.tools.search) return page.view.focus(page.view.focused?.key);
  if (page.selected) return page.closeDetails();
  return page.go(lastList());
}

// Which view an address means, and moving between them without loading the page anew.

/**
 * Starts routing. `routes`: `[pattern, open]`, where `open(root, match, params)` draws a view into
 * `root` and returns how to close it. Returns `go(path, { replace })`.
 */
export function startRouter(root, routes) {
  let close = () => {};

  const show = () => {
    close();
    root.replaceChildren();
    const { pathname, search } = location;
    const [match, open] = routes.map(([pattern, open]) => [pattern.exec(pathname), open]).find(([match]) => match);
    close = open(root, match, new URLSearchParams(search)) ?? (() => {});
  };

  const go = (path, { replace = false } = {}) => {
    history[replace ? 'replaceState' : 'pushState']({}, '', path);
    show();
  };

  addEventListener('popstate', show);
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="/"]');
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button;
    if (!link || link.target || modified || event.defaultPrevented) return;
    event.preventDefault();
    go(link.getAttribute('href'));
  });
  return { go, show };
}

/** The address of a trace, and of a span in it. */
export function tracePath(traceId, spanId) {
  const path = `/trace/${encodeURIComponent(traceId)}`;
  return spanId ? `${path}?span=${encodeURIComponent(spanId)}` : path;
}

/** The address of a search. */
export function searchPath(filter) {
  const params = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  return `/?${params}`;
}

/** A tag as the search takes it: quoted where it has to be. */
export function tagText(key, value) {
  return `${quoted(key)}=${quoted(value)}`;
}

function quoted(text) {
  return /^[\w.\-/]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

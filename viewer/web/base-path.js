// The path under which the page is reached, for example behind a proxy at `/tools/traces/`.
//
// All other files write addresses of the viewer without it, such as `/trace/1`: it is added where they leave the
// scripts (`el` for links, `go` and `showAddress` for the address bar, `api` for requests) and taken away where the
// router reads the address.

// This file is at BASE/assets/base-path.js. In tests without a browser it is a file.
const BASE = import.meta.url.startsWith('http') ? new URL('..', import.meta.url).pathname.slice(0, -1) : '';

/** The address at which `path` of the viewer is reached. One that has the base path already stays as it is. */
export function reached(path, base = BASE) {
  return path.startsWith('/') && !path.startsWith(`${base}/`) ? base + path : path;
}

/** The path of the viewer that is reached at `pathname`; the opposite of `reached`. */
export function within(pathname, base = BASE) {
  if (pathname === base) return '/';
  return pathname.startsWith(`${base}/`) ? pathname.slice(base.length) : pathname;
}

/** Shows `path` of the viewer in the address bar, without loading it; `isNew`: as a step that Back undoes. */
export function showAddress(path, isNew = false) {
  history[isNew ? 'pushState' : 'replaceState']({}, '', reached(path));
}

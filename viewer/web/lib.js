// What every view needs: making elements, the colours of services, addresses.

import { reached } from './base-path.js';

// Making elements. Everything that comes from the network goes through here as a text node or an
// attribute value and is never parsed as markup: span names and attributes come from strangers.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An HTML element. `props`: `class`, `data-*`, `aria-*` and other attributes by name, listeners as
 * `onclick: fn`, `href` as a path of the viewer, and `style: { left: '3%' }`, which is set property
 * by property because the Content-Security-Policy forbids the attribute. Values of null, undefined
 * and false are left out.
 */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') setStyle(node, value);
    else if (name === 'href') node.setAttribute(name, reached(value));
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...present(children));
  return node;
}

/** Puts these in place of what is in `node`; nulls and falses are left out. */
export function replace(node, ...children) {
  node.replaceChildren(...present(children));
}

function present(children) {
  return children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== '');
}

/** Sets CSS properties and custom properties of an element. */
export function setStyle(node, style) {
  for (const [name, value] of Object.entries(style)) node.style.setProperty(name, value);
}

/** A small drawing that says nothing a screen reader needs. */
export function icon(text, name) {
  return el('span', { class: `icon ${name}`, 'aria-hidden': 'true' }, text);
}

/** What went wrong, marked. */
export function failure(text) {
  return el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${text}`);
}

/** Text for screen readers only. */
export function srOnly(text) {
  return el('span', { class: 'sr-only' }, text);
}

/** Says something politely to a screen reader. */
export function announce(text) {
  const region = document.getElementById('announce');
  if (region) region.textContent = text;
}

/** Runs `fn` once per frame at most, however often the returned function is called. */
export function perFrame(fn) {
  let asked = 0;
  const run = () => {
    asked = 0;
    fn();
  };
  return () => {
    asked ||= requestAnimationFrame(run);
  };
}

// Who reads a list that grows must not have it move under the eyes.

/** Whether somebody is at `node`: points at it, has the focus in it, or has scrolled it down. */
export function isInUse(node) {
  return node.matches(':hover') || node.contains(document.activeElement) || node.scrollTop > 0;
}

/** Calls `then` when `node` may no longer be in use: the pointer or the focus has left it, or it was scrolled. */
export function onLessUse(node, then) {
  node.addEventListener('pointerleave', () => then());
  node.addEventListener('focusout', (event) => {
    // From row to row the reader stays.
    if (!node.contains(event.relatedTarget)) then();
  });
  node.addEventListener('scroll', () => then(), { passive: true });
}

// A service has the same colour on every page and after every reload: its name alone decides.

// Eight colours, each with a square and then with a round mark.
const SERIES = 16;

/** The number of a service's colour: for the attribute `data-series`. */
export function series(service) {
  // FNV-1a, and then MurmurHash3's last step: of FNV alone the low bits depend on little of the name.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(service)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return ((hash ^ (hash >>> 16)) >>> 0) % SERIES;
}

/**
 * The address of a trace, of a span in it, and of what is behind the `?` besides: nothing that is
 * empty.
 */
export function tracePath(traceId, spanId, more = {}) {
  const path = `/trace/${encodeURIComponent(traceId)}`;
  const params = Object.entries({ span: spanId, ...more }).filter(([, value]) => value);
  const query = params.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return query ? `${path}?${query}` : path;
}

/**
 * The trace that a text speaks of, and the span if it names one: `{ traceId, spanId }`, or null. The
 * text may be an id, an address, a `traceparent`, `trace_id=…`, a log line: whatever holds an id.
 */
export function idsIn(text) {
  const plain = decoded(text).toLowerCase();
  const parent = /(?<![0-9a-f])[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?![0-9a-f])/.exec(plain);
  if (parent) return { traceId: parent[1], spanId: parent[2] };
  const named =
    /\btrace[-_ ]?id["']?\s*[=:]\s*["']?([0-9a-f-]{1,36})(?![0-9a-z])/.exec(plain) ??
    /\/traces?\/([0-9a-f-]{1,36})(?![0-9a-z])/.exec(plain) ??
    /^\s*["'<(]*([0-9a-f]{1,32})[">'),.]*\s*$/.exec(plain) ??
    /(?<![0-9a-z])(?:0x)?([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16})(?![0-9a-z])/.exec(
      plain,
    );
  const traceId = named?.[1].replaceAll('-', '');
  if (!traceId || traceId.length > 32) return null;
  const b3 = /(?<![0-9a-z])[0-9a-f]{32}-([0-9a-f]{16})(?:-[01d])?(?![0-9a-z-])/.exec(plain);
  if (b3) return { traceId, spanId: b3[1] };
  const span = /\bspan[-_ ]?(?:id)?["']?\s*[=:]\s*["']?([0-9a-f]{16})(?![0-9a-z])/.exec(plain);
  return { traceId, spanId: span?.[1] };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address that senders use for `address`, as the viewer says it: of all interfaces, the page's own. */
export function endpoint(address, host = location.hostname) {
  return `http://${address.replace(/^(0\.0\.0\.0|\[::\])(?=:\d+$)/, host)}`;
}

/** The address of a search. */
export function searchPath(filter) {
  const params = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  return `/?${params}`;
}

/** The address of a search for log records. */
export function logsPath(filter) {
  const params = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  return params.size ? `/logs?${params}` : '/logs';
}

/** A tag as the search takes it: quoted where it has to be. */
export function tagText(key, value) {
  return `${quoted(key)}=${quoted(value)}`;
}

function quoted(text) {
  return /^[\w.\-/]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

// The viewer's own query API. The only file that knows its addresses.

import { reached } from './base-path.js';

const BASE = '/viewer/api';
const RETRY_MS = 5000;

/** What went wrong, with the HTTP status (0: no answer at all). */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(reached(BASE + path), options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The viewer does not answer. Is it still running?');
  }
  if (response.ok) return response.json();
  const body = await response.json().catch(() => ({}));
  throw new ApiError(response.status, String(body.error ?? `The viewer answered ${response.status}.`));
}

const get = (path, signal) => ask(path, { signal, headers: { accept: 'application/json' } });

/** Traces that match a filter (`URLSearchParams`), newest first. */
export const searchTraces = (filter, signal) => get(`/traces?${filter}`, signal);

/** One trace, whole. */
export const fetchTrace = (id, signal) => get(`/traces/${encodeURIComponent(id)}`, signal);

/** Log records that match a filter (`URLSearchParams`), the latest first. */
export const searchLogs = (filter, signal) => get(`/logs?${filter}`, signal);

/** One log record, whole. */
export const fetchLog = (number, signal) => get(`/logs/${encodeURIComponent(number)}`, signal);

/** The log records of a trace, whether its spans are held or not. */
export const fetchTraceLogs = (id, signal) => get(`/traces/${encodeURIComponent(id)}/logs`, signal);

/** The services that log records name. */
export const fetchLogServices = (signal) => get('/logs/services', signal);

/** Where what a search for log records finds is as a file. */
export const logFile = (filter) => `${BASE}/logs/otlp?${filter}`;

/** Sends a file of traces (a `Blob`), compressed with gzip if `isGzip`. Answers what came of it. */
export const uploadTraces = (file, isGzip) =>
  ask('/upload', { method: 'POST', body: file, headers: isGzip ? { 'content-encoding': 'gzip' } : {} });

/** Where a trace is as a file: in OTLP's JSON, and in Jaeger's, as it came. */
export const otlpFile = (id) => `${BASE}/traces/${encodeURIComponent(id)}/otlp`;
export const otlpFiles = (ids) => `${BASE}/otlp?${new URLSearchParams(ids.map((id) => ['traceID', id]))}`;
export const jaegerFile = (id) => `/api/traces/${encodeURIComponent(id)}?raw=true`;

/** Nodes and edges of a stretch of time (`URLSearchParams`: `window`, or `start` and `end`), or of everything. */
export const fetchGraph = (stretch, signal) => get(`/graph?${stretch}`, signal);

/** Rate, errors and duration over time (`URLSearchParams`: `range`, `end`, `service` or `other`). */
export const fetchMonitor = (query, signal) => get(`/monitor?${query}`, signal);

/** The instruments of metrics; and one of them over time (`URLSearchParams`: what names it, `range`, `attribute`). */
export const fetchInstruments = (signal) => get('/instruments', signal);
export const fetchInstrument = (query, signal) => get(`/instrument?${query}`, signal);

/** Services with their operations. */
export const fetchServices = (signal) => get('/services', signal);

/** What the viewer holds. */
export const fetchStats = (signal) => get('/stats', signal);

/**
 * New and changed traces as they come. `handlers`: `hello()` at each connection, `traces({traces,
 * skipped})`, `lost()` when the connection breaks (it comes back by itself). Returns a function
 * that ends it.
 */
export const liveTraces = (filter, handlers) => live(`/live?${filter}`, 'traces', handlers);

/** The same of log records: `logs({records, skipped, held, oldest})`. */
export const liveLogs = (filter, handlers) => live(`/logs/live?${filter}`, 'logs', handlers);

function live(path, name, handlers) {
  let source = null;
  let timer = 0;
  const connect = () => {
    source = new EventSource(reached(BASE + path));
    source.addEventListener('hello', () => handlers.hello());
    source.addEventListener(name, (event) => handlers[name](JSON.parse(event.data)));
    source.addEventListener('error', () => {
      handlers.lost();
      // An answer that is no event stream (too many clients) ends it: only then is it ours to retry.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(connect, RETRY_MS);
    });
  };
  connect();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

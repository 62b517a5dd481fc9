// Log records as the views need them: read from OTLP's JSON, and hung on the spans that they belong to.

import { attributeValue } from './format.js';
import { readAttributes, readValue } from './model.js';

/** The ranges of severity, the slightest first, each of four of OTLP's numbers from 1 on. */
export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** The name of a severity number's range; empty when the sender does not say. */
export const levelOf = (severity) => LEVELS[Math.ceil(severity / 4) - 1] ?? '';

/** From here on a record tells of an error. */
export const ERROR = 17;

/** The records of an answer, in the order of their time. */
export function readLogs(resourceLogs) {
  const records = resourceLogs.flatMap(({ resource, scopeLogs }) => {
    const attributes = readAttributes(resource.attributes);
    const service = String(attributes.find(({ key }) => key === 'service.name')?.value ?? '(unknown)');
    return scopeLogs.flatMap(({ scope, logRecords }) => {
      const { name = '', version = '' } = scope;
      const around = {
        service,
        resource: { attributes },
        scope: { name, version, attributes: readAttributes(scope.attributes) },
      };
      return logRecords.map((record) => ({ ...readRecord(record), ...around }));
    });
  });
  return records.sort((a, b) => (a.time_ns < b.time_ns ? -1 : a.time_ns > b.time_ns ? 1 : a.number - b.number));
}

function readRecord(record) {
  const [time, observed] = [BigInt(record.timeUnixNano ?? 0), BigInt(record.observedTimeUnixNano ?? 0)];
  const severity = record.severityNumber ?? 0;
  const body = record.body ? readValue(record.body) : null;
  return {
    number: record.number,
    // Where it was observed stands for when it happened, if that is not said.
    time_ns: time || observed,
    observed_ns: observed,
    severity,
    level: levelOf(severity),
    severity_text: record.severityText ?? '',
    event_name: record.eventName ?? '',
    body,
    text: (body && attributeValue(body)) || record.eventName || '',
    attributes: readAttributes(record.attributes),
    dropped_attributes: record.droppedAttributesCount ?? 0,
    flags: record.flags ?? 0,
    trace_id: record.traceId ?? null,
    span_id: record.spanId ?? null,
    cut: record.cut ?? 0,
    has_invalid_ids: Boolean(record.hasInvalidIds),
  };
}

/**
 * Hangs the records of a trace on its spans: `model.logs` has them all, each with the nanoseconds from
 * the start of the trace as `at_ns` and its `span`, or null when that is not held.
 */
export function hangLogs(model, records) {
  const start = BigInt(model.start_unix_ns);
  for (const span of model.spans) span.logs = [];
  model.logs = records.map((record) => {
    const span = model.byId.get(record.span_id) ?? null;
    const hung = { ...record, at_ns: clipped(record.time_ns - start), span };
    span?.logs.push(hung);
    return hung;
  });
  return model;
}

/** As a number, cut to what JavaScript keeps exactly. */
function clipped(big) {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(big)));
}

// Traces for tests of the comparison, as indented text.

import { modelOf, readTrace } from '../model.js';
import { answer, span, text } from './trace.js';

/**
 * Traces from text: a line a span, indented by two for each level; a line at the margin begins a
 * trace of its own. After the name may follow words in any order: `@service`, `key=value`, `!` for a
 * span that failed, `?` for one whose parent is not held, `10+30` for its start and duration in
 * nanoseconds, `~Actor` for an actor.
 */
export function traces(lines) {
  const trees = [];
  const above = [];
  for (const line of lines.split('\n').filter((one) => one.trim())) {
    const level = (line.length - line.trimStart().length) / 2;
    if (level === 0) trees.push([]);
    const id = `${trees.length}-${trees.at(-1).length}`;
    const parent = level ? above[level - 1] : null;
    above[level] = id;
    trees.at(-1).push(spanOf(line.trim(), id, parent, trees.at(-1).length));
  }
  return trees.map((spans, i) => {
    const services = {};
    for (const { service, ...one } of spans) (services[service] ??= []).push(one);
    return modelOf({ ...readTrace(answer(services)), trace_id: `t${i + 1}` });
  });
}

function spanOf(line, id, parent, at) {
  const words = line.split(/ {2,}/);
  const attributes = [];
  const more = { attributes, kind: 1 };
  let [service, from, length, held] = ['store', at, 1, true];
  for (const word of words.slice(1)) {
    if (word.startsWith('@')) service = word.slice(1);
    else if (word === '!') more.status = { code: 2 };
    else if (word === '?') held = false;
    else if (word.startsWith('~')) attributes.push(text('actix.actor.name', word.slice(1)));
    else if (/^\d+\+\d+$/.test(word)) [from, length] = word.split('+').map(Number);
    else attributes.push(text(...word.split('=')));
  }
  return { ...span(id, held ? parent : 'gone', words[0], [from, from + length], more), service };
}

/** All roots of several traces. */
export const rootsOf = (models) => models.flatMap(({ roots }) => roots);

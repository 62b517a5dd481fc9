// The parts of a panel that has everything about a span or a log record.

import { attributeValue } from './format.js';
import { el, series, tagText } from './lib.js';

/** Types of attributes that can be searched for. */
const SEARCHED = ['string', 'int', 'bool', 'double'];

/** The head: the service, a title, and a button that calls `close`. */
export function panelHead(service, title, close) {
  return el(
    'header',
    {},
    el(
      'div',
      {},
      el('span', { class: 'service', 'data-series': series(service) }, el('span', { class: 'swatch' }), service),
      el('h2', {}, title),
    ),
    el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close the details', onclick: () => close() }, '✕'),
  );
}

/** A section with a title; nothing without content. */
export function section(title, content, hint) {
  const present = content.filter(Boolean);
  return present.length ? el('section', {}, el('h3', { title: hint }, title), ...present) : '';
}

/** The name and the version of an instrumentation scope, with its attributes. */
export function scopeLines({ name, version, attributes = [] }) {
  return [
    name && el('p', { class: 'scope' }, name, ' ', el('span', { class: 'soft' }, version ?? '')),
    ...attributeTable(attributes),
  ];
}

/**
 * Attributes as a table, sorted by their names. Each of `finds`, `{ what, sign, path }`, is a link from a value to what
 * has the same: `path({ tags })` leads there.
 */
export function attributeTable(list, finds = []) {
  if (!list.length) return [];
  const rows = [...list]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((attribute) => {
      const value = attributeValue(attribute);
      const canSearch = SEARCHED.includes(attribute.type) && value.length < 100;
      const tags = tagText(attribute.key, value);
      const link = ({ what, sign, path }) =>
        el(
          'a',
          {
            class: 'find',
            href: path({ tags }),
            'aria-label': `${what} with this ${attribute.key}`,
            title: `${what} with this value`,
          },
          sign,
        );
      return el(
        'tr',
        {},
        el('th', { scope: 'row' }, attribute.key),
        el('td', { class: attribute.type }, value, ...(canSearch ? finds.map(link) : [])),
      );
    });
  return [el('table', { class: 'attributes' }, el('tbody', {}, rows))];
}

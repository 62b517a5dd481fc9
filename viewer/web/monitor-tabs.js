// The two pages of the monitor.

import { el } from './lib.js';

const TABS = [
  ['/monitor', 'Spans'],
  ['/monitor/instruments', 'Instruments'],
];

/** Links to both. `current` is the address of the one that is shown. */
export function monitorTabs(current) {
  return el(
    'nav',
    { class: 'monitor-tabs', 'aria-label': 'Monitor' },
    TABS.map(([href, text]) => el('a', { href, 'aria-current': href === current && 'page' }, text)),
  );
}

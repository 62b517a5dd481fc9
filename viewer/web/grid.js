// A table that stays quick however long it is: only the rows in sight are in the document. It is
// sorted by its headings, and the keyboard goes through its rows.

import { el, icon, perFrame, replace, setStyle } from './lib.js';

/** Heights in CSS pixels; the same in grid.css. */
const ROW = 26;
const HEAD = 30;
const AHEAD = 15;

/**
 * The rows in the order of a column. Equal ones keep their order, and what has no value comes last
 * either way.
 */
export function sortRows(rows, valueOf, isDown) {
  const isNone = (value) => value === null || value === undefined || value === '';
  const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b) : a - b);
  return rows
    .map((row) => [valueOf(row), row])
    .sort(([a], [b]) => {
      if (isNone(a) || isNone(b)) return isNone(a) - isNone(b);
      return isDown ? compare(b, a) : compare(a, b);
    })
    .map(([, row]) => row);
}

/**
 * The grid. `columns`: `{ key, title, hint, width, isNumber, value(row), draw(row) }`; `value` is
 * what it is sorted by, `draw` the cell's content; `width` in CSS pixels, the column that `grows`, or
 * else the first, takes what is left. `keyOf(row)`; `open(row)` at a click or Enter; `classOf(row)`.
 */
export class Grid {
  constructor({ label, columns, keyOf, open, classOf = () => '', sorted }) {
    Object.assign(this, { columns, keyOf, open, classOf, sorted, given: [], rows: [], focusKey: null });
    this.drawn = new Map();
    this.index = new Map();
    this.heads = new Map(columns.map((column) => [column.key, this.head(column)]));
    this.body = el('div', { class: 'grid-rows', role: 'rowgroup' });
    this.inner = el(
      'div',
      { class: 'grid-inner' },
      el(
        'div',
        { class: 'grid-head', role: 'rowgroup' },
        el('div', { class: 'grid-row', role: 'row' }, [...this.heads.values()]),
      ),
      this.body,
    );
    const wide = columns.find(({ grows }) => grows) ?? columns[0];
    const widths = columns.map((column) => (column === wide ? `minmax(${column.width}px, 1fr)` : `${column.width}px`));
    setStyle(this.inner, {
      '--columns': widths.join(' '),
      'min-width': `${columns.reduce((sum, { width }) => sum + width, 0)}px`,
    });
    this.node = el(
      'div',
      { class: 'data-grid', role: 'grid', 'aria-label': label, 'aria-colcount': columns.length },
      this.inner,
    );
    this.redraw = perFrame(() => this.update());
    this.node.addEventListener('scroll', this.redraw, { passive: true });
    this.body.addEventListener('click', (event) => {
      const row = this.rowOf(event.target);
      if (!row || event.target.closest('a, button')) return;
      this.focus(this.keyOf(row));
      this.open?.(row);
    });
    this.body.addEventListener('focusin', (event) => {
      const row = this.rowOf(event.target);
      if (row) this.focusKey = this.keyOf(row);
    });
    this.resized = new ResizeObserver(this.redraw);
    this.resized.observe(this.node);
  }

  close() {
    this.resized.disconnect();
  }

  /** Shows these rows, in the order that the reader has chosen. */
  show(rows) {
    this.given = rows;
    this.sort();
  }

  sort() {
    const column = this.columns.find(({ key }) => key === this.sorted?.key);
    this.rows = column ? sortRows(this.given, column.value, this.sorted.isDown) : this.given;
    this.index = new Map(this.rows.map((row, i) => [this.keyOf(row), i]));
    if (!this.index.has(this.focusKey)) this.focusKey = this.rows.length ? this.keyOf(this.rows[0]) : null;
    this.drawAnew();
    this.node.setAttribute('aria-rowcount', String(this.rows.length + 1));
    setStyle(this.body, { height: `${this.rows.length * ROW}px` });
    for (const [key, head] of this.heads) {
      const isSorted = key === this.sorted?.key;
      if (isSorted) head.setAttribute('aria-sort', this.sorted.isDown ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
    this.redraw();
  }

  head({ key, title, hint, isNumber, value }) {
    const content = value
      ? el(
          'button',
          { type: 'button', class: 'quiet', title: hint, onclick: () => this.sortBy(key) },
          title,
          icon('', 'sort'),
        )
      : el('span', { title: hint }, title);
    return el('div', { role: 'columnheader', class: `grid-cell${isNumber ? ' number' : ''}` }, content);
  }

  /** By this column; once more, the other way round. Figures begin with the largest. */
  sortBy(key) {
    const { isNumber } = this.columns.find((column) => column.key === key);
    const isDown = this.sorted?.key === key ? !this.sorted.isDown : Boolean(isNumber);
    this.sorted = { key, isDown };
    this.sort();
    this.node.scrollTop = 0;
  }

  /** Draws every row anew; the one with the focus keeps it. */
  refresh() {
    this.drawAnew();
    this.update();
  }

  /**
   * Removes the drawn rows, for `update` to draw them anew. The element with the focus stays in the document, which
   * would take the focus away otherwise, and shows what `focusKey` names now.
   */
  drawAnew() {
    const focused = [...this.drawn.values()].find((node) => node.contains(document.activeElement));
    const i = this.index.get(this.focusKey);
    const kept = i === undefined ? null : focused;
    for (const node of this.drawn.values()) if (node !== kept) node.remove();
    this.drawn.clear();
    if (!kept) return;
    this.fillRow(kept, this.rows[i], i);
    this.drawn.set(i, kept);
  }

  update() {
    const first = Math.floor(this.node.scrollTop / ROW);
    const shown = Math.ceil(this.node.clientHeight / ROW);
    const [from, to] = [Math.max(0, first - AHEAD), Math.min(this.rows.length, first + shown + AHEAD)];
    const focused = document.activeElement;
    for (const [i, node] of this.drawn) {
      if ((i < from || i >= to) && !node.contains(focused)) {
        node.remove();
        this.drawn.delete(i);
      }
    }
    // In the document the rows stand in their order, whichever way the reader scrolled.
    const next = [...this.drawn.entries()].sort(([a], [b]) => a - b);
    for (let i = from; i < to; i += 1) {
      while (next.length && next[0][0] < i) next.shift();
      if (this.drawn.has(i)) continue;
      const node = this.drawRow(this.rows[i], i);
      this.drawn.set(i, node);
      this.body.insertBefore(node, next.length ? next[0][1] : null);
    }
  }

  drawRow(row, i) {
    const node = el('div', { role: 'row' });
    this.fillRow(node, row, i);
    return node;
  }

  fillRow(node, row, i) {
    node.className = `grid-row ${this.classOf(row)}`.trim();
    node.setAttribute('aria-rowindex', String(i + 2));
    node.dataset.index = String(i);
    node.tabIndex = this.keyOf(row) === this.focusKey ? 0 : -1;
    setStyle(node, { transform: `translateY(${i * ROW}px)` });
    const cells = this.columns.map(({ isNumber, draw }) => {
      const cell = el('div', { role: 'gridcell', class: `grid-cell${isNumber ? ' number num' : ''}` });
      replace(cell, draw(row));
      return cell;
    });
    // A link in it goes, and leaves the focus to the row.
    if (node.contains(document.activeElement)) node.focus({ preventScroll: true });
    replace(node, cells);
  }

  rowOf(target) {
    const node = target.closest('[data-index]');
    return node ? this.rows[Number(node.dataset.index)] : null;
  }

  get focused() {
    return this.rows[this.index.get(this.focusKey) ?? 0] ?? null;
  }

  /** Brings a row into sight and focuses it. */
  focus(key = this.focusKey) {
    const i = this.index.get(key);
    if (i === undefined) return;
    const before = this.drawn.get(this.index.get(this.focusKey));
    if (before) before.tabIndex = -1;
    this.focusKey = key;
    const [top, height] = [i * ROW, this.node.clientHeight - HEAD];
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + ROW > this.node.scrollTop + height) this.node.scrollTop = top + ROW - height;
    this.update();
    const node = this.drawn.get(i);
    if (!node) return;
    node.tabIndex = 0;
    node.focus({ preventScroll: true });
  }

  /** Focus moves by rows. */
  move(step) {
    if (!this.rows.length) return;
    const i = (this.index.get(this.focusKey) ?? 0) + (this.body.contains(document.activeElement) ? step : 0);
    this.focus(this.keyOf(this.rows[Math.max(0, Math.min(this.rows.length - 1, i))]));
  }

  /** Sideways: the columns that do not fit. */
  sideways(direction) {
    this.node.scrollLeft += direction * 80;
  }
}

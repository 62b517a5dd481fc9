// The flame graph of a trace, from the top down: spans of the same name under the same parents are
// one box, as wide as their own time and that of all below them. So what ran side by side lies side
// by side, and a width is work and not time that passed; the waterfall has that.

import { count, duration, percent, plural } from './format.js';
import { el, perFrame, replace, series, setStyle } from './lib.js';
import { selfTime } from './model.js';

/** Height of a level in CSS pixels; the same in flame.css. */
const LEVEL = 22;
/** Boxes narrower than this are not drawn one by one. */
const NARROWEST = 2;
const AHEAD = 10;

/**
 * The tree of boxes: `{ service, name, instance, spans, own, all, errors, depth, parent, children }`.
 * Its root is the trace. `boxOf` gives a span's box.
 */
export function flameOf(model) {
  const make = (parent, span) => ({
    service: span?.service ?? null,
    name: span ? span.name || '(no name)' : 'the trace',
    instance: span?.instance ?? null,
    spans: [],
    own: 0,
    all: 0,
    errors: 0,
    depth: parent ? parent.depth + 1 : 0,
    parent,
    children: new Map(),
  });
  const root = make(null, null);
  const boxes = [root];
  const boxOf = new Map();
  const stack = model.roots.map((span) => [span, root]).reverse();
  while (stack.length) {
    const [span, parent] = stack.pop();
    const key = JSON.stringify([span.service, span.name, span.instance]);
    let box = parent.children.get(key);
    if (!box) {
      box = make(parent, span);
      parent.children.set(key, box);
      boxes.push(box);
    }
    box.spans.push(span);
    box.own += selfTime(span);
    box.errors += span.isError ? 1 : 0;
    boxOf.set(span, box);
    for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push([span.children[i], box]);
  }
  for (const box of boxes) box.children = [...box.children.values()];
  // A box comes after the one it is in, so from the last to the first every sum is complete.
  for (let i = boxes.length - 1; i > 0; i -= 1) {
    boxes[i].all += boxes[i].own;
    boxes[i].parent.all += boxes[i].all;
  }
  return { root, boxOf };
}

/**
 * What is drawn when `top` takes the whole width: levels of `{ box, x, width }`, in pixels. The boxes
 * that it is in have the whole width too. Neighbours too narrow to be drawn are one `{ box: null,
 * few, x, width }`, `few` of them.
 */
export function layOut(top, width) {
  const levels = [];
  for (let box = top.parent; box; box = box.parent) levels.unshift([{ box, x: 0, width }]);
  let level = [{ box: top, x: 0, width }];
  while (level.length) {
    levels.push(level);
    level = level.flatMap(childrenOf);
  }
  return levels;
}

function childrenOf({ box, x, width }) {
  if (!box) return [];
  const places = [];
  let [at, few, from] = [x, 0, x];
  const close = () => {
    if (few) places.push({ box: null, few, x: from, width: at - from });
    few = 0;
  };
  for (const child of box.children) {
    // Where nothing took any time all have the same width.
    const wide = box.all > 0 ? (width * child.all) / box.all : width / box.children.length;
    if (wide < NARROWEST) {
      if (!few) from = at;
      few += 1;
    } else {
      close();
      places.push({ box: child, x: at, width: wide });
    }
    at += wide;
  }
  close();
  return places;
}

/** The graph. `host` as for the waterfall. */
export class Flame {
  constructor(host) {
    this.host = host;
    Object.assign(this, flameOf(host.model));
    this.top = this.root;
    this.focusBox = this.boxOf.get(host.selected) ?? this.root.children[0] ?? this.root;
    this.drawn = new Map();
    this.says = el('p', { class: 'view-bar num', role: 'status' });
    this.body = el('div', { class: 'flame-levels', role: 'presentation' });
    this.scroller = el('div', { class: 'flame', role: 'tree', 'aria-label': 'Flame graph of the trace' }, this.body);
    this.node = el('div', { class: 'grid-view' }, this.says, this.scroller);
    this.redraw = perFrame(() => this.update());
    this.scroller.addEventListener('scroll', this.redraw, { passive: true });
    this.body.addEventListener('click', (event) => {
      const box = this.boxAt(event.target);
      if (!box) return;
      this.focusOn(box);
      if (event.detail === 2) this.zoom(box);
      else this.open(box);
    });
    this.body.addEventListener('focusin', (event) => {
      const box = this.boxAt(event.target);
      if (box) this.tell(box);
    });
    this.body.addEventListener('pointerover', (event) => this.tell(this.boxAt(event.target) ?? this.focusBox));
    this.resized = new ResizeObserver(() => this.layOut());
    this.resized.observe(this.scroller);
    this.tell(this.focusBox);
  }

  close() {
    this.resized.disconnect();
  }

  /** Places the boxes anew: after a zoom or a resize. */
  layOut() {
    const width = this.scroller.clientWidth;
    if (!width) return;
    this.levels = layOut(this.top, width);
    this.placeOf = new Map();
    for (const level of this.levels) for (const place of level) if (place.box) this.placeOf.set(place.box, place);
    setStyle(this.body, { height: `${this.levels.length * LEVEL}px` });
    // A box that is no longer drawn cannot have the focus: the one around it has it.
    while (!this.placeOf.has(this.focusBox) && this.focusBox.parent) this.focusBox = this.focusBox.parent;
    this.refresh();
  }

  refresh() {
    const { matches } = this.host;
    this.found = matches && new Set([...matches].map((id) => this.boxOf.get(this.host.model.byId.get(id))));
    this.keepFocus(() => {
      this.body.replaceChildren();
      this.drawn.clear();
      this.update();
    });
  }

  /** Drawing anew takes away what has the focus: it goes to the same box. */
  keepFocus(draw) {
    const hadFocus = this.body.contains(document.activeElement);
    draw();
    if (hadFocus) this.nodeOf(this.focusBox)?.focus({ preventScroll: true });
  }

  update() {
    if (!this.levels) return this.layOut();
    const first = Math.floor(this.scroller.scrollTop / LEVEL) - AHEAD;
    const last = first + Math.ceil(this.scroller.clientHeight / LEVEL) + 2 * AHEAD;
    for (const [i, nodes] of this.drawn) {
      if ((i < first || i > last) && !nodes.includes(document.activeElement)) {
        for (const node of nodes) node.remove();
        this.drawn.delete(i);
      }
    }
    for (let i = Math.max(0, first); i <= Math.min(last, this.levels.length - 1); i += 1) {
      if (this.drawn.has(i)) continue;
      const nodes = this.levels[i].map((place) => (place.box ? this.draw(place, i) : this.drawFew(place, i)));
      this.drawn.set(i, nodes);
      this.body.append(...nodes);
    }
    return undefined;
  }

  draw({ box, x, width }, level) {
    const { selected } = this.host;
    const states = [
      box.errors && 'failed',
      this.found && (this.found.has(box) ? 'match' : 'dim'),
      level < this.top.depth && 'above',
      box === this.root && 'root',
    ];
    const node = el(
      'div',
      {
        class: ['flame-box', ...states].filter(Boolean).join(' '),
        role: 'treeitem',
        tabindex: box === this.focusBox ? 0 : -1,
        'aria-level': box.depth + 1,
        'aria-selected': String(Boolean(selected) && this.boxOf.get(selected) === box),
        'aria-label': this.words(box),
        'data-series': box.service === null ? null : series(box.service),
        style: { left: `${x}px`, width: `${Math.max(1, width - 1)}px`, top: `${level * LEVEL}px` },
      },
      width > 24 && [box.errors ? '⚠ ' : '', box.name, box.instance ? ` ${box.instance}` : ''].join(''),
    );
    node.box = box;
    return node;
  }

  drawFew({ few, x, width }, level) {
    return el('div', {
      class: 'flame-few',
      'aria-hidden': 'true',
      title: `${plural(few, 'box', 'boxes')} too narrow to draw: zoom in, or see the table`,
      style: { left: `${x}px`, width: `${Math.max(1, width)}px`, top: `${level * LEVEL}px` },
    });
  }

  boxAt(target) {
    return target.closest('.flame-box')?.box ?? null;
  }

  nodeOf(box) {
    const place = this.placeOf?.get(box);
    if (!place) return null;
    for (const nodes of this.drawn.values()) {
      const node = nodes.find((one) => one.box === box);
      if (node) return node;
    }
    return null;
  }

  words(box) {
    const times = box === this.root ? '' : `, own time ${duration(box.own)}`;
    const many = box.spans.length > 1 ? `, ${plural(box.spans.length, 'span')}` : '';
    const errors = box.errors ? `, ${plural(box.errors, 'error')}` : '';
    const share = percent(box.all, this.root.all);
    const name = [box.name, box.instance].filter(Boolean).join(' ');
    return `${name}: ${duration(box.all)} (${share})${times}${many}${errors}`;
  }

  tell(box) {
    replace(
      this.says,
      box.service !== null && el('span', { class: 'swatch', 'data-series': series(box.service) }),
      el('span', {}, this.words(box)),
      this.top !== this.root &&
        el(
          'button',
          { type: 'button', title: 'Everything again (0)', onclick: () => this.zoom(this.root) },
          'Zoom out',
        ),
      this.found && el('span', { class: 'soft' }, `found in ${plural(this.found.size, 'box', 'boxes')}`),
      el('span', { class: 'soft' }, `widths: ${count(this.host.model.spans.length)} spans' own time added up`),
    );
  }

  /** The details of the box: of its longest span. */
  open(box) {
    if (box === this.root) return;
    this.host.select(box.spans.reduce((best, span) => (span.duration_ns > best.duration_ns ? span : best)));
  }

  /** Gives a box the whole width. */
  zoom(box) {
    this.top = box;
    this.focusBox = box;
    this.layOut();
    this.focusOn(box);
  }

  focusOn(box) {
    if (!this.placeOf?.has(box)) {
      // It is too narrow, or in a box that is not shown: then it gets more room, or all of it.
      this.top = box.parent ?? this.root;
      this.layOut();
      if (!this.placeOf.has(box)) {
        this.top = box;
        this.layOut();
      }
    }
    const before = this.nodeOf(this.focusBox);
    if (before) before.tabIndex = -1;
    this.focusBox = box;
    const top = box.depth * LEVEL;
    const height = this.scroller.clientHeight - this.host.covered();
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + LEVEL > this.scroller.scrollTop + height) this.scroller.scrollTop = top + LEVEL - height;
    this.update();
    const node = this.nodeOf(box);
    if (node) {
      node.tabIndex = 0;
      node.focus({ preventScroll: true });
    }
    this.tell(box);
  }

  /** Focuses the box of a span. */
  focus(id) {
    if (!this.levels) this.layOut();
    this.focusOn(this.boxOf.get(this.host.model.byId.get(id)) ?? this.focusBox);
  }

  get focused() {
    const span = this.focusBox.spans[0] ?? this.host.model.spans[0];
    return span ? { key: span.id, span, box: this.focusBox } : null;
  }

  /** Enter. */
  activate() {
    this.open(this.focusBox);
  }

  /** The keys `z` and `0`. */
  fit(isWhole) {
    this.zoom(isWhole ? this.root : this.focusBox);
  }

  /** Down: the widest below; up: the one it is in. */
  move(step) {
    let box = this.focusBox;
    if (!this.body.contains(document.activeElement)) return this.focusOn(box);
    for (let i = 0; i < Math.min(Math.abs(step), 1e5); i += 1) {
      const next =
        step < 0 ? box.parent : box.children.reduce((best, one) => (!best || one.all > best.all ? one : best), null);
      if (!next) break;
      box = next;
    }
    return this.focusOn(box);
  }

  /** The next box of the level that is drawn; at its end one that was too narrow for it. */
  sideways(direction) {
    const level = (this.levels[this.focusBox.depth] ?? []).filter(({ box }) => box);
    const at = level.findIndex(({ box }) => box === this.focusBox);
    const siblings = this.focusBox.parent?.children ?? [];
    const next = level[at + direction]?.box ?? siblings[siblings.indexOf(this.focusBox) + direction];
    if (next) this.focusOn(next);
  }
}

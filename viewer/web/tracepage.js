// The page of a loaded trace. It holds what its parts share: the window in time, the folding, the
// selected span and what a search found.

import { timeAxis } from './axis.js';
import { series } from './colors.js';
import { drawDetails } from './details.js';
import { announce, el, icon, perFrame, setStyle } from './dom.js';
import { exportDialog } from './export.js';
import { count, dateTime, duration, plural } from './format.js';
import { setKeys } from './keys.js';
import { Lanes } from './lanes.js';
import { lastList } from './list.js';
import { minimap } from './minimap.js';
import { carriedKeys, searchText } from './model.js';
import { tracePath } from './router.js';
import { Folding, linksOf } from './rows.js';
import { Scale } from './scale.js';
import { traceKeys } from './tracekeys.js';
import { toolbar } from './tracetools.js';
import { Waterfall } from './waterfall.js';

/** Draws a trace and answers to its reader. */
export class TracePage {
  constructor(root, model, { go, span, mode }) {
    Object.assign(this, { root, model, go, selected: null, matches: null, mode: mode === 'lanes' ? 'lanes' : 'tree' });
    this.carried = carriedKeys(model);
    this.folding = new Folding(model);
    const zoomed = perFrame(() => this.zoomed());
    this.scale = new Scale(model.startNs, model.endNs, zoomed);
    this.map = minimap(model, this.scale);
    this.panel = el('aside', { class: 'details', role: 'region', tabindex: -1, hidden: true });
    this.chart = el('div', { class: 'chart' });
    this.axis = timeAxis(this.scale, this.chart);
    this.tools = toolbar(this);
    this.late = el('div', { class: 'late', role: 'status' });
    root.append(this.head(), this.tools.node, this.map.node, el('div', { class: 'panes' }, this.chart, this.panel));
    this.resized = new ResizeObserver(zoomed);
    this.resized.observe(this.chart);
    this.chart.addEventListener('resized', zoomed);
    this.chart.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    setKeys(traceKeys(this));
    this.setMode(this.mode);
    this.open(span);
    document.title = `${model.root_name}, ${duration(model.duration_ns)}`;
  }

  open(spanId) {
    const span = this.model.byId.get(spanId);
    if (span) this.show(span);
    else this.view.focus(this.model.roots[0]?.id);
  }

  close() {
    this.map.close();
    this.view?.close();
    this.resized.disconnect();
  }

  head() {
    const { model } = this;
    return el('header', { class: 'trace-head' },
      el('p', {}, el('a', { href: lastList(), class: 'back' }, '‹ Traces')),
      el('h1', {}, el('span', { class: 'soft' }, `${model.root_service} `), model.root_name || '(no name)'),
      el('p', { class: 'facts-line num' },
        el('span', {}, dateTime(model.start_us)), el('strong', {}, duration(model.duration_ns)), el('span', {}, plural(model.span_count, 'span')),
        model.error_count > 0 && el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${plural(model.error_count, 'error')}`),
        model.services.map(({ name, count: spans }) => el('span', { class: 'service', 'data-series': series(name) }, el('span', { class: 'swatch' }), `${name} `, el('span', { class: 'soft' }, count(spans)))),
        el('code', { class: 'soft', title: 'Trace id' }, model.trace_id)),
      model.warnings.map((text) => el('p', { class: 'warning' }, text)),
      this.late);
  }

  /** Tells that more spans have come; `take` shows them. */
  offer(more, take) {
    this.late.replaceChildren(el('button', { type: 'button', class: 'primary', onclick: take }, more > 0 ? `${plural(more, 'more span')} came: show` : 'The trace has changed: show'));
  }

  setMode(mode) {
    this.mode = mode;
    this.view?.close();
    this.view = mode === 'lanes' ? new Lanes(this) : new Waterfall(this);
    this.chart.replaceChildren(this.axis.node, el('div', { class: 'plot' }, this.axis.lines, this.view.node));
    this.chart.dataset.mode = mode;
    this.axis.call(mode === 'lanes' ? 'Actor' : 'Span');
    this.drawAround();
    this.view.update();
  }

  zoomed() {
    this.drawAround();
    this.view.refresh();
  }

  /** What stands around the chart and depends on the stretch of time or on the mode. */
  drawAround() {
    setStyle(this.chart, { '--gutter': `${this.view.node.offsetWidth - this.view.node.clientWidth}px` });
    this.axis.draw();
    this.map.draw();
    this.tools.draw();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const plot = this.axis.node.querySelector('.ticks').getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - plot.left) / plot.width));
    if (event.ctrlKey) this.scale.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.scale.start + share * (this.scale.end - this.scale.start));
    else this.scale.pan((event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1);
  }

  /** Selects a span and shows its details; the focus stays where it is. */
  select(span) {
    this.selected = span;
    this.panel.hidden = !span;
    if (span) drawDetails(this.panel, span, this.detailsHost());
    this.panel.scrollTop = 0;
    history.replaceState({}, '', `${tracePath(this.model.trace_id, span?.id)}${this.mode === 'lanes' ? `${span ? '&' : '?'}view=lanes` : ''}`);
    this.view.refresh();
    if (this.covered()) this.view.focus(span.id);
  }

  /** Brings a span into sight, selects and focuses it. */
  show(span) {
    this.folding.reveal(span);
    if (this.scale.at(span.end_ns) < 0 || this.scale.at(span.start_ns) > 1) this.scale.fit(span);
    this.view.reflow?.();
    this.select(span);
    this.view.focus(span.id);
  }

  /** How much of the chart the details lie over: on a narrow screen. */
  covered() {
    const isOver = !this.panel.hidden && getComputedStyle(this.panel).position === 'fixed';
    return isOver ? Math.max(0, this.chart.getBoundingClientRect().bottom - this.panel.getBoundingClientRect().top) : 0;
  }

  detailsHost() {
    return {
      model: this.model,
      carried: this.carried,
      close: () => this.closeDetails(),
      show: (span) => this.show(span),
      fit: (span) => this.scale.fit(span),
    };
  }

  closeDetails() {
    const { selected } = this;
    this.select(null);
    this.view.focus(selected?.id);
  }

  /** Goes to a linked span, here or in its own trace. */
  follow(link) {
    const here = link.trace_id === this.model.trace_id && this.model.byId.get(link.span_id);
    if (here) this.show(here);
    else this.go(tracePath(link.trace_id, link.span_id));
  }

  /** Enter: the details of a span, the other end of a link. */
  activate() {
    const line = this.view.focused;
    if (!line) return;
    if (line.link) this.follow(line.link);
    else this.select(line.span);
  }

  /** The key `l`: follows the first link of the focused span. */
  followFirst() {
    const line = this.view.focused;
    const link = line?.link ?? (line && linksOf(line.span).find(({ held }) => held));
    if (link) this.follow(link);
    else announce('No link here');
  }

  /** Marks the spans whose text holds `words`. */
  find(words) {
    const wanted = words.trim().toLowerCase();
    this.matches = wanted ? new Set(this.model.spans.filter((span) => searchText(span).includes(wanted)).map(({ id }) => id)) : null;
    this.tools.draw();
    this.view.refresh();
  }

  /** Goes to the next or previous match. */
  nextMatch(step) {
    if (!this.matches?.size) return;
    const spans = this.model.spans.filter(({ id }) => this.matches.has(id));
    const at = spans.findIndex(({ id }) => id === (this.view.focused?.span.id ?? null));
    const next = at < 0 ? (step > 0 ? 0 : spans.length - 1) : (at + step + spans.length) % spans.length;
    this.show(spans[next]);
    announce(`Match ${next + 1} of ${spans.length}`);
  }

  foldAll() {
    this.folding.toggleAll(this.folding.closed.size > 0);
    this.view.reflow?.();
  }

  export() {
    exportDialog(this.model);
  }
}

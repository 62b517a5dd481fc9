// The lines of the waterfall: spans in tree order, each followed by the spans it is linked with.

// Links are opened at once while there are few of them.
const OPEN_LINKS = 64;

/** Which spans are folded, and whose links are shown. */
export class Folding {
  constructor(model) {
    this.model = model;
    this.closed = new Set();
    this.linksOpen = new Set();
    const linked = model.spans.filter((span) => linkCount(span) > 0);
    const total = linked.reduce((sum, span) => sum + linkCount(span), 0);
    for (const span of linked) if (total <= OPEN_LINKS || linkCount(span) <= 1) this.linksOpen.add(span.id);
  }

  /** `{ span, level, depth }` or `{ span, link, level }`, in the order of the lines. */
  lines() {
    const lines = [];
    const stack = this.model.roots.map((span) => ({ span, level: 1 })).reverse();
    while (stack.length) {
      const { span, level } = stack.pop();
      lines.push({ key: span.id, span, level });
      if (this.linksOpen.has(span.id)) lines.push(...linksOf(span).map((link, i) => ({ key: `${span.id}/${i}`, span, link, level: level + 1 })));
      if (this.closed.has(span.id)) continue;
      for (let i = span.children.length - 1; i >= 0; i -= 1) stack.push({ span: span.children[i], level: level + 1 });
    }
    return lines;
  }

  toggle(span, open = this.closed.has(span.id)) {
    if (open) this.closed.delete(span.id);
    else if (span.children.length) this.closed.add(span.id);
  }

  toggleLinks(span) {
    if (!this.linksOpen.delete(span.id)) this.linksOpen.add(span.id);
  }

  toggleAll(open) {
    this.closed.clear();
    if (!open) for (const span of this.model.spans) if (span.children.length && span.parent) this.closed.add(span.id);
  }

  /** Opens everything above a span, so that it has a line. */
  reveal(span) {
    for (let at = span.parent; at; at = at.parent) this.closed.delete(at.id);
  }
}

/** Links of a span in both directions. `direction`: `to` what it links to, `from` what links to it. */
export function linksOf(span) {
  return [
    ...span.links.map((link) => ({ ...link, direction: 'to', held: link.span_held })),
    ...span.backlinks.map((link) => ({ ...link, direction: 'from', held: true })),
  ];
}

/** How many links `linksOf` gives. */
export function linkCount(span) {
  return span.links.length + span.backlinks.length;
}

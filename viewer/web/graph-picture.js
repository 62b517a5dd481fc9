// The actor graph as a picture: services as boxes, actors as round boxes, databases as cylinders,
// messages as edges as thick as their rate, with their figures on them. What it shows is in the
// table too, so a screen reader gets the table.

import { edgeWords, labelLines, nodeWords, rateWords } from './graph-data.js';
import { layout, pathOf } from './graph-layout.js';
import { percent } from './format.js';
import { series, setStyle, svg } from './lib.js';

const NODE = { width: 168, height: 60 };
const LABEL_WIDTH = { single: 204, compared: 236 };
const LINE_HEIGHT = 14;
// Below this the words cannot be read: rather scroll.
const SMALLEST = 0.72;
/** Edges drawn at most, the busiest, and nodes that none of them touches; the table has all edges. */
export const MOST_EDGES = 60;
const MOST_LONE_NODES = 12;

/** What of a graph is drawn: the busiest edges, their nodes, and a few of those that have no edge. */
export function drawnOf({ nodes, edges, isCompared }) {
  const weight = ({ now, before }) => (now?.count ?? 0) + (before?.count ?? 0);
  const busiest = (all, most) => new Set([...all].sort((a, b) => weight(b) - weight(a)).slice(0, most));
  const drawn = busiest(edges, MOST_EDGES);
  const touched = new Set([...drawn].flatMap(({ source, target }) => [source, target]));
  const lone = busiest(
    nodes.filter((node) => !touched.has(node)),
    MOST_LONE_NODES,
  );
  return {
    isCompared,
    nodes: nodes.filter((node) => touched.has(node) || lone.has(node)),
    edges: edges.filter((edge) => drawn.has(edge)),
  };
}

/** The boxes and ways of what is drawn. */
export function placesOf({ nodes, edges, isCompared }) {
  const width = isCompared ? LABEL_WIDTH.compared : LABEL_WIDTH.single;
  return layout(
    nodes.map(({ key }) => ({ key, ...NODE })),
    edges.map((edge) => ({
      key: edge.key,
      from: edge.source.key,
      to: edge.target.key,
      width,
      height: LINE_HEIGHT * labelLines(edge, isCompared).length + 8,
    })),
  );
}

/** Draws into one `<svg>`, over and over; while nodes and edges stay the same they lie still. */
export class GraphPicture {
  constructor(node, open) {
    Object.assign(this, { node, open, shape: null, places: null });
  }

  /** Draws `graph` (see `graphOf`). */
  draw(graph) {
    const drawn = drawnOf(graph);
    const lines = drawn.edges.map((edge) => [edge.key, labelLines(edge, graph.isCompared).length]);
    const shape = JSON.stringify([drawn.nodes.map(({ key }) => key), lines, graph.isCompared]);
    if (shape !== this.shape) this.places = placesOf(drawn);
    this.shape = shape;
    const { width, height } = this.places;
    setStyle(this.node, { 'min-width': `${Math.round(width * SMALLEST)}px` });
    this.node.setAttribute('viewBox', `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`);
    this.node.setAttribute('width', Math.ceil(width));
    this.node.setAttribute('height', Math.ceil(height));
    const rateOf = ({ now, before }) => (now ?? before).rate ?? 0;
    const busiest = Math.max(1e-9, ...drawn.edges.map(rateOf));
    this.node.replaceChildren(
      heads(),
      ...drawn.edges.map((edge) => this.drawEdge(edge, 1.2 + 4 * Math.sqrt(rateOf(edge) / busiest), graph.isCompared)),
      ...drawn.nodes.map((node) => this.drawNode(node)),
      ...drawn.edges.map((edge) => this.drawLabel(edge, graph.isCompared)),
    );
  }

  drawEdge(edge, width, isCompared) {
    const figures = edge.now ?? edge.before;
    const head = figures.errors ? 'edge-head-error' : edge.kind === 'link' ? 'edge-head-link' : 'edge-head';
    const state = isCompared && !(edge.now && edge.before) ? (edge.now ? ' new' : ' gone') : '';
    const d = pathOf(this.places.edges.get(edge.key).way);
    return svg(
      'g',
      {
        class: `edge ${edge.kind}${figures.errors ? ' failing' : ''}${state}`,
        'data-edge': edge.key,
        onclick: () => this.open(edge.target.path),
      },
      svg('path', { class: 'reach', d }),
      svg('path', { class: 'way', d, 'stroke-width': width.toFixed(2), 'marker-end': `url(#${head})` }),
      svg('title', {}, edgeWords(edge, isCompared)),
    );
  }

  /** The figures of an edge, on it. The pointer over them shows the edge. */
  drawLabel(edge, isCompared) {
    const { label } = this.places.edges.get(edge.key);
    const show = (isNear) => () =>
      this.node.querySelector(`.edge[data-edge="${CSS.escape(edge.key)}"]`)?.classList.toggle('near', isNear);
    return svg(
      'g',
      {
        class: 'edge-label',
        transform: `translate(${label.x},${label.y})`,
        onclick: () => this.open(edge.target.path),
        onpointerenter: show(true),
        onpointerleave: show(false),
      },
      svg('rect', { class: 'backing', width: label.width, height: label.height, rx: 4 }),
      labelLines(edge, isCompared).map(({ text, isBad, isStrong }, i) =>
        svg(
          'text',
          {
            class: `${isStrong ? 'strong' : 'second'}${isBad ? ' bad' : ''}`,
            x: label.width / 2,
            y: 15 + LINE_HEIGHT * i,
          },
          text,
        ),
      ),
      svg('title', {}, edgeWords(edge, isCompared)),
    );
  }

  drawNode(node) {
    const { x, y, width, height } = this.places.nodes.get(node.key);
    const figures = node.now ?? node.before;
    const failed = figures.errors ? ` ⚠ ${percent(figures.errors, figures.count)}` : '';
    return svg(
      'g',
      {
        class: `node ${node.kind}${figures.errors ? ' failing' : ''}`,
        transform: `translate(${x},${y})`,
        'data-series': node.service === null ? null : series(node.service),
        onclick: () => this.open(node.path),
      },
      ...outline(node.kind, width, height),
      svg('text', { x: 22, y: 21, class: 'node-name' }, shorten(node.title, 21)),
      svg('text', { x: 22, y: 36, class: 'second' }, shorten(node.under, 26)),
      svg('text', { x: 22, y: 51, class: 'second figures' }, `${rateWords(figures)}${failed}`),
      svg('title', {}, nodeWords(node)),
    );
  }
}

function outline(kind, width, height) {
  if (kind === 'database') {
    const lid = `a${width / 2},6 0 0 0 ${width},0`;
    const body = `M0,6a${width / 2},6 0 0 1 ${width},0V${height - 6}a${width / 2},6 0 0 1 -${width},0Z`;
    return [svg('path', { class: 'outline', d: body }), svg('path', { class: 'lid', d: `M0,6${lid}` })];
  }
  const isActor = kind === 'actor';
  return [
    svg('rect', { class: 'outline', width, height, rx: isActor ? 14 : 5 }),
    svg('rect', {
      class: 'edge-mark',
      x: isActor ? 10 : 0,
      y: isActor ? 12 : 0,
      width: isActor ? 5 : 7,
      height: isActor ? height - 24 : height,
      rx: 2,
    }),
  ];
}

function heads() {
  const head = (id) =>
    svg(
      'marker',
      {
        id,
        viewBox: '0 0 8 8',
        refX: 7,
        refY: 4,
        markerWidth: 9,
        markerHeight: 9,
        markerUnits: 'userSpaceOnUse',
        orient: 'auto',
      },
      svg('path', { d: 'M0,0L8,4L0,8z', class: id }),
    );
  return svg('defs', {}, head('edge-head'), head('edge-head-error'), head('edge-head-link'));
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

// The picture as a file.

/** Properties that the page's style sheet gives and a file has to bring along. */
const STYLED =
  'fill stroke stroke-width stroke-dasharray font-family font-size font-weight text-anchor opacity paint-order'.split(
    ' ',
  );

/** The drawn `<svg>` as text that stands alone: with its styles, on the background of the page. */
export function fileOf(picture, title) {
  const copy = picture.cloneNode(true);
  const [originals, copies] = [picture, copy].map((node) => [...node.querySelectorAll('path, rect, text')]);
  originals.forEach((original, i) => {
    const style = getComputedStyle(original);
    for (const name of STYLED) copies[i].setAttribute(name, style.getPropertyValue(name));
    copies[i].removeAttribute('class');
  });
  for (const group of copy.querySelectorAll('[class]')) group.removeAttribute('class');
  for (const name of ['class', 'style', 'role', 'aria-hidden']) copy.removeAttribute(name);
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const fill = getComputedStyle(picture.parentElement).backgroundColor;
  copy.prepend(svg('title', {}, title), svg('rect', { width: '100%', height: '100%', fill }));
  return `${new XMLSerializer().serializeToString(copy)}\n`;
}

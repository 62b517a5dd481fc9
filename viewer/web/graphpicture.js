// The actor graph as a picture: services and actors as boxes, messages as edges as thick as their
// rate. What it shows is in the table too, so a screen reader gets the table.

import { series } from './colors.js';
import { setStyle, svg } from './dom.js';
import { duration, percent, rate } from './format.js';
import { NODE_HEIGHT, NODE_WIDTH, layered } from './layout.js';

const SELF_REACH = 34;
// Below this the words cannot be read: rather scroll.
const SMALLEST = 0.62;
const LABEL_HEIGHT = 50;

/** Edges drawn at most, the busiest; the table has all. */
export const MOST_EDGES = 60;

/** Draws `graph` (nodes with `key`) into `picture`. `open(path)` follows a click, `focus` marks an edge. */
export function drawGraph(picture, whole, host) {
  const graph = { ...whole, edges: [...whole.edges].sort((a, b) => b.count - a.count).slice(0, MOST_EDGES).sort((a, b) => whole.edges.indexOf(a) - whole.edges.indexOf(b)) };
  const { at, width, height } = layered(graph.nodes, graph.edges.map((edge) => ({ from: edge.source.key, to: edge.target.key })));
  setStyle(picture, { 'min-width': `${Math.round(width * SMALLEST)}px` });
  const busiest = Math.max(1e-9, ...graph.edges.map((edge) => edge.rate));
  const ways = graph.edges.map((edge) => ({ edge, way: wayOf(at.get(edge.source.key), at.get(edge.target.key), labelShare(edge, graph.edges)) }));
  const labels = spread(ways);
  const top = Math.min(0, ...labels.map(({ way }) => way.y - LABEL_HEIGHT / 2));
  const bottom = Math.max(height, ...labels.map(({ way }) => way.y + LABEL_HEIGHT));
  picture.setAttribute('viewBox', `0 ${top} ${width} ${bottom - top}`);
  picture.setAttribute('width', width);
  picture.setAttribute('height', bottom - top);
  picture.replaceChildren(
    heads(),
    ...ways.map(({ edge, way }) => drawEdge(edge, way, 1.2 + 4 * Math.sqrt(edge.rate / busiest), host)),
    ...graph.nodes.map((node) => drawNode(node, at.get(node.key), host)),
    ...labels.map(({ edge, way }) => drawLabel(edge, way, host)));
}

function heads() {
  const head = (id) => svg('marker', { id, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: 'userSpaceOnUse', orient: 'auto' },
    svg('path', { d: 'M0,0L8,4L0,8z', class: id }));
  return svg('defs', {}, head('edge-head'), head('edge-head-error'), head('edge-head-link'));
}

/** How far along its edge a label stands: where the edge has parted from its like. */
function labelShare(edge, edges) {
  const others = (end) => edges.some((other) => other !== edge && other.source !== other.target && other[end] === edge[end]);
  const [fansOut, fansIn] = [others('source'), others('target')];
  if (fansOut === fansIn) return 0.5;
  return fansOut ? 0.57 : 0.43;
}

/** The path of an edge, and the place of its label. */
function wayOf(from, to, share) {
  const [fy, ty] = [from.y + NODE_HEIGHT / 2, to.y + NODE_HEIGHT / 2];
  if (from === to) {
    const [left, right] = [from.x + NODE_WIDTH * 0.35, from.x + NODE_WIDTH * 0.65];
    return { d: `M${left},${from.y}C${left},${from.y - SELF_REACH} ${right},${from.y - SELF_REACH} ${right},${from.y}`, x: from.x + NODE_WIDTH / 2, y: from.y - SELF_REACH * 0.75 - 8, isFlat: true };
  }
  if (to.x > from.x) {
    const [x1, x2] = [from.x + NODE_WIDTH, to.x];
    const bend = Math.min(90, (x2 - x1) / 2);
    const rise = share * share * (3 - 2 * share);
    return { d: `M${x1},${fy}C${x1 + bend},${fy} ${x2 - bend},${ty} ${x2},${ty}`, x: x1 + share * (x2 - x1), y: fy + rise * (ty - fy), isFlat: Math.abs(ty - fy) < 20 };
  }
  // Backwards: under the nodes, so that it is not taken for a forward edge.
  const [x1, x2] = [from.x + NODE_WIDTH * 0.5, to.x + NODE_WIDTH * 0.5];
  const low = Math.max(from.y, to.y) + NODE_HEIGHT + 30;
  return { d: `M${x1},${from.y + NODE_HEIGHT}C${x1},${low} ${x2},${low} ${x2},${to.y + NODE_HEIGHT}`, x: (x1 + x2) / 2, y: low - 6 };
}

/** Labels that would lie on one another move apart. */
function spread(ways) {
  const placed = [];
  for (const entry of [...ways].sort((a, b) => a.way.y - b.way.y)) {
    const { way } = entry;
    for (const other of placed) if (Math.abs(other.way.x - way.x) < 130 && way.y - other.way.y < LABEL_HEIGHT) way.y = other.way.y + LABEL_HEIGHT;
    placed.push(entry);
  }
  return placed;
}

function drawEdge(edge, way, width, host) {
  const kind = edge.errors ? 'edge-head-error' : edge.kind === 'link' ? 'edge-head-link' : 'edge-head';
  return svg('g', { class: `edge ${edge.kind}${edge.errors ? ' failing' : ''}`, onclick: () => host.open(edge.path) },
    svg('path', { class: 'reach', d: way.d }),
    svg('path', { class: 'way', d: way.d, 'stroke-width': width.toFixed(2), 'marker-end': `url(#${kind})` }),
    svg('title', {}, edge.words));
}

function drawLabel(edge, way, host) {
  const lines = edge.kind === 'link'
    ? ['links']
    : [`${duration(edge.p50_ns)} / ${duration(edge.p99_ns)}`, edge.wait_p50_ns !== null && `wait ${duration(edge.wait_p50_ns)} / ${duration(edge.wait_p99_ns)}`].filter(Boolean);
  return svg('g', { class: `edge-label${edge.errors ? ' failing' : ''}`, transform: `translate(${way.x},${way.y})`, onclick: () => host.open(edge.path) },
    way.isFlat ? null : backing(lines),
    svg('text', { y: -6 }, rate(edge.rate), edge.errors ? ` ⚠ ${percent(edge.errors, edge.count)}` : ''),
    ...lines.map((line, i) => svg('text', { y: 13 + 12.5 * i, class: 'second' }, line)));
}

/** Hides the slanting edge behind its words; a level one passes between them. */
function backing(lines) {
  const width = 6.4 * Math.max(10, ...lines.map((line) => line.length)) + 8;
  return svg('rect', { class: 'backing', x: -width / 2, y: -18, width, height: 23 + 12.5 * lines.length, rx: 4 });
}

function drawNode(node, { x, y }, host) {
  return svg('g', { class: `node${node.actor ? ' actor' : ''}${node.errors ? ' failing' : ''}`, transform: `translate(${x},${y})`, 'data-series': series(node.service), onclick: () => host.open(node.path) },
    svg('rect', { width: NODE_WIDTH, height: NODE_HEIGHT, rx: node.actor ? 14 : 5 }),
    svg('rect', { class: 'edge-mark', x: node.actor ? 10 : 0, y: node.actor ? 12 : 0, width: node.actor ? 5 : 7, height: node.actor ? NODE_HEIGHT - 24 : NODE_HEIGHT, rx: 2 }),
    svg('text', { x: 22, y: 20, class: 'node-name' }, shorten(node.actor ?? node.service, 21)),
    svg('text', { x: 22, y: 34, class: 'second' }, node.actor ? shorten(node.service, 26) : 'service'),
    svg('text', { x: 22, y: 49, class: 'second figures' }, `${rate(node.rate)}${node.errors ? ` ⚠ ${percent(node.errors, node.spans)}` : ''}`),
    svg('title', {}, node.words));
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

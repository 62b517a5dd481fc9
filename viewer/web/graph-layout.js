// Where the nodes of the actor graph go, and the figures of each edge: layers from left to right, so
// that messages read like a text. Dagre places them (after Sugiyama); it takes the figures of an edge
// as something with a width and a height that the edge goes through, so that they lie on their own
// edge and on nothing else. The same nodes and edges always give the same picture.

import { Graph, layout as place } from './vendor/dagre.js';

const MARGIN = 20;
const SPACES = { nodesep: 26, edgesep: 18, ranksep: 34, marginx: MARGIN, marginy: MARGIN };

/**
 * Places `nodes` (`{ key, width, height }`) and `edges` (`{ key, from, to, width, height }`, the size
 * of its figures). `{ width, height, nodes, edges }`: by key, of a node its box `{ x, y, width, height }`
 * from the left top; of an edge the box of its figures as `label`, and its `way` in pieces: lists of
 * two points for a straight one, of four for a curve (a cubic Bézier curve).
 */
export function layout(nodes, edges) {
  if (!nodes.length) return { width: 0, height: 0, nodes: new Map(), edges: new Map() };
  const graph = new Graph({ directed: true, multigraph: true });
  graph.setGraph({ rankdir: 'LR', ...SPACES });
  for (const { key, width, height } of nodes) graph.setNode(key, { width, height });
  for (const { key, from, to, width, height } of edges) {
    graph.setEdge(from, to, { width, height, labelpos: 'c' }, key);
  }
  place(graph);
  const placed = edges.map(({ key, from, to }) => ({ key, from, to, edge: graph.edge(from, to, key) }));
  const room = makeRoom(
    graph,
    placed.map(({ edge }) => edge),
  );
  const columns = columnsOf([...nodes.map(({ key }) => graph.node(key)), ...placed.map(({ edge }) => edge)]);
  return {
    width: room.width,
    height: room.height,
    nodes: new Map(nodes.map(({ key }) => [key, boxOf(graph.node(key))])),
    edges: new Map(
      placed.map(({ key, from, to, edge }) => {
        const ends = [graph.node(from), graph.node(to)];
        const way = from === to ? loop(ends[0], edge) : wayOf(ends, edge.points.slice(1, -1), columns);
        return [key, { label: boxOf(edge), way }];
      }),
    ),
  };
}

/**
 * The size of the picture. Dagre leaves no room for figures of an edge from a node to itself that are
 * wider than the node: where they would lie outside, all moves to the right.
 */
function makeRoom(graph, edges) {
  const nodes = graph.nodes().map((key) => graph.node(key));
  const boxes = [...nodes, ...edges];
  const shift = Math.max(0, MARGIN - Math.min(...boxes.map(({ x, width }) => x - width / 2)));
  for (const thing of [...boxes, ...edges.flatMap(({ points }) => points)]) thing.x += shift;
  const right = Math.max(...boxes.map(({ x, width }) => x + width / 2));
  const { width, height } = graph.graph();
  return { width: Math.max(width + shift, right + MARGIN), height };
}

function boxOf({ x, y, width, height }) {
  return { x: x - width / 2, y: y - height / 2, width, height };
}

/** The columns that everything stands in, by their middle: half the width of the widest in each. */
function columnsOf(boxes) {
  const columns = new Map();
  for (const { x, width } of boxes) columns.set(round(x), Math.max(columns.get(round(x)) ?? 0, width / 2));
  return columns;
}

/**
 * The way of an edge by the points that dagre kept free for it, one in each column. It goes level
 * through a column, where other things stand above and below it, and bends between columns.
 */
function wayOf([from, to], points, columns) {
  const step = to.x < from.x ? -1 : 1;
  const halfOf = ({ x }) => columns.get(round(x)) ?? 0;
  const edgeOf = (node, side) => ({ x: node.x + (side * node.width) / 2, y: node.y });
  const way = [];
  let at = edgeOf(from, step);
  const go = (point) => {
    if (Math.abs(point.x - at.x) > 0.1 || Math.abs(point.y - at.y) > 0.1) way.push(bend(at, point));
    at = point;
  };
  go({ x: from.x + step * halfOf(from), y: from.y });
  for (const point of points) {
    go({ x: point.x - step * halfOf(point), y: point.y });
    go({ x: point.x + step * halfOf(point), y: point.y });
  }
  go({ x: to.x - step * halfOf(to), y: to.y });
  go(edgeOf(to, -step));
  return way;
}

/** From one point to another: level if they are, or else a curve that starts and ends level. */
function bend(from, to) {
  if (Math.abs(from.y - to.y) < 0.1) return [from, to];
  const middle = (from.x + to.x) / 2;
  return [from, { x: middle, y: from.y }, { x: middle, y: to.y }, to];
}

/** From a node to itself: out of it, through the figures that lie below, and back. */
function loop(node, figures) {
  const [left, right] = [node.x - 0.3 * node.width, node.x + 0.3 * node.width];
  const bottom = node.y + node.height / 2;
  // A curve reaches three quarters of the way to where it is drawn to.
  const reach = bottom + (4 / 3) * (figures.y - bottom);
  return [
    [
      { x: left, y: bottom },
      { x: left, y: reach },
      { x: right, y: reach },
      { x: right, y: bottom },
    ],
  ];
}

/** A way as the `d` of a path. */
export function pathOf(way) {
  const text = ({ x, y }) => `${round(x)},${round(y)}`;
  const [[first]] = way;
  const pieces = way.map(([, ...rest]) => `${rest.length === 3 ? 'C' : 'L'}${rest.map(text).join(' ')}`);
  return `M${text(first)}${pieces.join('')}`;
}

const round = (value) => Math.round(value * 10) / 10;

// Where the nodes of the actor graph go: layers from left to right, so that messages read like a
// text, after Sugiyama. Hand-written because the graphs are small (a node an actor kind) and have
// to lie still: the same nodes and edges always give the same picture.

export const NODE_WIDTH = 160;
export const NODE_HEIGHT = 58;
const LAYER_GAP = 206;
const NODE_GAP = 62;
const MARGIN = 24;
const SWEEPS = 8;
const MOST_LAYERS = 5;

/** Places `nodes` (`{ key }`) joined by `edges` (`{ from, to }`, keys). `{ at: Map(key, {x, y}), width, height }`. */
export function layered(nodes, edges) {
  const keys = nodes.map(({ key }) => key);
  const forward = withoutCircles(
    keys,
    edges.filter(({ from, to }) => from !== to),
  );
  const layers = group(keys, forward);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) order(layers, forward, sweep % 2 === 0);
  return coordinates(layers, forward);
}

/** Turns around the edges that would close a circle, found depth first from the sources. */
function withoutCircles(keys, edges) {
  const out = new Map(keys.map((key) => [key, []]));
  for (const edge of edges) out.get(edge.from)?.push(edge);
  const targets = new Set(edges.map(({ to }) => to));
  const state = new Map();
  const kept = [];
  const visit = (key) => {
    state.set(key, 'open');
    for (const { from, to } of out.get(key)) {
      if (!out.has(to)) continue;
      if (state.get(to) === 'open') {
        kept.push({ from: to, to: from });
        continue;
      }
      kept.push({ from, to });
      if (!state.has(to)) visit(to);
    }
    state.set(key, 'done');
  };
  const sources = keys.filter((key) => !targets.has(key));
  for (const key of [...sources, ...keys]) if (!state.has(key)) visit(key);
  return kept;
}

/** Longest path from a source decides the layer; shortest where that would make a long thin band. */
function group(keys, edges) {
  const longest = longestPaths(keys, edges);
  const depth = Math.max(...longest.values()) < MOST_LAYERS ? longest : shortestPaths(keys, edges);
  const layers = [];
  for (const key of keys) (layers[depth.get(key)] ??= []).push(key);
  return layers.filter(Boolean);
}

function longestPaths(keys, edges) {
  const depth = new Map(keys.map((key) => [key, 0]));
  for (let round = 0, moved = true; moved && round <= keys.length; round += 1) {
    moved = false;
    for (const { from, to } of edges) {
      if (depth.get(to) > depth.get(from)) continue;
      depth.set(to, depth.get(from) + 1);
      moved = true;
    }
  }
  return depth;
}

function shortestPaths(keys, edges) {
  const targets = new Set(edges.map(({ to }) => to));
  const depth = new Map(keys.filter((key) => !targets.has(key)).map((key) => [key, 0]));
  for (const key of depth.keys()) {
    for (const { from, to } of edges) if (from === key && !depth.has(to)) depth.set(to, depth.get(key) + 1);
  }
  return depth;
}

/** Sorts each layer by the middle of its neighbours in the layer before (or after). */
function order(layers, edges, isDown) {
  const sequence = isDown
    ? layers.slice(1).map((_, i) => [i + 1, i])
    : layers.slice(1).map((_, i) => [layers.length - 2 - i, layers.length - 1 - i]);
  for (const [at, by] of sequence) {
    const place = new Map(layers[by].map((key, i) => [key, i / Math.max(1, layers[by].length - 1 || 1)]));
    const own = new Map(layers[at].map((key, i) => [key, i / Math.max(1, layers[at].length - 1 || 1)]));
    const middle = (key) => {
      const near = edges
        .flatMap(({ from, to }) => (from === key ? [to] : to === key ? [from] : []))
        .filter((other) => place.has(other));
      return near.length ? near.reduce((sum, other) => sum + place.get(other), 0) / near.length : own.get(key);
    };
    const weights = new Map(layers[at].map((key) => [key, middle(key)]));
    layers[at].sort((a, b) => weights.get(a) - weights.get(b) || own.get(a) - own.get(b));
  }
}

function coordinates(layers, edges) {
  const tallest = Math.max(...layers.map((layer) => layer.length));
  const height = tallest * (NODE_HEIGHT + NODE_GAP) - NODE_GAP + 2 * MARGIN;
  const at = new Map();
  layers.forEach((layer, column) => {
    const room = layer.length * (NODE_HEIGHT + NODE_GAP) - NODE_GAP;
    layer.forEach((key, i) =>
      at.set(key, {
        x: MARGIN + column * (NODE_WIDTH + LAYER_GAP),
        y: (height - room) / 2 + i * (NODE_HEIGHT + NODE_GAP),
      }),
    );
  });
  straighten(layers, edges, at, height);
  return { at, width: layers.length * (NODE_WIDTH + LAYER_GAP) - LAYER_GAP + 2 * MARGIN, height };
}

/** Lets each node slide towards its neighbours as far as its layer has room. */
function straighten(layers, edges, at, height) {
  const step = NODE_HEIGHT + NODE_GAP;
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      layer.forEach((key, i) => {
        const near = edges.flatMap(({ from, to }) => (from === key ? [to] : to === key ? [from] : []));
        if (!near.length) return;
        const wanted = near.reduce((sum, other) => sum + at.get(other).y, 0) / near.length;
        const low = i ? at.get(layer[i - 1]).y + step : MARGIN;
        const high = i < layer.length - 1 ? at.get(layer[i + 1]).y - step : height - MARGIN - NODE_HEIGHT;
        if (low <= high) at.get(key).y = Math.max(low, Math.min(high, wanted));
      });
    }
  }
}

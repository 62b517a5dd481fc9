// The actor graph: which service and actor sends what to which, over the last minute.

import { fetchGraph } from './api.js';
import { count, duration, percent, plural, rate } from './format.js';
import { layered, NODE_HEIGHT, NODE_WIDTH } from './layout.js';
import { announce, el, icon, searchPath, series, setStyle, svg, tagText } from './lib.js';
import { setKeys } from './shell.js';

const EVERY_MS = 2000;
const WINDOWS = [
  [60, 'last minute'],
  [300, 'last 5 minutes'],
  [600, 'last 10 minutes'],
];
const COLUMNS = ['From', 'To', 'Kind', 'Rate', 'p50', 'p99', 'Mailbox wait p50', 'Mailbox wait p99', 'Errors'];

/** Opens the graph. */
export function graphView(root, { go }) {
  document.title = 'Actor graph';
  const closing = new AbortController();
  let paused = false;
  const summary = el('span', { class: 'summary' });
  const chosen = el(
    'select',
    { 'aria-label': 'Time', onchange: () => update() },
    WINDOWS.map(([seconds, label]) => el('option', { value: seconds }, label)),
  );
  const pause = el(
    'button',
    { type: 'button', 'data-state': 'live', 'aria-pressed': 'true', onclick: () => toggle() },
    'Live',
  );
  const picture = svg('svg', { class: 'graph', role: 'presentation', 'aria-hidden': 'true' });
  const body = el('tbody', {});
  const table = el(
    'table',
    { class: 'edges' },
    el('caption', {}, 'Messages, the most frequent first. A row opens the traces of its receiver.'),
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        COLUMNS.map((name) => el('th', { scope: 'col' }, name)),
      ),
    ),
    body,
  );
  const blank = el('div', {});
  const content = el(
    'div',
    { class: 'graph-content', hidden: true },
    el(
      'div',
      {
        class: 'picture',
        tabindex: 0,
        role: 'region',
        'aria-label': 'Picture of the graph; the table below says the same',
      },
      picture,
    ),
    el('div', { class: 'table-scroll' }, table),
  );
  root.append(
    el('h1', { class: 'sr-only' }, 'Actor graph'),
    el(
      'div',
      { class: 'headline' },
      summary,
      chosen,
      el(
        'span',
        { class: 'soft key' },
        el('span', { class: 'shape service-key' }),
        'service ',
        el('span', { class: 'shape actor-key' }),
        'actor; on an edge: messages a second, p50 / p99 of their handling and of their mailbox wait',
      ),
      pause,
    ),
    content,
    blank,
  );

  const update = async () => {
    if (document.hidden) return;
    try {
      const graph = prepare(await fetchGraph(chosen.value, closing.signal));
      content.hidden = !graph.nodes.length;
      blank.replaceChildren(
        ...(graph.nodes.length
          ? []
          : [
              el(
                'div',
                { class: 'empty' },
                el('h2', {}, 'Nothing in this time'),
                el('p', {}, 'Services, actors and their messages appear here as spans come.'),
              ),
            ]),
      );
      summary.textContent = summaryOf(graph);
      if (graph.nodes.length) drawGraph(picture, graph, { open: go });
      drawTable(body, graph);
    } catch (error) {
      if (error.name !== 'AbortError') summary.textContent = `⚠ ${error.message}`;
    }
  };
  const toggle = () => {
    paused = !paused;
    Object.assign(pause, { textContent: paused ? 'Paused' : 'Live' });
    pause.dataset.state = paused ? 'paused' : 'live';
    pause.setAttribute('aria-pressed', String(!paused));
    announce(paused ? 'Paused' : 'Live');
  };
  const isReading = () => body.contains(document.activeElement);
  const timer = setInterval(() => !paused && !isReading() && update(), EVERY_MS);
  setKeys([
    { keys: ['p'], does: 'pause, or go on', run: toggle },
    { keys: ['j', 'ArrowDown'], does: 'next row of the table', run: () => moveRow(body, 1) },
    { keys: ['k', 'ArrowUp'], does: 'previous row of the table', run: () => moveRow(body, -1) },
    { keys: ['Escape'], does: 'leave the table', run: () => document.activeElement?.blur() },
  ]);
  update();
  return () => {
    closing.abort();
    clearInterval(timer);
  };
}

function summaryOf({ nodes, edges, spans, sampled }) {
  const held = [plural(nodes.length, 'node'), plural(edges.length, 'edge'), plural(spans, 'span')].join(', ');
  const newest = sampled ? ' (the newest of many)' : '';
  const drawn = edges.length > MOST_EDGES ? `; drawn: the ${MOST_EDGES} busiest edges` : '';
  return held + newest + drawn;
}

/** Names, words and addresses for nodes and edges, in an order that does not change. */
function prepare(graph) {
  const nodes = graph.nodes
    .map((node) => ({
      ...node,
      key: JSON.stringify([node.service, node.actor]),
      title: node.actor ?? node.service,
      path: searchPath({ service: node.service, tags: node.actor && tagText('actix.actor.name', node.actor) }),
      words: nodeWords(node),
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const edges = graph.edges
    .filter(({ from, to }) => byId.has(from) && byId.has(to))
    .map((edge) => {
      const [source, target] = [byId.get(edge.from), byId.get(edge.to)];
      return { ...edge, source, target, path: target.path, words: edgeWords(edge, source, target) };
    });
  edges.sort((a, b) => (a.source.key + a.target.key + a.kind < b.source.key + b.target.key + b.kind ? -1 : 1));
  return { ...graph, nodes, edges };
}

function nodeWords({ service, actor, spans, rate: perSecond, errors }) {
  const who = actor ? `actor ${actor} of ${service}` : `service ${service}`;
  const failed = errors ? `, ${plural(errors, 'error')}` : '';
  return `${who}: ${plural(spans, 'span')}, ${rate(perSecond)}${failed}`;
}

function edgeWords(edge, source, target) {
  const wait =
    edge.wait_p50_ns === null
      ? ''
      : `, in the mailbox ${duration(edge.wait_p50_ns)} (p99 ${duration(edge.wait_p99_ns)})`;
  const sent = plural(edge.count, edge.kind);
  const took = `p50 ${duration(edge.p50_ns)}, p99 ${duration(edge.p99_ns)}`;
  const failed = plural(edge.errors, 'error');
  return `${source.title} to ${target.title}: ${sent}, ${rate(edge.rate)}, ${took}${wait}, ${failed}`;
}

function drawTable(body, graph) {
  const rows = [...graph.edges].sort((a, b) => b.count - a.count || (a.words < b.words ? -1 : 1));
  body.replaceChildren(
    ...rows.map((edge) =>
      el(
        'tr',
        { class: edge.errors ? 'failing' : '' },
        el('th', { scope: 'row' }, nodeName(edge.source)),
        el('td', {}, el('a', { href: edge.path }, nodeName(edge.target))),
        el('td', {}, edge.kind),
        ...[
          rate(edge.rate),
          duration(edge.p50_ns),
          duration(edge.p99_ns),
          duration(edge.wait_p50_ns),
          duration(edge.wait_p99_ns),
        ].map((text) => el('td', { class: 'num' }, text)),
        el(
          'td',
          { class: 'num' },
          edge.errors
            ? el(
                'span',
                { class: 'bad' },
                icon('⚠', 'error'),
                ` ${count(edge.errors)} (${percent(edge.errors, edge.count)})`,
              )
            : '0',
        ),
      ),
    ),
  );
}

function nodeName(node) {
  return el(
    'span',
    { class: 'service', 'data-series': series(node.service) },
    el('span', { class: 'swatch' }),
    node.title,
    node.actor && el('span', { class: 'soft' }, ` ${node.service}`),
  );
}

function moveRow(body, step) {
  const links = [...body.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
}

// The actor graph as a picture: services and actors as boxes, messages as edges as thick as their
// rate. What it shows is in the table too, so a screen reader gets the table.

const SELF_REACH = 34;
// Below this the words cannot be read: rather scroll.
const SMALLEST = 0.62;
const LABEL_HEIGHT = 50;

/** Edges drawn at most, the busiest; the table has all. */
const MOST_EDGES = 60;

/** Draws `graph` (nodes with `key`) into `picture`. `open(path)` follows a click, `focus` marks an edge. */
function drawGraph(picture, whole, host) {
  const graph = {
    ...whole,
    edges: [...whole.edges]
      .sort((a, b) => b.count - a.count)
      .slice(0, MOST_EDGES)
      .sort((a, b) => whole.edges.indexOf(a) - whole.edges.indexOf(b)),
  };
  const { at, width, height } = layered(
    graph.nodes,
    graph.edges.map((edge) => ({ from: edge.source.key, to: edge.target.key })),
  );
  setStyle(picture, { 'min-width': `${Math.round(width * SMALLEST)}px` });
  const busiest = Math.max(1e-9, ...graph.edges.map((edge) => edge.rate));
  const ways = graph.edges.map((edge) => ({
    edge,
    way: wayOf(at.get(edge.source.key), at.get(edge.target.key), labelShare(edge, graph.edges)),
  }));
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
    ...labels.map(({ edge, way }) => drawLabel(edge, way, host)),
  );
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

/** How far along its edge a label stands: where the edge has parted from its like. */
function labelShare(edge, edges) {
  const others = (end) =>
    edges.some((other) => other !== edge && other.source !== other.target && other[end] === edge[end]);
  const [fansOut, fansIn] = [others('source'), others('target')];
  if (fansOut === fansIn) return 0.5;
  return fansOut ? 0.57 : 0.43;
}

/** The path of an edge, and the place of its label. */
function wayOf(from, to, share) {
  const [fy, ty] = [from.y + NODE_HEIGHT / 2, to.y + NODE_HEIGHT / 2];
  if (from === to) {
    const [left, right] = [from.x + NODE_WIDTH * 0.35, from.x + NODE_WIDTH * 0.65];
    return {
      d: `M${left},${from.y}C${left},${from.y - SELF_REACH} ${right},${from.y - SELF_REACH} ${right},${from.y}`,
      x: from.x + NODE_WIDTH / 2,
      y: from.y - SELF_REACH * 0.75 - 8,
      isFlat: true,
    };
  }
  if (to.x > from.x) {
    const [x1, x2] = [from.x + NODE_WIDTH, to.x];
    const bend = Math.min(90, (x2 - x1) / 2);
    const rise = share * share * (3 - 2 * share);
    return {
      d: `M${x1},${fy}C${x1 + bend},${fy} ${x2 - bend},${ty} ${x2},${ty}`,
      x: x1 + share * (x2 - x1),
      y: fy + rise * (ty - fy),
      isFlat: Math.abs(ty - fy) < 20,
    };
  }
  // Backwards: under the nodes, so that it is not taken for a forward edge.
  const [x1, x2] = [from.x + NODE_WIDTH * 0.5, to.x + NODE_WIDTH * 0.5];
  const low = Math.max(from.y, to.y) + NODE_HEIGHT + 30;
  return {
    d: `M${x1},${from.y + NODE_HEIGHT}C${x1},${low} ${x2},${low} ${x2},${to.y + NODE_HEIGHT}`,
    x: (x1 + x2) / 2,
    y: low - 6,
  };
}

/** Labels that would lie on one another move apart. */
function spread(ways) {
  const placed = [];
  for (const entry of [...ways].sort((a, b) => a.way.y - b.way.y)) {
    const { way } = entry;
    for (const other of placed) {
      if (Math.abs(other.way.x - way.x) < 130 && way.y - other.way.y < LABEL_HEIGHT) way.y = other.way.y + LABEL_HEIGHT;
    }
    placed.push(entry);
  }
  return placed;
}

function drawEdge(edge, way, width, host) {
  const kind = edge.errors ? 'edge-head-error' : edge.kind === 'link' ? 'edge-head-link' : 'edge-head';
  return svg(
    'g',
    { class: `edge ${edge.kind}${edge.errors ? ' failing' : ''}`, onclick: () => host.open(edge.path) },
    svg('path', { class: 'reach', d: way.d }),
    svg('path', { class: 'way', d: way.d, 'stroke-width': width.toFixed(2), 'marker-end': `url(#${kind})` }),
    svg('title', {}, edge.words),
  );
}

function drawLabel(edge, way, host) {
  const lines =
    edge.kind === 'link'
      ? ['links']
      : [
          `${duration(edge.p50_ns)} / ${duration(edge.p99_ns)}`,
          edge.wait_p50_ns !== null && `wait ${duration(edge.wait_p50_ns)} / ${duration(edge.wait_p99_ns)}`,
        ].filter(Boolean);
  return svg(
    'g',
    {
      class: `edge-label${edge.errors ? ' failing' : ''}`,
      transform: `translate(${way.x},${way.y})`,
      onclick: () => host.open(edge.path),
    },
    way.isFlat ? null : backing(lines),
    svg('text', { y: -6 }, rate(edge.rate), edge.errors ? ` ⚠ ${percent(edge.errors, edge.count)}` : ''),
    ...lines.map((line, i) => svg('text', { y: 13 + 12.5 * i, class: 'second' }, line)),
  );
}

/** Hides the slanting edge behind its words; a level one passes between them. */
function backing(lines) {
  const width = 6.4 * Math.max(10, ...lines.map((line) => line.length)) + 8;
  return svg('rect', { class: 'backing', x: -width / 2, y: -18, width, height: 23 + 12.5 * lines.length, rx: 4 });
}

function drawNode(node, { x, y }, host) {
  return svg(
    'g',
    {
      class: `node${node.actor ? ' actor' : ''}${node.errors ? ' failing' : ''}`,
      transform: `translate(${x},${y})`,
      'data-series': series(node.service),
      onclick: () => host.open(node.path),
    },
    svg('rect', { width: NODE_WIDTH, height: NODE_HEIGHT, rx: node.actor ? 14 : 5 }),
    svg('rect', {
      class: 'edge-mark',
      x: node.actor ? 10 : 0,
      y: node.actor ? 12 : 0,
      width: node.actor ? 5 : 7,
      height: node.actor ? NODE_HEIGHT - 24 : NODE_HEIGHT,
      rx: 2,
    }),
    svg('text', { x: 22, y: 20, class: 'node-name' }, shorten(node.actor ?? node.service, 21)),
    svg('text', { x: 22, y: 34, class: 'second' }, node.actor ? shorten(node.service, 26) : 'service'),
    svg(
      'text',
      { x: 22, y: 49, class: 'second figures' },
      `${rate(node.rate)}${node.errors ? ` ⚠ ${percent(node.errors, node.spans)}` : ''}`,
    ),
    svg('title', {}, node.words),
  );
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

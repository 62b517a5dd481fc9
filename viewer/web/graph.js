// The actor graph: which service and actor sends what to which, over the last minute.

import { fetchGraph } from './api.js';
import { series } from './colors.js';
import { announce, el, icon, svg } from './dom.js';
import { count, duration, percent, plural, rate } from './format.js';
import { MOST_EDGES, drawGraph } from './graphpicture.js';
import { setKeys } from './keys.js';
import { searchPath, tagText } from './router.js';

const EVERY_MS = 2000;
const WINDOWS = [[60, 'last minute'], [300, 'last 5 minutes'], [600, 'last 10 minutes']];
const COLUMNS = ['From', 'To', 'Kind', 'Rate', 'p50', 'p99', 'Mailbox wait p50', 'Mailbox wait p99', 'Errors'];

/** Opens the graph. */
export function graphView(root, { go }) {
  document.title = 'Actor graph';
  const closing = new AbortController();
  let paused = false;
  const summary = el('span', { class: 'summary' });
  const chosen = el('select', { 'aria-label': 'Time', onchange: () => update() }, WINDOWS.map(([seconds, label]) => el('option', { value: seconds }, label)));
  const pause = el('button', { type: 'button', 'data-state': 'live', 'aria-pressed': 'true', onclick: () => toggle() }, 'Live');
  const picture = svg('svg', { class: 'graph', role: 'presentation', 'aria-hidden': 'true' });
  const body = el('tbody', {});
  const table = el('table', { class: 'edges' },
    el('caption', {}, 'Messages, the most frequent first. A row opens the traces of its receiver.'),
    el('thead', {}, el('tr', {}, COLUMNS.map((name) => el('th', { scope: 'col' }, name)))), body);
  const blank = el('div', {});
  const content = el('div', { class: 'graph-content', hidden: true },
    el('div', { class: 'picture', tabindex: 0, role: 'region', 'aria-label': 'Picture of the graph; the table below says the same' }, picture),
    el('div', { class: 'table-scroll' }, table));
  root.append(el('h1', { class: 'sr-only' }, 'Actor graph'),
    el('div', { class: 'headline' }, summary, chosen, el('span', { class: 'soft key' }, el('span', { class: 'shape service-key' }), 'service ', el('span', { class: 'shape actor-key' }), 'actor; on an edge: messages a second, p50 / p99 of their handling and of their mailbox wait'), pause),
    content, blank);

  const update = async () => {
    if (document.hidden) return;
    try {
      const graph = prepare(await fetchGraph(chosen.value, closing.signal));
      content.hidden = !graph.nodes.length;
      blank.replaceChildren(...(graph.nodes.length ? [] : [el('div', { class: 'empty' }, el('h2', {}, 'Nothing in this time'), el('p', {}, 'Services, actors and their messages appear here as spans come.'))]));
      summary.textContent = `${plural(graph.nodes.length, 'node')}, ${plural(graph.edges.length, 'edge')}, ${plural(graph.spans, 'span')}${graph.sampled ? ' (the newest of many)' : ''}${graph.edges.length > MOST_EDGES ? `; drawn: the ${MOST_EDGES} busiest edges` : ''}`;
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

/** Names, words and addresses for nodes and edges, in an order that does not change. */
function prepare(graph) {
  const nodes = graph.nodes.map((node) => ({
    ...node,
    key: JSON.stringify([node.service, node.actor]),
    title: node.actor ?? node.service,
    path: searchPath({ service: node.service, tags: node.actor && tagText('actix.actor.name', node.actor) }),
    words: `${node.actor ? `actor ${node.actor} of ` : 'service '}${node.service}: ${plural(node.spans, 'span')}, ${rate(node.rate)}${node.errors ? `, ${plural(node.errors, 'error')}` : ''}`,
  })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const edges = graph.edges.filter(({ from, to }) => byId.has(from) && byId.has(to)).map((edge) => {
    const [source, target] = [byId.get(edge.from), byId.get(edge.to)];
    return { ...edge, source, target, path: target.path, words: edgeWords(edge, source, target) };
  });
  edges.sort((a, b) => (a.source.key + a.target.key + a.kind < b.source.key + b.target.key + b.kind ? -1 : 1));
  return { ...graph, nodes, edges };
}

function edgeWords(edge, source, target) {
  const wait = edge.wait_p50_ns === null ? '' : `, in the mailbox ${duration(edge.wait_p50_ns)} (p99 ${duration(edge.wait_p99_ns)})`;
  return `${source.title} to ${target.title}: ${edge.kind === 'link' ? plural(edge.count, 'link') : plural(edge.count, 'message')}, ${rate(edge.rate)}, p50 ${duration(edge.p50_ns)}, p99 ${duration(edge.p99_ns)}${wait}, ${plural(edge.errors, 'error')}`;
}

function drawTable(body, graph) {
  const rows = [...graph.edges].sort((a, b) => b.count - a.count || (a.words < b.words ? -1 : 1));
  body.replaceChildren(...rows.map((edge) => el('tr', { class: edge.errors ? 'failing' : '' },
    el('th', { scope: 'row' }, nodeName(edge.source)),
    el('td', {}, el('a', { href: edge.path }, nodeName(edge.target))),
    el('td', {}, edge.kind),
    ...[rate(edge.rate), duration(edge.p50_ns), duration(edge.p99_ns), duration(edge.wait_p50_ns), duration(edge.wait_p99_ns)].map((text) => el('td', { class: 'num' }, text)),
    el('td', { class: 'num' }, edge.errors ? el('span', { class: 'bad' }, icon('⚠', 'error'), ` ${count(edge.errors)} (${percent(edge.errors, edge.count)})`) : '0'))));
}

function nodeName(node) {
  return el('span', { class: 'service', 'data-series': series(node.service) }, el('span', { class: 'swatch' }), node.title, node.actor && el('span', { class: 'soft' }, ` ${node.service}`));
}

function moveRow(body, step) {
  const links = [...body.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
}

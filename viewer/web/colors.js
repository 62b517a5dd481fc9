// A service keeps its colour for as long as the page is open, wherever it is drawn. Colours go by
// first sight and not by a hash, so that no two of the first sixteen services look alike.

// Eight colours, each with a square and then with a round mark.
const SERIES = 16;
const known = new Map();

/** The number of a service's colour: for the attribute `data-series`. */
export function series(service) {
  if (!known.has(service)) known.set(service, known.size % SERIES);
  return known.get(service);
}

/** Gives colours to these services, in their order, before any is drawn. */
export function learn(services) {
  for (const service of services) series(service);
}

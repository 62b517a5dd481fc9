// What each key does on the list of traces.

/** The bindings, in the order of the help. */
export function listKeys(list) {
  return [
    { keys: ['j', 'ArrowDown'], does: 'next trace', run: () => list.move(1) },
    { keys: ['k', 'ArrowUp'], does: 'previous trace', run: () => list.move(-1) },
    { keys: ['PageDown'], run: () => list.move(15) },
    { keys: ['PageUp'], run: () => list.move(-15) },
    { keys: ['Home'], run: () => list.move(-1e6) },
    { keys: ['End'], run: () => list.move(1e6) },
    { keys: ['Enter'], does: 'open the trace', run: () => {
      const id = document.activeElement?.dataset?.trace;
      return id ? list.open(id) : false;
    } },
    { keys: ['/'], does: 'search by tags', run: () => list.form.elements.tags.focus() },
    { keys: ['Escape'], inFields: true, does: 'leave the search or the list', run: () => document.activeElement?.blur() },
    { keys: ['n'], does: 'show the new traces', run: () => list.showNew() },
    { keys: ['p'], does: 'pause the live tail, or go on', run: () => list.toggleLive() },
  ];
}

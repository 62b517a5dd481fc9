//! The one thread that adds spans to the store.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::{Queued, SharedStore};
use crate::store::convert::Converter;

/// Spans added under one lock, so that readers get their turn.
const SPANS_A_LOCK: usize = 512;

/// The shared names may double, and this much more, before those unused are looked for.
const UNUSED_BYTES: usize = 1 << 20;

/// Stores what is queued until nobody can queue more.
pub(super) fn run(queue: &Receiver<Queued>, store: &SharedStore) {
    let mut converter = Converter::default();
    let mut swept_bytes = 0;
    while let Ok(Queued { request, reservation }) = queue.recv() {
        let mut spans = converter.convert(request).into_iter();
        loop {
            // The values are shared with readers from here on.
            let some: Vec<_> = spans
                .by_ref()
                .take(SPANS_A_LOCK)
                .map(|(trace, span)| (trace, Arc::new(span)))
                .collect();
            if some.is_empty() {
                break;
            }
            store.write().add(some, converter.bytes());
        }
        drop(reservation);
        if converter.bytes() > 2 * swept_bytes + UNUSED_BYTES {
            converter.sweep();
            swept_bytes = converter.bytes();
        }
    }
}

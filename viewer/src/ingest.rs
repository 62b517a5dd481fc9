//! The way from a request to the store: a bounded queue and one thread that empties it.
//!
//! A sender is answered as soon as its request is decoded and queued. When more waits than the
//! [`Budget`] allows, the request is refused at once, so that the sender waits and tries again:
//! nobody blocks, nothing piles up, and the statistics say how much was refused.

mod budget;
mod writer;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

pub(crate) use self::budget::{Budget, Reservation};
use crate::store::Store;

/// The store, shared between its writer and its readers.
#[derive(Clone, Debug)]
pub(crate) struct SharedStore(Arc<RwLock<Store>>);

impl SharedStore {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(RwLock::new(store)))
    }

    /// Locks the store to read. Keep it short: the writer waits.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Store> {
        // A panic elsewhere leaves the store's totals wrong at worst, never its memory.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way to the store, with the memory that it was granted.
#[derive(Debug)]
struct Queued {
    request: ExportTraceServiceRequest,
    reservation: Reservation,
}

/// Takes requests for the store.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: Sender<Queued>,
}

impl Queue {
    /// Starts the writer of `store`, which ends when the last clone of the queue is gone.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(store: SharedStore) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = channel();
        let writer = std::thread::Builder::new()
            .name(String::from("store-writer"))
            .spawn(move || writer::run(&receiver, &store))?;
        Ok((Self { sender }, writer))
    }

    /// Queues a request. The reservation bounds the queue; it is given back when the request has
    /// been stored. False when the writer is gone, at shutdown.
    pub(crate) fn push(
        &self,
        request: ExportTraceServiceRequest,
        reservation: Reservation,
    ) -> bool {
        self.sender.send(Queued { request, reservation }).is_ok()
    }
}

#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! | to | there is |
//! |---|---|
//! | make an actor traced | [`TracedActor`], [`TracedContext`], [`sync::TracedSyncContext`] |
//! | start it | [`TracedStart`], [`sync::start_traced`], services in [`registry`] |
//! | see why a message was not delivered or not answered | [`ask()`], [`tell`], [`ask_recipient`], [`tell_recipient`], [`AskError`] |
//! | spawn past the actor | [`spawn_traced`] |
//! | serve many messages with one piece of work | [`BatchLinks`] |
//! | decide what becomes a span | [`RootPolicy`], [`StartPolicy`], [`TimerPolicy`], [`BatchPolicy`], [`Selection`] |
//! | say which replies are failures | [`TracedActor::classify`], [`Reply`] |
//! | measure | `metrics`, the names in [`attribute`] |
//! | test | `testing` |
#![cfg_attr(docsrs, feature(doc_cfg))]

// In reading order: `actor` and `policy` are what a user says of an actor. On the sender's side
// `envelope` captures the context (`origin`). On the receiver's side `relation` says what a message's
// span is to its sender's, `span` is that span and the context the message is handled in, and `reply`
// finds its end. `context`, `scoped`, `timer` and `stream` do the same for what an actor does later;
// `start` and `supervisor` start and restart actors, `life` is what they have in common. `batch`, `sync`, `registry`, `ask` and `spawn` are built on these;
// `operation` names all of it, and `selection`, `measure`, `logspan` and `lost` look on.

// Everything in this crate that says `opentelemetry` means the version that was chosen.
#[cfg(not(feature = "opentelemetry_0_32"))]
pub extern crate opentelemetry;
#[cfg(feature = "opentelemetry_0_32")]
pub extern crate opentelemetry_0_32 as opentelemetry;

#[cfg(feature = "testing_0_32")]
extern crate opentelemetry_sdk_0_32 as opentelemetry_sdk;

#[cfg(all(feature = "testing", feature = "opentelemetry_0_32", not(feature = "testing_0_32")))]
compile_error!("with OpenTelemetry 0.32 the feature `testing` is `testing_0_32`");

mod actor;
mod ask;
pub mod attribute;
mod batch;
mod context;
mod envelope;
mod life;
mod logspan;
mod lost;
mod measure;
#[cfg(feature = "metrics")]
pub mod metrics;
mod operation;
mod origin;
mod outcome;
mod policy;
pub mod registry;
mod relation;
mod reply;
mod scoped;
mod selection;
mod span;
mod spawn;
mod start;
mod stream;
mod supervisor;
pub mod sync;
#[cfg(any(feature = "testing", feature = "testing_0_32"))]
pub mod testing;
mod timer;
mod tracer;

pub use actor::{CarriesContext, TracedActor};
pub use ask::{Ask, AskError, AskRecipient, Asking, ask, ask_recipient, tell, tell_recipient};
pub use batch::{Batch, BatchLinks};
pub use context::TracedContext;
pub use policy::{
    BatchPolicy, DEFAULT_HOP_LIMIT, DEFAULT_ROUND_LIMIT, Reply, RootPolicy, StartPolicy,
    TimerPolicy,
};
pub use selection::{Selection, SelectionError, set_selection};
pub use spawn::spawn_traced;
pub use start::TracedStart;

#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! | to | use |
//! |---|---|
//! | make an actor traced | [`TracedActor`], [`TracedContext`], [`sync::TracedSyncContext`] |
//! | start it | [`TracedStart`], [`sync::start_traced`], services in [`registry`] |
//! | see why a message was not delivered or not answered | [`ask()`], [`tell`], [`ask_recipient`], [`tell_recipient`], [`AskError`] |
//! | spawn a future on the arbiter | [`spawn_traced`] |
//! | serve many messages with one piece of work | [`BatchLinks`] |
//! | decide what becomes a span | [`RootPolicy`], [`StartPolicy`], [`TimerPolicy`], [`BatchPolicy`], [`Selection`] |
//! | say which replies are failures | [`TracedActor::classify`], [`Reply`] |
//! | measure | `metrics`, the names in [`attribute`] |
//! | test | `testing` |
//!
//! # How a message is traced
//!
//! An ask, from its sending to its reply, and the file in which each step is written:
//!
//! 1. `addr.send(message)` has actix pack the message, on the sender's side. The packed message
//!    holds the current context (`envelope.rs`, `origin.rs`).
//! 2. In the receiver the actor's policies decide how the message's span relates to the sender's:
//!    its child, a root with a link, or no span (`relation.rs`, `policy.rs`).
//! 3. The span is started, with a name that was made once for this actor and message, and the
//!    handler runs with the span's context current (`span.rs`, `operation.rs`, `tracer.rs`).
//! 4. The reply ends the span, at once or when its future is ready (`reply.rs`, `outcome.rs`).
//!
//! What an actor does later goes the same way from step 2 on: `ctx.spawn` (`scoped.rs`), timers
//! (`timer.rs`) and streams (`stream.rs`), all called through the actor's context (`context.rs`).
//!
//! The other files: `actor.rs` has the trait, `start.rs`, `supervisor.rs` and `life.rs` start
//! actors, restart them and see them end. `sync.rs`, `registry.rs`, `batch.rs`, `ask.rs` and
//! `spawn.rs` are built on these. `selection.rs`, `metrics.rs`, `logspan.rs` and `lost.rs` are
//! asked on the way: whether a span is wanted, what to measure, in which `tracing` span to log, and
//! whether a context was lost. No two files import each other.
#![cfg_attr(docsrs, feature(doc_cfg))]

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
pub use tracer::instrumentation_scope;

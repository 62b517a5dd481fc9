#![doc = include_str!("../README.md")]

// In reading order: `actor` and `policy` are what a user says of an actor; `envelope` captures the
// sender's context (`origin`), and on the receiver's side starts a `span` in some `relation` to the
// sender's and hands the `reply` on; `context`, `scoped`, `timer` and `stream` do the same for what
// an actor does later; `batch`, `supervisor`, `sync` and `registry` are what is built on these.

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
mod stream;
mod supervisor;
pub mod sync;
#[cfg(any(feature = "testing", feature = "testing_0_32"))]
pub mod testing;
mod timer;
mod tracer;

pub use actor::{CarriesContext, TracedActor, TracedStart};
pub use ask::{Ask, AskError, AskRecipient, Asking, ask, ask_recipient, tell, tell_recipient};
pub use batch::{Batch, BatchLinks};
pub use context::TracedContext;
pub use policy::{
    BatchPolicy, DEFAULT_HOP_LIMIT, DEFAULT_ROUND_LIMIT, Reply, RootPolicy, StartPolicy,
    TimerPolicy,
};
pub use selection::{Selection, SelectionError, set_selection};
pub use spawn::spawn_traced;

#![doc = include_str!("../README.md")]

mod actor;
mod ask;
pub mod attribute;
mod batch;
mod context;
mod envelope;
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
mod span;
mod spawn;
mod stream;
mod supervisor;
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod tracer;

pub use actor::{TracedActor, TracedStart};
pub use ask::{Ask, AskError, ask, tell};
pub use batch::BatchLinks;
pub use context::TracedContext;
pub use policy::{DEFAULT_HOP_LIMIT, Reply, RootPolicy, TimerPolicy};
pub use spawn::spawn_traced;

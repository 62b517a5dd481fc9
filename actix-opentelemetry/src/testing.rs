//! Traces as text, for tests: feature `testing`.
//!
//! A test that asserts the whole tree of a trace sees every span that is missing, surplus or in
//! the wrong place. [`TestTrace`] gives each test a trace of its own in one provider that all of
//! them share, so they run in parallel; [`SpanTree`] prints it:
//!
//! ```
//! use actix_opentelemetry::testing::TestTrace;
//! use opentelemetry::{global, trace::Tracer};
//!
//! # actix_rt::System::new().block_on(async {
//! let trace = TestTrace::start("a test");
//! trace
//!     .run(async { global::tracer("example").in_span("work", |_| ()) })
//!     .await;
//! assert_eq!(
//!     trace.tree(2).await,
//!     "a test INTERNAL
//!   work INTERNAL
//! "
//! );
//! # });
//! ```
//!
//! A line is the span's name and kind, then, where there are any, the status with its
//! `error.type`, the attributes that were asked for, and the names of the spans it links to:
//!
//! ```text
//! ask Aisle Reserve INTERNAL ERROR OutOfStock {aisle=produce} -> delayed Restocker
//! ```

mod record;
mod recorder;
mod trace;
mod tree;

pub use record::{SpanRecord, SpanStatus};
pub use recorder::{Recorder, recorder};
pub use trace::TestTrace;
pub use tree::SpanTree;

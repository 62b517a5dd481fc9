//! Assert whole traces in your tests: feature `testing`, which brings in the SDK.
//!
//! A test that asserts the whole tree of a trace sees every span that is missing, surplus or in
//! the wrong place; one that looks for "a span called so" sees none of these. It needs nothing else
//! of this crate: whatever makes OpenTelemetry spans can be tested with it.
//!
//! [`TestTrace`] gives each test a trace of its own in one provider that all of them share, so they
//! run in parallel; [`SpanTree`] prints it:
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
//! `error.type`, the attributes that were asked for, the events if they were asked for, and the names
//! of the spans it links to:
//!
//! ```text
//! ask Aisle Reserve INTERNAL ERROR OutOfStock {aisle=produce} (retry) -> delayed Restocker
//! ```
//!
//! A trace is printed with all traces that began with a link to it, which is what an actor does for
//! timers, long chains and batches. What is in neither (an orphan, a trace that a lost context began)
//! is found in [`Recorder::all_spans`]: every span that has ended in the whole process. A test that
//! looks at these filters them by what is its own, such as an actor of its own:
//!
//! ```
//! use actix_opentelemetry::testing::{SpanTree, recorder};
//! use opentelemetry::{global, trace::Tracer};
//!
//! let recorder = recorder();
//! global::tracer("example").in_span("lost", |_| ());
//! let spans = recorder.all_spans();
//! let lost: Vec<_> = spans.iter().filter(|span| span.name == "lost").collect();
//! assert_eq!(SpanTree::new(lost).render(), "lost INTERNAL\n");
//! ```

/// The SDK that this feature was built with.
#[cfg(not(feature = "testing_0_32"))]
pub use opentelemetry_sdk;
#[cfg(feature = "testing_0_32")]
pub use opentelemetry_sdk_0_32 as opentelemetry_sdk;

mod record;
mod recorder;
mod trace;
mod tree;

pub use record::{SpanRecord, SpanStatus};
pub use recorder::{Recorder, recorder};
pub use trace::TestTrace;
pub use tree::SpanTree;

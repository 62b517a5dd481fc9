//! Assert whole traces in your tests: feature `testing`, which brings in the SDK.
//!
//! A test that asserts the whole tree of a trace sees every span that is missing, surplus or in
//! the wrong place. A test that looks for one span by its name sees none of these. The module needs
//! nothing else of this crate, so it can test any code that makes OpenTelemetry spans.
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
//! `error.type`, the attributes that were asked for, the events if they were asked for, and the
//! names of the spans it links to:
//!
//! ```text
//! ask Aisle Reserve INTERNAL ERROR out_of_stock {aisle=produce} (retry) -> delayed Restocker
//! ```
//!
//! A trace is printed with all traces that began with a link to it, because an actor begins such
//! traces for timers, long chains and batches. A span that is in none of them, such as one whose
//! context was lost, is found in [`Recorder::all_spans`], which has every span that has ended in
//! the whole process. Other tests may run at the same time, so filter these by a name that only
//! this test uses:
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
//!
//! If the code under test marks its spans with an attribute, [`Recorder::traces_with`] has all
//! traces in which a span is marked. [`SpanTree::baggage`] prints the baggage with which each span
//! started, which shows where it was lost.

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

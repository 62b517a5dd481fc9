//! Lessons: mistakes with context that a request can ask for, beside their fixes.
//!
//! Each lesson is a file here. It has the mistake and the smallest fix, as code that could be in any
//! service; a reader is shown what is between its `ANCHOR` comments. A lesson runs within the request
//! that asks for it, and does no harm to other requests: what it does to a thread, an actor or a process,
//! it does to one that it has started itself and that it ends.
//!
//! A span whose context was lost begins a trace of its own, so a run can leave several traces. To find
//! them, every span of a lesson has the attribute `lesson.run`, and so has the SERVER span of the request.
//! The traces of a run are those in which a span has it.
//!
//! - `lesson` is what a lesson says of itself, with its code as an `excerpt`; `list` has them all;
//! - `asked` reads from a request which lesson it asks for, and `teaching` makes it, within bounds;
//! - `card` is what `GET /lessons` answers;
//! - `tracer` makes the spans of a run, and `aisle` is an actor that several lessons use;
//! - `process` starts another process for a lesson, from the store's `program`, and `role` is what that
//!   process does;
//! - the other files are the lessons.
//!
//! This is a crate apart from the store since one is compiled for speed and the other is not.

mod aisle;
mod asked;
mod card;
mod excerpt;
mod lesson;
mod list;
mod process;
mod program;
mod role;
mod teaching;
mod tracer;

mod baggage;
mod batch;
mod endless;
mod error;
mod exit;
mod first_comer;
mod guard;
mod late_send;
mod lazy_future;
mod no_http;
mod plain_actor;
mod sampled_apart;
mod spawn;
mod streamed_body;

pub use asked::{LESSON_BAGGAGE, RUN_BAGGAGE, VARIANT_BAGGAGE};
pub use card::{LessonCard, LessonList, LessonVariant};
pub use excerpt::Excerpt;
pub use lesson::{LESSON_PARAMETER, Lesson, Picture, RUN_PARAMETER, VARIANT_PARAMETER, Variant};
pub use list::{LESSONS, find};
pub use process::Part;
pub use program::Program;
pub use role::play;
pub use teaching::{FIRST_CUSTOMER, LONGEST_LESSON, Lessons, MAX_LESSONS, OUTCOME_HEADER, Taught};
pub use tracer::{CUSTOMER, RUN_ATTRIBUTE};

/// The target of the log events about single requests and deliveries. They are exported, but not
/// written to standard error unless `RUST_LOG` asks for it: there are as many of them as there are
/// requests.
pub const ACTIVITY: &str = "store::activity";

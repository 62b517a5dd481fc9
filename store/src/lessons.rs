//! Lessons: what goes wrong with context, made to happen for one request, beside the smallest fix.
//!
//! Each lesson is a file here with the mistake and the fix side by side, as code that one could find in
//! any service; what is between the `ANCHOR` comments is what a reader is shown. A lesson is made within
//! the request that asks for it ([`asked`] says how), and in nobody else's way: what it does to a thread,
//! an actor or a process it does to one that it has started itself and that it ends.
//!
//! What it leaves is a run: one trace, or several, or orphans that no parent leads to. So each span that
//! a lesson makes has an attribute `lesson.run`, from its [`LessonTracer`], and so has the span of the
//! request. All traces in which a span has it are the run.
//!
//! [`LESSONS`] lists them all, for whoever shows them.

mod aisle;
mod asked;
mod card;
mod excerpt;
mod teaching;
mod tracer;

mod batch;
mod error;
mod first_comer;
mod guard;
mod lazy_future;
mod plain_actor;
mod spawn;
mod streamed_body;

use std::fmt;

use actix_web::HttpResponse;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

pub use card::{LessonCard, LessonList, LessonVariant};
pub use excerpt::Excerpt;
pub use teaching::{LONGEST_LESSON, MAX_LESSONS};
pub(crate) use teaching::{Lessons, Taught};
use tracer::LessonTracer;

/// The query parameter that asks for a lesson by its name.
pub const LESSON_PARAMETER: &str = "lesson";

/// The query parameter that says how the lesson is to be made: `mistake` or `fix`.
pub const VARIANT_PARAMETER: &str = "as";

/// The query parameter that names the run, so that its spans can be found.
pub const RUN_PARAMETER: &str = "run";

/// The baggage key that asks for a lesson by its name.
pub const LESSON_BAGGAGE: &str = "grocery.lesson";

/// The baggage key that says how the lesson is to be made.
pub const VARIANT_BAGGAGE: &str = "grocery.lesson.as";

/// The baggage key that names the run.
pub const RUN_BAGGAGE: &str = "grocery.lesson.run";

/// The baggage key, and the attribute, of the customer whose request it is. A lesson whose request
/// names none is about [`FIRST_CUSTOMER`].
pub const CUSTOMER: &str = "customer";

/// The customer of a request that names none.
pub const FIRST_CUSTOMER: &str = "alice";

/// The attribute by which the spans of a run are found.
pub const RUN_ATTRIBUTE: &str = "lesson.run";

/// The header of an answer that says what became of the lesson that the request asked for:
/// `honoured;run=RUN`, `cut-short;run=RUN` or `ignored;reason=REASON`.
pub const OUTCOME_HEADER: &str = "grocery-lesson";

/// All lessons, in the order in which they are best taken.
pub const LESSONS: &[Lesson] = &[
    guard::LESSON,
    first_comer::LESSON,
    lazy_future::LESSON,
    spawn::LESSON,
    plain_actor::LESSON,
    streamed_body::LESSON,
    batch::LESSON,
    error::LESSON,
];

/// A mistake with context, and its fix.
pub struct Lesson {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// The mistake, in a sentence.
    pub mistake: &'static str,
    /// What one sees of it, in a sentence.
    pub seen: &'static str,
    /// What has become of the trace.
    pub picture: Picture,
    /// Where it runs, so that it is in nobody's way.
    pub runs: &'static str,
    /// Why it comes out so, and what mends it.
    pub why: [&'static str; 3],
    /// The file with both, from the root of the repository.
    pub file: &'static str,
    /// What is in the file.
    source: &'static str,
    /// Makes the mistake, or does the same without it.
    make: fn(Variant, LessonTracer) -> LocalBoxFuture<'static, Option<HttpResponse>>,
}

/// What a mistake does to a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Picture {
    /// Something is gone from it: an orphan, a trace of its own, or nothing at all.
    Cut,
    /// Everything is there, and some of it in the wrong place.
    Moved,
    /// Everything is there, and two customers are in one tree.
    Mixed,
}

/// Which of the two a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// With the mistake.
    Mistake,
    /// Without it.
    Fix,
}

impl Lesson {
    /// The lesson of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        LESSONS.iter().find(|lesson| lesson.name == name)
    }

    /// The code of the mistake or of the fix, with its place in the file.
    pub fn code(&self, variant: Variant) -> Excerpt {
        excerpt::between(self.source, variant.name())
    }

    /// The path and the query by which a run is asked for, such as
    /// `/?lesson=spawn&as=mistake&run=7`.
    pub fn request(&self, variant: Variant, run: &str) -> String {
        format!("/?lesson={}&as={variant}&run={run}", self.name)
    }
}

impl Variant {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Mistake, Self::Fix];

    /// As requests name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mistake => "mistake",
            Self::Fix => "fix",
        }
    }
}

impl fmt::Debug for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lesson").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Picture {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Moved => "moved",
            Self::Mixed => "mixed",
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;

    #[test]
    fn every_lesson_is_told_apart_and_can_be_opened() {
        let names: HashSet<_> = LESSONS.iter().map(|lesson| lesson.name).collect();
        assert_eq!(names.len(), LESSONS.len());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for lesson in LESSONS {
            let file = std::fs::read_to_string(root.join(lesson.file)).unwrap();
            assert_eq!(file, lesson.source, "{}", lesson.file);
            for variant in Variant::BOTH {
                let Excerpt { first_line, last_line, text } = lesson.code(variant);
                let lines: Vec<_> = file.lines().skip(first_line - 1).collect();
                assert_eq!(lines[..=last_line - first_line].join("\n") + "\n", text);
                let code = text.lines().filter(|line| !line.trim().is_empty()).count();
                assert!((1..=45).contains(&code), "{}, {variant}: {code} lines", lesson.name);
            }
        }
    }
}

//! What a lesson says of itself, and how it is asked for.

use std::fmt;

use actix_web::HttpResponse;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use super::{
    excerpt::{self, Excerpt},
    tracer::LessonTracer,
};

/// The query parameter that asks for a lesson by its name.
pub const LESSON_PARAMETER: &str = "lesson";

/// The query parameter that says which [`Variant`] to make.
pub const VARIANT_PARAMETER: &str = "as";

/// The query parameter that gives the run a name, by which its spans are found.
pub const RUN_PARAMETER: &str = "run";

/// A mistake with context, and its fix.
pub struct Lesson {
    /// The name by which requests ask for it.
    pub name: &'static str,
    /// A title.
    pub title: &'static str,
    /// The mistake, in a sentence.
    pub mistake: &'static str,
    /// What is seen of it in the trace, in a sentence or two.
    pub seen: &'static str,
    /// What the mistake does to the trace.
    pub picture: Picture,
    /// Where it runs, so that it does no harm to other requests.
    pub runs: &'static str,
    /// Why this happens, and why the fix helps, in three sentences.
    pub why: [&'static str; 3],
    /// The file with the mistake and the fix, relative to the root of the repository.
    pub file: &'static str,
    /// The content of the file.
    pub(super) source: &'static str,
    /// Makes the mistake, or does the same work without it. It may answer the request; otherwise the
    /// request's handler does.
    pub(super) make: fn(Variant, LessonTracer) -> LocalBoxFuture<'static, Option<HttpResponse>>,
}

/// What a mistake does to a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Picture {
    /// A part is missing: it is an orphan, a trace of its own, or nothing at all.
    Cut,
    /// Every span is there, but some are under the wrong parent.
    Moved,
    /// Every span is there, but those of two customers are in one tree.
    Mixed,
}

/// Which of the two a run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The mistake.
    Mistake,
    /// The same work without the mistake.
    Fix,
}

impl Lesson {
    /// The code of the mistake or of the fix, with its place in the file.
    pub fn code(&self, variant: Variant) -> Excerpt {
        excerpt::between(self.source, variant.name())
    }

    /// The path and query that ask for a run, such as `/?lesson=spawn&as=mistake&run=7`.
    pub fn request(&self, variant: Variant, run: &str) -> String {
        format!("{}&{RUN_PARAMETER}={run}", self.request_of_any_run(variant))
    }

    /// The same without a name for the run, which the store then chooses.
    pub(super) fn request_of_any_run(&self, variant: Variant) -> String {
        format!("/?{LESSON_PARAMETER}={}&{VARIANT_PARAMETER}={variant}", self.name)
    }
}

impl Variant {
    /// Both variants.
    pub const BOTH: [Self; 2] = [Self::Mistake, Self::Fix];

    /// The value of [`VARIANT_PARAMETER`] that asks for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mistake => "mistake",
            Self::Fix => "fix",
        }
    }
}

impl Picture {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Moved => "moved",
            Self::Mixed => "mixed",
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

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

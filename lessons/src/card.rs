//! The answer to `GET /lessons`.

use serde::Serialize;

use super::{
    excerpt::Excerpt,
    lesson::{Lesson, Picture, Variant},
    list::LESSONS,
};

/// The answer to `GET /lessons`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LessonList {
    /// Whether this store makes lessons: `grocery store --allow-faults`.
    pub honoured: bool,
    /// All lessons, in the order in which they are best read.
    pub lessons: Vec<LessonCard>,
}

/// One lesson.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LessonCard {
    /// The name by which requests ask for it.
    #[cfg_attr(feature = "openapi", schema(example = "spawn"))]
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
    #[cfg_attr(feature = "openapi", schema(example = "lessons/src/spawn.rs"))]
    pub file: &'static str,
    /// The mistake, then the fix.
    pub variants: [LessonVariant; 2],
}

/// The mistake or the fix of a lesson.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LessonVariant {
    /// Which of the two it is.
    #[serde(rename = "as")]
    pub variant: Variant,
    /// The path and query that ask for it. `&run=` and a name may follow, by which the run's spans are
    /// found.
    #[cfg_attr(feature = "openapi", schema(example = "/?lesson=spawn&as=mistake"))]
    pub request: String,
    /// Its code.
    pub code: Excerpt,
}

impl LessonList {
    /// The list of a store that makes lessons if `honoured`.
    pub(super) fn new(honoured: bool) -> Self {
        Self { honoured, lessons: LESSONS.iter().map(LessonCard::from).collect() }
    }
}

impl From<&Lesson> for LessonCard {
    fn from(lesson: &Lesson) -> Self {
        let variant = |variant| LessonVariant {
            variant,
            request: lesson.request_of_any_run(variant),
            code: lesson.code(variant),
        };
        Self {
            name: lesson.name,
            title: lesson.title,
            mistake: lesson.mistake,
            seen: lesson.seen,
            picture: lesson.picture,
            runs: lesson.runs,
            why: lesson.why,
            file: lesson.file,
            variants: Variant::BOTH.map(variant),
        }
    }
}

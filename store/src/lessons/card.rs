//! What `GET /lessons` says of the lessons.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Excerpt, LESSONS, Lesson, Picture, Variant};

/// The answer to `GET /lessons`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LessonList {
    /// Whether this store makes lessons: `grocery store --allow-faults`.
    pub honoured: bool,
    /// All lessons, in the order in which they are best taken.
    pub lessons: Vec<LessonCard>,
}

/// One lesson.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LessonCard {
    /// What it is asked for by.
    #[schema(example = "spawn")]
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// The mistake, in a sentence.
    pub mistake: &'static str,
    /// What one sees of it, in a sentence.
    pub seen: &'static str,
    /// What has become of the trace.
    pub picture: Picture,
    /// Where it runs.
    pub runs: &'static str,
    /// Why it comes out so, and what mends it.
    pub why: [&'static str; 3],
    /// The file with the code of both variants.
    #[schema(example = "store/src/lessons/spawn.rs")]
    pub file: &'static str,
    /// With the mistake, and without it.
    pub variants: [LessonVariant; 2],
}

/// A lesson with its mistake, or without it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LessonVariant {
    /// Which of the two.
    #[serde(rename = "as")]
    pub variant: Variant,
    /// The path and the query by which it is asked for. More may follow: `&run=` and a name by which
    /// to find its spans.
    #[schema(example = "/?lesson=spawn&as=mistake")]
    pub request: String,
    /// Its code.
    pub code: Excerpt,
}

impl LessonList {
    /// All lessons of a store that makes them if `honoured`.
    pub(super) fn new(honoured: bool) -> Self {
        Self { honoured, lessons: LESSONS.iter().map(LessonCard::from).collect() }
    }
}

impl From<&Lesson> for LessonCard {
    fn from(lesson: &Lesson) -> Self {
        let variant = |variant| LessonVariant {
            variant,
            request: format!("/?lesson={}&as={variant}", lesson.name),
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

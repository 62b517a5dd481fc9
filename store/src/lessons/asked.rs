//! Which lesson a request asks for: in its query, or in its baggage.
//!
//! The query goes before the baggage: `?lesson=spawn&as=mistake&run=7` is what a person writes, and
//! `baggage: grocery.lesson=spawn,grocery.lesson.as=mistake,grocery.lesson.run=7` is what goes with a
//! trip through every request. Without `as` it is the mistake; without `run` the store names the run.

use std::{borrow::Cow, fmt};

use actix_web::{HttpRequest, http::header::HeaderValue};
use opentelemetry::{Context, baggage::BaggageExt as _};
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    LESSON_BAGGAGE, LESSON_PARAMETER, Lesson, RUN_BAGGAGE, RUN_PARAMETER, VARIANT_BAGGAGE,
    VARIANT_PARAMETER, Variant,
};

/// The longest name of a run, in bytes.
const MAX_RUN: usize = 64;

/// What a request asks for, not yet judged.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) lesson: Cow<'a, str>,
    variant: Option<Cow<'a, str>>,
    run: Option<Cow<'a, str>>,
    is_of_another_site: bool,
}

/// A lesson that can be made.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) lesson: &'static Lesson,
    pub(super) variant: Variant,
    pub(super) run: String,
}

/// Why a lesson is not made. The request is served without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    NotAllowed,
    NoSuchLesson,
    NoSuchVariant,
    MalformedRun,
    OfAnotherSite,
    TooManyLessons,
}

impl<'a> Asked<'a> {
    /// What this request asks for, if it asks for a lesson.
    pub(super) fn of(request: &'a HttpRequest, cx: &'a Context) -> Option<Self> {
        Self::in_query(request).or_else(|| Self::in_baggage(cx))
    }

    fn in_query(request: &'a HttpRequest) -> Option<Self> {
        let query = request.query_string();
        if query.is_empty() {
            return None;
        }
        let value = |key| {
            form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == key).map(|(_, value)| value)
        };
        let lesson = value(LESSON_PARAMETER)?;
        let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
        let is_of_another_site = site == Some(b"cross-site");
        let (variant, run) = (value(VARIANT_PARAMETER), value(RUN_PARAMETER));
        Some(Self { lesson, variant, run, is_of_another_site })
    }

    fn in_baggage(cx: &'a Context) -> Option<Self> {
        let value = |key| cx.baggage().get(key).map(|value| Cow::Borrowed(value.as_str()));
        let (lesson, variant) = (value(LESSON_BAGGAGE)?, value(VARIANT_BAGGAGE));
        Some(Self { lesson, variant, run: value(RUN_BAGGAGE), is_of_another_site: false })
    }

    /// Whether a store that makes lessons could make this one.
    pub(super) fn judge(&self) -> Result<Request, Ignored> {
        if self.is_of_another_site {
            return Err(Ignored::OfAnotherSite);
        }
        let lesson = Lesson::find(&self.lesson).ok_or(Ignored::NoSuchLesson)?;
        let variant = match self.variant.as_deref() {
            None => Variant::Mistake,
            Some(name) => Variant::BOTH
                .into_iter()
                .find(|variant| variant.name() == name)
                .ok_or(Ignored::NoSuchVariant)?,
        };
        let run = match self.run.as_deref() {
            None => Uuid::new_v4().simple().to_string(),
            Some(run) if is_run(run) => run.to_owned(),
            Some(_) => return Err(Ignored::MalformedRun),
        };
        Ok(Request { lesson, variant, run })
    }
}

fn is_run(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_RUN).contains(&text.len()) && text.bytes().all(is_plain)
}

impl Ignored {
    /// The reason in one word, as the header has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not-allowed",
            Self::NoSuchLesson => "no-such-lesson",
            Self::NoSuchVariant => "no-such-variant",
            Self::MalformedRun => "malformed-run",
            Self::OfAnotherSite => "of-another-site",
            Self::TooManyLessons => "too-many-lessons",
        }
    }
}

impl fmt::Display for Ignored {
    /// The reason in a sentence, with what helps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "this store makes no lessons: start it with --allow-faults",
            Self::NoSuchLesson => "there is no such lesson: GET /lessons lists them",
            Self::NoSuchVariant => "a lesson is made as=mistake or as=fix",
            Self::MalformedRun => {
                "a run is named by 1 to 64 letters, digits, hyphens, dots or underscores"
            }
            Self::OfAnotherSite => "a page of another site asks for it",
            Self::TooManyLessons => "as many lessons as may be are being made: try again",
        })
    }
}

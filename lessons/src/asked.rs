//! Which lesson a request asks for, in its query or in its baggage.
//!
//! A person writes a query, such as `?lesson=spawn&as=mistake&run=7`. Baggage, such as
//! `grocery.lesson=spawn,grocery.lesson.as=mistake,grocery.lesson.run=7`, goes with every request of a
//! trip. If a request has both, the query counts. Without `as` it is the mistake, and without `run` the
//! store chooses a name for the run.

use std::{borrow::Cow, fmt};

use actix_web::{HttpRequest, http::header::HeaderValue};
use opentelemetry::{Context, baggage::BaggageExt as _};
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    lesson::{LESSON_PARAMETER, Lesson, RUN_PARAMETER, VARIANT_PARAMETER, Variant},
    list::find,
};

/// The baggage key that asks for a lesson by its name.
pub const LESSON_BAGGAGE: &str = "grocery.lesson";

/// The baggage key that says which [`Variant`] to make.
pub const VARIANT_BAGGAGE: &str = "grocery.lesson.as";

/// The baggage key that gives the run a name, by which its spans are found.
pub const RUN_BAGGAGE: &str = "grocery.lesson.run";

/// The longest name of a run, in bytes.
const MAX_RUN: usize = 64;

/// What a request asks for. There need not be such a lesson.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) lesson: Cow<'a, str>,
    variant: Option<Cow<'a, str>>,
    run: Option<Cow<'a, str>>,
    origin: Origin,
}

/// Where the request says which lesson it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Query,
    /// In the query, and a browser says that a page of another site sends it.
    QueryOfAnotherSite,
    Baggage,
    /// In the header `baggage`, but the store's propagators do not read it.
    UnreadBaggage,
}

/// A run of a lesson that there is.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) lesson: &'static Lesson,
    pub(super) variant: Variant,
    pub(super) run: String,
}

/// Why a store does not make the lesson that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    NotAllowed,
    NoSuchLesson,
    NoSuchVariant,
    MalformedRun,
    OtherSite,
    NoBaggage,
    TooManyLessons,
}

impl<'a> Asked<'a> {
    /// Reads what this request asks for; `None` if it asks for no lesson. `unread` is the entry
    /// [`LESSON_BAGGAGE`] of the header, which the context lacks if the store reads no baggage.
    #[inline]
    pub(super) fn of(
        request: &'a HttpRequest,
        cx: &'a Context,
        unread: Option<&'a str>,
    ) -> Option<Self> {
        Self::in_query(request).or_else(|| Self::in_baggage(cx)).or_else(|| {
            let lesson = Cow::Borrowed(unread?);
            Some(Self { lesson, variant: None, run: None, origin: Origin::UnreadBaggage })
        })
    }

    #[inline]
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
        let origin = match site {
            Some(b"cross-site") => Origin::QueryOfAnotherSite,
            _ => Origin::Query,
        };
        Some(Self { lesson, variant: value(VARIANT_PARAMETER), run: value(RUN_PARAMETER), origin })
    }

    #[inline]
    fn in_baggage(cx: &'a Context) -> Option<Self> {
        let value = |key| cx.baggage().get(key).map(|value| Cow::Borrowed(value.as_str()));
        let (lesson, variant) = (value(LESSON_BAGGAGE)?, value(VARIANT_BAGGAGE));
        Some(Self { lesson, variant, run: value(RUN_BAGGAGE), origin: Origin::Baggage })
    }

    /// Finds the lesson.
    ///
    /// # Errors
    /// The reason why there is none to make.
    pub(super) fn find(&self) -> Result<Request, Ignored> {
        match self.origin {
            Origin::Query | Origin::Baggage => {}
            Origin::QueryOfAnotherSite => return Err(Ignored::OtherSite),
            Origin::UnreadBaggage => return Err(Ignored::NoBaggage),
        }
        let lesson = find(&self.lesson).ok_or(Ignored::NoSuchLesson)?;
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
            Self::OtherSite => "other-site",
            Self::NoBaggage => "no-baggage",
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
            Self::NoSuchVariant => "it is neither as=mistake nor as=fix",
            Self::MalformedRun => {
                "the name of a run is 1 to 64 letters, digits, hyphens, dots and underscores"
            }
            Self::OtherSite => "a page of another site asks for it",
            Self::NoBaggage => "this store reads no baggage: OTEL_PROPAGATORS must list it",
            Self::TooManyLessons => "too many lessons are running: try again",
        })
    }
}

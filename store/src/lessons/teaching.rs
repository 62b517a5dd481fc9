//! Makes a lesson within the request that asks for it, within bounds.

use std::{fmt, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse};
use opentelemetry::{
    Context, KeyValue,
    baggage::{Baggage, BaggageExt as _},
    global::BoxedTracer,
    trace::{FutureExt as _, TraceContextExt as _},
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    CUSTOMER, FIRST_CUSTOMER, LESSON_BAGGAGE, LessonList, RUN_ATTRIBUTE, RUN_BAGGAGE,
    VARIANT_BAGGAGE,
    asked::{Asked, Ignored, Request},
    tracer::LessonTracer,
};

/// How many lessons a store makes at a time. Each may start a few threads.
pub const MAX_LESSONS: usize = 8;

/// The longest that a lesson may take. It takes a fraction of a second.
pub const LONGEST_LESSON: Duration = Duration::from_secs(10);

/// The most that is kept of a name that no lesson has, in characters.
const MAX_NAME: usize = 64;

/// The lessons of one store.
#[derive(Debug)]
pub(crate) struct Lessons {
    honoured: bool,
    places: Arc<Semaphore>,
    tracer: Arc<BoxedTracer>,
}

/// A request that asked for a lesson, and what became of that.
#[derive(Debug)]
pub(crate) struct Taught {
    /// The value of [`OUTCOME_HEADER`](super::OUTCOME_HEADER).
    pub(crate) outcome: String,
    /// The answer to the request, if the lesson is about that. Otherwise the request is served as ever.
    pub(crate) answer: Option<HttpResponse>,
}

#[derive(Debug)]
enum Outcome {
    Honoured { run: String },
    CutShort { run: String },
    Ignored(Ignored),
}

impl Lessons {
    /// Those of a store that makes them if `honoured`.
    pub(crate) fn new(honoured: bool, tracer: Arc<BoxedTracer>) -> Self {
        Self { honoured, places: Arc::new(Semaphore::new(MAX_LESSONS)), tracer }
    }

    /// What there is to be asked for.
    pub(crate) fn list(&self) -> LessonList {
        LessonList::new(self.honoured)
    }

    /// Makes the lesson that the request asks for, if it asks for one. It is done when this is, but
    /// for the body of its answer.
    ///
    /// The span of the request, which must be current, says which lesson it was, or in an event why
    /// there was none.
    pub(crate) async fn teach(&self, request: &HttpRequest) -> Option<Taught> {
        let cx = Context::current();
        let asked = Asked::of(request, &cx)?;
        let judged = if self.honoured { asked.judge() } else { Err(Ignored::NotAllowed) };
        let admitted = judged.and_then(|lesson| {
            let place = Arc::clone(&self.places).try_acquire_owned();
            place.map(|place| (lesson, place)).map_err(|_| Ignored::TooManyLessons)
        });
        let (outcome, answer) = match admitted {
            Ok((lesson, place)) => {
                let tracer = Arc::clone(&self.tracer);
                let name = request_name(request);
                let tracer = LessonTracer::new(lesson.run.clone(), name, tracer, place);
                make(&cx, lesson, tracer, LONGEST_LESSON).await
            }
            Err(reason) => {
                add_ignored_event(&cx, &asked, reason);
                (Outcome::Ignored(reason), None)
            }
        };
        Some(Taught { outcome: outcome.to_string(), answer })
    }
}

async fn make(
    cx: &Context,
    Request { lesson, variant, run }: Request,
    tracer: LessonTracer,
    limit: Duration,
) -> (Outcome, Option<HttpResponse>) {
    cx.span().set_attributes([
        KeyValue::new("lesson.name", lesson.name),
        KeyValue::new("lesson.as", variant.name()),
        KeyValue::new(RUN_ATTRIBUTE, run.clone()),
    ]);
    // What asked for the lesson goes no further, or whatever the lesson calls would make it again.
    let is_kept = |key: &str| ![LESSON_BAGGAGE, VARIANT_BAGGAGE, RUN_BAGGAGE].contains(&key);
    let mut baggage: Baggage = (cx.baggage().iter())
        .filter(|(key, _)| is_kept(key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if baggage.get(CUSTOMER).is_none() {
        baggage.insert(CUSTOMER, FIRST_CUSTOMER);
        // The span began before there was a customer.
        cx.span().set_attribute(KeyValue::new(CUSTOMER, FIRST_CUSTOMER));
    }
    let cx_of_lesson = cx.with_baggage(baggage);
    match timeout(limit, (lesson.make)(variant, tracer).with_context(cx_of_lesson)).await {
        Ok(answer) => (Outcome::Honoured { run }, answer),
        Err(_) => {
            cx.span().add_event("grocery.lesson.cut_short", vec![]);
            (Outcome::CutShort { run }, None)
        }
    }
}

/// The name that the instrumentation gives to the request's span.
fn request_name(request: &HttpRequest) -> String {
    match request.match_pattern() {
        Some(route) => format!("{} {route}", request.method()),
        None => request.method().to_string(),
    }
}

fn add_ignored_event(cx: &Context, asked: &Asked<'_>, reason: Ignored) {
    let name: String = asked.lesson.chars().take(MAX_NAME).collect();
    let attributes = vec![
        KeyValue::new(LESSON_BAGGAGE, name),
        KeyValue::new("grocery.lesson_ignored.reason", reason.name()),
        KeyValue::new("grocery.lesson_ignored.message", reason.to_string()),
    ];
    cx.span().add_event("grocery.lesson.ignored", attributes);
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Honoured { run } => write!(f, "honoured;run={run}"),
            Self::CutShort { run } => write!(f, "cut-short;run={run}"),
            Self::Ignored(reason) => write!(f, "ignored;reason={}", reason.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use opentelemetry::global;

    use super::*;
    use crate::lessons::{Lesson, Picture, Variant};

    fn lessons() -> Lessons {
        Lessons::new(true, Arc::new(global::tracer("test")))
    }

    async fn outcome(lessons: &Lessons, path: &str) -> String {
        let request = TestRequest::with_uri(path).to_http_request();
        lessons.teach(&request).await.unwrap().outcome
    }

    #[actix_web::test]
    async fn one_lesson_too_many_is_ignored_until_another_is_over() {
        let lessons = lessons();
        let others = Arc::clone(&lessons.places);
        let mut others: Vec<_> =
            (0..MAX_LESSONS).map(|_| others.clone().try_acquire_owned().unwrap()).collect();
        let path = "/?lesson=spawn&run=7";
        assert_eq!(outcome(&lessons, path).await, "ignored;reason=too-many-lessons");
        others.pop();
        assert_eq!(outcome(&lessons, path).await, "honoured;run=7");
    }

    #[actix_web::test]
    async fn a_lesson_that_takes_too_long_is_cut_short_and_gives_its_place_back() {
        static ENDLESS: Lesson = Lesson {
            name: "endless",
            title: "",
            mistake: "",
            seen: "",
            picture: Picture::Cut,
            runs: "",
            why: [""; 3],
            file: "",
            source: "",
            make: |_, tracer| {
                Box::pin(async move {
                    std::future::pending::<()>().await;
                    drop(tracer);
                    None
                })
            },
        };
        let lessons = lessons();
        let request = Request { lesson: &ENDLESS, variant: Variant::Fix, run: "7".into() };
        let place = Arc::clone(&lessons.places).try_acquire_owned().unwrap();
        let tracer = LessonTracer::new("7".into(), "GET /".into(), lessons.tracer.clone(), place);
        let limit = Duration::from_millis(1);
        let (outcome, answer) = make(&Context::new(), request, tracer, limit).await;
        assert_eq!(outcome.to_string(), "cut-short;run=7");
        assert!(answer.is_none());
        assert_eq!(lessons.places.available_permits(), MAX_LESSONS);
    }
}

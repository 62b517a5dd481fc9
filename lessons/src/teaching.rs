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
    ACTIVITY,
    asked::{Asked, Ignored, LESSON_BAGGAGE, RUN_BAGGAGE, Request, VARIANT_BAGGAGE},
    card::LessonList,
    program::Program,
    tracer::{CUSTOMER, LessonTracer, RUN_ATTRIBUTE},
};

/// How many lessons a store runs at a time. Each may start a few threads.
pub const MAX_LESSONS: usize = 8;

/// The longest that a lesson may take. It usually takes a few milliseconds.
pub const LONGEST_LESSON: Duration = Duration::from_secs(10);

/// The header of an answer that says what became of the lesson that the request asked for:
/// `honoured;run=RUN`, `cut-short;run=RUN` or `ignored;reason=REASON`.
pub const OUTCOME_HEADER: &str = "grocery-lesson";

/// The customer of a request that does not name one.
pub const FIRST_CUSTOMER: &str = "alice";

/// How much of the name of an unknown lesson is recorded, in characters.
const MAX_NAME: usize = 64;

/// The lessons of one store.
#[derive(Debug)]
pub struct Lessons {
    honoured: bool,
    places: Arc<Semaphore>,
    tracer: Arc<BoxedTracer>,
    program: Option<Program>,
}

/// The result for a request that asked for a lesson.
#[derive(Debug)]
pub struct Taught {
    /// The value of [`OUTCOME_HEADER`].
    pub outcome: String,
    /// The answer to the request, if the lesson gives one.
    pub answer: Option<HttpResponse>,
}

#[derive(Debug)]
enum Outcome {
    Honoured { run: String },
    CutShort { run: String },
    Ignored(Ignored),
}

impl Lessons {
    /// The lessons of a store that makes them if `honoured`. `tracer` makes their spans, and `program`
    /// is the store's.
    pub fn new(honoured: bool, tracer: Arc<BoxedTracer>, program: Option<Program>) -> Self {
        Self { honoured, places: Arc::new(Semaphore::new(MAX_LESSONS)), tracer, program }
    }

    /// The list of all lessons.
    pub fn list(&self) -> LessonList {
        LessonList::new(self.honoured)
    }

    /// Whether the request asks for a lesson in its query or in baggage that has been read. Each request of a
    /// trip asks this, so it is inlined: this crate is not compiled for speed.
    #[inline]
    pub fn are_asked_for(&self, request: &HttpRequest, cx: &Context) -> bool {
        Asked::of(request, cx, None).is_some()
    }

    /// Makes the lesson that the request asks for; `None` if it asks for none. When it returns, the
    /// lesson is over, except for the body of its answer, if it gives one.
    ///
    /// The current span must be the request's SERVER span. It gets attributes that say which lesson it
    /// was, or an event that says why there was none. `unread` is the entry `grocery.lesson` of the
    /// header `baggage`.
    pub async fn teach(&self, request: &HttpRequest, unread: Option<&str>) -> Option<Taught> {
        let cx = Context::current();
        let asked = Asked::of(request, &cx, unread)?;
        let found = if self.honoured { asked.find() } else { Err(Ignored::NotAllowed) };
        let admitted = found.and_then(|lesson| {
            let place = Arc::clone(&self.places).try_acquire_owned();
            place.map(|place| (lesson, place)).map_err(|_| Ignored::TooManyLessons)
        });
        let (outcome, answer) = match admitted {
            Ok((lesson, place)) => {
                let tracer = Arc::clone(&self.tracer);
                let name = request_name(request);
                let tracer = LessonTracer::new(
                    lesson.run.clone(),
                    name,
                    tracer,
                    self.program.clone(),
                    place,
                );
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

/// Makes the lesson, and ends it if it takes longer than `limit`.
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
    // Without the entries that asked for the lesson: a service that the lesson calls would make it again.
    let is_kept = |key: &str| ![LESSON_BAGGAGE, VARIANT_BAGGAGE, RUN_BAGGAGE].contains(&key);
    let mut baggage: Baggage = (cx.baggage().iter())
        .filter(|(key, _)| is_kept(key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if baggage.get(CUSTOMER).is_none() {
        baggage.insert(CUSTOMER, FIRST_CUSTOMER);
        // The span started before the baggage named a customer.
        cx.span().set_attribute(KeyValue::new(CUSTOMER, FIRST_CUSTOMER));
    }
    let cx_of_lesson = cx.with_baggage(baggage);
    match timeout(limit, (lesson.make)(variant, tracer).with_context(cx_of_lesson)).await {
        Ok(answer) => (Outcome::Honoured { run }, answer),
        Err(_) => {
            tracing::info!(name: "grocery.lesson.cut_short", target: ACTIVITY, "a lesson is cut short");
            cx.span().add_event("grocery.lesson.cut_short", vec![]);
            (Outcome::CutShort { run }, None)
        }
    }
}

/// The name that the instrumentation gives to the request's SERVER span.
fn request_name(request: &HttpRequest) -> String {
    match request.match_pattern() {
        Some(route) => format!("{} {route}", request.method()),
        None => request.method().to_string(),
    }
}

/// Says on the request's span and in a log record that a lesson is ignored.
fn add_ignored_event(cx: &Context, asked: &Asked<'_>, reason: Ignored) {
    let name: String = asked.lesson.chars().take(MAX_NAME).collect();
    let message = reason.to_string();
    tracing::info!(
        name: "grocery.lesson.ignored",
        target: ACTIVITY,
        {
            grocery.lesson = name,
            grocery.lesson_ignored.reason = reason.name(),
            grocery.lesson_ignored.message = message,
        },
        "a lesson is ignored"
    );
    let attributes = vec![
        KeyValue::new(LESSON_BAGGAGE, name),
        KeyValue::new("grocery.lesson_ignored.reason", reason.name()),
        KeyValue::new("grocery.lesson_ignored.message", message),
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
    use crate::lesson::{Lesson, Picture, Variant};

    fn lessons() -> Lessons {
        Lessons::new(true, Arc::new(global::tracer("test")), None)
    }

    async fn outcome(lessons: &Lessons, path: &str) -> String {
        let request = TestRequest::with_uri(path).to_http_request();
        lessons.teach(&request, None).await.unwrap().outcome
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
    async fn a_lesson_in_baggage_that_the_store_does_not_read_is_ignored() {
        let request = TestRequest::with_uri("/").to_http_request();
        let taught = lessons().teach(&request, Some("spawn")).await.unwrap();
        assert_eq!(taught.outcome, "ignored;reason=no-baggage");
        assert!(lessons().teach(&request, None).await.is_none());
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
        let tracer =
            LessonTracer::new("7".into(), "GET /".into(), lessons.tracer.clone(), None, place);
        let limit = Duration::from_millis(1);
        let (outcome, answer) = make(&Context::new(), request, tracer, limit).await;
        assert_eq!(outcome.to_string(), "cut-short;run=7");
        assert!(answer.is_none());
        assert_eq!(lessons.places.available_permits(), MAX_LESSONS);
    }
}

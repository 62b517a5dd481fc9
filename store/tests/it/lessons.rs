//! Lessons: both trees of each, which `docs/lessons.md` shows, and who may ask for one.

mod bystanders;
mod document;
mod traced_store;

use std::collections::HashSet;

use actix_opentelemetry::testing::{SpanRecord, SpanTree, TestTrace, recorder};
use serde_json::Value;
use store::lessons::{LESSONS, OUTCOME_HEADER, RUN_ATTRIBUTE, Variant, find};
use uuid::Uuid;

use self::traced_store::TracedStore;
use crate::support::{Ask, TestStore};

async fn teaching() -> TestStore {
    TestStore::open_with(|config| config.allow_faults = true).await
}

/// Makes a lesson both ways, and expects of each what `docs/lessons.md` shows.
async fn assert_comes_out_as_documented(name: &str) {
    let store = teaching().await;
    for variant in Variant::BOTH {
        document::assert_shows(name, variant, &tree_of_a_run(&store, name, variant).await);
    }
}

/// Makes a lesson and gives all traces of its run as one text, each span with its customer. A lesson
/// is over with its answer, and so are its spans.
async fn tree_of_a_run(store: &TestStore, name: &str, variant: Variant) -> String {
    let run = Uuid::new_v4().to_string();
    let request = find(name).unwrap().request(variant, &run);
    let answer = store.get(&request).header("baggage", "customer=alice").send().await;
    assert_eq!(answer.header(OUTCOME_HEADER), format!("honoured;run={run}"));
    let (spans, open) = recorder().traces_with(RUN_ATTRIBUTE, &run);
    let tree = SpanTree::new(&spans).baggage(["customer"]).in_start_order().render();
    assert_eq!(open, 0, "{name} as {variant} is not over with its answer:\n{tree}");
    tree
}

/// Does the same for a lesson with processes of its own.
async fn assert_comes_out_of_processes_as_documented(name: &str) {
    for variant in Variant::BOTH {
        let spans = spans_from_processes(name, variant).await;
        let tree = SpanTree::new(&spans).with_services().attributes(["customer"]).in_start_order();
        document::assert_shows(name, variant, &tree.render());
    }
}

/// Makes a lesson with processes of its own, and returns the spans that it and the store have sent to a
/// backend, of all traces of the run.
async fn spans_from_processes(name: &str, variant: Variant) -> Vec<SpanRecord> {
    let store = TracedStore::start();
    let run = Uuid::new_v4().to_string();
    let request = find(name).unwrap().request(variant, &run);
    let answer = store.get(&request).header("baggage", "customer=alice").send().await;
    assert_eq!(answer.header(OUTCOME_HEADER), format!("honoured;run={run}"));
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    #[cfg(target_os = "linux")]
    assert_eq!(store.children(), Vec::<String>::new(), "processes of {name} are left behind");
    let mut spans = store.end();
    let of_run = |span: &&SpanRecord| span.attribute(RUN_ATTRIBUTE) == Some(&run);
    let traces: HashSet<_> =
        spans.iter().filter(of_run).map(|span| span.trace_id.clone()).collect();
    spans.retain(|span| traces.contains(&span.trace_id));
    spans
}

#[actix_web::test]
async fn services_that_sample_apart_leave_a_hole_in_one_trace() {
    let spans = spans_from_processes("sampled-apart", Variant::Mistake).await;
    let traces: HashSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 1, "{spans:?}");
}

#[actix_web::test]
async fn the_request_of_a_caller_says_whether_it_samples() {
    let mut spans = spans_from_processes("exit", Variant::Mistake).await;
    spans.sort_by_key(|span| span.start_unix_nano);
    let parents = spans.iter().filter_map(|span| span.attribute("http.request.header.traceparent"));
    // The attribute is a list, as those of headers are, and so is its text.
    let flags: Vec<_> = parents.filter_map(|parents| parents.rsplit('-').next()).collect();
    assert_eq!(flags, ["01\"]", "00\"]"]);
}

#[actix_web::test]
async fn a_store_that_does_not_know_its_program_says_which_lessons_it_cannot_make() {
    let store = teaching().await;
    for lesson in ["no-http", "sampled-apart", "exit"] {
        let answer = store.get(&format!("/?lesson={lesson}")).send().await;
        let said = b"this store cannot start the processes of the lesson";
        assert_eq!((answer.status, &answer.body[..]), (500, &said[..]));
    }
}

macro_rules! lessons {
    (
        in_the_store: {$($test:ident: $name:literal,)*}
        with_processes: {$($process_test:ident: $process_name:literal,)*}
    ) => {
        $(
            #[actix_web::test]
            async fn $test() {
                assert_comes_out_as_documented($name).await;
            }
        )*

        $(
            #[actix_web::test]
            async fn $process_test() {
                assert_comes_out_of_processes_as_documented($process_name).await;
            }
        )*

        #[test]
        fn every_lesson_has_a_test() {
            let tested = HashSet::from([$($name,)* $($process_name,)*]);
            assert_eq!(tested, LESSONS.iter().map(|lesson| lesson.name).collect());
        }
    };
}

lessons! {
    in_the_store: {
        a_guard_held_across_an_await: "guard",
        the_first_request_kept: "first-comer",
        a_span_around_the_making_of_a_future: "lazy-future",
        work_handed_to_another_task_or_thread: "spawn",
        one_actor_that_carries_no_context: "plain-actor",
        a_body_that_is_made_after_the_handler: "streamed-body",
        a_send_that_another_task_polls: "late-send",
        a_trace_without_an_end: "endless",
        a_batch_in_the_context_of_one_of_its_messages: "batch",
        a_failure_that_is_nowhere_or_anothers: "error",
        baggage_that_is_left_behind: "baggage",
    }
    with_processes: {
        an_http_request_without_its_context: "no-http",
        services_that_each_sample_for_themselves: "sampled-apart",
        a_process_that_ends_without_a_flush: "exit",
    }
}

#[actix_web::test]
async fn a_store_lists_its_lessons_with_their_code() {
    for honoured in [true, false] {
        let store = TestStore::open_with(|config| config.allow_faults = honoured).await;
        let list: Value = store.get("/lessons").send().await.json();
        assert_eq!(list["honoured"], honoured);
        let listed = list["lessons"].as_array().unwrap();
        assert_eq!(listed.len(), LESSONS.len());
        for (lesson, card) in LESSONS.iter().zip(listed) {
            assert_eq!(card["name"], lesson.name);
            assert_eq!(card["picture"], lesson.picture.name());
            for (index, variant) in Variant::BOTH.into_iter().enumerate() {
                let shown = &card["variants"][index];
                let code = lesson.code(variant);
                assert_eq!(shown["as"], variant.name());
                assert_eq!(shown["code"]["text"], code.text);
                assert_eq!(shown["code"]["first_line"], code.first_line);
                let request = shown["request"].as_str().unwrap();
                assert_eq!(format!("{request}&run=7"), lesson.request(variant, "7"));
            }
        }
    }
}

/// What the store says became of the lesson that this asks for, and the tree of the request.
async fn outcome(ask: Ask) -> (String, String) {
    let trace = TestTrace::start("a visit");
    let answer = ask.in_trace(&trace).send().await;
    // Whatever became of the lesson, the request is served.
    assert_eq!((answer.status, &answer.body[..]), (200, &b"Welcome to the grocery store!"[..]));
    let spans = trace.spans(3).await;
    let attributes = ["lesson.name", "lesson.as", "lesson.run"];
    let tree = SpanTree::new(&spans).attributes(attributes).with_events().in_start_order();
    (answer.header(OUTCOME_HEADER).to_owned(), tree.render())
}

const WITH_EVENT: &str = "\
a visit INTERNAL
  GET / SERVER (grocery.lesson.ignored)
    welcome message INTERNAL
";

#[actix_web::test]
async fn a_lesson_that_is_none_is_ignored_and_the_span_of_the_request_says_why() {
    let store = teaching().await;
    let long = format!("/?lesson=guard&run={}", "x".repeat(65));
    for (path, reason) in [
        ("/?lesson=gaurd", "no-such-lesson"),
        ("/?lesson=", "no-such-lesson"),
        ("/?lesson=guard&as=mitsake", "no-such-variant"),
        ("/?lesson=guard&as=", "no-such-variant"),
        ("/?lesson=guard&run=", "malformed-run"),
        ("/?lesson=guard&run=a%20b", "malformed-run"),
        (&long, "malformed-run"),
    ] {
        let expected = (format!("ignored;reason={reason}"), WITH_EVENT.to_owned());
        assert_eq!(outcome(store.get(path)).await, expected, "{path}");
    }
    for (site, is_ignored) in
        [("cross-site", true), ("same-site", false), ("same-origin", false), ("none", false)]
    {
        let answer = store.get("/?lesson=guard").header("sec-fetch-site", site).send().await;
        let outcome = answer.header(OUTCOME_HEADER);
        assert_eq!(outcome == "ignored;reason=other-site", is_ignored, "{site}: {outcome}");
    }
    let asks_for_none = store.get("/?as=fix&run=7").header("baggage", "grocery.lesson.run=7");
    assert_eq!(outcome(asks_for_none).await.0, "");
}

#[actix_web::test]
async fn a_store_that_makes_no_lessons_serves_the_request_and_says_why() {
    let store = TestStore::open().await;
    let in_baggage = store.get("/").header("baggage", "grocery.lesson=guard");
    for ask in [store.get("/?lesson=guard"), store.get("/?lesson=gaurd"), in_baggage] {
        let expected = ("ignored;reason=not-allowed".to_owned(), WITH_EVENT.to_owned());
        assert_eq!(outcome(ask).await, expected);
    }
}

#[actix_web::test]
async fn the_query_goes_before_the_baggage_which_asks_in_the_same_words() {
    let store = teaching().await;
    let baggage = "grocery.lesson=spawn,grocery.lesson.as=fix,grocery.lesson.run=in-baggage";
    let by_baggage = |path| store.get(path).header("baggage", baggage);
    let answer = by_baggage("/").send().await;
    assert_eq!(answer.header(OUTCOME_HEADER), "honoured;run=in-baggage");
    let answer = by_baggage("/?lesson=guard&run=in-query").send().await;
    assert_eq!(answer.header(OUTCOME_HEADER), "honoured;run=in-query");
    let seen = |run| {
        let (spans, _) = recorder().traces_with(RUN_ATTRIBUTE, run);
        let request = spans.into_iter().find(|span| span.attribute("lesson.name").is_some());
        let request = request.unwrap();
        ["lesson.name", "lesson.as", "customer"].map(|key| request.attribute(key).map(String::from))
    };
    // Of a request that names no customer the first one is assumed.
    let expected = |name: &str, variant: &str| [name, variant, "alice"].map(|s| Some(s.to_owned()));
    assert_eq!(seen("in-baggage"), expected("spawn", "fix"));
    assert_eq!(seen("in-query"), expected("guard", "mistake"));
}

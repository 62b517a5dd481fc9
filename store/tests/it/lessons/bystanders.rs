//! A lesson changes the traces of no other request, whichever it is and however many others there are.

use std::{cell::Cell, collections::HashMap};

use actix_opentelemetry::testing::{SpanRecord, SpanTree};
use actix_web::rt::System;
use futures_util::future::{join, join_all};
use proptest::prelude::*;
use store::lessons::{LESSONS, OUTCOME_HEADER, RUN_ATTRIBUTE, Variant};
use uuid::Uuid;

use super::traced_store::TracedStore;

/// How many requests are under way at a time, besides those that ask for a lesson.
const BYSTANDERS: usize = 64;

/// How many requests each of them makes at most, one after the other, while the lessons run.
const REQUESTS: usize = 5;

/// The span that the requests with a `traceparent` name as their parent.
const PARENT: &str = "00f067aa0ba902b7";

/// A kind of ordinary request.
#[derive(Clone, Debug)]
struct Bystander {
    path: &'static str,
    customer: Option<String>,
    has_parent: bool,
}

/// A request that was made, with the trace that it is in.
struct Made {
    trace_id: String,
    by: Bystander,
}

impl Bystander {
    /// All kinds in turn: either path, with and without baggage, with and without a trace.
    fn number(at: usize) -> Self {
        Self {
            path: if at & 1 == 0 { "/" } else { "/whats-in-store" },
            customer: (at & 2 == 0).then(|| format!("customer-{at}")),
            has_parent: at & 4 == 0,
        }
    }

    async fn ask(&self, store: &TracedStore) -> Made {
        let mut ask = store.get(self.path);
        if let Some(customer) = &self.customer {
            ask = ask.header("baggage", format!("customer={customer}"));
        }
        let trace_id = Uuid::new_v4().simple().to_string();
        if self.has_parent {
            ask = ask.header("traceparent", format!("00-{trace_id}-{PARENT}-01"));
        }
        let answer = ask.send().await;
        assert_eq!(answer.status, 200);
        let answered = answer.header("traceresponse")[3..35].to_owned();
        if self.has_parent {
            assert_eq!(answered, trace_id);
        }
        Made { trace_id: answered, by: self.clone() }
    }

    /// Its whole trace, which is the same without any lesson.
    fn tree(&self) -> String {
        let customer = self.customer.as_ref();
        let customer = customer.map(|customer| format!("customer={customer}"));
        let braced = |attributes: &[Option<&str>]| {
            let attributes: Vec<_> = attributes.iter().flatten().copied().collect();
            match attributes.is_empty() {
                true => String::new(),
                false => format!(" {{{}}}", attributes.join(" ")),
            }
        };
        let mine = braced(&[customer.as_deref()]);
        let parent = if self.has_parent { " (parent elsewhere)" } else { "" };
        let root = format!("GET {} SERVER{parent}{mine}\n", self.path);
        if self.path == "/" {
            return root + &format!("  welcome message INTERNAL{mine}\n");
        }
        let aisles = ["bakery", "dairy", "drinks", "frozen", "household", "pantry", "produce"];
        let aisles = aisles.map(|aisle| {
            let aisle = format!("grocery.aisle={aisle}");
            let attributes = braced(&[customer.as_deref(), Some(&aisle)]);
            format!("    ask Aisle ListProducts INTERNAL{attributes}\n")
        });
        root + &format!("  ask Inventory WhatsInStore INTERNAL{mine}\n") + &aisles.concat()
    }
}

async fn teach(store: &TracedStore, lesson: usize, variant: Variant) {
    let run = Uuid::new_v4().to_string();
    let request = LESSONS[lesson].request(variant, &run);
    let answer = store.get(&request).header("baggage", "customer=alice").send().await;
    let outcome = answer.header(OUTCOME_HEADER);
    // A machine that is very busy may cut it short, which must do no harm either.
    let expected = [format!("honoured;run={run}"), format!("cut-short;run={run}")];
    assert!(expected.contains(&outcome.to_owned()), "{request}: {outcome}");
}

/// Makes lessons among other requests, and returns the other requests.
async fn teach_among(
    bystanders: Vec<Bystander>,
    store: &TracedStore,
    lessons: Vec<(usize, Variant)>,
) -> Vec<Made> {
    let are_over = Cell::new(false);
    let lessons = async {
        join_all(lessons.into_iter().map(|(lesson, as_)| teach(store, lesson, as_))).await;
        are_over.set(true);
    };
    let bystanders = bystanders.iter().map(async |bystander| {
        let mut made = vec![bystander.ask(store).await];
        while !are_over.get() && made.len() < REQUESTS {
            made.push(bystander.ask(store).await);
        }
        made
    });
    let ((), made) = join(lessons, join_all(bystanders)).await;
    made.into_iter().flatten().collect()
}

fn lessons() -> impl Strategy<Value = Vec<(usize, Variant)>> {
    let variant = prop::sample::select(Variant::BOTH.to_vec());
    prop::collection::vec((0..LESSONS.len(), variant), 1..=4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 6,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_lesson_changes_the_traces_of_no_other_request(lessons in lessons()) {
        let store = TracedStore::start();
        let bystanders = (0..BYSTANDERS).map(Bystander::number).collect();
        let made = System::new().block_on(teach_among(bystanders, &store, lessons));
        assert!(made.len() >= BYSTANDERS);
        let mut traces: HashMap<String, Vec<SpanRecord>> = HashMap::new();
        for span in store.end() {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        for Made { trace_id, by } in made {
            let spans = &traces[&trace_id];
            let tree = SpanTree::new(spans).attributes(["customer", "grocery.aisle", RUN_ATTRIBUTE]);
            assert_eq!(tree.render(), by.tree());
            let root = spans.iter().find(|span| span.kind == "SERVER").unwrap();
            assert_eq!(root.parent.as_deref(), by.has_parent.then_some(PARENT));
        }
    }
}

//! The warning about messages that have lost their context. A test runs this program again as a
//! process of its own, to read what it writes to standard error.

// With the feature `tracing` it is an event, as `tests/tracing.rs` reads it.
#![cfg(not(feature = "tracing"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use actix::prelude::*;
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{RootPolicy, TracedActor, TracedContext, TracedStart, ask, tell};

struct Aisle;

#[derive(Message)]
#[rtype(result = "()")]
struct Reserve;

#[derive(Message)]
#[rtype(result = "()")]
struct Release;

impl Actor for Aisle {
    type Context = TracedContext<Self>;
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";
    const ROOT: RootPolicy = RootPolicy::Warn;
}

impl Handler<Reserve> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) {}
}

impl Handler<Release> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Release, _: &mut Self::Context) {}
}

async fn forgetful_checkout(aisle: &Addr<Aisle>) {
    aisle.send(Reserve).await.unwrap();
    aisle.send(Reserve).await.unwrap();
    aisle.do_send(Reserve);
}

fn careless_return(aisle: &Addr<Aisle>) {
    tell(aisle, Release).unwrap();
}

#[actix::test]
#[ignore = "another test runs it and reads what it writes"]
async fn lose_contexts() {
    let aisle = Aisle.start_traced();
    let trace = TestTrace::start("test");
    trace.run(async { ask(&aisle, Reserve).await }).await.unwrap();

    forgetful_checkout(&aisle).await;
    careless_return(&aisle);
    aisle.send(Release).await.unwrap();

    assert_eq!(trace.tree(2).await, "test INTERNAL\n  ask Aisle Reserve INTERNAL\n");
}

#[test]
fn the_first_lost_message_of_each_type_is_told_with_its_sender() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "lose_contexts", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    let told = String::from_utf8(output.stderr).unwrap();
    let told: Vec<_> =
        told.lines().filter(|line| line.starts_with("actix-opentelemetry: ")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let cases = [
        (told[0], "lost::Reserve", "    aisle.send(Reserve).await.unwrap();"),
        (told[1], "lost::Release", "    tell(aisle, Release).unwrap();"),
    ];
    for (line, message, statement) in cases {
        let start = format!(
            "actix-opentelemetry: message `{message}` reached `Aisle` outside any trace, sent from `"
        );
        assert!(line.starts_with(&start), "{line}");
        assert!(line.contains("spawn_traced"), "{line}");
        // The place is the statement that sent the message.
        let (_, place) = line.split_once("tests/lost.rs:").unwrap();
        let number: usize = place.split(':').next().unwrap().parse().unwrap();
        assert_eq!(include_str!("lost.rs").lines().nth(number - 1), Some(statement), "{line}");
    }
}

//! Services: found by their type, started outside any trace.

use actix::prelude::*;
use actix_opentelemetry::registry::{TracedArbiterService, TracedSystemService};
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};

use crate::fixture::{mark, messages};

#[derive(Default)]
struct Clock {
    is_ready: bool,
}

messages!(Ready => bool);

impl Actor for Clock {
    type Context = TracedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        mark("outside the trace of the first request");
    }
}

impl TracedActor for Clock {
    const NAME: &'static str = "Clock";
}

impl Supervised for Clock {}

impl TracedSystemService for Clock {
    fn service_started(&mut self, _: &mut Self::Context) {
        self.is_ready = true;
    }
}

impl TracedArbiterService for Clock {
    fn service_started(&mut self, _: &mut Self::Context) {
        self.is_ready = true;
    }
}

impl Handler<Ready> for Clock {
    type Result = bool;

    fn handle(&mut self, _: Ready, _: &mut Self::Context) -> bool {
        self.is_ready
    }
}

fn of_system() -> Addr<Clock> {
    <Clock as TracedSystemService>::from_registry()
}

fn of_arbiter() -> Addr<Clock> {
    <Clock as TracedArbiterService>::from_registry()
}

#[actix::test]
async fn a_service_is_traced_but_starts_in_no_trace() {
    let trace = TestTrace::start("test");

    let replies =
        trace.run(async { (of_system().send(Ready).await, of_arbiter().send(Ready).await) }).await;

    assert_eq!(replies, (Ok(true), Ok(true)));
    assert_eq!(
        trace.tree(0).await,
        "test INTERNAL
  ask Clock Ready INTERNAL
  ask Clock Ready INTERNAL
"
    );
}

#[actix::test]
async fn a_system_has_one_service_and_each_arbiter_has_its_own() {
    let (system, arbiter) = (of_system(), of_arbiter());
    assert_eq!((of_system(), of_arbiter()), (system.clone(), arbiter.clone()));

    let other = Arbiter::new();
    let (tx, rx) = tokio::sync::oneshot::channel();
    other.spawn_fn(|| tx.send((of_system(), of_arbiter())).unwrap());
    let (elsewhere, other_arbiter) = rx.await.unwrap();

    assert_eq!(elsewhere, system);
    assert_ne!(other_arbiter, arbiter);
    other.stop();
}

#[actix::test]
async fn an_actor_can_be_registered_as_the_service() {
    let own = Clock { is_ready: false }.start_traced();
    Clock::register(own.clone());
    assert_eq!(of_system(), own);
    assert_eq!(of_system().send(Ready).await, Ok(false));
}

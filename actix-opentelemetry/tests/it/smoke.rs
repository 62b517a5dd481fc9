//! x
use actix::prelude::*;
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart, ask};

struct Till;
impl Actor for Till {
    type Context = TracedContext<Self>;
}
impl TracedActor for Till {
    const NAME: &'static str = "Till";
}
#[derive(Message)]
#[rtype(u32)]
struct Total;
impl Handler<Total> for Till {
    type Result = u32;
    fn handle(&mut self, _: Total, _: &mut Self::Context) -> u32 {
        7
    }
}

#[actix::test]
async fn an_ask_is_answered() {
    let till = Till.start_traced();
    let trace = TestTrace::start("test");
    assert_eq!(trace.run(async { till.send(Total).await }).await, Ok(7));
    assert_eq!(trace.run(async { ask(&till, Total).await }).await, Ok(7));
    assert_eq!(trace.tree(3).await, "");
}

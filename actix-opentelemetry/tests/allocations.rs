//! Outside a trace a traced ask allocates no more than a plain one. This is a binary of its own
//! with one test, because the counting allocator belongs to the whole process.

use std::alloc::System as SystemAllocator;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<SystemAllocator> = &INSTRUMENTED_SYSTEM;

#[derive(Message)]
#[rtype(result = "u32")]
struct Now;

#[derive(Message)]
#[rtype(result = "u32")]
struct Later;

#[derive(Message)]
#[rtype(result = "u32")]
struct LaterInActor;

struct Plain;

impl Actor for Plain {
    type Context = Context<Self>;
}

struct Traced;

impl Actor for Traced {
    type Context = TracedContext<Self>;
}

impl TracedActor for Traced {
    const NAME: &'static str = "Traced";
}

macro_rules! handlers {
    ($($actor:ident),+) => {$(
        impl Handler<Now> for $actor {
            type Result = u32;

            fn handle(&mut self, _: Now, ctx: &mut Self::Context) -> u32 {
                ctx.spawn(async {}.into_actor(self));
                7
            }
        }

        impl Handler<Later> for $actor {
            type Result = ResponseFuture<u32>;

            fn handle(&mut self, _: Later, _: &mut Self::Context) -> Self::Result {
                Box::pin(async { 7 })
            }
        }

        impl Handler<LaterInActor> for $actor {
            type Result = ResponseActFuture<Self, u32>;

            fn handle(&mut self, _: LaterInActor, _: &mut Self::Context) -> Self::Result {
                Box::pin(async { 7 }.into_actor(self))
            }
        }
    )+};
}

handlers!(Plain, Traced);

/// How often a thousand of each message allocate. They are all sent once before, so that things
/// that are made only once do not count.
async fn allocations<A>(addr: &Addr<A>) -> usize
where
    A: Handler<Now> + Handler<Later> + Handler<LaterInActor>,
    A::Context: ToEnvelope<A, Now> + ToEnvelope<A, Later> + ToEnvelope<A, LaterInActor>,
{
    ask_all(addr).await;
    let region = Region::new(ALLOCATOR);
    ask_all(addr).await;
    region.change().allocations
}

async fn ask_all<A>(addr: &Addr<A>)
where
    A: Handler<Now> + Handler<Later> + Handler<LaterInActor>,
    A::Context: ToEnvelope<A, Now> + ToEnvelope<A, Later> + ToEnvelope<A, LaterInActor>,
{
    for _ in 0..1_000 {
        assert_eq!(addr.send(Now).await, Ok(7));
        assert_eq!(addr.send(Later).await, Ok(7));
        assert_eq!(addr.send(LaterInActor).await, Ok(7));
        addr.do_send(Now);
    }
}

#[actix::test]
async fn outside_a_trace_a_traced_actor_allocates_no_more_than_a_plain_one() {
    let plain = allocations(&Plain.start()).await;
    let traced = allocations(&Traced.start_traced()).await;

    assert!(plain > 4_000, "the allocator counts: {plain}");
    assert_eq!(traced, plain);
}

//! Property test: actors send one another random messages, at once and across threads, and each
//! trace has exactly the tree of the messages that were sent in it.

use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart, ask, spawn_traced};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::fixture::mark;

/// One step of a plan: how to send the rest of it.
#[derive(Debug, Clone)]
enum Step {
    Ask(usize, Vec<Step>),
    Tell(usize, Vec<Step>),
    Notify(Vec<Step>),
    Spawn(Vec<Step>),
    Later(Vec<Step>),
    Mark,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Perform {
    steps: Vec<Step>,
    crew: Vec<Addr<Player>>,
}

struct Player;

impl Actor for Player {
    type Context = TracedContext<Self>;
}

impl TracedActor for Player {
    const NAME: &'static str = "Player";
    const HOP_LIMIT: u32 = u32::MAX;
    const ROUND_LIMIT: u32 = u32::MAX;
    const TIMERS: actix_opentelemetry::TimerPolicy = actix_opentelemetry::TimerPolicy::Child;
}

impl Handler<Perform> for Player {
    type Result = ResponseFuture<()>;

    fn handle(
        &mut self,
        Perform { steps, crew }: Perform,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let mut asks = Vec::new();
        for step in steps {
            let perform = |steps| Perform { steps, crew: crew.clone() };
            match step {
                Step::Ask(player, steps) => asks.push(ask(&crew[player], perform(steps))),
                Step::Tell(player, steps) => crew[player].do_send(perform(steps)),
                Step::Notify(steps) => ctx.notify(perform(steps)),
                Step::Later(steps) => {
                    ctx.notify_later(perform(steps), Duration::ZERO);
                }
                Step::Spawn(steps) => {
                    let (player, perform) = (crew[0].clone(), perform(steps));
                    drop(spawn_traced(async move {
                        actix_rt::task::yield_now().await;
                        player.send(perform).await.unwrap();
                    }));
                }
                Step::Mark => mark("mark"),
            }
        }
        Box::pin(async move { join_all(asks).await.into_iter().for_each(|done| done.unwrap()) })
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop::collection::vec(Just(Step::Mark), 0..3);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let step = prop_oneof![
            (0..3_usize, inner.clone()).prop_map(|(player, steps)| Step::Ask(player, steps)),
            (0..3_usize, inner.clone()).prop_map(|(player, steps)| Step::Tell(player, steps)),
            inner.clone().prop_map(Step::Notify),
            inner.clone().prop_map(Step::Spawn),
            inner.prop_map(Step::Later),
            Just(Step::Mark),
        ];
        prop::collection::vec(step, 0..4)
    })
}

/// The tree that a plan must leave, and how many spans it has.
fn expected(steps: &[Step], depth: usize) -> (String, usize) {
    let mut subtrees: Vec<_> = (steps.iter())
        .map(|step| {
            let (kind, inner) = match step {
                Step::Ask(_, steps) | Step::Spawn(steps) => ("ask", steps),
                Step::Tell(_, steps) => ("tell", steps),
                Step::Notify(steps) => ("notify", steps),
                Step::Later(steps) => ("delayed", steps),
                Step::Mark => return (format!("{}mark INTERNAL\n", "  ".repeat(depth)), 1),
            };
            let (below, count) = expected(inner, depth + 1);
            let line = format!("{}{kind} Player Perform INTERNAL\n", "  ".repeat(depth));
            (line + &below, count + 1)
        })
        .collect();
    subtrees.sort();
    let count = subtrees.iter().map(|(_, count)| count).sum();
    (subtrees.into_iter().map(|(text, _)| text).collect(), count)
}

#[test]
fn sixty_four_concurrent_trips_are_sixty_four_whole_trees() {
    let config =
        ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let plans = prop::collection::vec(steps(), 64);
    let outcome = TestRunner::new(config).run(&plans, |plans| {
        System::new().block_on(perform(plans));
        Ok(())
    });
    outcome.unwrap();
}

async fn perform(plans: Vec<Vec<Step>>) {
    let arbiters = [Arbiter::new(), Arbiter::new()];
    let mut crew = vec![Player.start_traced()];
    crew.extend(
        arbiters.iter().map(|arbiter| Player::start_traced_in(&arbiter.handle(), |_| Player)),
    );
    let traces: Vec<_> = plans.iter().map(|_| TestTrace::start("trip")).collect();

    join_all(plans.iter().zip(&traces).map(|(steps, trace)| {
        let perform = Perform { steps: steps.clone(), crew: crew.clone() };
        trace.run(async { ask(&crew[0], perform).await.unwrap() })
    }))
    .await;

    for (steps, trace) in plans.iter().zip(&traces) {
        let (below, count) = expected(steps, 2);
        assert_eq!(
            trace.tree(count + 2).await,
            format!("trip INTERNAL\n  ask Player Perform INTERNAL\n{below}")
        );
    }
    for arbiter in arbiters {
        arbiter.stop();
    }
}

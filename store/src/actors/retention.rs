//! Retention: has old orders folded, so that the database does not grow for ever.
//!
//! It is told the time again and again. When a run is due and there is something old, it begins a
//! trace of its own: no request waits for it. The ledger folds one small batch after the other.
//! Between two batches is a pause as long as a batch took, so that even a store that is far behind
//! leaves its database to the sales for half of the time.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix::{
    Actor, ActorFutureExt as _, AsyncContext as _, Handler, Message, ResponseActFuture,
    WrapFuture as _,
};
use actix_opentelemetry::{Reply, RootPolicy, TracedActor, TracedContext};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt as _};
use shared::notice::{Notice, Over};
use tokio::time::{Instant, sleep};

use super::{
    error::{ActorError, answers},
    ledger::{Fold, GiveBackSpace, HasOld, Ledger},
    supervised::Supervised,
};
use crate::{ACTIVITY, clock::Clock};

/// The most batches in one run, so that its trace stays readable. If more is left, the next run
/// begins at the next [`Tick`].
const MAX_BATCHES: usize = 32;

/// The most steps of giving room back in one run.
const MAX_STEPS: usize = 8;

/// The longest time between two runs.
const LONGEST_PERIOD: Duration = Duration::from_secs(60);

/// How long orders are kept, and by which clock.
#[derive(Clone, Debug)]
pub(crate) struct RetentionPolicy {
    pub(crate) keep: Duration,
    pub(crate) clock: Clock,
}

/// The actor that has old orders folded.
pub(crate) struct Retention {
    ledger: Arc<Supervised<Ledger>>,
    policy: RetentionPolicy,
    /// What outlives an actor that stops.
    state: Arc<RetentionState>,
    is_running: bool,
    /// When the next run is due; `None` before the first.
    next_run: Option<SystemTime>,
}

/// What is known of the runs, whichever actor makes them.
#[derive(Debug, Default)]
pub(crate) struct RetentionState {
    /// Logs once that folding fails, and once that it works again.
    failing: Notice,
    /// Whether the last run has left something that is old.
    is_behind: AtomicBool,
}

impl RetentionState {
    /// Whether the next run had better begin soon.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }
}

/// Begin a run if it is time. Send it again and again, outside any trace: see
/// [`next_look`](super::ActorPools::next_look).
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Tick;

/// Fold what was placed or delivered at this time or before.
#[derive(Message)]
#[rtype(result = "Result<Run, ActorError>")]
struct FoldOld {
    until: SystemTime,
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    orders: u64,
    deliveries: u64,
    is_behind: bool,
}

answers!(Retention: Run);

impl RetentionPolicy {
    /// The time between two runs: a hundredth of the time that orders are kept, so that there is
    /// never much more than is to be kept.
    pub(super) fn period(&self) -> Duration {
        (self.keep / 100).min(LONGEST_PERIOD)
    }
}

impl Retention {
    /// The actor for a store with this ledger.
    pub(super) fn new(
        ledger: Arc<Supervised<Ledger>>,
        policy: RetentionPolicy,
        state: Arc<RetentionState>,
    ) -> Self {
        Self { ledger, policy, state, is_running: false, next_run: None }
    }

    /// Up to when orders are old, if a run is due.
    fn due(&self) -> Option<SystemTime> {
        let now = self.policy.clock.now();
        // A clock that was set back must not stop it for as long.
        let is_due =
            self.next_run.is_none_or(|next| now >= next || next > now + self.policy.period());
        (is_due && !self.is_running).then(|| now.checked_sub(self.policy.keep)).flatten()
    }

    /// Notes the end of a run, of which it is known whether there is more to do.
    fn ended(&mut self, is_behind: bool) {
        self.is_running = false;
        self.state.is_behind.store(is_behind, Ordering::Relaxed);
        let now = self.policy.clock.now();
        self.next_run = Some(if is_behind { now } else { now + self.policy.period() });
    }

    fn note<T>(&self, result: &Result<T, ActorError>) {
        match result {
            Ok(_) => {
                if let Some(Over { count, lasted }) = self.state.failing.over() {
                    tracing::warn!(name: "grocery.retention.recovered", failed = count, ?lasted, "old orders can be folded again");
                }
            }
            Err(error @ ActorError::Storage(_)) => {
                if self.state.failing.occurred() {
                    tracing::warn!(name: "grocery.retention.failed", %error, "old orders cannot be folded, the database grows");
                }
            }
            // The ledger is overloaded or is being started again. The next run does it.
            Err(error) => {
                tracing::debug!(name: "grocery.retention.postponed", %error, "old orders are folded later")
            }
        }
    }
}

impl Actor for Retention {
    type Context = TracedContext<Self>;
}

impl TracedActor for Retention {
    const NAME: &'static str = "Retention";

    /// A run is no part of any request.
    const ROOT: RootPolicy = RootPolicy::Start;

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        Self::error_type(reply)
    }
}

impl Handler<Tick> for Retention {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Tick, _: &mut Self::Context) -> Self::Result {
        let Some(until) = self.due() else { return Box::pin(async {}.into_actor(self)) };
        self.is_running = true;
        let has_old = self.ledger.ask(HasOld(until)).into_actor(self);
        Box::pin(has_old.map(move |has_old, retention, ctx| {
            retention.note(&has_old);
            if has_old.unwrap_or_default() {
                // The question was asked without spans, so that there is no trace of a run that has nothing
                // to do.
                let _guard = Context::new().attach();
                ctx.notify(FoldOld { until });
            } else {
                retention.ended(false);
            }
        }))
    }
}

impl Handler<FoldOld> for Retention {
    type Result = ResponseActFuture<Self, Result<Run, ActorError>>;

    fn handle(&mut self, message: FoldOld, _: &mut Self::Context) -> Self::Result {
        let run = run(Arc::clone(&self.ledger), message.until).into_actor(self);
        Box::pin(run.map(|run, retention, _| {
            retention.note(&run);
            retention.ended(run.as_ref().is_ok_and(|run| run.is_behind));
            run
        }))
    }
}

async fn run(ledger: Arc<Supervised<Ledger>>, until: SystemTime) -> Result<Run, ActorError> {
    let mut run = Run { is_behind: true, ..Run::default() };
    for _ in 0..MAX_BATCHES {
        let began = Instant::now();
        let folded = ledger.ask(Fold(until)).await?;
        run.orders += folded.orders;
        run.deliveries += folded.deliveries;
        run.is_behind = folded.is_full;
        if !run.is_behind {
            break;
        }
        sleep(began.elapsed()).await;
    }
    describe(&run);
    for _ in 0..MAX_STEPS {
        let began = Instant::now();
        if !ledger.ask(GiveBackSpace).await? {
            break;
        }
        sleep(began.elapsed()).await;
    }
    Ok(run)
}

/// Says on the current span and in a log record what a run has done.
fn describe(run: &Run) {
    tracing::info!(
        name: "grocery.retention.folded",
        target: ACTIVITY,
        { grocery.orders.folded = run.orders, grocery.deliveries.folded = run.deliveries },
        "old orders are folded"
    );
    let count = |key, count| KeyValue::new(key, i64::try_from(count).unwrap_or(i64::MAX));
    Context::map_current(|cx| {
        cx.span().set_attribute(count("grocery.orders.folded", run.orders));
        cx.span().set_attribute(count("grocery.deliveries.folded", run.deliveries));
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::actors::system::tests::parts;

    #[actix_rt::test]
    async fn a_run_is_due_at_the_start_and_then_a_hundredth_of_the_time_later() {
        static NOW: AtomicU64 = AtomicU64::new(1_000_000);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let clock = Clock::new(move || at(NOW.load(Ordering::SeqCst)));
        let policy = RetentionPolicy { keep: Duration::from_secs(1_000), clock };
        let ledger = super::super::system::ActorSystem::start(&parts().await).ledger;
        let mut retention = Retention::new(ledger, policy, Arc::default());
        let set = |now| NOW.store(now, Ordering::SeqCst);

        assert_eq!(retention.due(), Some(at(999_000)));
        retention.is_running = true;
        assert_eq!(retention.due(), None, "one run at a time");
        retention.ended(false);
        assert_eq!(retention.due(), None);
        set(1_000_009);
        assert_eq!(retention.due(), None);
        set(1_000_010);
        assert_eq!(retention.due(), Some(at(999_010)));
        retention.ended(true);
        assert!(retention.state.is_behind());
        assert_eq!(retention.due(), Some(at(999_010)), "the rest is folded at once");
        retention.ended(false);
        assert!(!retention.state.is_behind());
        set(500_000);
        assert_eq!(retention.due(), Some(at(499_000)), "the clock was set back");
    }

    #[test]
    fn the_longer_orders_are_kept_the_less_often_they_are_folded() {
        let period = |secs| {
            let keep = Duration::from_secs(secs);
            RetentionPolicy { keep, clock: Clock::default() }.period()
        };
        assert_eq!(period(60), Duration::from_millis(600));
        assert_eq!(period(24 * 60 * 60), LONGEST_PERIOD);
    }
}

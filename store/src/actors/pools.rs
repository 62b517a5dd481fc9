//! All actors of a store: one set for ordinary requests, and one for each experiment with faults.
//!
//! An experiment is all requests that ask for the same faults. A fault can stall an actor or end
//! it, together with every other message in its mailbox. So each experiment has actors of its own,
//! and the requests of other users never meet a faulty actor. The actors of an experiment start
//! with its first request, and end some time after its last.
//!
//! To the database the sets are like several replicas of the store: they never sell more than there
//! is, and their views of the stock agree within seconds.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry::Context;
use shared::fault::Fault;
use tokio::time::Instant;

use super::{
    metrics::ShopMetrics,
    retention::{Retention, RetentionPolicy, RetentionState, Tick},
    supervised::Supervised,
    system::{ActorParts, ActorSystem, NothingIsWritten},
};

/// How many experiments can be under way at the same time.
const MAX_EXPERIMENTS: usize = 32;

/// How long the actors of an experiment wait for its next request before they end.
const EXPERIMENT_IDLE: Duration = Duration::from_secs(10);

/// The times between which [`ActorPools::next_look`] chooses. An experiment begins no later than the longest before it
/// can end, so its end is not missed.
const SHORTEST_QUIET: Duration = Duration::from_secs(1);
const LONGEST_QUIET: Duration = Duration::from_secs(5);

/// All sets of actors of one store.
pub(crate) struct ActorPools {
    parts: ActorParts,
    regular: Arc<ActorSystem>,
    retention: Option<Retaining>,
    experiments: Mutex<Vec<Experiment>>,
}

/// The actor that has old orders folded, and what is to be known of it.
struct Retaining {
    actor: Supervised<Retention>,
    state: Arc<RetentionState>,
    period: Duration,
}

struct Experiment {
    faults: Vec<Fault>,
    actors: Arc<ActorSystem>,
    /// When its last request came.
    used_at: Instant,
}

impl ActorPools {
    /// Starts the actors for ordinary requests, and the one that has old orders folded if there is a
    /// policy for it.
    pub(crate) fn start(parts: ActorParts, retention: Option<RetentionPolicy>) -> Self {
        let regular = Arc::new(ActorSystem::start(&parts));
        // The aisles of an experiment are views of the same stock.
        parts.metrics().observe_stock(regular.stock());
        let retention = retention.map(|policy| {
            let (state, period) = (Arc::default(), policy.period());
            let actor = parts.start_retention(&regular.ledger, policy, Arc::clone(&state));
            Retaining { actor, state, period }
        });
        Self { parts, regular, retention, experiments: Mutex::default() }
    }

    /// The actors for ordinary requests.
    pub(crate) fn regular(&self) -> &Arc<ActorSystem> {
        &self.regular
    }

    /// The actors for requests that ask for these faults, or `None` if [`MAX_EXPERIMENTS`] others
    /// are under way. They keep running for as long as the caller holds them.
    pub(crate) fn experiment(&self, faults: &[Fault], now: Instant) -> Option<Arc<ActorSystem>> {
        let mut experiments = self.experiments();
        if let Some(experiment) = experiments.iter_mut().find(|e| e.faults == faults) {
            experiment.used_at = now;
            return Some(Arc::clone(&experiment.actors));
        }
        if experiments.len() >= MAX_EXPERIMENTS {
            return None;
        }
        let actors = Arc::new(ActorSystem::start(&self.parts));
        experiments.push(Experiment {
            faults: faults.to_vec(),
            actors: Arc::clone(&actors),
            used_at: now,
        });
        Some(actors)
    }

    /// Ends the actors of experiments that have been idle for [`EXPERIMENT_IDLE`]. Call it again and again, see
    /// [`next_look`](Self::next_look).
    pub(crate) fn end_idle_experiments(&self, now: Instant) {
        let ended: Vec<_> = self.experiments().extract_if(.., |e| e.is_idle(now)).collect();
        // Dropping the actors ends them. The list is not locked any more by then, so that requests
        // do not wait for it.
        drop(ended);
    }

    /// Has old orders folded if it is time. Call it again and again, outside any trace.
    pub(crate) fn fold_old_orders(&self) {
        if let Some(retention) = &self.retention {
            // If there is nothing to fold, there are no spans. Otherwise the run begins a trace.
            let _guard = telemetry::without_spans(&Context::new()).attach();
            retention.actor.tell(Tick);
        }
    }

    /// Logs that actors have stopped and were started again, once no actor has stopped for `calm`.
    /// Call it again and again.
    pub(crate) fn log_restarts_after(&self, calm: Duration) {
        self.parts.log_restarts_after(calm);
    }

    /// When the next of these three calls can have something to do, unless something happens that nobody can know
    /// yet: [`SHORTEST_QUIET`] from now at the earliest, and [`LONGEST_QUIET`] at the latest. So a store in which little
    /// happens sleeps the longer.
    pub(crate) fn next_look(&self, now: Instant) -> Instant {
        let experiments = self.experiments().iter().map(|e| e.used_at + EXPERIMENT_IDLE).min();
        let folding = self.retention.as_ref().map(|retention| match retention.state.is_behind() {
            true => now,
            false => now + retention.period,
        });
        let restarts = self.parts.is_restarting().then_some(now);
        let next = [experiments, folding, restarts].into_iter().flatten().min();
        let (earliest, latest) = (now + SHORTEST_QUIET, now + LONGEST_QUIET);
        next.map_or(latest, |next| next.clamp(earliest, latest))
    }

    /// What is measured of all actors together.
    pub(crate) fn metrics(&self) -> &ShopMetrics {
        self.parts.metrics()
    }

    /// The names of the aisles, in the order of the catalogue.
    pub(crate) fn aisle_names(&self) -> Vec<String> {
        self.parts.aisle_names()
    }

    /// Waits until no order is being placed and nothing is being delivered or folded. Nothing is
    /// delivered or folded until the guard is dropped.
    pub(crate) async fn idle(&self) -> NothingIsWritten {
        self.regular.idle().await;
        let experiments: Vec<_> =
            self.experiments().iter().map(|experiment| Arc::clone(&experiment.actors)).collect();
        for actors in experiments {
            actors.idle().await;
        }
        self.parts.stop_writing().await
    }

    fn experiments(&self) -> MutexGuard<'_, Vec<Experiment>> {
        self.experiments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Experiment {
    fn is_idle(&self, now: Instant) -> bool {
        let is_held_by_a_request = Arc::strong_count(&self.actors) > 1;
        !is_held_by_a_request
            && self.actors.is_idle()
            && now.saturating_duration_since(self.used_at) >= EXPERIMENT_IDLE
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::timeout;

    use super::*;
    use crate::actors::system::tests::{PATIENCE, parts};

    #[actix_rt::test]
    async fn a_store_that_closes_waits_for_the_delivery_that_is_under_way() {
        let pools = ActorPools::start(parts().await, None);
        let delivering = pools.parts.stop_writing().await;
        assert!(pools.idle().now_or_never().is_none());
        drop(delivering);
        let closing = pools.idle().await;
        assert!(pools.parts.stop_writing().now_or_never().is_none(), "none begins meanwhile");
        drop(closing);
        pools.regular().await_stock(1, 500).await;
    }

    #[actix_rt::test]
    async fn an_experiment_has_actors_of_its_own_until_it_has_been_idle_for_a_while() {
        let pools = ActorPools::start(parts().await, None);
        let faults = |text: &str| vec![text.parse::<Fault>().unwrap()];
        let (slow, panics) = (faults("slow-aisle=produce:1ms"), faults("panic=Aisle"));
        let start = Instant::now();
        let experiment = |faults: &[Fault], now| pools.experiment(faults, now).unwrap();
        let actors = experiment(&slow, start);
        assert!(Arc::ptr_eq(&actors, &experiment(&slow, start)), "they are used again");
        assert!(!Arc::ptr_eq(&actors, &experiment(&panics, start)));
        assert!(!Arc::ptr_eq(&actors, pools.regular()));
        assert_eq!(pools.next_look(start), start + LONGEST_QUIET);
        let later = start + Duration::from_secs(7);
        assert_eq!(pools.next_look(later), start + EXPERIMENT_IDLE);
        actors.buy(&[(1, 5)], PATIENCE).await.unwrap();
        let running = actors.running();
        assert_eq!(running.iter().filter(|is_running| is_running()).count(), 10);

        // A request that is under way keeps them, however long it takes.
        let late = start + EXPERIMENT_IDLE * 2;
        pools.end_idle_experiments(late);
        assert_eq!(pools.experiments().len(), 1);
        assert_eq!(pools.next_look(late), late + SHORTEST_QUIET, "it may end any time");
        drop(actors);
        let used_at = start + EXPERIMENT_IDLE * 2;
        drop(experiment(&slow, used_at));
        let just_before = used_at + EXPERIMENT_IDLE - Duration::from_millis(1);
        pools.end_idle_experiments(just_before);
        assert_eq!(pools.experiments().len(), 1);
        pools.end_idle_experiments(used_at + EXPERIMENT_IDLE);
        assert_eq!(pools.experiments().len(), 0);
        assert_eq!(pools.next_look(used_at), used_at + LONGEST_QUIET);
        let ended = async {
            while running.iter().any(|is_running| is_running()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, ended).await.expect("all its actors end");
        pools.regular().await_stock(1, 495).await;
    }
}

//! Two crews in one store: one for everybody, and one for requests that ask for faults.
//!
//! A stalled or panicking actor holds up or loses whatever is in its mailbox. So that one user's
//! experiment is nobody else's outage, experiments have actors of their own, started when the first
//! one comes. To the database the two are like two replicas: they agree soon and never oversell.

use std::sync::OnceLock;

use super::{ActorSystem, ActorSystemParts};

/// All actors of a store.
pub(crate) struct ActorPools {
    parts: ActorSystemParts,
    regulars: ActorSystem,
    experimenters: OnceLock<ActorSystem>,
}

impl ActorPools {
    /// Starts the actors for everybody.
    pub(crate) fn start(parts: ActorSystemParts) -> Self {
        let regulars = ActorSystem::start(&parts);
        Self { parts, regulars, experimenters: OnceLock::new() }
    }

    /// The actors for everybody.
    pub(crate) fn regulars(&self) -> &ActorSystem {
        &self.regulars
    }

    /// The actors for requests that ask for faults.
    pub(crate) fn experimenters(&self) -> &ActorSystem {
        self.experimenters.get_or_init(|| ActorSystem::start(&self.parts))
    }

    /// Lasts until no order is being placed.
    pub(crate) async fn idle(&self) {
        self.regulars.idle().await;
        if let Some(experimenters) = self.experimenters.get() {
            experimenters.idle().await;
        }
    }
}

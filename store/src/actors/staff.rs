//! Two crews in one store: one for everybody, and one for requests that ask for faults.
//!
//! A stalled or panicking actor holds up or loses whatever is in its mailbox. So that one user's
//! experiment is nobody else's outage, experiments have actors of their own, started when the first
//! one comes. To the database the two are like two replicas: they agree soon and never oversell.

use std::sync::OnceLock;

use super::{Crew, Premises};

/// All actors of a store.
pub(crate) struct Staff {
    premises: Premises,
    regulars: Crew,
    experimenters: OnceLock<Crew>,
}

impl Staff {
    /// Starts the actors for everybody.
    pub(crate) fn start(premises: Premises) -> Self {
        let regulars = Crew::start(&premises);
        Self { premises, regulars, experimenters: OnceLock::new() }
    }

    /// The actors for everybody.
    pub(crate) fn regulars(&self) -> &Crew {
        &self.regulars
    }

    /// The actors for requests that ask for faults.
    pub(crate) fn experimenters(&self) -> &Crew {
        self.experimenters.get_or_init(|| Crew::start(&self.premises))
    }

    /// Lasts until no order is being placed.
    pub(crate) async fn idle(&self) {
        self.regulars.idle().await;
        if let Some(experimenters) = self.experimenters.get() {
            experimenters.idle().await;
        }
    }
}

//! A pool of connections, which is measured if the store has meters.

use std::sync::{Arc, Weak};

use opentelemetry::metrics::Meter;
use sqlx::{Any, AnyPool, pool::PoolConnection};

use super::metrics::{InUse, PoolMetrics, PoolSize, observe_pools};

/// A pool of connections; clones share it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Its `db.client.connection.pool.name`.
    name: &'static str,
    connections: AnyPool,
    metrics: Option<PoolMetrics>,
}

impl ConnectionPool {
    pub(super) fn new(name: &'static str, connections: AnyPool, meter: Option<&Meter>) -> Self {
        let metrics = meter.map(|meter| PoolMetrics::new(meter, name));
        Self(Arc::new(Inner { name, connections, metrics }))
    }

    /// Has the sizes of these pools measured. A pool that is no longer there has no connections.
    pub(super) fn observe(pools: &[&Self], meter: Option<&Meter>) {
        let Some(meter) = meter else { return };
        // The meter keeps what is given to it here, and must not keep the connections open.
        let pools: Vec<(PoolSize, Weak<Inner>)> = (pools.iter())
            .map(|pool| (PoolSize { used: 0, idle: 0, ..pool.0.size() }, Arc::downgrade(&pool.0)))
            .collect();
        observe_pools(meter, move || {
            let size = |(gone, pool): &(PoolSize, Weak<Inner>)| match pool.upgrade() {
                Some(pool) => pool.size(),
                None => *gone,
            };
            pools.iter().map(size).collect()
        });
    }

    /// A connection of the pool. It counts as used until the second value is dropped.
    pub(super) async fn acquire(&self) -> sqlx::Result<(PoolConnection<Any>, Option<InUse>)> {
        let waiting = self.0.metrics.as_ref().map(PoolMetrics::wait);
        match (self.0.connections.acquire().await, waiting) {
            (Ok(connection), waiting) => Ok((connection, waiting.map(|waiting| waiting.served()))),
            (Err(error), Some(waiting)) if matches!(error, sqlx::Error::PoolTimedOut) => {
                waiting.timed_out();
                Err(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Whether no connection is in use.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.size().used == 0
    }

    /// The connections themselves, beside what is measured.
    pub(super) fn connections(&self) -> &AnyPool {
        &self.0.connections
    }

    /// Closes each connection as soon as the statement under way on it is done.
    pub(super) async fn close(&self) {
        self.0.connections.close().await;
    }
}

impl Inner {
    fn size(&self) -> PoolSize {
        let open = i64::from(self.connections.size());
        let idle = i64::try_from(self.connections.num_idle()).unwrap_or(open).min(open);
        let most = self.connections.options().get_max_connections().into();
        PoolSize { name: self.name, used: open - idle, idle, most }
    }
}

//! A pool of connections, which is measured if the store has meters.

use std::sync::{Arc, Weak};

use opentelemetry::metrics::Meter;

use super::{
    error::DatabaseError,
    metrics::{PoolMetrics, PoolSize, observe_pools},
    postgres, sqlite,
};

/// A pool of connections; clones share it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Its `db.client.connection.pool.name`.
    name: &'static str,
    connections: Connections,
    metrics: Option<PoolMetrics>,
}

/// The connections themselves, beside what is measured.
#[derive(Debug)]
pub(super) enum Connections {
    Sqlite(sqlite::Pool),
    Postgres(postgres::Pool),
}

/// What a pool gives. It counts as used until it is dropped.
pub(super) enum Acquired {
    /// The right to use a connection, which may have to be opened yet.
    Sqlite(sqlite::Place),
    Postgres(postgres::Lease),
}

impl ConnectionPool {
    pub(super) fn new(name: &'static str, connections: Connections, meter: Option<&Meter>) -> Self {
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

    /// A connection of the pool.
    pub(super) async fn acquire(&self) -> Result<Acquired, DatabaseError> {
        let waiting = self.0.metrics.as_ref().map(PoolMetrics::wait);
        let acquired = match &self.0.connections {
            Connections::Sqlite(pool) => pool.acquire().await.map(Acquired::Sqlite),
            Connections::Postgres(pool) => pool.acquire().await.map(Acquired::Postgres),
        };
        match acquired {
            Ok(acquired) => {
                let in_use = waiting.map(|waiting| waiting.served());
                Ok(match acquired {
                    Acquired::Sqlite(place) => Acquired::Sqlite(place.measured(in_use)),
                    Acquired::Postgres(lease) => Acquired::Postgres(lease.measured(in_use)),
                })
            }
            Err(error) => {
                if let (Some(waiting), DatabaseError::PoolTimedOut) = (waiting, &error) {
                    waiting.timed_out();
                }
                Err(match &self.0.connections {
                    Connections::Sqlite(_) => error,
                    Connections::Postgres(pool) => pool.why(error).await,
                })
            }
        }
    }

    /// Whether no connection is in use.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.size().used == 0
    }

    /// Closes each connection as soon as the statement under way on it is done.
    pub(super) async fn close(&self) {
        match &self.0.connections {
            Connections::Sqlite(pool) => pool.close().await,
            Connections::Postgres(pool) => pool.close().await,
        }
    }
}

impl Inner {
    fn size(&self) -> PoolSize {
        let (used, idle, most) = match &self.connections {
            Connections::Sqlite(pool) => pool.size(),
            Connections::Postgres(pool) => pool.size(),
        };
        PoolSize { name: self.name, used: used.into(), idle: idle.into(), most: most.into() }
    }
}

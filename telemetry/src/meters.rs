//! Where a service gets its meters, if its metrics are exported.

use std::fmt;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Meter, MeterProvider};

use crate::scope::instrumentation_scope;

/// A provider of meters, as a value that a service passes on to its parts.
///
/// A part that is given none makes no instruments and measures nothing. So measuring costs nothing
/// when metrics go nowhere, and a test can give each service a provider of its own.
#[derive(Clone)]
pub struct ServiceMeters(Arc<dyn MeterProvider + Send + Sync>);

impl ServiceMeters {
    /// The meters of this provider.
    pub fn new(provider: impl MeterProvider + Send + Sync + 'static) -> Self {
        Self(Arc::new(provider))
    }

    /// A meter for the part of a service that this scope names, whose instruments follow the
    /// semantic conventions.
    #[must_use]
    pub fn for_scope(&self, name: &'static str, version: &'static str) -> Meter {
        self.meter_with_scope(instrumentation_scope(name, version))
    }
}

impl MeterProvider for ServiceMeters {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        self.0.meter_with_scope(scope)
    }
}

impl fmt::Debug for ServiceMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceMeters").finish_non_exhaustive()
    }
}

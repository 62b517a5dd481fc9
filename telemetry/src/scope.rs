//! The instrumentation scope: who made a span, a metric or a log record.
//!
//! A log record's scope is named by its target, a module. The crate that the module is in is what has a
//! version.

use opentelemetry::InstrumentationScope;
use opentelemetry_semantic_conventions::SCHEMA_URL;

/// The [instrumentation scope] of a crate's or a module's own tracer, meter or logger, with its version
/// and the [schema URL] of the semantic conventions that its names follow.
///
/// `version` is that of the crate that calls: `env!("CARGO_PKG_VERSION")`.
///
/// ```
/// use opentelemetry::global;
///
/// let scope = telemetry::instrumentation_scope("store", env!("CARGO_PKG_VERSION"));
/// let tracer = global::tracer_with_scope(scope);
/// # let _ = tracer;
/// ```
///
/// [instrumentation scope]: https://opentelemetry.io/docs/specs/otel/common/instrumentation-scope/
/// [schema URL]: https://opentelemetry.io/docs/specs/otel/schemas/#schema-url
#[must_use]
pub fn instrumentation_scope(name: &'static str, version: &'static str) -> InstrumentationScope {
    InstrumentationScope::builder(name).with_version(version).with_schema_url(SCHEMA_URL).build()
}

/// The scopes of the log records of a service's own crates.
#[derive(Debug)]
pub(crate) struct OwnScopes(Vec<InstrumentationScope>);

impl OwnScopes {
    /// Those of `crates`, which have this version, and that of this crate.
    pub(crate) fn new(crates: &[&'static str], version: &'static str) -> Self {
        let of = |name: &&'static str| instrumentation_scope(name, version);
        let this = instrumentation_scope(env!("CARGO_CRATE_NAME"), env!("CARGO_PKG_VERSION"));
        OwnScopes(crates.iter().map(of).chain([this]).collect())
    }

    /// The scope of the crate in which a target is, unless it is another's.
    pub(crate) fn of(&self, target: &str) -> Option<&InstrumentationScope> {
        let name = target.split_once("::").map_or(target, |(name, _)| name);
        self.0.iter().find(|scope| scope.name() == name)
    }
}

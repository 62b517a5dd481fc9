//! The instrumentation scope: who made a span, a metric or a log record.

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

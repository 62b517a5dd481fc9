//! What is recorded and how it travels: sampler, limits, queues and propagators.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use super::variables::Variables;
use super::{BatchLimits, Propagator};
use crate::TelemetryError;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};

pub(super) fn propagators(vars: &Variables<'_>) -> Result<Vec<Propagator>, TelemetryError> {
    const NAME: &str = "OTEL_PROPAGATORS";
    let allowed = "a comma-separated list of tracecontext, baggage, b3, b3multi; or none";
    vars.list(NAME, "tracecontext,baggage", allowed)?
        .iter()
        .map(|name| match name.as_str() {
            "tracecontext" => Ok(Propagator::TraceContext),
            "baggage" => Ok(Propagator::Baggage),
            "b3" => Ok(Propagator::B3),
            "b3multi" => Ok(Propagator::B3Multi),
            _ => Err(vars.invalid(NAME, allowed)),
        })
        .collect()
}

pub(super) fn sampler(vars: &Variables<'_>) -> Result<Sampler, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    // Without the argument the ratio is 1, says the specification.
    let ratio = || Ok(vars.ratio("OTEL_TRACES_SAMPLER_ARG")?.unwrap_or(1.0));
    match vars.text(NAME).as_deref() {
        None | Some("parentbased_always_on") => Ok(parent_based(Sampler::AlwaysOn)),
        Some("parentbased_always_off") => Ok(parent_based(Sampler::AlwaysOff)),
        Some("parentbased_traceidratio") => {
            ratio().map(Sampler::TraceIdRatioBased).map(parent_based)
        }
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => ratio().map(Sampler::TraceIdRatioBased),
        Some(_) => Err(vars.invalid(
            NAME,
            "always_on, always_off, traceidratio, parentbased_always_on, \
             parentbased_always_off or parentbased_traceidratio",
        )),
    }
}

pub(super) fn span_limits(vars: &Variables<'_>) -> Result<SpanLimits, TelemetryError> {
    let default = SpanLimits::default();
    let attributes: Option<u32> = vars.number("OTEL_ATTRIBUTE_COUNT_LIMIT")?;
    let limit = |name, general: Option<u32>, default| {
        vars.number(name).map(|own| own.or(general).unwrap_or(default))
    };
    Ok(SpanLimits {
        max_attributes_per_span: limit(
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            attributes,
            default.max_attributes_per_span,
        )?,
        max_events_per_span: limit(
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            None,
            default.max_events_per_span,
        )?,
        max_links_per_span: limit("OTEL_SPAN_LINK_COUNT_LIMIT", None, default.max_links_per_span)?,
        max_attributes_per_event: limit(
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            attributes,
            default.max_attributes_per_event,
        )?,
        max_attributes_per_link: limit(
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            attributes,
            default.max_attributes_per_link,
        )?,
    })
}

pub(super) fn batch_limits(vars: &Variables<'_>) -> Result<BatchLimits, TelemetryError> {
    const BATCH_SIZE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    let queue_size = vars.positive("OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(2048);
    let batch_size = vars.positive(BATCH_SIZE)?;
    if batch_size.is_some_and(|size| size > queue_size) {
        return Err(vars.invalid(
            BATCH_SIZE,
            format!("at most OTEL_BSP_MAX_QUEUE_SIZE, which is {queue_size}"),
        ));
    }
    Ok(BatchLimits {
        queue_size,
        batch_size: batch_size.unwrap_or(512.min(queue_size)),
        schedule_delay: vars.millis("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
        export_timeout: vars.millis("OTEL_BSP_EXPORT_TIMEOUT", 30_000)?,
    })
}

//! What is recorded and how it travels: sampler, limits, queues and propagators.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use super::variables::{Repeated, Variables};
use crate::TelemetryError;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use std::time::Duration;

/// How context travels between services.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Propagator {
    /// `tracecontext`: the W3C headers `traceparent` and `tracestate`.
    TraceContext,
    /// `baggage`: the W3C header `baggage`.
    Baggage,
    /// `b3`: Zipkin's single header.
    B3,
    /// `b3multi`: Zipkin's headers `X-B3-*`.
    B3Multi,
}

/// The limits of each exporter's queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchLimits {
    /// `OTEL_BSP_MAX_QUEUE_SIZE`: spans that may wait; one more is dropped.
    pub queue_size: usize,
    /// `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: spans sent at once.
    pub batch_size: usize,
    /// `OTEL_BSP_SCHEDULE_DELAY`: how long a span waits at most before it is sent.
    pub schedule_delay: Duration,
    /// `OTEL_BSP_EXPORT_TIMEOUT`: how long one batch may be tried, with all attempts; for ever when
    /// `None`.
    pub export_timeout: Option<Duration>,
}

pub(super) fn propagators(vars: &Variables<'_>) -> Result<Vec<Propagator>, TelemetryError> {
    let allowed = "a comma-separated list of tracecontext, baggage, b3, b3multi; or none";
    let choices = [
        ("tracecontext", Propagator::TraceContext),
        ("baggage", Propagator::Baggage),
        ("b3", Propagator::B3),
        ("b3multi", Propagator::B3Multi),
    ];
    let chosen = vars.list("OTEL_PROPAGATORS", &choices, allowed, Repeated::CountsOnce)?;
    Ok(chosen.unwrap_or_else(|| vec![Propagator::TraceContext, Propagator::Baggage]))
}

pub(super) fn sampler(vars: &Variables<'_>) -> Result<Sampler, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    /// Makes a sampler, some of them of a ratio.
    type Make = fn(f64) -> Sampler;
    fn parent_based(root: Sampler) -> Sampler {
        Sampler::ParentBased(Box::new(root))
    }
    let choices: [(&str, Make); 6] = [
        ("always_on", |_| Sampler::AlwaysOn),
        ("always_off", |_| Sampler::AlwaysOff),
        ("traceidratio", Sampler::TraceIdRatioBased),
        ("parentbased_always_on", |_| parent_based(Sampler::AlwaysOn)),
        ("parentbased_always_off", |_| parent_based(Sampler::AlwaysOff)),
        ("parentbased_traceidratio", |ratio| parent_based(Sampler::TraceIdRatioBased(ratio))),
    ];
    let Some(sampler) = vars.choice(NAME, &choices)? else {
        return Ok(parent_based(Sampler::AlwaysOn));
    };
    // The argument belongs to the samplers by ratio. Without it the ratio is 1, says the
    // specification.
    let is_ratio = vars.text(NAME).is_some_and(|name| name.to_ascii_lowercase().contains("ratio"));
    let ratio = if is_ratio { vars.ratio("OTEL_TRACES_SAMPLER_ARG")? } else { None };
    Ok(sampler(ratio.unwrap_or(1.0)))
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
        schedule_delay: vars.interval("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
        export_timeout: vars.timeout("OTEL_BSP_EXPORT_TIMEOUT", 30_000)?,
    })
}

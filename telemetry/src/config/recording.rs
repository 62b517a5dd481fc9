//! How spans are recorded, and how context is propagated: the sampler, the limits of a span, the
//! exporters' queues, and the propagators.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use super::variables::{Repeated, Variables, timeout};
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use std::time::Duration;

/// A way for context to travel between services, in headers.
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
    /// `OTEL_BSP_MAX_QUEUE_SIZE`: how many spans may wait. One more is dropped.
    pub queue_size: usize,
    /// `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: how many spans are sent at once.
    pub batch_size: usize,
    /// `OTEL_BSP_SCHEDULE_DELAY`: how long a span waits at most before it is sent.
    pub schedule_delay: Duration,
    /// `OTEL_BSP_EXPORT_TIMEOUT`: how long one batch may be tried, with all attempts. `None` means
    /// without limit.
    pub export_timeout: Option<Duration>,
}

/// Reads `OTEL_PROPAGATORS`.
pub(super) fn propagators(vars: &Variables<'_>) -> Vec<Propagator> {
    let expected = "a comma-separated list of tracecontext, baggage, b3, b3multi; or none";
    let choices = [
        ("tracecontext", Propagator::TraceContext),
        ("baggage", Propagator::Baggage),
        ("b3", Propagator::B3),
        ("b3multi", Propagator::B3Multi),
    ];
    vars.list("OTEL_PROPAGATORS", &choices, expected, Repeated::CountsOnce)
        .unwrap_or_else(|| vec![Propagator::TraceContext, Propagator::Baggage])
}

/// Reads `OTEL_TRACES_SAMPLER`, and `OTEL_TRACES_SAMPLER_ARG` for the samplers that have a ratio.
pub(super) fn sampler(vars: &Variables<'_>) -> Sampler {
    type ReadSampler = fn(&Variables<'_>) -> Sampler;
    fn parent_based(root: Sampler) -> Sampler {
        Sampler::ParentBased(Box::new(root))
    }
    fn by_ratio(vars: &Variables<'_>) -> Sampler {
        // The specification's default is a ratio of 1.
        Sampler::TraceIdRatioBased(vars.ratio("OTEL_TRACES_SAMPLER_ARG").unwrap_or(1.0))
    }
    let choices: [(&str, ReadSampler); 6] = [
        ("always_on", |_| Sampler::AlwaysOn),
        ("always_off", |_| Sampler::AlwaysOff),
        ("traceidratio", by_ratio),
        ("parentbased_always_on", |_| parent_based(Sampler::AlwaysOn)),
        ("parentbased_always_off", |_| parent_based(Sampler::AlwaysOff)),
        ("parentbased_traceidratio", |vars| parent_based(by_ratio(vars))),
    ];
    match vars.choice("OTEL_TRACES_SAMPLER", &choices) {
        Some(read) => read(vars),
        None => parent_based(Sampler::AlwaysOn),
    }
}

/// Reads how many attributes, events and links a span keeps. The general limit of attributes holds
/// for spans, events and links that have none of their own.
pub(super) fn span_limits(vars: &Variables<'_>) -> SpanLimits {
    let default = SpanLimits::default();
    let general = vars.number("OTEL_ATTRIBUTE_COUNT_LIMIT");
    let limit = |name, default| vars.number(name).unwrap_or(default);
    let attributes = |name, default| limit(name, general.unwrap_or(default));
    SpanLimits {
        max_attributes_per_span: attributes(
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            default.max_attributes_per_span,
        ),
        max_events_per_span: limit("OTEL_SPAN_EVENT_COUNT_LIMIT", default.max_events_per_span),
        max_links_per_span: limit("OTEL_SPAN_LINK_COUNT_LIMIT", default.max_links_per_span),
        max_attributes_per_event: attributes(
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            default.max_attributes_per_event,
        ),
        max_attributes_per_link: attributes(
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            default.max_attributes_per_link,
        ),
    }
}

/// Reads how many characters of a text are kept. Without a limit of spans' own the general one
/// holds.
pub(super) fn value_length_limit(vars: &Variables<'_>) -> Option<usize> {
    let general = vars.number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT");
    vars.number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT").or(general)
}

/// Reads `OTEL_BSP_*`.
pub(super) fn batch_limits(vars: &Variables<'_>) -> BatchLimits {
    const BATCH_SIZE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    let queue_size = vars.size("OTEL_BSP_MAX_QUEUE_SIZE").unwrap_or(2_048);
    let mut batch_size = vars.size(BATCH_SIZE).unwrap_or(512.min(queue_size));
    if batch_size > queue_size {
        let expected = format!("at most OTEL_BSP_MAX_QUEUE_SIZE, which is {queue_size}");
        vars.refuse(BATCH_SIZE, expected);
        batch_size = 512.min(queue_size);
    }
    BatchLimits {
        queue_size,
        batch_size,
        schedule_delay: vars.interval("OTEL_BSP_SCHEDULE_DELAY").unwrap_or(Duration::from_secs(5)),
        export_timeout: timeout(vars.millis("OTEL_BSP_EXPORT_TIMEOUT"), Duration::from_secs(30)),
    }
}

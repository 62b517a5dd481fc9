//! How spans and log records are recorded, and how context is propagated: the sampler, the limits
//! of a span and of a log record, the exporters' queues, and the propagators.
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

/// The limits of each exporter's queue. The variables begin with `OTEL_BSP_` for spans and with
/// `OTEL_BLRP_` for log records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchLimits {
    /// `..._MAX_QUEUE_SIZE`: how many spans or records may wait. One more is dropped.
    pub queue_size: usize,
    /// `..._MAX_EXPORT_BATCH_SIZE`: how many are sent at once.
    pub batch_size: usize,
    /// `..._SCHEDULE_DELAY`: how long one waits at most before it is sent.
    pub schedule_delay: Duration,
    /// `..._EXPORT_TIMEOUT`: how long one batch may be tried, with all attempts. `None` means
    /// without limit.
    pub export_timeout: Option<Duration>,
}

/// The limits of one log record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogLimits {
    /// `OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT`: how many attributes are kept.
    pub attributes: usize,
    /// `OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT`: how many characters of a text in an attribute
    /// are kept. `None` means without a limit of its own.
    pub value_length: Option<usize>,
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

/// Reads how much a log record keeps. The general limits of attributes hold where it has none of
/// its own.
pub(super) fn log_limits(vars: &Variables<'_>) -> LogLimits {
    // Both are read, so that a wrong value is refused although the other one counts.
    let number = |own, general| {
        let (own, general) = (vars.number(own), vars.number(general));
        own.or(general)
    };
    LogLimits {
        attributes: number("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
            .unwrap_or(128),
        value_length: number(
            "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ),
    }
}

/// How many spans may wait by default. The specification has 2,048, which a service that makes 40,000
/// spans a second fills in 50 ms.
const SPANS: usize = 32_768;

/// How many log records may wait by default, as the specification has it.
const LOG_RECORDS: usize = 2_048;

/// Reads `OTEL_BSP_*`.
pub(super) fn span_batches(vars: &Variables<'_>) -> BatchLimits {
    batch_limits(vars, "OTEL_BSP", SPANS, Duration::from_secs(5))
}

/// Reads `OTEL_BLRP_*`.
pub(super) fn log_batches(vars: &Variables<'_>) -> BatchLimits {
    batch_limits(vars, "OTEL_BLRP", LOG_RECORDS, Duration::from_secs(1))
}

fn batch_limits(
    vars: &Variables<'_>,
    start: &str,
    queue_size: usize,
    schedule_delay: Duration,
) -> BatchLimits {
    let name = |end: &str| format!("{start}_{end}");
    let queue_size = vars.size(&name("MAX_QUEUE_SIZE")).unwrap_or(queue_size);
    let batch_name = name("MAX_EXPORT_BATCH_SIZE");
    // For the specification's queue of 2,048 this is its batch of 512. One batch is sent at a time:
    // with 4,096 spans in it and a backend 100 ms away, that is 40,000 spans a second.
    let default = (queue_size / 8).clamp(512, 4_096).min(queue_size);
    let mut batch_size = vars.size(&batch_name).unwrap_or(default);
    if batch_size > queue_size {
        let expected = format!("at most {}, which is {queue_size}", name("MAX_QUEUE_SIZE"));
        vars.refuse(&batch_name, expected);
        batch_size = default;
    }
    let export_timeout = vars.millis(&name("EXPORT_TIMEOUT"));
    BatchLimits {
        queue_size,
        batch_size,
        schedule_delay: vars.interval(&name("SCHEDULE_DELAY")).unwrap_or(schedule_delay),
        export_timeout: timeout(export_timeout, Duration::from_secs(30)),
    }
}

use crate::{
    middleware::{get_scope, ABANDONED},
    util::protocol_version,
};
use actix_web::http::{StatusCode, Version};
use opentelemetry::{
    metrics::{Histogram, MeterProvider},
    KeyValue,
};
use opentelemetry_semantic_conventions::{
    attribute::{ERROR_TYPE, URL_TEMPLATE},
    metric::HTTP_CLIENT_REQUEST_DURATION,
    trace::{
        HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS,
        SERVER_PORT,
    },
};
use std::time::Instant;

/// The attributes of a request's span that are attributes of its metrics too: few values each.
const SHARED_ATTRIBUTES: [&str; 4] =
    [HTTP_REQUEST_METHOD, SERVER_ADDRESS, SERVER_PORT, URL_TEMPLATE];

/// The instruments that measure a client's requests, by
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-client>. Make them once, for
/// all requests.
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    duration: Histogram<f64>,
}

impl ClientMetrics {
    /// Makes the instruments.
    pub fn new(meters: &impl MeterProvider) -> Self {
        let meter = meters.meter_with_scope(get_scope());
        let duration = meter
            .f64_histogram(HTTP_CLIENT_REQUEST_DURATION)
            .with_boundaries(vec![
                0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
            ])
            .with_description("Duration of HTTP client requests.")
            .with_unit("s")
            .build();
        Self { duration }
    }

    /// Starts to measure a request whose span has these attributes.
    pub(crate) fn start(self, of_span: &[KeyValue]) -> MeasuredRequest {
        let mut attributes = Vec::with_capacity(SHARED_ATTRIBUTES.len() + 3);
        let is_shared = |attribute: &&KeyValue| SHARED_ATTRIBUTES.contains(&attribute.key.as_str());
        attributes.extend(of_span.iter().filter(is_shared).cloned());
        MeasuredRequest {
            metrics: self,
            attributes,
            started: Instant::now(),
            is_over: false,
        }
    }
}

/// A request that is being measured. If it is dropped before there is an answer or an error, its
/// caller has given it up.
pub(crate) struct MeasuredRequest {
    metrics: ClientMetrics,
    attributes: Vec<KeyValue>,
    started: Instant,
    is_over: bool,
}

impl MeasuredRequest {
    /// The head of an answer has come.
    pub(crate) fn answered(mut self, status: StatusCode, version: Version) {
        self.attributes.extend([
            KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())),
            KeyValue::new(NETWORK_PROTOCOL_VERSION, protocol_version(version)),
        ]);
        // Per semconv 4xx is an error for the client.
        if status.as_u16() >= 400 {
            self.attributes
                .push(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
        }
        self.end();
    }

    /// There is no answer.
    pub(crate) fn failed(mut self, error_type: &'static str) {
        self.attributes.push(KeyValue::new(ERROR_TYPE, error_type));
        self.end();
    }

    fn end(&mut self) {
        self.is_over = true;
        let seconds = self.started.elapsed().as_secs_f64();
        self.metrics.duration.record(seconds, &self.attributes);
    }
}

impl Drop for MeasuredRequest {
    fn drop(&mut self) {
        if !self.is_over {
            self.attributes.push(KeyValue::new(ERROR_TYPE, ABANDONED));
            self.end();
        }
    }
}

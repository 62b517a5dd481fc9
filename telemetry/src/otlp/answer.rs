//! Reads the answer of an OTLP receiver: it took everything, or rejected a part.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#partial-success>

use crate::outcome::{Accepted, quoted};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use serde_json::Value;

/// Reads the body of a success after spans were sent over HTTP.
///
/// # Errors
/// What came instead.
pub(crate) fn of_traces(content_type: Option<&str>, body: &[u8]) -> Result<Accepted, String> {
    Signal::Traces.read(content_type, body)
}

/// Reads the body of a success after metrics were sent over HTTP.
///
/// # Errors
/// What came instead.
pub(crate) fn of_metrics(content_type: Option<&str>, body: &[u8]) -> Result<Accepted, String> {
    Signal::Metrics.read(content_type, body)
}

/// Reads the body of a success after log records were sent over HTTP.
///
/// # Errors
/// What came instead.
pub(crate) fn of_logs(content_type: Option<&str>, body: &[u8]) -> Result<Accepted, String> {
    Signal::Logs.read(content_type, body)
}

/// What was sent, and so what an answer counts.
#[derive(Clone, Copy)]
enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// Reads an answer. An empty body means that everything was taken: it is that answer in
    /// protobuf, and many receivers send it to requests in JSON too.
    fn read(self, content_type: Option<&str>, body: &[u8]) -> Result<Accepted, String> {
        if body.is_empty() {
            return Ok(Accepted::default());
        }
        match content_type {
            Some("application/x-protobuf" | "application/protobuf") => {
                self.read_protobuf(body).ok_or_else(|| "a body that is no OTLP".to_owned())
            }
            Some("application/json") => {
                self.read_json(body).ok_or_else(|| "JSON that is no OTLP".to_owned())
            }
            Some(other) => Err(format!("{} bytes of {}", body.len(), quoted(other))),
            None => self
                .read_protobuf(body)
                .or_else(|| self.read_json(body))
                .ok_or_else(|| "a body of no type that is no OTLP".to_owned()),
        }
    }

    fn read_protobuf(self, body: &[u8]) -> Option<Accepted> {
        match self {
            Signal::Traces => ExportTraceServiceResponse::decode(body).ok().map(Into::into),
            Signal::Metrics => ExportMetricsServiceResponse::decode(body).ok().map(Into::into),
            Signal::Logs => ExportLogsServiceResponse::decode(body).ok().map(Into::into),
        }
    }

    /// Reads an answer in JSON. Protobuf's JSON has 64-bit numbers as text, but readers have to
    /// take numbers as well: <https://protobuf.dev/programming-guides/json/>
    fn read_json(self, body: &[u8]) -> Option<Accepted> {
        let Value::Object(answer) = serde_json::from_slice(body).ok()? else { return None };
        let field = |camel: &str, snake: &str, of: &serde_json::Map<String, Value>| {
            of.get(camel).or_else(|| of.get(snake)).cloned().unwrap_or_default()
        };
        let partial = match field("partialSuccess", "partial_success", &answer) {
            Value::Null => return Some(Accepted::default()),
            Value::Object(partial) => partial,
            _ => return None,
        };
        let (camel, snake) = match self {
            Signal::Traces => ("rejectedSpans", "rejected_spans"),
            Signal::Metrics => ("rejectedDataPoints", "rejected_data_points"),
            Signal::Logs => ("rejectedLogRecords", "rejected_log_records"),
        };
        let rejected = match field(camel, snake, &partial) {
            Value::Null => 0,
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?))?,
            Value::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        let message = match field("errorMessage", "error_message", &partial) {
            Value::Null => String::new(),
            Value::String(text) => text,
            _ => return None,
        };
        Some(accepted(rejected, &message))
    }
}

impl From<ExportTraceServiceResponse> for Accepted {
    fn from(answer: ExportTraceServiceResponse) -> Self {
        let partial = answer.partial_success.unwrap_or_default();
        accepted(partial.rejected_spans, &partial.error_message)
    }
}

impl From<ExportMetricsServiceResponse> for Accepted {
    fn from(answer: ExportMetricsServiceResponse) -> Self {
        let partial = answer.partial_success.unwrap_or_default();
        accepted(partial.rejected_data_points, &partial.error_message)
    }
}

impl From<ExportLogsServiceResponse> for Accepted {
    fn from(answer: ExportLogsServiceResponse) -> Self {
        let partial = answer.partial_success.unwrap_or_default();
        accepted(partial.rejected_log_records, &partial.error_message)
    }
}

fn accepted(rejected: i64, message: &str) -> Accepted {
    let message = if message.is_empty() { String::new() } else { quoted(message) };
    Accepted { rejected: rejected.try_into().unwrap_or(0), message }
}

/// A whole number that is written like `3.0` or `1e3`.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_by_the_mapping_of_protobuf() {
        let read = |text: &str| of_traces(Some("application/json"), text.as_bytes());
        let rejected =
            |rejected, message: &str| Ok(Accepted { rejected, message: message.to_owned() });
        for (text, expected) in [
            ("{}", rejected(0, "")),
            (r#"{"partialSuccess":null}"#, rejected(0, "")),
            (r#"{"partialSuccess":{}}"#, rejected(0, "")),
            (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, rejected(3, "")),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, rejected(3, "")),
            (r#"{"partialSuccess":{"rejectedSpans":3.0}}"#, rejected(3, "")),
            (r#"{"partial_success":{"rejected_spans":"3"}}"#, rejected(3, "")),
            (r#"{"partialSuccess":{"rejectedSpans":"-3"}}"#, rejected(0, "")),
            (r#"{"partialSuccess":{"errorMessage":"slow"}}"#, rejected(0, "\"slow\"")),
            (r#"{"ok":true}"#, rejected(0, "")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in ["[]", "null", "3", "<html>", r#"{"partialSuccess":3}"#] {
            assert_eq!(read(text), Err("JSON that is no OTLP".to_owned()), "{text}");
        }
        let points = br#"{"partialSuccess":{"rejectedDataPoints":"7"}}"#;
        assert_eq!(of_metrics(None, points), rejected(7, ""));
        let records = br#"{"partialSuccess":{"rejectedLogRecords":"8"}}"#;
        assert_eq!(of_logs(None, records), rejected(8, ""));
    }

    #[test]
    fn a_body_of_another_content_type_is_no_answer() {
        let error = of_traces(Some("text/plain"), b"OK").expect_err("no OTLP");
        assert_eq!(error, "2 bytes of \"text/plain\"");
        assert!(of_traces(Some("text/plain"), b"").is_ok(), "nothing is all taken");
    }
}

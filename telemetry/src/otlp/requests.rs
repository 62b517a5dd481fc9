//! Makes requests of a batch of spans: one, unless it would be too large.

use super::encode::{EncodedSpans, SpanEncoder};
use crate::chunks::Chunks;
use crate::outcome::{Accepted, Failure, Outcome, Retryable};
use opentelemetry_sdk::Resource;

/// The largest request that is sent with more than one span, in bytes. Receivers over gRPC take
/// 4 MiB, unless they are set up to take more:
/// <https://pkg.go.dev/google.golang.org/grpc#MaxRecvMsgSize>
const LARGEST_REQUEST: usize = 7 << 19;

/// Makes requests of spans that have been encoded.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) encoder: SpanEncoder,
}

impl Default for Requests {
    fn default() -> Self {
        Requests { encoder: SpanEncoder::new(&Resource::builder_empty().build()) }
    }
}

impl Requests {
    /// Sends a batch by `send`, in as many requests as it takes. Returns what became of all its spans.
    /// The batch is empty then, and has its memory again, unless `send` keeps a request.
    ///
    /// When a request is given up because its time was over, those after it are not tried: the time
    /// is that of the batch.
    pub(super) fn send(
        &self,
        batch: &mut EncodedSpans,
        mut send: impl FnMut(&Chunks) -> Result<Accepted, Failure>,
    ) -> Outcome {
        let spans = std::mem::take(batch).complete();
        let mut outcome = Outcome::default();
        // The part that is sent next is the last.
        let all = 0..spans.len();
        let mut parts = vec![all];
        while let Some(part) = parts.pop() {
            let request = self.encoder.request(&spans, part.clone());
            if request.len() > LARGEST_REQUEST && part.len() > 1 {
                let middle = part.start + part.len() / 2;
                parts.extend([middle..part.end, part.start..middle]);
                continue;
            }
            let sent = send(&request);
            let is_over = sent.as_ref().is_err_and(|failure| failure.retryable != Retryable::Never);
            let mut items = part.len();
            if is_over {
                items += parts.drain(..).map(|part| part.len()).sum::<usize>();
            }
            let of_part = Outcome::of(sent, items as u64);
            outcome.failed += of_part.failed;
            outcome.rejected += of_part.rejected;
            if outcome.reason.is_empty() {
                outcome.reason = of_part.reason;
            }
            outcome.error_type = outcome.error_type.or(of_part.error_type);
        }
        *batch = spans.emptied();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::error_type;
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use opentelemetry_sdk::trace::SpanData;
    use std::time::SystemTime;

    /// A span of about this many bytes.
    fn span(bytes: usize) -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "x".repeat(bytes).into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![],
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("test").build(),
        }
    }

    /// Sends four spans of a mebibyte and a half, of which two fit into a request, and one of five
    /// mebibytes. Returns the outcome, and the sizes of the requests in mebibytes, rounded down.
    fn send(answers: &[Result<Accepted, Retryable>]) -> (Outcome, Vec<usize>) {
        const MEBIBYTE: usize = 1 << 20;
        let mut spans = vec![span(3 * MEBIBYTE / 2); 4];
        spans.push(span(5 * MEBIBYTE));
        let mut sizes = Vec::new();
        let outcome = Requests::default().send(&mut spans[..].into(), |request| {
            sizes.push(request.len() / MEBIBYTE);
            match &answers[sizes.len() - 1] {
                Ok(Accepted { rejected, message }) => {
                    Ok(Accepted { rejected: *rejected, message: message.clone() })
                }
                Err(retryable) => Err(Failure {
                    reason: "refused".to_owned(),
                    retryable: *retryable,
                    error_type: error_type::OTHER.into(),
                }),
            }
        });
        (outcome, sizes)
    }

    fn taken() -> Result<Accepted, Retryable> {
        Ok(Accepted::default())
    }

    #[test]
    fn a_batch_that_is_too_large_is_sent_in_parts_and_a_large_span_alone() {
        let (outcome, sizes) = send(&[taken(), taken(), taken(), taken()]);
        assert_eq!(sizes, [3, 1, 1, 5]);
        assert_eq!((outcome.failed, outcome.rejected, outcome.error_type), (0, 0, None));
    }

    #[test]
    fn the_memory_of_a_batch_is_kept_for_the_next_one() {
        let mut batch = EncodedSpans::from(&vec![span(1 << 10); 100][..]);
        let room = batch.capacity();
        let mut sent = 0;
        Requests::default().send(&mut batch, |request| {
            sent = request.len();
            Ok(Accepted::default())
        });
        assert!(sent > 100 << 10, "{sent}");
        // Whoever exports it clears it once more.
        batch.clear();
        assert_eq!((batch.len(), batch.bytes(), batch.capacity()), (0, 0, room));
    }

    #[test]
    fn what_became_of_the_parts_is_added_up() {
        let rejected = Ok(Accepted { rejected: 1, message: "one".to_owned() });
        let (outcome, sizes) = send(&[rejected, Err(Retryable::Never), taken(), taken()]);
        assert_eq!(sizes, [3, 1, 1, 5]);
        assert_eq!((outcome.failed, outcome.rejected), (1, 1));
        assert_eq!((&*outcome.reason, outcome.error_type.as_deref()), ("one", Some("_OTHER")));
    }

    #[test]
    fn when_the_time_of_a_batch_is_over_its_other_parts_are_not_tried() {
        let (outcome, sizes) = send(&[taken(), Err(Retryable::NoAnswer)]);
        assert_eq!(sizes, [3, 1]);
        assert_eq!((outcome.failed, &*outcome.reason), (3, "refused"));
    }
}

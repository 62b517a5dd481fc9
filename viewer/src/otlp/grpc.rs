//! OTLP over gRPC: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>, on what
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> lays down.
//!
//! It is spoken here and not by tonic, so that a body is read by the same code as over HTTP, within
//! the same limits: tonic takes memory for the length that a message announces, and decompresses
//! and decodes it before its memory can be charged.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request as HttpRequest, Response as HttpResponse, StatusCode};
use http_body_util::{BodyDataStream, BodyExt, Empty, Full};
use http2::AnswerBody;
use hyper::body::Incoming;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::body;
use super::failure::{Failure, RETRY_AFTER_SECONDS};
use super::receiver::{Receiver, Response};
use super::{Compression, Encoding, Request, Signal, Taken};

/// The bytes that a message may have on the wire: what gRPC's libraries allow unless told
/// otherwise.
const MESSAGE_BYTES: usize = 4 << 20;
/// Whether a message is compressed, in one byte, and its length, in four.
const PREFIX_BYTES: usize = 5;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ACCEPTED_ENCODINGS: HeaderValue = HeaderValue::from_static("identity,gzip,deflate,zstd");

/// Answers one call.
pub(crate) async fn answer(
    receiver: &Receiver,
    peer: IpAddr,
    call: HttpRequest<Incoming>,
) -> HttpResponse<AnswerBody> {
    let content_type = call.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if call.method() != Method::POST
        || !content_type.is_some_and(|named| named.starts_with(GRPC.as_bytes()))
    {
        return not_grpc();
    }
    let path = call.uri().path();
    let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.grpc_path() == path) else {
        let methods = Signal::ALL.map(Signal::grpc_path).join(", ");
        return failed(Status::unimplemented(format!("method {path:?} is none of {methods}")));
    };
    receiver.count(signal);
    match take(receiver, signal, peer, call).await {
        Ok(taken) => succeeded(&Response::from(taken)),
        Err(failure) => {
            receiver.count_refused(signal, signal.http_path(), &failure);
            failed(status(&failure))
        }
    }
}

async fn take(
    receiver: &Receiver,
    signal: Signal,
    peer: IpAddr,
    call: HttpRequest<Incoming>,
) -> Result<Taken, Failure> {
    let named = call.headers().get("grpc-encoding").map(|name| name.as_bytes().to_vec());
    let named = String::from_utf8_lossy(&named.unwrap_or_default()).into_owned();
    let compression = Compression::from_name(&named).ok_or(Failure::ContentEncoding(named))?;
    let limit = receiver.request_bytes.min(MESSAGE_BYTES);
    let mut reservation = receiver.budget.reservation_for(peer);
    let chunks = BodyDataStream::new(call.into_body()).boxed();
    let mut body =
        match body::read(chunks, PREFIX_BYTES + limit, body::PACE, &mut reservation).await {
            Err(Failure::TooLarge { .. }) => return Err(Failure::TooLarge { limit }),
            read => read?,
        };
    let compression = if is_compressed(body.bytes())? { compression } else { Compression::None };
    body.skip(PREFIX_BYTES);
    let encoding = Encoding::Protobuf;
    receiver.receive(Request { signal, encoding, compression, body, reservation }).await
}

/// Whether the one message that a body has to be is compressed.
fn is_compressed(body: &[u8]) -> Result<bool, Failure> {
    let malformed = |what: &str| Err(Failure::Malformed(format!("the call's body {what}")));
    let Some((&[flag, a, b, c, d], message)) = body.split_first_chunk() else {
        return malformed("has no message");
    };
    if u32::from_be_bytes([a, b, c, d]) as usize != message.len() {
        return malformed("is not one message, of the length that it says");
    }
    match flag {
        0 => Ok(false),
        1 => Ok(true),
        _ => malformed("is compressed in an unknown way"),
    }
}

/// The error as a gRPC status. If the sender is to try again, it says when.
fn status(failure: &Failure) -> Status {
    match failure.grpc_code() {
        Code::Unavailable => Status::with_error_details(
            Code::Unavailable,
            failure.to_string(),
            ErrorDetails::with_retry_info(Some(Duration::from_secs(RETRY_AFTER_SECONDS))),
        ),
        code => Status::new(code, failure.to_string()),
    }
}

fn succeeded(response: &Response) -> HttpResponse<AnswerBody> {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(response.encoded_len()).unwrap_or(u32::MAX));
    message.put(&*response.encode_to_vec());
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(message.freeze()).with_trailers(async { Some(Ok(trailers)) });
    let mut answer = HttpResponse::new(body.boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, GRPC);
    answer.headers_mut().insert("grpc-accept-encoding", ACCEPTED_ENCODINGS);
    answer
}

fn failed(status: Status) -> HttpResponse<AnswerBody> {
    let mut answer = status.into_http::<Empty<Bytes>>().map(BodyExt::boxed_unsync);
    answer.headers_mut().insert("grpc-accept-encoding", ACCEPTED_ENCODINGS);
    answer
}

fn not_grpc() -> HttpResponse<AnswerBody> {
    let mut answer = HttpResponse::new(Empty::new().boxed_unsync());
    *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    answer
}

#[cfg(test)]
mod tests {
    use super::is_compressed;

    #[test]
    fn a_call_has_one_whole_message() {
        assert_eq!(is_compressed(&[0, 0, 0, 0, 0]).ok(), Some(false));
        assert_eq!(is_compressed(&[1, 0, 0, 0, 1, 7]).ok(), Some(true));
        for body in
            [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 2, 7], &[0, 0, 0, 0, 0, 7], &[2, 0, 0, 0, 0]]
        {
            assert!(is_compressed(body).is_err(), "{body:?}");
        }
    }
}

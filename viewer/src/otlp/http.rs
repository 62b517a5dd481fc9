//! OTLP over HTTP, in protobuf and JSON: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER,
};
use actix_web::web::{Data, Payload, ServiceConfig, post, resource, route};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use prost::Message;
use serde_json::{Value as Json, json};

use super::failure::{ACCEPTED_ENCODINGS, Failure, RETRY_AFTER_SECONDS};
use super::receiver::{Receiver, Response};
use super::{Compression, Encoding, Request, Signal, Taken, body};

/// The routes of all signals.
pub(crate) fn routes(config: &mut ServiceConfig) {
    for signal in Signal::ALL {
        let export = move |request, payload, receiver| export(signal, request, payload, receiver);
        config.service(
            resource(signal.http_path())
                .route(post().to(export))
                .default_service(route().to(not_allowed)),
        );
    }
}

async fn export(
    signal: Signal,
    request: HttpRequest,
    payload: Payload,
    receiver: Data<Receiver>,
) -> HttpResponse {
    receiver.count(signal);
    // A request in neither encoding is answered in JSON.
    let encoding = encoding(&request);
    let answer_in = encoding.as_ref().map_or(Encoding::Json, |&encoding| encoding);
    let taken = match encoding {
        Ok(encoding) => take(signal, encoding, &request, payload, &receiver).await,
        Err(failure) => Err(failure),
    };
    match taken {
        Ok(taken) => accepted(signal, taken, answer_in),
        Err(failure) => {
            receiver.count_refused(signal, signal.http_path(), &failure);
            refused(&failure, answer_in)
        }
    }
}

async fn not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, "POST")).finish()
}

async fn take(
    signal: Signal,
    encoding: Encoding,
    request: &HttpRequest,
    payload: Payload,
    receiver: &Receiver,
) -> Result<Taken, Failure> {
    receiver.receive(read_request(signal, encoding, request, payload, receiver).await?).await
}

/// Reads the body of a request, within the limits of [`body::read`].
pub(crate) async fn read_request(
    signal: Signal,
    encoding: Encoding,
    request: &HttpRequest,
    payload: Payload,
    receiver: &Receiver,
) -> Result<Request, Failure> {
    let compression = header(request, &CONTENT_ENCODING);
    let compression =
        Compression::from_name(&compression).ok_or(Failure::ContentEncoding(compression))?;
    let limit = receiver.request_bytes;
    let announced = header(request, &CONTENT_LENGTH).parse::<usize>().unwrap_or_default();
    if announced > limit {
        return Err(Failure::TooLarge { limit });
    }
    let peer = request.peer_addr().map_or(IpAddr::from(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let mut reservation = receiver.budget.reservation_for(peer);
    let body = body::read(payload, limit, body::PACE, &mut reservation).await?;
    Ok(Request { signal, encoding, compression, body, reservation })
}

/// How the request is written, by its content type; parameters such as a charset do not matter.
fn encoding(request: &HttpRequest) -> Result<Encoding, Failure> {
    let named = header(request, &CONTENT_TYPE);
    let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        _ => Err(Failure::ContentType(named)),
    }
}

fn header(request: &HttpRequest, name: &HeaderName) -> String {
    let value = request.headers().get(name).map(|value| value.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(value).trim().to_owned()
}

fn accepted(signal: Signal, taken: Taken, encoding: Encoding) -> HttpResponse {
    match encoding {
        Encoding::Protobuf => protobuf(HttpResponse::Ok(), &Response::from(taken)),
        Encoding::Json | Encoding::File => {
            HttpResponse::Ok().json(answer(signal, Response::from(taken)))
        }
    }
}

/// The answer in JSON, where a number of 64 bits is a string.
fn answer(signal: Signal, response: Response) -> Json {
    let Some(partial) = response.partial_success else { return json!({}) };
    let rejected = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    json!({
        "partialSuccess": {
            rejected: partial.rejected.to_string(),
            "errorMessage": partial.error_message,
        }
    })
}

/// The error, in the encoding of the request, as the specification asks.
fn refused(failure: &Failure, encoding: Encoding) -> HttpResponse {
    let mut response = HttpResponse::build(failure.http_status());
    match failure {
        Failure::Overloaded => response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS)),
        Failure::ContentEncoding(_) => {
            response.insert_header((ACCEPT_ENCODING, ACCEPTED_ENCODINGS))
        }
        _ => &mut response,
    };
    let (code, message) = (failure.grpc_code() as i32, failure.to_string());
    match encoding {
        Encoding::Protobuf => {
            protobuf(response, &tonic_types::Status { code, message, details: Vec::new() })
        }
        Encoding::Json | Encoding::File => {
            response.json(json!({ "code": code, "message": message }))
        }
    }
}

fn protobuf(mut response: HttpResponseBuilder, message: &impl Message) -> HttpResponse {
    response.insert_header((CONTENT_TYPE, "application/x-protobuf")).body(message.encode_to_vec())
}

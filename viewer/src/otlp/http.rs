//! OTLP over HTTP, in protobuf and JSON: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::{Data, Payload, ServiceConfig, post, resource, route};
use actix_web::{HttpRequest, HttpResponse};
use prost::Message;
use serde::Serialize;

use super::body;
use super::receiver::{Encoding, Receiver};
use super::signal::{Logs, Metrics, Signal, Traces};
use super::status::{Failure, RETRY_AFTER_SECONDS};

/// The routes of all signals.
pub(crate) fn routes(config: &mut ServiceConfig) {
    signal::<Traces>(config);
    signal::<Metrics>(config);
    signal::<Logs>(config);
}

fn signal<S: Signal>(config: &mut ServiceConfig) {
    config.service(
        resource(S::PATH).route(post().to(export::<S>)).default_service(route().to(not_allowed)),
    );
}

async fn export<S: Signal>(
    request: HttpRequest,
    payload: Payload,
    receiver: Data<Receiver>,
) -> HttpResponse {
    use std::sync::atomic::Ordering::Relaxed;

    S::counts(&receiver.stats).requests.fetch_add(1, Relaxed);
    let encoding = match body::encoding(&request) {
        Ok(encoding) => encoding,
        Err(failure) => return failed::<S>(&receiver, &failure, Encoding::Json),
    };
    match take::<S>(&request, payload, &receiver, encoding).await {
        Ok(response) => accepted(&response, encoding),
        Err(failure) => failed::<S>(&receiver, &failure, encoding),
    }
}

async fn take<S: Signal>(
    request: &HttpRequest,
    payload: Payload,
    receiver: &Receiver,
    encoding: Encoding,
) -> Result<S::Response, Failure> {
    let (body, reservation) = body::read(request, payload, receiver).await?;
    receiver.receive::<S>(&body, encoding, reservation)
}

async fn not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, "POST")).finish()
}

fn accepted<M: Message + Default + PartialEq + Serialize>(
    response: &M,
    encoding: Encoding,
) -> HttpResponse {
    match encoding {
        Encoding::Protobuf => protobuf(HttpResponse::Ok(), response),
        // A full success leaves the field for a partial one unset, which serde would write.
        Encoding::Json if *response == M::default() => HttpResponse::Ok().json(Empty {}),
        Encoding::Json => HttpResponse::Ok().json(response),
    }
}

/// The error, in the encoding of the request, as the specification asks.
fn failed<S: Signal>(receiver: &Receiver, failure: &Failure, encoding: Encoding) -> HttpResponse {
    receiver.count_failure::<S>(failure);
    let mut response = HttpResponse::build(failure.http_status());
    if matches!(failure, Failure::Overloaded) {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    let (code, message) = (failure.grpc_code() as i32, failure.to_string());
    match encoding {
        Encoding::Protobuf => {
            protobuf(response, &tonic_types::Status { code, message, details: Vec::new() })
        }
        Encoding::Json => response.json(JsonStatus { code, message }),
    }
}

fn protobuf(mut response: actix_web::HttpResponseBuilder, message: &impl Message) -> HttpResponse {
    response.insert_header((CONTENT_TYPE, "application/x-protobuf")).body(message.encode_to_vec())
}

#[derive(Serialize)]
struct Empty {}

/// A `google.rpc.Status` in JSON.
#[derive(Serialize)]
struct JsonStatus {
    code: i32,
    message: String,
}

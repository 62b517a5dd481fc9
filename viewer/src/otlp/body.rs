//! Reads a request's body: bounded in size and time, unpacked when it is gzip.

use std::io::Read;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::receiver::{BODY_SECONDS, Encoding, Receiver};
use super::status::Failure;
use crate::ingest::Reservation;

/// Unpacked bytes that are made room for at a time.
const UNPACK_STEP: usize = 64 * 1024;

/// How the request is written, by its content type; parameters such as a charset do not matter.
pub(super) fn encoding(request: &HttpRequest) -> Result<Encoding, Failure> {
    let named = header(request, &CONTENT_TYPE);
    let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        _ => Err(Failure::ContentType(named)),
    }
}

/// The body, unpacked, with the memory that it was granted.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    receiver: &Receiver,
) -> Result<(Bytes, Reservation), Failure> {
    let packed = match header(request, &CONTENT_ENCODING).to_ascii_lowercase().as_str() {
        "" | "identity" => false,
        "gzip" => true,
        _ => return Err(Failure::ContentEncoding(header(request, &CONTENT_ENCODING))),
    };
    let limit = receiver.request_bytes;
    let announced = header(request, &CONTENT_LENGTH).parse::<usize>().unwrap_or_default();
    if announced > limit {
        return Err(Failure::TooLarge { limit });
    }
    let mut reservation = receiver.budget.reservation();
    let collected = collect(payload, announced, limit, &mut reservation);
    let body = timeout(Duration::from_secs(BODY_SECONDS), collected).await??;
    if packed {
        let unpacked = unpack(&body, limit, &mut reservation)?;
        return Ok((unpacked, reservation));
    }
    Ok((body, reservation))
}

async fn collect(
    mut payload: Payload,
    announced: usize,
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, Failure> {
    if !reservation.grow(announced) {
        return Err(Failure::Overloaded);
    }
    let (mut body, mut granted) = (BytesMut::with_capacity(announced), announced);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Failure::Malformed(error.to_string()))?;
        let size = body.len() + chunk.len();
        if size > limit {
            return Err(Failure::TooLarge { limit });
        }
        if size > granted {
            if !reservation.grow(size - granted) {
                return Err(Failure::Overloaded);
            }
            granted = size;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unpack(packed: &[u8], limit: usize, reservation: &mut Reservation) -> Result<Bytes, Failure> {
    let mut unpacker = MultiGzDecoder::new(packed);
    let mut unpacked = Vec::new();
    loop {
        if !reservation.grow(UNPACK_STEP) {
            return Err(Failure::Overloaded);
        }
        let read = unpacker.by_ref().take(UNPACK_STEP as u64).read_to_end(&mut unpacked);
        match read.map_err(|error| Failure::Malformed(format!("bad gzip: {error}")))? {
            0 => return Ok(unpacked.into()),
            _ if unpacked.len() > limit => return Err(Failure::TooLarge { limit }),
            _ => {}
        }
    }
}

fn header(request: &HttpRequest, name: &actix_web::http::header::HeaderName) -> String {
    let value = request.headers().get(name).map(|value| value.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(value).trim().to_owned()
}

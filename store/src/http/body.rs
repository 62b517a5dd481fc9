//! Reads JSON bodies: plain or packed by gzip, and bounded in size. The caller bounds the time.

use std::io::{self, Write};

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH},
    mime, web,
};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::problem::ApiError;

/// The largest body that is read, in bytes, packed or unpacked.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The encodings that are unpacked, as the header `Accept-Encoding` lists them.
const ENCODINGS: &str = "gzip, identity";

/// Reads a body of the media type `application/json`.
///
/// # Errors
/// 415 if it is of another type or encoding; 413 if it is larger than [`MAX_BODY_BYTES`]; 400 if it
/// is not JSON; 422 if it is JSON, but not a `T`.
pub(super) async fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<T, ApiError> {
    if !is_json(request) {
        return Err(ApiError::unsupported_media_type());
    }
    let body = read(request, payload).await?;
    serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            ApiError::impossible_basket(format!("the body is not a checkout request: {error}"))
        } else {
            ApiError::malformed_body(error)
        }
    })
}

fn is_json(request: &HttpRequest) -> bool {
    request.mime_type().ok().flatten().is_some_and(|of_body| {
        of_body.subtype() == mime::JSON || of_body.suffix() == Some(mime::JSON)
    })
}

/// Reads and unpacks a body piece by piece, and stops as soon as it is too large.
async fn read(request: &HttpRequest, mut payload: web::Payload) -> Result<Vec<u8>, ApiError> {
    let mut body = Decoder::of(request)?;
    if declared_length(request).is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(ApiError::body_too_large(MAX_BODY_BYTES));
    }
    let mut packed_bytes = 0;
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(ApiError::malformed_body)?;
        packed_bytes += piece.len();
        if packed_bytes > MAX_BODY_BYTES {
            return Err(ApiError::body_too_large(MAX_BODY_BYTES));
        }
        body.write_all(&piece).map_err(refusal)?;
    }
    body.finish().map_err(refusal)
}

fn declared_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refusal(error: io::Error) -> ApiError {
    if error.kind() == io::ErrorKind::FileTooLarge {
        ApiError::body_too_large(MAX_BODY_BYTES)
    } else {
        ApiError::malformed_body(format!("it is not gzip: {error}"))
    }
}

/// Unpacks what is written to it.
enum Decoder {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// A buffer that refuses to grow beyond [`MAX_BODY_BYTES`].
///
/// The decoder writes into it in small pieces, so a decompression bomb is refused when the limit is
/// reached, and not only after all of it has been unpacked.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl Decoder {
    /// The decoder for the encoding of the request's body.
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let values = request.headers().get_all(CONTENT_ENCODING);
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let encodings = values.join(",");
        match encodings.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity(Bounded::default())),
            "gzip" | "x-gzip" => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Bounded::default())))),
            // The start is enough to recognise it.
            _ => {
                let encodings: String = encodings.chars().take(32).collect();
                Err(ApiError::unsupported_encoding(&encodings, ENCODINGS))
            }
        }
    }

    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Identity(body) => body.write_all(piece),
            Self::Gzip(body) => body.write_all(piece),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity(body) => Ok(body.0),
            Self::Gzip(body) => body.finish().map(|body| body.0),
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

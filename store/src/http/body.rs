//! Reading a JSON body: bounded in size, and in time by whoever reads it.

use actix_web::{
    HttpRequest,
    dev::{JsonBody, Payload},
    error::JsonPayloadError,
};
use serde::de::DeserializeOwned;

use super::problem::ApiError;

/// The largest body that is read, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

/// Reads a body of the media type `application/json`.
///
/// # Errors
/// 413 if it is larger than [`MAX_BODY_BYTES`], also once it is decompressed; 415 if it is of
/// another type; 400 if it is not JSON; 422 if it is JSON, but not a `T`.
pub(super) async fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<T, ApiError> {
    let body = JsonBody::new(request, payload, None, true).limit(MAX_BODY_BYTES);
    body.await.map_err(|error| match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            ApiError::body_too_large(MAX_BODY_BYTES)
        }
        JsonPayloadError::ContentType => ApiError::unsupported_media_type(),
        JsonPayloadError::Deserialize(error) if error.is_data() => {
            ApiError::impossible_basket(format!("the body is not a checkout request: {error}"))
        }
        error => ApiError::malformed_body(error),
    })
}

//! Jaeger.
pub(crate) fn routes(_config: &mut actix_web::web::ServiceConfig) {}

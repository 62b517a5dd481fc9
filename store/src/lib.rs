//! The grocery store: an actix-web service whose inventory actors create OpenTelemetry child spans.

mod actors;
pub mod domain;
pub mod storage;

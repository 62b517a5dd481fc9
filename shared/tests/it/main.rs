//! What `shared::telemetry` sends, refuses, counts and survives, shown from outside.

mod accounting;
mod config;
mod global;
mod jaeger;
mod metrics;
mod otlp;
mod outage;
mod sampling;
mod support;
mod zipkin;

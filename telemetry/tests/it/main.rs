//! Tests of what `telemetry` sends, refuses, counts and survives, seen from outside.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod accounting;
mod config;
mod delivery;
mod encoding;
mod environment;
mod global;
#[cfg(feature = "jaeger")]
mod jaeger;
mod logs;
mod metrics;
mod otlp;
mod outage;
mod panics;
mod prometheus;
mod refusals;
mod sampling;
mod support;
mod tls;
mod zipkin;

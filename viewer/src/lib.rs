//! The embedded trace viewer: OTLP in, a Jaeger-compatible query API and a web page out.

//! Transparent OpenTelemetry context for actix actors: every message a span, context and baggage carried from actor to actor.

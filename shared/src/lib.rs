//! What the store and the shopper both need: wire types, money and telemetry set-up.

pub mod telemetry;

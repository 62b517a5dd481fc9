//! What the store says of single requests and deliveries, in its log.

/// The target of these log events. They are exported, but not written to standard error unless
/// `RUST_LOG` asks for it: there are as many of them as there are requests.
pub(crate) const ACTIVITY: &str = "store::activity";

//! What the shopper says of single trips and requests, in its log.

/// The target of these log events. They are exported, but not written to standard error unless
/// `RUST_LOG` asks for it: there may be as many of them as there are requests.
pub(crate) const ACTIVITY: &str = "shopper::activity";

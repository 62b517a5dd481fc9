//! Why an actor could not do what it was asked.

use std::sync::Arc;

use actix_opentelemetry::AskError;
use shared::wire::Shortage;

use crate::{domain::ProductId, storage::StorageError};

/// Why an actor could not do what it was asked.
///
/// HTTP handlers turn it into a problem document. The actors' spans have its [`kind`](Self::kind)
/// as their `error.type`.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ActorError {
    /// There is too little of these products: HTTP status 409.
    #[error("{}", list_shortages(.0))]
    OutOfStock(Vec<Shortage>),
    /// The store does not sell this product: HTTP status 422.
    #[error("the store has no product \"{0}\": expected an id that GET /whats-in-store lists")]
    NoSuchProduct(ProductId),
    /// The idempotency key belongs to another basket: HTTP status 422.
    #[error("the idempotency key was used before, for another basket: expected a new key")]
    KeyReused,
    /// There is more to do than fits the actor's mailbox or queue: HTTP status 503.
    #[error("{0} has more to do than it can: try again later")]
    Overloaded(&'static str),
    /// The actor stopped before it answered; another one takes over: HTTP status 503.
    #[error("{0} stopped before it answered: try again")]
    Stopped(&'static str),
    /// The request was not answered by its deadline: HTTP status 504.
    #[error("{0} did not answer within the time that a request may take")]
    DeadlineMissed(&'static str),
    /// The database failed: HTTP status 503 or 500.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// The request asked for this failure: HTTP status 500.
    #[error("{0} failed because the request asked for it with the fault {1:?}")]
    Fault(&'static str, String),
}

impl ActorError {
    /// What it means that the actor of this name gave no reply.
    pub(crate) fn no_reply(actor: &'static str, error: AskError) -> Self {
        match error {
            AskError::Full => Self::Overloaded(actor),
            AskError::Timeout => Self::DeadlineMissed(actor),
            _ => Self::Stopped(actor),
        }
    }

    /// The kind of error, one of a few words in snake case, for `error.type`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::OutOfStock(_) => "out_of_stock",
            Self::NoSuchProduct(_) => "no_such_product",
            Self::KeyReused => "key_reused",
            Self::Overloaded(_) => "overloaded",
            Self::Stopped(_) => "stopped",
            Self::DeadlineMissed(_) => "deadline_missed",
            Self::Storage(error) => error.kind(),
            Self::Fault(..) => "injected_fault",
        }
    }
}

/// Marks the types that an actor answers with: `Answers<T>` says that it answers some message with
/// `Result<T, ActorError>`.
///
/// It keeps errors from being lost on spans.
/// [`Supervised::ask`](super::supervised::Supervised::ask) compiles only for messages whose answer
/// is marked, and [`answers!`], which marks the answers of an actor, also writes the function that
/// finds their errors for the actor's spans. So a new type of answer that is forgotten there is a
/// compile error.
pub(crate) trait Answers<T> {}

/// Lists the types that an actor answers with, see [`Answers`], and gives the actor a function
/// `error_type`, which its `classify` calls:
///
/// ```ignore
/// answers!(Inventory: Vec<Product>, Product);
/// ```
macro_rules! answers {
    ($actor:ident: $($answer:ty),+) => {
        $(impl $crate::actors::error::Answers<$answer> for $actor {})+

        impl $actor {
            /// The kind of error in a reply, if it is one.
            fn error_type(
                reply: actix_opentelemetry::Reply<'_>,
            ) -> Option<std::borrow::Cow<'static, str>> {
                $(if let Some(error) = reply.err::<$answer, $crate::actors::ActorError>() {
                    return Some(error.kind().into());
                })+
                None
            }
        }
    };
}

pub(super) use answers;

impl From<StorageError> for ActorError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

fn list_shortages(shortages: &[Shortage]) -> String {
    let one = |shortage: &Shortage| {
        let Shortage { id, name, requested, available } = shortage;
        format!("{available} of {requested} {name} (product {id})")
    };
    format!("too little in stock: {}", shortages.iter().map(one).collect::<Vec<_>>().join(", "))
}

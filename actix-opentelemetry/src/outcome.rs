//! How a message can end, and what its span then says.

use std::any::Any;
use std::borrow::Cow;

use crate::attribute::error_type;

/// How a message ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Success,
    /// The reply is a failure, with the `error.type` that the actor's classifier gave it.
    Failure(Cow<'static, str>),
    /// The handler or its future panicked, with this message.
    Panic(String),
    /// The future of the reply was dropped, or the sender had stopped waiting.
    Abandoned,
    /// The reply channel was dropped.
    NoReply,
    /// The actor stopped before it handled the message.
    Undelivered,
}

impl Outcome {
    /// The `error.type` that this crate has for it. It is empty for a success, and for a failure,
    /// whose word is the classifier's.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Success | Self::Failure(_) => "",
            Self::Panic(_) => error_type::PANIC,
            Self::Abandoned => error_type::ABANDONED,
            Self::NoReply => error_type::NO_REPLY,
            Self::Undelivered => error_type::UNDELIVERED,
        }
    }

    /// The `error.type` and the description of the span's status; `None` for a success.
    pub(crate) fn into_error(self) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
        let own_word = self.as_str();
        match self {
            Self::Success => None,
            Self::Failure(word) => Some((word, "".into())),
            Self::Panic(message) => Some((own_word.into(), message.into())),
            Self::Abandoned | Self::NoReply | Self::Undelivered => {
                Some((own_word.into(), "".into()))
            }
        }
    }
}

/// The message of a panic; empty if its payload is not text.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(message) => (*message).to_owned(),
        None => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
    }
}

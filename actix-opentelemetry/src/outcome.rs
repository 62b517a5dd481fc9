//! How a message can end, and what its span says of it.

use std::any::Any;
use std::borrow::Cow;

use crate::attribute::error_type;

/// How a message ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Success,
    /// The classifier's word for a reply that is a failure.
    Failure(Cow<'static, str>),
    /// The panic's message.
    Panic(String),
    Abandoned,
    NoReply,
    Undelivered,
}

impl Outcome {
    /// The `error.type`; empty for a success.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Success | Self::Failure(_) => "",
            Self::Panic(_) => error_type::PANIC,
            Self::Abandoned => error_type::ABANDONED,
            Self::NoReply => error_type::NO_REPLY,
            Self::Undelivered => error_type::UNDELIVERED,
        }
    }

    /// The `error.type` and the description of the status; nothing for a success.
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

/// What a panic said, when it was said with words.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(message) => (*message).to_owned(),
        None => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
    }
}

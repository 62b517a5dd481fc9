//! Searching the traces and log records held: what a search asks for, and what answers it.

pub(crate) mod duration;
pub(crate) mod filter;
pub(crate) mod history;
pub(crate) mod order;
pub(crate) mod params;
pub(crate) mod records;
pub(crate) mod tags;
pub(crate) mod time;
pub(crate) mod trace_id;

use std::fmt;

use actix_web::http::StatusCode;

use crate::answer::Failure;

/// Why a parameter could not be understood, in a sentence.
#[derive(Debug)]
pub(crate) struct ParamError(String);

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ParamError> for Failure {
    fn from(error: ParamError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl ParamError {
    /// The parameter `name` says `text` instead of what was `expected`.
    pub(crate) fn new(name: &str, text: &str, expected: impl fmt::Display) -> Self {
        Self(format!("parameter '{name}' is {text:?}: expected {expected}"))
    }

    /// Something else is wrong.
    pub(crate) fn other(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

//! Log lines about refused requests: one when the viewer begins to refuse requests for a reason,
//! and one when that is over.

use std::fmt;
use std::time::Duration;

use shared::notice::Notice;

use crate::otlp::Failure;

/// When nothing has been refused for this long, refusing is over.
const CALM: Duration = Duration::from_secs(5);

/// Why a request is refused. Each reason has its own log lines.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    Overloaded,
    Malformed,
    TooLarge,
    ContentType,
    ContentEncoding,
    TooSlow,
    Broken,
    Host,
    Site,
}

impl From<&Failure> for Reason {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Malformed(_) => Self::Malformed,
            Failure::TooLarge { .. } | Failure::TooExpensive { .. } => Self::TooLarge,
            Failure::ContentType(_) => Self::ContentType,
            Failure::ContentEncoding(_) => Self::ContentEncoding,
            Failure::TooSlow { .. } => Self::TooSlow,
            Failure::Broken(_) => Self::Broken,
            Failure::Overloaded => Self::Overloaded,
        }
    }
}

impl Reason {
    /// All of them, in the order above.
    const ALL: [Self; 9] = [
        Self::Overloaded,
        Self::Malformed,
        Self::TooLarge,
        Self::ContentType,
        Self::ContentEncoding,
        Self::TooSlow,
        Self::Broken,
        Self::Host,
        Self::Site,
    ];

    /// The log line when there has been none of these for a while.
    fn over(self) -> &'static str {
        match self {
            Self::Overloaded => "keeping up again",
            Self::Malformed => "no more requests that cannot be decoded",
            Self::TooLarge => "no more requests that are too large",
            Self::ContentType => "no more requests of another content type",
            Self::ContentEncoding => "no more requests in another content encoding",
            Self::TooSlow => "no more requests that come too slowly",
            Self::Broken => "no more requests that end too early",
            Self::Host => "no more requests to another host",
            Self::Site => "no more requests for pages of other sites",
        }
    }
}

/// The reasons for which requests are being refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    notices: [Notice; Reason::ALL.len()],
}

impl Refusals {
    /// Notes that a request was refused; `message` is logged when it is the first.
    pub(crate) fn refused(&self, reason: Reason, message: &dyn fmt::Display) {
        if self.notices[reason as usize].occurred() {
            tracing::warn!("refusing requests: {message}");
        }
    }

    /// Logs what has been over for a while. It is called every second.
    pub(crate) fn settle(&self) {
        for (reason, notice) in Reason::ALL.into_iter().zip(&self.notices) {
            if let Some(over) = notice.over_after(CALM) {
                tracing::info!(refused_requests = over.count, "{}", reason.over());
            }
        }
    }
}

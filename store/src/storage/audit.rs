//! Counts everything again from the beginning, to show that nothing was lost or sold twice.

use std::fmt;

/// What counting everything again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// What is wrong, one line each, at most [`Audit::MAX_VIOLATIONS`] of a kind.
    pub violations: Vec<String>,
}

impl Audit {
    /// The most violations of one kind that are listed.
    pub const MAX_VIOLATIONS: usize = 20;

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violations", self.violations.len())
    }
}

//! Faults that a share of the trips asks the store for.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt};
use shared::fault::{Fault, FaultError};

use shared::share::{Share, ShareError};

/// A fault and the share of the trips that ask for it: `error=Ledger:5%@10%`, or all of them
/// without the share.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultShare {
    fault: Fault,
    share: Share,
}

/// Why a text is not a fault with a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultShareError {
    /// The part before the `@` is not a fault.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The part behind the `@` is not a share.
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl FaultShare {
    /// The fault itself.
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The fault as baggage has it, if it falls to this trip.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Option<String> {
        rng.random_bool(self.share.fraction()).then(|| self.fault.to_string())
    }
}

impl FromStr for FaultShare {
    type Err = FaultShareError;

    fn from_str(text: &str) -> Result<Self, FaultShareError> {
        let (fault, share) = match text.rsplit_once('@') {
            Some((fault, share)) => (fault, share.parse()?),
            None => (text, Share::ALL),
        };
        Ok(Self { fault: fault.parse()?, share })
    }
}

impl fmt::Display for FaultShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.fault, self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_may_have_a_share() {
        for (text, expected) in [
            ("panic=Checkout@25%", "panic=Checkout@25%"),
            ("error=Ledger:5%@0.1", "error=Ledger:5%@10%"),
            ("stall=Aisle:1s", "stall=Aisle:1s@100%"),
        ] {
            assert_eq!(text.parse::<FaultShare>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn either_part_is_refused_by_name() {
        let error = "panic=Aisle@lots".parse::<FaultShare>().unwrap_err();
        assert!(matches!(error, FaultShareError::Share(_)), "{error}");
        let error = "panic@5%".parse::<FaultShare>().unwrap_err();
        assert!(matches!(error, FaultShareError::Fault(_)), "{error}");
    }
}

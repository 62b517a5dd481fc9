//! Faults that a share of the trips asks the store for.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt};
use shared::fault::{Fault, FaultError};

/// A fault and the share of the trips that ask for it: `error=Ledger:5%@10%`, or all of them
/// without the share.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultShare {
    fault: Fault,
    share: f64,
}

/// Why a text is not a fault with a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultShareError {
    /// The part before the `@` is not a fault.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The part behind the `@` is not a share.
    #[error(
        "{0:?} is not a share of the trips; expected a percentage from 0% to 100%, such as 10%, \
         or a fraction from 0 to 1, such as 0.1"
    )]
    Share(String),
}

impl FaultShare {
    /// The fault as baggage has it, if it falls to this trip.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Option<String> {
        rng.random_bool(self.share).then(|| self.fault.to_string())
    }
}

impl FromStr for FaultShare {
    type Err = FaultShareError;

    fn from_str(text: &str) -> Result<Self, FaultShareError> {
        let Some((fault, share)) = text.rsplit_once('@') else {
            return Ok(Self { fault: text.parse()?, share: 1.0 });
        };
        let parsed = match share.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
            None => share.parse::<f64>(),
        };
        match parsed {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self { fault: fault.parse()?, share }),
            _ => Err(FaultShareError::Share(share.into())),
        }
    }
}

impl fmt::Display for FaultShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}%", self.fault, self.share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_a_fraction_or_everything() {
        for (text, share) in
            [("panic=Checkout@25%", 0.25), ("error=Ledger:5%@0.1", 0.1), ("stall=Aisle:1s", 1.0)]
        {
            assert_eq!(text.parse::<FaultShare>().unwrap().share, share, "{text}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused_by_name() {
        for share in ["", "%", "101%", "-1%", "2", "NaN", "some"] {
            let error = format!("panic=Aisle@{share}").parse::<FaultShare>().unwrap_err();
            assert_eq!(error, FaultShareError::Share(share.into()));
        }
        let error = "panic@5%".parse::<FaultShare>().unwrap_err();
        assert!(matches!(error, FaultShareError::Fault(_)), "{error}");
    }
}

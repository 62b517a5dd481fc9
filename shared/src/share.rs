//! A share of a whole, as it stands in flags and faults: `5%`.

use std::{fmt, str::FromStr};

/// A share of a whole, from nothing to all of it: `10%` or `0.1`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

/// Why a text is not a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a share; expected a percentage from 0% to 100%, such as 10%, or a fraction from \
     0 to 1, such as 0.1"
)]
pub struct ShareError(String);

impl Share {
    /// All of it.
    pub const ALL: Self = Self(1.0);

    /// The share as a fraction, 0 to 1.
    pub fn fraction(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let fraction = match text.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse::<f64>(),
        };
        match fraction {
            Ok(fraction) if (0.0..=1.0).contains(&fraction) => Ok(Self(fraction)),
            _ => Err(ShareError(text.into())),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The product is rounded, because 7% would be shown as 7.000000000000001%.
        write!(f, "{}%", (self.0 * 1e11).round() / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        for (text, fraction) in [("25%", 0.25), ("0.1", 0.1), ("0%", 0.0), ("1", 1.0)] {
            assert_eq!(text.parse::<Share>().unwrap().fraction(), fraction, "{text}");
        }
    }

    #[test]
    fn a_share_is_written_as_the_percentage_that_was_read() {
        for thousandths in 0..=100_000 {
            let text = format!("{}%", f64::from(thousandths) / 1_000.0);
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_text_that_is_not_a_share_is_refused_by_name() {
        for text in ["", "%", "101%", "-1%", "2", "NaN", "inf", "some"] {
            assert_eq!(text.parse::<Share>().unwrap_err(), ShareError(text.into()));
        }
    }
}

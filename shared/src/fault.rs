//! Faults that travel with one request: what a shopper asks for, and the store's actors honour.
//!
//! A fault is baggage, so it goes with the request it was asked for, into every actor that the
//! request reaches, and nowhere else: one user's experiment is nobody else's outage.

use std::{fmt, str::FromStr, time::Duration};

/// The baggage key that carries faults; several are separated by `;`.
pub const BAGGAGE_KEY: &str = "grocery.fault";

/// The baggage key that says what kind of shopper sent the request.
pub const SHOPPER_KIND: &str = "shopper.kind";

/// The baggage key that says which shopper sent the request.
pub const SHOPPER_ID: &str = "shopper.id";

/// The longest that a fault may hold up an actor.
pub const MAX_DELAY: Duration = Duration::from_secs(60);

/// One fault, in the actor it names.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// `slow-aisle=produce:200ms`: the aisle of this name answers so much later.
    SlowAisle {
        /// The aisle's name.
        aisle: String,
        /// How much later it answers.
        delay: Duration,
    },
    /// `panic=Checkout`: the actor panics.
    Panic {
        /// Which actor.
        actor: FaultyActor,
    },
    /// `error=Ledger:5%`: the actor fails this share of the messages.
    Error {
        /// Which actor.
        actor: FaultyActor,
        /// The share of messages that fail, 0 to 1.
        share: f64,
    },
    /// `stall=Aisle:1s`: the actor is stuck for so long, and whatever waits in its mailbox with it.
    Stall {
        /// Which actor.
        actor: FaultyActor,
        /// How long it is stuck.
        delay: Duration,
    },
}

/// The actors that faults can be asked for, by the names that their spans have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultyActor {
    /// Gathers what all aisles have.
    Inventory,
    /// Every aisle that the request reaches.
    Aisle,
    /// Places orders.
    Checkout,
    /// Records orders.
    Ledger,
}

/// Why a text is not a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not a fault: {problem}; expected slow-aisle=AISLE:DURATION, panic=ACTOR, \
     error=ACTOR:PERCENT% or stall=ACTOR:DURATION, with ACTOR one of Inventory, Aisle, Checkout, \
     Ledger and DURATION at most 60s, such as 200ms"
)]
pub struct FaultError {
    input: String,
    problem: &'static str,
}

impl Fault {
    /// Reads the value of the baggage entry [`BAGGAGE_KEY`]: faults separated by `;`.
    ///
    /// # Errors
    /// [`FaultError`] for the first that is none.
    pub fn parse_all(value: &str) -> Result<Vec<Self>, FaultError> {
        value.split(';').filter(|part| !part.trim().is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        parse(text.trim()).map_err(|problem| FaultError { input: text.into(), problem })
    }
}

fn parse(text: &str) -> Result<Fault, &'static str> {
    let (kind, what) = text.split_once('=').ok_or("there is no '='")?;
    let pair = || what.rsplit_once(':').ok_or("there is no ':' after the name");
    match kind {
        "panic" => Ok(Fault::Panic { actor: what.parse()? }),
        "slow-aisle" => {
            let (aisle, delay) = pair()?;
            if aisle.is_empty() {
                return Err("the aisle has no name");
            }
            Ok(Fault::SlowAisle { aisle: aisle.into(), delay: parse_delay(delay)? })
        }
        "error" => {
            let (actor, share) = pair()?;
            Ok(Fault::Error { actor: actor.parse()?, share: parse_share(share)? })
        }
        "stall" => {
            let (actor, delay) = pair()?;
            Ok(Fault::Stall { actor: actor.parse()?, delay: parse_delay(delay)? })
        }
        _ => Err("it is of no known kind"),
    }
}

fn parse_delay(text: &str) -> Result<Duration, &'static str> {
    let delay = humantime::parse_duration(text).map_err(|_| "the duration cannot be read")?;
    if delay > MAX_DELAY { Err("the duration is too long") } else { Ok(delay) }
}

fn parse_share(text: &str) -> Result<f64, &'static str> {
    let percent = text.strip_suffix('%').ok_or("the share has no '%'")?;
    match percent.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("the share is not between 0% and 100%"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = |delay| humantime::format_duration(delay).to_string().replace(' ', "");
        match self {
            Self::SlowAisle { aisle, delay } => {
                write!(f, "slow-aisle={aisle}:{}", duration(*delay))
            }
            Self::Panic { actor } => write!(f, "panic={actor}"),
            Self::Error { actor, share } => write!(f, "error={actor}:{}%", share * 100.0),
            Self::Stall { actor, delay } => write!(f, "stall={actor}:{}", duration(*delay)),
        }
    }
}

impl FaultyActor {
    /// The actor's name, as its spans have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inventory => "Inventory",
            Self::Aisle => "Aisle",
            Self::Checkout => "Checkout",
            Self::Ledger => "Ledger",
        }
    }
}

impl fmt::Display for FaultyActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultyActor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Inventory, Self::Aisle, Self::Checkout, Self::Ledger]
            .into_iter()
            .find(|actor| actor.name() == text)
            .ok_or("there is no such actor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_back_as_it_was_written() {
        for text in
            ["slow-aisle=produce:200ms", "panic=Checkout", "error=Ledger:5%", "stall=Aisle:1s"]
        {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        assert_eq!(Fault::parse_all("panic=Aisle; stall=Ledger:1m").unwrap().len(), 2);
        assert_eq!(Fault::parse_all("").unwrap(), []);
    }

    #[test]
    fn what_is_no_fault_is_refused_by_name() {
        for text in [
            "panic",
            "panic=",
            "panic=Nobody",
            "oops=Aisle",
            "error=Ledger",
            "error=Ledger:5",
            "error=Ledger:101%",
            "error=Ledger:NaN%",
            "stall=Aisle:soon",
            "stall=Aisle:61s",
            "slow-aisle=:1s",
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a fault")), "{error}");
        }
    }
}

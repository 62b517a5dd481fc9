//! Faults that one request asks for: a shopper sends them, and the store's actors honour them.
//!
//! A fault is baggage. It goes with its request into every actor that the request reaches, and
//! nowhere else, so that one user's experiment does not affect the requests of others. An example,
//! from the shopper's flag to the header of the answer:
//!
//! ```text
//! shopper --fault panic=Checkout
//!     baggage: grocery.fault=panic%3DCheckout       on the request
//!     grocery-faults: honoured;struck=1             on the answer
//! ```
//!
//! A user can see what a fault did. `GET /faults` says which faults a store honours
//! ([`FaultSupport`]), and the answer to a request with faults says for each one what became of it
//! ([`FaultOutcome`]), in the header [`OUTCOMES_HEADER`].

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::share::Share;

/// The baggage key of faults. Several faults are separated by `;`.
pub const BAGGAGE_KEY: &str = "grocery.fault";

/// The header of an answer that says what became of the faults that the request asked for: a
/// [`FaultOutcome`] for each, in the same order, separated by commas.
///
/// An answer without this header comes from a server that has seen no fault: it does not know
/// faults, or the baggage did not arrive.
pub const OUTCOMES_HEADER: &str = "grocery-faults";

/// The most faults that one request may ask for. The store ignores those after that.
pub const MAX_FAULTS: usize = 16;

/// The baggage key that says what kind of shopper sent the request.
pub const SHOPPER_KIND: &str = "shopper.kind";

/// The baggage key that says which shopper sent the request.
pub const SHOPPER_ID: &str = "shopper.id";

const NO_SUCH_ACTOR: &str = "there is no such actor";

/// The longest that a fault may hold up an actor.
pub const MAX_DELAY: Duration = Duration::from_secs(60);

/// One fault, in the actor it names.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// `slow-aisle=produce:200ms`: the aisle of this name answers that much later.
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
        /// The share of messages that fail.
        share: Share,
    },
    /// `stall=Aisle:1s`: the actor is stuck for that long, and the messages in its mailbox wait.
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

/// Which faults a store honours: the answer to `GET /faults`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FaultSupport {
    /// Whether it honours faults at all: `grocery store --allow-faults`.
    pub honoured: bool,
    /// The actors that a fault can name.
    #[cfg_attr(feature = "openapi", schema(example = json!(["Inventory", "Aisle", "Checkout", "Ledger"])))]
    pub actors: Vec<String>,
    /// The aisles that `slow-aisle` can name.
    #[cfg_attr(feature = "openapi", schema(example = json!(["produce", "bakery"])))]
    pub aisles: Vec<String>,
}

/// What became of one fault that a request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultOutcome {
    /// `honoured;struck=2`: the store passed the fault on to its actors.
    Honoured {
        /// How many messages it struck. It may be 0: the request did not reach the actor, or by the
        /// share of an `error` no message was struck.
        struck: u32,
    },
    /// `ignored;reason=no-such-aisle`: the store did nothing about it.
    Ignored(Ignored),
}

/// Why a store ignored a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// `not-allowed`: this store does not honour faults.
    NotAllowed,
    /// `no-baggage`: the fault arrived, but this store reads no baggage.
    NoBaggage,
    /// `malformed`: it is not a fault.
    Malformed,
    /// `no-such-actor`: the fault names an actor that does not exist.
    NoSuchActor,
    /// `no-such-aisle`: the fault names an aisle that does not exist.
    NoSuchAisle,
    /// `too-many-faults`: the request asked for more than [`MAX_FAULTS`].
    TooManyFaults,
    /// `too-many-experiments`: requests for too many other faults are under way.
    TooManyExperiments,
}

/// Why a text does not say what became of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} does not say what became of a fault: expected honoured;struck=COUNT or \
     ignored;reason=REASON"
)]
pub struct FaultOutcomeError(String);

impl Fault {
    /// Reads the value of the baggage entry [`BAGGAGE_KEY`]: faults separated by `;`. Each part is
    /// read by itself, and one that is not a fault is an error.
    pub fn read_all(value: &str) -> impl Iterator<Item = Result<Self, FaultError>> {
        value.split(';').filter(|part| !part.trim().is_empty()).map(str::parse)
    }
}

impl FaultError {
    /// The reason for which a store ignores such a text.
    pub fn ignored(&self) -> Ignored {
        if self.problem == NO_SUCH_ACTOR { Ignored::NoSuchActor } else { Ignored::Malformed }
    }
}

impl FaultSupport {
    /// The support of a store that has these aisles, and honours faults if `honoured` is set.
    pub fn new(honoured: bool, aisles: Vec<String>) -> Self {
        let actors = FaultyActor::ALL.map(|actor| actor.name().to_owned()).into();
        Self { honoured, actors, aisles }
    }

    /// Why this store would ignore a fault, or `None` if it honours it.
    pub fn ignores(&self, fault: &Fault) -> Option<Ignored> {
        let is_listed = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
        match fault {
            _ if !self.honoured => Some(Ignored::NotAllowed),
            Fault::SlowAisle { aisle, .. } => {
                (!is_listed(&self.aisles, aisle)).then_some(Ignored::NoSuchAisle)
            }
            Fault::Panic { actor } | Fault::Error { actor, .. } | Fault::Stall { actor, .. } => {
                (!is_listed(&self.actors, actor.name())).then_some(Ignored::NoSuchActor)
            }
        }
    }
}

impl FaultOutcome {
    /// Writes the value of the header [`OUTCOMES_HEADER`].
    pub fn write_all(outcomes: &[Self]) -> String {
        outcomes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Reads the value of the header [`OUTCOMES_HEADER`].
    ///
    /// # Errors
    /// [`FaultOutcomeError`] for the first part that is not an outcome.
    pub fn read_all(value: &str) -> Result<Vec<Self>, FaultOutcomeError> {
        value.split(',').map(str::parse).collect()
    }
}

impl fmt::Display for FaultOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Honoured { struck } => write!(f, "honoured;struck={struck}"),
            Self::Ignored(reason) => write!(f, "ignored;reason={}", reason.name()),
        }
    }
}

impl FromStr for FaultOutcome {
    type Err = FaultOutcomeError;

    fn from_str(text: &str) -> Result<Self, FaultOutcomeError> {
        let outcome = match text.trim().split_once(';') {
            Some(("honoured", what)) => what
                .strip_prefix("struck=")
                .and_then(|count| count.parse().ok())
                .map(|struck| Self::Honoured { struck }),
            Some(("ignored", what)) => what
                .strip_prefix("reason=")
                .and_then(|name| Ignored::ALL.into_iter().find(|reason| reason.name() == name))
                .map(Self::Ignored),
            _ => None,
        };
        outcome.ok_or_else(|| FaultOutcomeError(text.into()))
    }
}

impl Ignored {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::NotAllowed,
        Self::NoBaggage,
        Self::Malformed,
        Self::NoSuchActor,
        Self::NoSuchAisle,
        Self::TooManyFaults,
        Self::TooManyExperiments,
    ];

    /// The reason in one word, as the header has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not-allowed",
            Self::NoBaggage => "no-baggage",
            Self::Malformed => "malformed",
            Self::NoSuchActor => "no-such-actor",
            Self::NoSuchAisle => "no-such-aisle",
            Self::TooManyFaults => "too-many-faults",
            Self::TooManyExperiments => "too-many-experiments",
        }
    }
}

impl fmt::Display for Ignored {
    /// The reason in a sentence, with what to do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "this store does not honour faults: start it with --allow-faults",
            Self::NoBaggage => "this store reads no baggage: OTEL_PROPAGATORS must list it",
            Self::Malformed => "it is not a fault",
            Self::NoSuchActor => "there is no such actor: GET /faults lists them",
            Self::NoSuchAisle => "there is no such aisle: GET /faults lists them",
            Self::TooManyFaults => "one request may ask for at most 16 faults",
            Self::TooManyExperiments => "too many other faults are being tried at the same time",
        })
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

fn parse_share(text: &str) -> Result<Share, &'static str> {
    text.parse().map_err(|_| "the share is not between 0% and 100%")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = |delay| humantime::format_duration(delay).to_string().replace(' ', "");
        match self {
            Self::SlowAisle { aisle, delay } => {
                write!(f, "slow-aisle={aisle}:{}", duration(*delay))
            }
            Self::Panic { actor } => write!(f, "panic={actor}"),
            Self::Error { actor, share } => write!(f, "error={actor}:{share}"),
            Self::Stall { actor, delay } => write!(f, "stall={actor}:{}", duration(*delay)),
        }
    }
}

impl FaultyActor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Inventory, Self::Aisle, Self::Checkout, Self::Ledger];

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
        Self::ALL.into_iter().find(|actor| actor.name() == text).ok_or(NO_SUCH_ACTOR)
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
    }

    #[test]
    fn each_of_several_faults_is_read_on_its_own() {
        let read = Fault::read_all("panic=Aisle; panic=Nobody;; nonsense ;stall=Ledger:1m");
        let read: Vec<_> = read.map(|fault| fault.map_err(|error| error.ignored())).collect();
        let stall = Fault::Stall { actor: FaultyActor::Ledger, delay: MAX_DELAY };
        assert_eq!(
            read,
            [
                Ok(Fault::Panic { actor: FaultyActor::Aisle }),
                Err(Ignored::NoSuchActor),
                Err(Ignored::Malformed),
                Ok(stall)
            ]
        );
        assert_eq!(Fault::read_all("").count(), 0);
    }

    #[test]
    fn the_support_says_which_faults_would_be_ignored() {
        let (yes, no) = (["produce"], [] as [&str; 0]);
        let support = |honoured, aisles: &[&str]| {
            FaultSupport::new(honoured, aisles.iter().map(ToString::to_string).collect())
        };
        let fault = |text: &str| text.parse::<Fault>().unwrap();
        let slow = fault("slow-aisle=produce:1s");
        assert_eq!(support(true, &yes).ignores(&slow), None);
        assert_eq!(support(true, &no).ignores(&slow), Some(Ignored::NoSuchAisle));
        assert_eq!(support(false, &yes).ignores(&slow), Some(Ignored::NotAllowed));
        for actor in FaultyActor::ALL {
            assert_eq!(support(true, &no).ignores(&fault(&format!("panic={actor}"))), None);
        }
        let json = serde_json::to_string(&support(true, &yes)).unwrap();
        assert_eq!(
            json,
            r#"{"honoured":true,"actors":["Inventory","Aisle","Checkout","Ledger"],"aisles":["produce"]}"#
        );
    }

    #[test]
    fn outcomes_read_back_as_they_were_written() {
        let ignored = Ignored::ALL.map(FaultOutcome::Ignored);
        let honoured = [0, 1, u32::MAX].map(|struck| FaultOutcome::Honoured { struck });
        let outcomes = [&ignored[..], &honoured[..]].concat();
        let text = FaultOutcome::write_all(&outcomes);
        assert!(text.starts_with("ignored;reason=not-allowed, ignored;reason="), "{text}");
        assert!(text.ends_with(", honoured;struck=1, honoured;struck=4294967295"), "{text}");
        assert_eq!(FaultOutcome::read_all(&text).unwrap(), outcomes);
        for text in ["", "honoured", "honoured;struck=-1", "ignored;reason=mood", "struck=1"] {
            FaultOutcome::read_all(text).unwrap_err();
        }
    }

    #[test]
    fn a_text_that_is_not_a_fault_is_refused_by_name() {
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

//! The settings of a run as plain values. `cli` reads them from the command line.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use shared::share::Share;
use telemetry::ServiceMeters;
use url::Url;

use crate::{
    arrival::{Arrivals, Rate, RateProfile, Stages},
    order_keys::RunName,
    plan::{FaultShare, Mix},
    receipts::Receipts,
};

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the store is.
    pub store_url: Url,
    /// When trips start, in the whole run.
    pub load: Load,
    /// Which share of the run this process makes.
    pub share: RunShare,
    /// How many threads make trips, each with an HTTP client of its own.
    pub threads: NonZeroUsize,
    /// End the whole run after this many trips, including missed ones.
    pub trips: Option<NonZeroU64>,
    /// Start no trips after this time.
    pub duration: Option<Duration>,
    /// The seed that decides arrivals, kinds of trip, baskets and faults.
    pub seed: u64,
    /// What kinds of trip there are.
    pub mix: Mix,
    /// How long an impatient shopper waits for the whole trip, from its intended start.
    pub patience: Duration,
    /// Faults to ask the store for.
    pub faults: Vec<FaultShare>,
    /// The name of the run, if a trip that is made again is to order by the same key.
    pub run_name: Option<RunName>,
    /// Where receipts are written, if anywhere.
    pub receipts: Option<Receipts>,
    /// How requests are made.
    pub http: HttpConfig,
    /// The meters by which trips and requests are measured; without them nothing is measured.
    pub meters: Option<ServiceMeters>,
}

impl Config {
    /// How many trips may be under way at once in this process, at least one.
    #[must_use]
    pub fn most_in_flight(&self) -> NonZeroU32 {
        let all = self.load.most_in_flight();
        let part = u32::try_from(self.share.part_of(all.get().into()));
        part.ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }
}

/// One of the equal shares into which a run is divided among processes: `2/3` is the second of
/// three.
///
/// Of everything that a run counts (trips in the open model, shoppers in the closed model) the share
/// number K of N has the Kth, the one N later, and so on. So all shares together are the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunShare {
    /// Into how many shares the run is divided.
    count: NonZeroU32,
    /// Which one this is, from 0.
    index: u32,
}

/// Why a text is not a share of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a share of a run; expected K/N, the number of the share and how many there are, \
     from 1/1 to {most}/{most}, such as 2/3",
    most = RunShare::MOST
)]
pub struct RunShareError(String);

impl RunShare {
    /// The whole run.
    pub const WHOLE: Self = Self { count: NonZeroU32::MIN, index: 0 };

    /// The most shares of a run: each of them counts through the trips of all.
    pub const MOST: u32 = 10_000;

    /// The share with this index, from 0, of `count`; `None` if there is none.
    #[must_use]
    pub fn new(index: u32, count: NonZeroU32) -> Option<Self> {
        (index < count.get() && count.get() <= Self::MOST).then_some(Self { count, index })
    }

    /// Which share it is, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Into how many shares the run is divided.
    #[must_use]
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Whether it is the whole run.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    /// How many of `all` things this share has.
    #[must_use]
    pub fn part_of(self, all: u64) -> u64 {
        let (index, count) = (u64::from(self.index), u64::from(self.count.get()));
        all / count + u64::from(index < all % count)
    }
}

impl FromStr for RunShare {
    type Err = RunShareError;

    fn from_str(text: &str) -> Result<Self, RunShareError> {
        let parse = || {
            let (number, count) = text.split_once('/')?;
            let number = number.parse::<NonZeroU32>().ok()?;
            Self::new(number.get() - 1, count.parse().ok()?)
        };
        parse().ok_or_else(|| RunShareError(text.to_owned()))
    }
}

impl fmt::Display for RunShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl TryFrom<String> for RunShare {
    type Error = RunShareError;

    fn try_from(text: String) -> Result<Self, RunShareError> {
        text.parse()
    }
}

impl From<RunShare> for String {
    fn from(share: RunShare) -> Self {
        share.to_string()
    }
}

/// How requests are made.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The longest time to make a connection.
    pub connect_timeout: Duration,
    /// The longest time from a request to the end of its answer.
    pub request_timeout: Duration,
    /// How often one request is repeated at most.
    pub retries: u32,
    /// How many retries there may be, as a share of the other requests.
    pub retry_budget: Share,
    /// The certificates of the authorities that are trusted with `https`, as PEM; the system's if
    /// there are none.
    pub authorities: Option<Arc<[u8]>>,
}

/// When trips start.
#[derive(Clone, Debug)]
pub enum Load {
    /// Each shopper thinks between its trips, so the store's answers decide the rate.
    Closed {
        /// How many shoppers there are.
        shoppers: NonZeroU32,
        /// How long they think, on average.
        every: Duration,
        /// How their think time is distributed.
        think: Think,
    },
    /// Trips start when the schedule says, whether or not earlier trips are over.
    Open {
        /// The rate at the start.
        rate: Option<Rate>,
        /// How the rate changes. Without stages it stays at `rate`.
        stages: Option<Stages>,
        /// How starts are spread.
        arrivals: Arrivals,
        /// How many trips may be under way at once. Trips beyond that are missed.
        max_shoppers: NonZeroU32,
    },
}

/// How think times are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Think {
    /// Always the same.
    Fixed,
    /// Exponentially distributed: mostly short, sometimes long.
    Exponential,
}

impl Load {
    /// The rate over time; `None` in the closed model.
    #[must_use]
    pub fn profile(&self) -> Option<RateProfile> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { rate, stages: Some(stages), .. } => {
                Some(RateProfile::ramps(*rate, stages))
            }
            Self::Open { rate, stages: None, .. } => {
                Some(RateProfile::constant(rate.unwrap_or(Rate::ZERO)))
            }
        }
    }

    /// How many trips may be under way at once, in the whole run.
    #[must_use]
    pub fn most_in_flight(&self) -> NonZeroU32 {
        match self {
            Self::Closed { shoppers, .. } => *shoppers,
            Self::Open { max_shoppers, .. } => *max_shoppers,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { shoppers, every, think } => {
                let every = humantime::format_duration(*every);
                let think = match think {
                    Think::Fixed => "",
                    Think::Exponential => " on average",
                };
                let plural = if shoppers.get() == 1 { "" } else { "s" };
                write!(f, "closed: {shoppers} shopper{plural}, {every}{think} between trips")
            }
            Self::Open { rate, stages, arrivals, max_shoppers } => {
                f.write_str("open: ")?;
                if let Some(rate) = rate {
                    write!(f, "{rate} trips/s, ")?;
                }
                if let Some(stages) = stages {
                    write!(f, "stages {stages}, ")?;
                }
                write!(f, "{arrivals} arrivals, at most {max_shoppers} shoppers")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_shares_of_a_number_are_equal_to_one_and_add_up(all: u64, count in 1_u32..200) {
            let count = NonZeroU32::new(count).unwrap();
            let shares = (0..count.get()).map(|index| RunShare::new(index, count).unwrap());
            let parts: Vec<_> = shares.map(|share| share.part_of(all)).collect();
            prop_assert_eq!(parts.iter().sum::<u64>(), all);
            prop_assert!(parts[0] - parts[parts.len() - 1] <= 1 && parts.is_sorted_by(|a, b| a >= b));
        }
    }

    #[test]
    fn a_share_reads_back_as_it_was_written() {
        for text in ["1/1", "2/3", "10000/10000"] {
            assert_eq!(text.parse::<RunShare>().unwrap().to_string(), text);
        }
        assert!("1/1".parse::<RunShare>().unwrap().is_whole());
    }

    #[test]
    fn what_is_no_share_is_refused_by_name() {
        for text in ["", "3", "0/3", "4/3", "1/0", "-1/3", "1/10001", "1/3/5", "a/b", "33%"] {
            let error = text.parse::<RunShare>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a share of a run")), "{error}");
            assert!(error.ends_with("from 1/1 to 10000/10000, such as 2/3"), "{error}");
        }
    }
}

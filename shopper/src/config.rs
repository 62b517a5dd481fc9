//! The settings of a run as plain values. `cli` reads them from the command line.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use shared::share::Share;
use telemetry::ServiceMeters;
use url::Url;

use crate::{
    arrival::{Arrivals, Rate, RateProfile, Stages},
    plan::{FaultShare, Mix},
};

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the store is.
    pub store_url: Url,
    /// When trips start.
    pub load: Load,
    /// How many threads make trips, each with an HTTP client of its own.
    pub threads: NonZeroUsize,
    /// End after this many trips, including missed ones.
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
    /// How requests are made.
    pub http: HttpConfig,
    /// The meters by which trips and requests are measured; without them nothing is measured.
    pub meters: Option<ServiceMeters>,
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

    /// How many trips may be under way at once.
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
                write!(f, "{arrivals:?} arrivals, at most {max_shoppers} shoppers")
            }
        }
    }
}

//! The command line of the shopper. Its comments are its help.

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use clap::ArgGroup;
use shared::{
    env::{duration_above_zero, number},
    share::Share,
};
use url::Url;

use crate::{
    arrival::{Arrivals, Rate, Stages},
    config::{Config, HttpConfig, Load, RunShare, Think},
    order_keys::RunName,
    plan::{FaultShare, Mix},
    report::ReportArgs,
    tls::TrustArgs,
    trip::{Itinerary, StoreUrlError},
};

/// The think time between two trips, and the mix of trips, unless others are chosen.
const THINK_TIME: Duration = Duration::from_secs(1);
const MIX: &str = "quick-buy=80,big-basket=20";

/// Sends shoppers to the grocery store, each trip a trace
///
/// There are two models of load. In the closed model (--shoppers, --every) a fixed number of
/// shoppers each think between two trips: a slow store slows them down, as it would a fixed group
/// of users. In the open model (--rate or --stages) trips start when a schedule says, whether or
/// not earlier trips are over, as strangers come to a shop: a slow store fills up. Trips that could
/// not start, because --max-shoppers were under way, are counted as missed, never delayed. In both
/// models, latency counts from the moment a trip should have started.
///
/// Several processes can make one run: with --share, or with --shares in an indexed Job of
/// Kubernetes, each makes its share of the trips. All flags are then those of the whole run, --seed
/// among them, and the shares together make the same trips as one shopper would.
///
/// Without options one shopper makes a trip, thinks a second, and makes the next, until Ctrl-C.
#[derive(Clone, Debug, clap::Args)]
#[command(
    group = ArgGroup::new("open").args(["rate", "stages"]).multiple(true),
    group = ArgGroup::new("closed").args(["shoppers", "every", "think"]).multiple(true)
        .conflicts_with("open"),
)]
pub struct Args {
    /// Address of the store, such as `http://127.0.0.1:5000` or `https://shop.example`
    #[arg(
        long,
        env = "STORE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:5000",
        value_parser = store_url,
    )]
    pub store_url: Url,

    #[command(flatten)]
    pub(crate) load: LoadArgs,

    #[command(flatten)]
    pub(crate) trips: TripArgs,

    #[command(flatten)]
    pub(crate) http: HttpArgs,

    #[command(flatten)]
    pub(crate) report: ReportArgs,

    /// Stop at the end of standard input: when the parent process is gone
    #[arg(long, hide = true)]
    pub(crate) parent_pipe: bool,

    /// How long the shopper may take to stop
    #[arg(long, hide = true, default_value = "10s", value_parser = shared::env::duration)]
    pub(crate) stop_within: Duration,
}

/// When trips start, and when the run ends.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// Closed model: how many shoppers there are, on all shares together [default: 1]
    #[arg(long, env = "SHOPPER_SHOPPERS", value_name = "N", value_parser = up_to_a_million)]
    shoppers: Option<NonZeroU32>,

    /// Closed model: think time of a shopper between two trips, such as 500ms or 2s [default: 1s]
    #[arg(
        long,
        env = "SHOPPER_EVERY",
        value_name = "DURATION",
        value_parser = shared::env::duration,
    )]
    every: Option<Duration>,

    /// Closed model: whether think times are all the same or exponentially distributed
    /// [default: fixed]
    #[arg(long, env = "SHOPPER_THINK", value_enum)]
    think: Option<Think>,

    /// Open model: trips per second; with --stages the rate that the first stage begins at
    /// [default: the closed model]
    #[arg(long, env = "SHOPPER_RATE", value_name = "RATE", value_parser = rate_above_zero)]
    rate: Option<Rate>,

    /// Open model: ramps, one after the other, in trips per second, such as 30s@100,2m@500. Each
    /// begins at the rate where the one before ended (the first at --rate, or 0). The run ends with
    /// the last [default: none]
    #[arg(
        long,
        env = "SHOPPER_STAGES",
        value_name = "DURATION@RATE,...",
        conflicts_with = "duration"
    )]
    stages: Option<Stages>,

    /// Open model: whether trips start at random, as strangers come to a shop, at equal distances, or
    /// in groups of one to six
    #[arg(
        long,
        env = "SHOPPER_ARRIVALS",
        value_enum,
        default_value = "poisson",
        requires = "open"
    )]
    arrivals: Arrivals,

    /// Open model: the most trips under way at once, on all shares together; trips beyond that are
    /// missed
    #[arg(
        long,
        env = "SHOPPER_MAX_SHOPPERS",
        value_name = "N",
        default_value = "1000",
        value_parser = up_to_a_million,
        requires = "open"
    )]
    max_shoppers: NonZeroU32,

    /// Threads that make trips, 256 at most, each with connections of its own and awake for up to
    /// 100us before each trip
    #[arg(long, env = "SHOPPER_THREADS", value_name = "N", default_value = "1", value_parser = shared::env::threads)]
    threads: NonZeroU16,

    /// End after this many trips, including missed ones, on all shares together [default: no limit]
    #[arg(long, env = "SHOPPER_TRIPS", value_name = "N", value_parser = trips)]
    trips: Option<NonZeroU64>,

    /// Start no trips after this time, such as 30s or 10m [default: no limit]
    #[arg(long, env = "SHOPPER_DURATION", value_name = "DURATION", value_parser = duration_above_zero)]
    duration: Option<Duration>,

    /// Make only the share number K, from 1, of a run that N shoppers make, such as 1/3. It needs --seed.
    /// All other flags are those of the whole run [default: the whole run]
    #[arg(
        long,
        env = "SHOPPER_SHARE",
        value_name = "K/N",
        conflicts_with = "shares",
        requires = "seed"
    )]
    share: Option<RunShare>,

    /// Make one share of a run that so many shoppers make: the one of --share-index. It needs --seed
    /// [default: the whole run]
    #[arg(
        long,
        env = "SHOPPER_SHARES",
        value_name = "N",
        value_parser = shares,
        requires_all = ["share_index", "seed"]
    )]
    shares: Option<NonZeroU32>,

    /// With --shares: which share to make, from 0. Kubernetes sets the variable in each pod of an
    /// indexed Job [default: none]
    #[arg(long, env = "JOB_COMPLETION_INDEX", value_name = "INDEX", value_parser = share_index)]
    share_index: Option<u32>,
}

/// Settings that are right each for itself, but not together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The index of the share is not below the number of shares.
    #[error(
        "--share-index {index} (or JOB_COMPLETION_INDEX): expected an index from 0 to {}, since \
         --shares is {shares}",
        shares.get() - 1
    )]
    NoSuchShare {
        /// The index.
        index: u32,
        /// How many shares there are.
        shares: NonZeroU32,
    },
    /// There are more shares than things to divide among them.
    #[error("{flag} {whole}: expected at least {shares}, since {shares} shares divide them")]
    TooFewToDivide {
        /// The flag whose number is divided.
        flag: &'static str,
        /// The number.
        whole: u64,
        /// How many shares there are.
        shares: NonZeroU32,
    },
}

impl LoadArgs {
    /// Which share of the run to make.
    fn share(&self) -> Result<RunShare, UsageError> {
        match (self.share, self.shares, self.share_index) {
            (Some(share), ..) => Ok(share),
            (None, Some(shares), Some(index)) => {
                RunShare::new(index, shares).ok_or(UsageError::NoSuchShare { index, shares })
            }
            // In an indexed Job the index is there also for a program that makes a whole run.
            (None, None, _) | (None, Some(_), None) => Ok(RunShare::WHOLE),
        }
    }

    /// Checks that no share of the run is left without anything.
    fn check_division(&self, shares: NonZeroU32) -> Result<(), UsageError> {
        let in_flight = match self.model() {
            Load::Closed { shoppers, .. } => ("--shoppers", shoppers),
            Load::Open { max_shoppers, .. } => ("--max-shoppers", max_shoppers),
        };
        let trips = self.trips.map(|trips| ("--trips", trips));
        for (flag, whole) in [Some((in_flight.0, in_flight.1.into())), trips].into_iter().flatten()
        {
            if whole.get() < u64::from(shares.get()) {
                return Err(UsageError::TooFewToDivide { flag, whole: whole.get(), shares });
            }
        }
        Ok(())
    }

    /// Which model it is: the open one as soon as there is a rate.
    fn model(&self) -> Load {
        if self.rate.is_none() && self.stages.is_none() {
            return Load::Closed {
                shoppers: self.shoppers.unwrap_or(NonZeroU32::MIN),
                every: self.every.unwrap_or(THINK_TIME),
                think: self.think.unwrap_or(Think::Fixed),
            };
        }
        Load::Open {
            rate: self.rate,
            stages: self.stages.clone(),
            arrivals: self.arrivals,
            max_shoppers: self.max_shoppers,
        }
    }
}

/// What trips do.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Trips")]
pub(crate) struct TripArgs {
    /// Decides when trips start and what they do: the same seed gives the same sequence
    /// [default: a new one in each run]
    #[arg(long, env = "SHOPPER_SEED", value_name = "N", value_parser = number::<u64>(0..=u64::MAX))]
    seed: Option<u64>,

    /// The name of the run. The idempotency key of an order is then made of it, the seed and the trip. So a
    /// shopper that is started again with the same flags goes through its trips from the first, and buys
    /// nothing twice: the store answers what it has recorded with the first receipt. Baskets do not depend
    /// on what is in stock then. It needs --seed [default: a new key for each order]
    #[arg(long, env = "SHOPPER_RUN", value_name = "NAME", requires = "seed")]
    run: Option<RunName>,

    /// Kinds of trip and their weights. Kinds: browse-only, quick-buy, big-basket, hesitant (fills
    /// a basket and leaves), impatient (gives up after --patience), bulk-buy (wants hundreds of one
    /// thing) [default: quick-buy=80,big-basket=20]
    #[arg(long, env = "SHOPPER_MIX", value_name = "KIND=WEIGHT,...")]
    mix: Option<Mix>,

    /// How long an impatient shopper waits for the whole trip, such as 500ms
    #[arg(
        long,
        env = "SHOPPER_PATIENCE",
        visible_alias = "deadline",
        value_name = "DURATION",
        default_value = "500ms",
        value_parser = duration_above_zero,
    )]
    patience: Duration,

    /// A fault that all trips, or a share of them, ask the store for; may be given several times, in the
    /// variable with ; between them. Faults: slow-aisle=produce:200ms, panic=Checkout, error=Ledger:5%,
    /// stall=Aisle:1s [default: none]
    #[arg(
        long = "fault",
        env = "SHOPPER_FAULT",
        value_name = "FAULT[@SHARE]",
        value_delimiter = ';'
    )]
    faults: Vec<FaultShare>,
}

/// How requests are made.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Requests")]
pub(crate) struct HttpArgs {
    /// The longest time to make a connection, such as 500ms or 1s
    #[arg(
        long,
        env = "SHOPPER_CONNECT_TIMEOUT",
        value_name = "DURATION",
        default_value = "1s",
        value_parser = duration_above_zero,
    )]
    connect_timeout: Duration,

    /// The longest time from a request to the end of its answer, such as 500ms or 5s
    #[arg(
        long,
        env = "SHOPPER_REQUEST_TIMEOUT",
        value_name = "DURATION",
        default_value = "5s",
        value_parser = duration_above_zero,
    )]
    request_timeout: Duration,

    /// How often a request is repeated at most, after random pauses that grow, when the store
    /// cannot be reached, closes the connection, is too slow or is overloaded
    #[arg(long, env = "SHOPPER_RETRIES", value_name = "N", default_value = "2")]
    #[arg(value_parser = number::<u32>(0..=u32::MAX.into()))]
    retries: u32,

    /// How many retries there may be, as a share of the other requests: retries never add more load
    /// than this
    #[arg(long, env = "SHOPPER_RETRY_BUDGET", value_name = "SHARE", default_value = "20%")]
    retry_budget: Share,

    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    /// Whether anything says when trips start.
    #[must_use]
    pub fn chooses_load(&self) -> bool {
        let LoadArgs { shoppers, every, think, rate, stages, .. } = &self.load;
        let is_closed = shoppers.is_some() || every.is_some() || think.is_some();
        is_closed || rate.is_some() || stages.is_some()
    }

    /// Whether anything says what kinds of trip there are.
    #[must_use]
    pub fn chooses_mix(&self) -> bool {
        self.trips.mix.is_some()
    }

    /// Whether trips are to ask for faults.
    #[must_use]
    pub fn chooses_faults(&self) -> bool {
        !self.trips.faults.is_empty()
    }

    /// The settings of the run.
    ///
    /// # Errors
    /// [`UsageError`] when there is no such share of the run, or the share would have nothing to do.
    pub fn config(&self) -> Result<Config, UsageError> {
        let share = self.load.share()?;
        self.load.check_division(share.count())?;
        Ok(Config {
            store_url: self.store_url.clone(),
            load: self.load.model(),
            share,
            threads: self.load.threads.into(),
            trips: self.load.trips,
            duration: self.load.duration,
            seed: self.trips.seed.unwrap_or_else(rand::random),
            mix: self.trips.mix.clone().unwrap_or_else(default_mix),
            patience: self.trips.patience,
            faults: self.trips.faults.clone(),
            run_name: self.trips.run.clone(),
            receipts: None,
            http: HttpConfig {
                connect_timeout: self.http.connect_timeout,
                request_timeout: self.http.request_timeout,
                retries: self.http.retries,
                retry_budget: self.http.retry_budget,
                authorities: (self.http.trust.ca_certificate.as_ref())
                    .map(|authorities| Arc::clone(authorities.pem())),
            },
            meters: None,
        })
    }
}

fn default_mix() -> Mix {
    MIX.parse().expect("it is a mix")
}

fn store_url(text: &str) -> Result<Url, String> {
    let url = text.parse::<Url>().map_err(|error| {
        format!("{error}; expected http(s)://HOST[:PORT], such as http://127.0.0.1:5000")
    })?;
    Itinerary::new(&url).map_err(|error: StoreUrlError| error.to_string())?;
    Ok(url)
}

/// A number of shoppers. No machine has room for more than a million, each with a connection.
fn up_to_a_million(text: &str) -> Result<NonZeroU32, String> {
    number(1..=1_000_000)(text)
}

/// A number of shares.
fn shares(text: &str) -> Result<NonZeroU32, String> {
    number(1..=RunShare::MOST.into())(text)
}

fn share_index(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 0, below --shares".into())
}

fn trips(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "expected a whole number above zero".into())
}

fn rate_above_zero(text: &str) -> Result<Rate, String> {
    match text.parse::<Rate>().map_err(|error| error.to_string())? {
        Rate::ZERO => Err("expected trips per second above zero, such as 100 or 0.5".into()),
        rate => Ok(rate),
    }
}

#[cfg(test)]
mod tests;

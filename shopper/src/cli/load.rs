//! The part of the command line that says when trips start.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use super::some_time;
use crate::{
    arrival::{Arrivals, Rate, Stages},
    config::{Load, Think},
};

/// When trips start, and when the run ends.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// Closed model: how many shoppers there are
    #[arg(long, env = "SHOPPER_SHOPPERS", value_name = "N", default_value = "1", value_parser = up_to_a_million)]
    shoppers: NonZeroU32,

    /// Closed model: think time of a shopper between two trips, such as 500ms or 2s
    #[arg(
        long,
        env = "SHOPPER_EVERY",
        value_name = "DURATION",
        default_value = "1s",
        value_parser = humantime::parse_duration,
    )]
    every: Duration,

    /// Closed model: whether think times are all the same or exponentially distributed
    #[arg(long, env = "SHOPPER_THINK", value_enum, default_value = "fixed")]
    think: Think,

    /// Open model: trips per second; with --stages the rate that the first stage begins at
    #[arg(long, env = "SHOPPER_RATE", value_name = "RATE", value_parser = rate_above_zero)]
    rate: Option<Rate>,

    /// Open model: ramps, one after the other, each from the rate before (0 at first, or --rate)
    /// to its own, in trips per second: 30s@100,2m@500. The run ends with the last
    #[arg(
        long,
        env = "SHOPPER_STAGES",
        value_name = "DURATION@RATE,...",
        conflicts_with = "duration"
    )]
    stages: Option<Stages>,

    /// Open model: at random, as strangers come, or at equal distances
    #[arg(
        long,
        env = "SHOPPER_ARRIVALS",
        value_enum,
        default_value = "poisson",
        requires = "open"
    )]
    arrivals: Arrivals,

    /// Open model: the most trips under way at once; those beyond are missed
    #[arg(
        long,
        env = "SHOPPER_MAX_SHOPPERS",
        value_name = "N",
        default_value = "1000",
        value_parser = up_to_a_million,
        requires = "open"
    )]
    max_shoppers: NonZeroU32,

    /// Threads that make trips, each with connections of its own and awake for the last 100us before
    /// each trip
    #[arg(long, env = "SHOPPER_THREADS", value_name = "N", default_value = "1", value_parser = threads)]
    pub(super) threads: NonZeroUsize,

    /// End after so many trips, missed ones included [default: no limit]
    #[arg(long, env = "SHOPPER_TRIPS", value_name = "N", value_parser = trips)]
    pub(super) trips: Option<NonZeroU64>,

    /// Start no trips after this time, such as 30s or 10m [default: no limit]
    #[arg(long, env = "SHOPPER_DURATION", value_name = "DURATION", value_parser = some_time)]
    pub(super) duration: Option<Duration>,
}

impl LoadArgs {
    /// Which model it is: the open one as soon as there is a rate.
    pub(super) fn model(&self) -> Load {
        if self.rate.is_none() && self.stages.is_none() {
            let Self { shoppers, every, think, .. } = *self;
            return Load::Closed { shoppers, every, think };
        }
        Load::Open {
            rate: self.rate,
            stages: self.stages.clone(),
            arrivals: self.arrivals,
            max_shoppers: self.max_shoppers,
        }
    }
}

/// More threads than this have more memory and more work among themselves than trips to make.
const MOST_THREADS: usize = 256;

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(number) if number.get() <= MOST_THREADS => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {MOST_THREADS}")),
    }
}

/// More shoppers than this, each with a connection, no machine has room for.
fn up_to_a_million(text: &str) -> Result<NonZeroU32, String> {
    match text.parse::<NonZeroU32>() {
        Ok(number) if number.get() <= 1_000_000 => Ok(number),
        _ => Err("expected a whole number from 1 to 1000000".into()),
    }
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

//! The parameters of a search, from the query string of a URL: those of Jaeger's `/api/traces`.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::duration::{self, DurationError};
use super::filter::Filter;
use super::tags::Tag;
use super::{logfmt, tags};

/// A query string's parameters, repeated ones included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// Why a parameter could not be understood, in Jaeger's words.
#[derive(Debug, Error)]
pub(crate) enum ParamError {
    #[error("unable to parse param '{name}': {source}")]
    Duration { name: &'static str, source: DurationError },
    #[error("unable to parse param '{name}': {message}")]
    Value { name: &'static str, message: String },
    #[error("{0}")]
    Bare(String),
    #[error("'maxDuration' should be greater than 'minDuration'")]
    Durations,
    #[error("malformed 'tag' parameter, expecting key:value, received: {0}")]
    Tag(String),
    #[error("malformed 'tags' parameter, cannot unmarshal JSON: {0}")]
    Tags(#[from] serde_json::Error),
}

impl Params {
    /// The parameters in a query string. What is no parameter is left out.
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query);
        Self(pairs.map(actix_web::web::Query::into_inner).unwrap_or_default())
    }

    /// The first value of that name, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// All values of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The integer of that name.
    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<i64>, ParamError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = integer(text).map_err(|message| ParamError::Value { name, message })?;
        Ok(Some(number))
    }

    /// The truth value of that name.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, ParamError> {
        let Some(text) = self.get(name) else { return Ok(false) };
        tags::truth(text).ok_or_else(|| ParamError::Value {
            name,
            message: format!("strconv.ParseBool: parsing {text:?}: invalid syntax"),
        })
    }

    /// The duration of that name, in nanoseconds.
    pub(crate) fn duration(&self, name: &'static str) -> Result<Option<u64>, ParamError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let nanoseconds =
            duration::parse(text).map_err(|source| ParamError::Duration { name, source })?;
        Ok(u64::try_from(nanoseconds).ok().filter(|&nanoseconds| nanoseconds > 0))
    }

    /// The moment of that name, in nanoseconds since the epoch; the parameter counts `unit`
    /// nanoseconds.
    pub(crate) fn moment(&self, name: &'static str, unit: u64) -> Result<Option<u64>, ParamError> {
        let units = self.integer(name)?;
        Ok(units.map(|units| u64::try_from(units).unwrap_or(0).saturating_mul(unit)))
    }

    /// The search that the parameters describe, without what Jaeger adds to it.
    pub(crate) fn filter(&self) -> Result<Filter, ParamError> {
        let start_min = match self.moment("start", 1_000)? {
            Some(start) => Some(start),
            None => self.lookback().map(|lookback| now().saturating_sub(lookback)),
        };
        let filter = Filter {
            service: self.get("service").map(str::to_owned),
            operation: self.get("operation").map(str::to_owned),
            tags: self.tags()?,
            start_min,
            start_max: self.moment("end", 1_000)?,
            duration_min: self.duration("minDuration")?,
            duration_max: self.duration("maxDuration")?,
            errors: self.flag("errors")?,
        };
        match (filter.duration_min, filter.duration_max) {
            (Some(least), Some(most)) if most < least => Err(ParamError::Durations),
            _ => Ok(filter),
        }
    }

    /// How many traces are wanted at most.
    pub(crate) fn limit(&self) -> Result<Option<i64>, ParamError> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        // Jaeger does not name the parameter here, and takes 32 bits.
        let limit = integer(text).map_err(ParamError::Bare)?;
        let fits = i32::try_from(limit).is_ok();
        let out_of_range = || ParamError::Bare(unreadable(text, "value out of range"));
        fits.then_some(Some(limit)).ok_or_else(out_of_range)
    }

    /// Jaeger's page sends `lookback` beside `start`; alone it counts back from now. "custom"
    /// means that `start` and `end` say it.
    fn lookback(&self) -> Option<u64> {
        let text = self.get("lookback")?;
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
        match days {
            Some(days) => Some(days.saturating_mul(24 * 3_600_000_000_000)),
            None => duration::parse(text).ok().and_then(|lookback| u64::try_from(lookback).ok()),
        }
    }

    fn tags(&self) -> Result<Vec<Tag>, ParamError> {
        let mut tags = Vec::new();
        for tag in self.all("tag") {
            let (key, value) =
                tag.split_once(':').ok_or_else(|| ParamError::Tag(tag.to_owned()))?;
            put(&mut tags, key.to_owned(), value.to_owned());
        }
        for text in self.all("tags").map(str::trim).filter(|text| !text.is_empty()) {
            let pairs: Vec<(String, String)> = if text.starts_with(['{', '[']) {
                serde_json::from_str::<std::collections::BTreeMap<_, _>>(text)?
                    .into_iter()
                    .collect()
            } else {
                logfmt::parse(text)
            };
            for (key, value) in pairs {
                put(&mut tags, key, value);
            }
        }
        Ok(tags)
    }
}

/// Sets a tag; the last of one key holds.
fn put(tags: &mut Vec<Tag>, key: String, value: String) {
    match tags.iter_mut().find(|tag| tag.key == key) {
        Some(tag) => tag.value = value,
        None => tags.push(Tag { key, value }),
    }
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| {
        let only_digits = text.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit());
        let why = if only_digits { "value out of range" } else { "invalid syntax" };
        unreadable(text, why)
    })
}

fn unreadable(text: &str, why: &str) -> String {
    format!("strconv.ParseInt: parsing {text:?}: {why}")
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

//! The parameters of a search, from the query string of a URL: those of Jaeger's `/api/traces`.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ParamError;
use super::filter::Filter;
use super::tags::{self, Tag};
use super::{duration, trace_id};
use crate::store::model::{TraceId, now};

/// A query string's parameters, repeated ones included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

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

    /// The same parameters with their names in camel case: `start_time` is `startTime`.
    pub(crate) fn in_camel_case(&self) -> Self {
        let named = self.0.iter().map(|(name, value)| (in_camel_case(name), value.clone()));
        Self(named.collect())
    }

    /// What `read` makes of the value of that name, if there is one; `expected` says what it takes.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParamError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| ParamError::new(name, text, expected))
    }

    /// The integer of that name.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ParamError> {
        self.read(name, "a whole number", |text| text.parse().ok())
    }

    /// The truth value of that name.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ParamError> {
        Ok(self.read(name, "true or false", tags::truth)?.unwrap_or_default())
    }

    /// The duration of that name, in nanoseconds; none when it is zero or negative.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<u64>, ParamError> {
        let expected = "a duration such as 1.5s, 100ms or 1h2m";
        let nanoseconds = self.read(name, expected, duration::parse)?;
        Ok(nanoseconds.and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).filter(|&ns| ns > 0))
    }

    /// The moment of that name, in nanoseconds since the epoch; the parameter counts `unit`
    /// nanoseconds.
    pub(crate) fn moment(&self, name: &str, unit: u64) -> Result<Option<u64>, ParamError> {
        let units = self.integer(name)?;
        Ok(units.map(|units| u64::try_from(units).unwrap_or(0).saturating_mul(unit)))
    }

    /// The moment of that name in RFC 3339, in nanoseconds since the epoch.
    pub(crate) fn timestamp(&self, name: &str) -> Result<Option<u64>, ParamError> {
        self.read(name, "a time such as 2026-01-31T12:00:00.5Z", |text| {
            let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
            Some(u64::try_from(moment.unix_timestamp_nanos().max(0)).unwrap_or(u64::MAX))
        })
    }

    /// The trace ids of that name, each once.
    pub(crate) fn trace_ids(&self, name: &str) -> Result<Vec<TraceId>, ParamError> {
        let mut ids = Vec::new();
        for text in self.all(name) {
            let id = trace_id::hexadecimal(text)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// The search that the parameters describe, without what Jaeger adds to it.
    pub(crate) fn filter(&self) -> Result<Filter, ParamError> {
        let start_min = match self.moment("start", 1_000)? {
            Some(start) => Some(start),
            None => self.lookback()?.map(|lookback| now().saturating_sub(lookback)),
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
            ids: Vec::new(),
        };
        match (filter.duration_min, filter.duration_max) {
            (Some(least), Some(most)) if most < least => {
                Err(ParamError::other("'maxDuration' should be greater than 'minDuration'"))
            }
            _ => Ok(filter),
        }
    }

    /// How many traces are wanted at most.
    pub(crate) fn limit(&self) -> Result<Option<i64>, ParamError> {
        self.read("limit", "a whole number of at most 2147483647", |text| {
            text.parse::<i32>().ok().map(i64::from)
        })
    }

    /// Jaeger's page sends `lookback` beside `start`; alone it counts back from now. "custom"
    /// means that `start` and `end` say it.
    pub(super) fn lookback(&self) -> Result<Option<u64>, ParamError> {
        const EXPECTED: &str = "a duration such as 1h or 2d, or custom";
        if self.get("lookback") == Some("custom") {
            return Ok(None);
        }
        self.read("lookback", EXPECTED, |text| match text.strip_suffix('d') {
            Some(days) => Some(days.parse::<u64>().ok()?.saturating_mul(24 * 3_600_000_000_000)),
            None => duration::parse(text).and_then(|lookback| u64::try_from(lookback).ok()),
        })
    }

    pub(super) fn tags(&self) -> Result<Vec<Tag>, ParamError> {
        let mut tags = Vec::new();
        for tag in self.all("tag") {
            let pair = tag.split_once(':');
            let (key, value) = pair.ok_or_else(|| ParamError::new("tag", tag, "key:value"))?;
            tags::put(&mut tags, key.to_owned(), value.to_owned());
        }
        for text in self.all("tags") {
            let parsed = tags::parse(text).map_err(|error| {
                ParamError::other(format!("parameter 'tags' is {text:?}: {error}"))
            })?;
            for tag in parsed {
                tags::put(&mut tags, tag.key, tag.value);
            }
        }
        Ok(tags)
    }
}

fn in_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

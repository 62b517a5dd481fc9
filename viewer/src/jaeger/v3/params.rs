//! The parameters of the stable API, in camel case or, as it was earlier, with underscores.

use std::collections::BTreeMap;

use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::query::duration;
use crate::query::filter::Filter;
use crate::query::params::Params;
use crate::query::tags::{self, Tag};

/// A search.
pub(super) struct Search {
    pub(super) filter: Filter,
    pub(super) limit: usize,
    /// Whether the traces are wanted as they came.
    pub(super) raw: bool,
}

/// Why a parameter could not be understood, in Jaeger's words.
#[derive(Debug, Error)]
pub(super) enum ParamError {
    #[error("malformed parameter {name}: {why}")]
    Malformed { name: &'static str, why: String },
    #[error("query.startTimeMin and query.startTimeMax are required")]
    TimesRequired,
    #[error("query.startTimeMin must be before query.startTimeMax")]
    TimesReversed,
    #[error("query.filter is not supported: use the other parameters")]
    Filter,
}

/// A parameter's two names.
type Names = (&'static str, &'static str);

const DEFAULT_LIMIT: i64 = 100;

/// The search that `params` describe: filter, limit, and whether the traces are wanted raw.
pub(super) fn search(params: &Params) -> Result<(Filter, i64, bool), ParamError> {
    if params.get("query.filter").is_some() {
        return Err(ParamError::Filter);
    }
    let (min, max) = (
        ("query.startTimeMin", "query.start_time_min"),
        ("query.startTimeMax", "query.start_time_max"),
    );
    // That one is missing comes before that the other makes no sense.
    get(params, min).and(get(params, max)).ok_or(ParamError::TimesRequired)?;
    let (earliest, latest) = (moment(params, min)?, moment(params, max)?);
    let (Some(earliest), Some(latest)) = (earliest, latest) else {
        return Err(ParamError::TimesRequired);
    };
    if earliest >= latest {
        return Err(ParamError::TimesReversed);
    }
    let text = |names| get(params, names).map(|(_, text)| text.to_owned());
    let filter = Filter {
        service: text(("query.serviceName", "query.service_name")),
        operation: text(("query.operationName", "query.operation_name")),
        tags: attributes(params)?,
        start_min: Some(earliest),
        start_max: Some(latest),
        duration_min: span_duration(params, ("query.durationMin", "query.duration_min"))?,
        duration_max: span_duration(params, ("query.durationMax", "query.duration_max"))?,
        errors: false,
    };
    Ok((filter, limit(params)?, flag(params, ("query.rawTraces", "query.raw_traces"))?))
}

/// Whether one trace is wanted raw. Its times are checked and, all of it being in memory, not used.
pub(super) fn trace_options(params: &Params) -> Result<bool, ParamError> {
    moment(params, ("startTime", "start_time"))?;
    moment(params, ("endTime", "end_time"))?;
    flag(params, ("rawTraces", "raw_traces"))
}

/// The value, and the name it came under.
fn get(params: &Params, (name, former): Names) -> Option<(&'static str, &str)> {
    params
        .get(name)
        .map(|text| (name, text))
        .or_else(|| params.get(former).map(|text| (former, text)))
}

fn moment(params: &Params, names: Names) -> Result<Option<u64>, ParamError> {
    let Some((name, text)) = get(params, names) else { return Ok(None) };
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| ParamError::Malformed {
        name,
        why: format!("parsing time {text:?} as \"2006-01-02T15:04:05.999999999Z07:00\": {error}"),
    })?;
    Ok(Some(u64::try_from(moment.unix_timestamp_nanos().max(0)).unwrap_or(u64::MAX)))
}

fn span_duration(params: &Params, names: Names) -> Result<Option<u64>, ParamError> {
    let Some((name, text)) = get(params, names) else { return Ok(None) };
    let nanoseconds = duration::parse(text)
        .map_err(|error| ParamError::Malformed { name, why: error.to_string() })?;
    Ok(u64::try_from(nanoseconds).ok().filter(|&nanoseconds| nanoseconds > 0))
}

fn limit(params: &Params) -> Result<i64, ParamError> {
    let found = get(params, ("query.searchDepth", "query.search_depth"))
        .or_else(|| get(params, ("query.num_traces", "query.num_traces")));
    let Some((name, text)) = found else { return Ok(DEFAULT_LIMIT) };
    text.parse().map_err(|_| ParamError::Malformed {
        name,
        why: format!("strconv.Atoi: parsing {text:?}: invalid syntax"),
    })
}

fn flag(params: &Params, names: Names) -> Result<bool, ParamError> {
    let Some((name, text)) = get(params, names) else { return Ok(false) };
    tags::truth(text).ok_or_else(|| ParamError::Malformed {
        name,
        why: format!("strconv.ParseBool: parsing {text:?}: invalid syntax"),
    })
}

fn attributes(params: &Params) -> Result<Vec<Tag>, ParamError> {
    let name = "query.attributes";
    let Some(text) = params.get(name) else { return Ok(Vec::new()) };
    let attributes: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|error| ParamError::Malformed { name, why: error.to_string() })?;
    Ok(attributes.into_iter().map(|(key, value)| Tag { key, value }).collect())
}

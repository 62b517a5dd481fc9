//! Logs: each event of `tracing` is a line on standard error with the ids of its trace and span, and
//! with an exporter of logs it is a record too.
//!
//! ```text
//! event ──▶ RUST_LOG ──┬─▶ repeated? count it ──────▶ line on standard error
//!                      └─▶ opentelemetry-appender-tracing ──▶ AccountingLogProcessor ──▶ exporters
//!                          (logs/records.rs)
//! ```
//!
//! Without `RUST_LOG` the lines leave out what the service calls
//! [quiet](crate::Service::quiet_targets): at a terminal nobody wants to read of each single request,
//! in a backend one looks for it.
//!
//! An event that repeats itself is one line and a count (`logs/repeats.rs`), but each occurrence is a
//! record: it has a time and a trace of its own, and a backend can group them. The queues bound what
//! a flood costs.

mod line;
mod records;
mod repeats;

use crate::config::Config;
use crate::error::TelemetryError;
use crate::resource::Service;
use line::Line;
use std::io::IsTerminal as _;
use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

pub(super) use line::PanicLine;
pub(super) use records::Records;
pub(super) use repeats::Repeats;

/// Which logs are written and exported unless `RUST_LOG` says otherwise.
const LOG_FILTER: &str = "info,actix_server=warn,opentelemetry=warn";

/// Makes `tracing` write log lines to `stream`, and make log records by `records`.
///
/// A warning or an error of a library that repeats itself is written once and then counted: see
/// [`Repeats`].
///
/// Each filter says which levels it may let through. Otherwise every `debug!` and `trace!` of a
/// library would reach the filters, and those of the crate `log` each time.
pub(super) fn init(
    service: &Service,
    config: &Config,
    stream: BoxMakeWriter,
    records: Option<Records>,
) -> Result<Repeats, TelemetryError> {
    let repeats = Repeats::default();
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Line(config.line_format))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(stream)
        .with_filter(
            filter(config, service.quiet_targets)?
                .and(filter_fn(is_said_once).with_max_level_hint(LevelFilter::TRACE))
                .and(repeats.clone()),
        );
    let registry = Registry::default().with(lines);
    // Not as a layer that may be none: with such a one, `tracing` asks all filters anew for each of
    // the events that libraries make for every request and that no filter ever lets through.
    match records {
        Some(records) => registry.with(records.with_filter(filter(config, &[])?)).try_init()?,
        None => registry.try_init()?,
    }
    Ok(repeats)
}

/// The events that `RUST_LOG` lets through; if it is not set, those that are let through then, without
/// those of `quiet` targets.
fn filter(config: &Config, quiet: &[&str]) -> Result<EnvFilter, TelemetryError> {
    let unset =
        || quiet.iter().fold(LOG_FILTER.to_owned(), |all, target| all + "," + target + "=off");
    let directives = config.log_filter.clone().unwrap_or_else(unset);
    EnvFilter::builder().parse(&directives).map_err(|_| TelemetryError::Invalid {
        variable: "RUST_LOG".into(),
        value: directives,
        expected: "directives such as info or warn,store=debug".into(),
    })
}

/// False for what the exporters and the SDK log about every single batch that they could not
/// deliver. [`Health`](crate::health::Health) logs it once for a whole outage.
fn is_said_once(metadata: &Metadata<'_>) -> bool {
    let per_batch = metadata.target().starts_with("opentelemetry")
        && metadata.name().starts_with("Export.Failed");
    !per_batch
}

//! The shopper as a process of its own: telemetry, signals, the live view and the report around a
//! run.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::SystemTime,
};

use actix_opentelemetry::metrics;
use opentelemetry::metrics::MeterProvider as _;
use shared::{
    output,
    signal::{READER_GONE, Reason},
};
use telemetry::{Service, Streams, Telemetry};

use crate::{
    ACTIVITY,
    cli::Args,
    client::warn_of_idle_faults,
    config::Config,
    drive::{ShopperError, drive},
    live::View,
    receipts::Receipts,
    report::{Format, Report},
    result::Settings,
    statistics::Statistics,
};

/// The exit code of wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;

/// Runs the shopper until its trips are over or it is told to stop, and writes the report.
///
/// The exit code is 0 if all assertions hold, 1 if one does not or the run could not be made, and 2
/// for wrong usage.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    output::report_panics();
    let report = match Report::prepare(&args.report.forms) {
        Ok(report) => report,
        Err(error) => return fail(&error, WRONG_USAGE.into()),
    };
    let config = match args.config() {
        Ok(config) => config,
        Err(error) => return fail(&error, WRONG_USAGE.into()),
    };
    let receipts = match args.report.receipts.as_deref().map(Receipts::open).transpose() {
        Ok(receipts) => receipts,
        Err(error) => return fail(&error, WRONG_USAGE.into()),
    };
    let config = Config { receipts, ..config };
    let code = match shop(&args, config, &report) {
        Ok((_, Some(Reason::ReaderGone))) => READER_GONE.into(),
        Ok((true, _)) => ExitCode::SUCCESS,
        Ok((false, _)) => ExitCode::FAILURE,
        Err(error) => fail(&error, ExitCode::FAILURE),
    };
    output::finish();
    code
}

/// Whether all assertions hold, and why the run was stopped, if it was.
fn shop(
    args: &Args,
    config: Config,
    report: &Report,
) -> Result<(bool, Option<Reason>), ShopperError> {
    let stop =
        shared::signal::watch(args.parent_pipe, args.stop_within).map_err(ShopperError::Signals)?;
    let service = Service {
        name: "shopper",
        namespace: "grocery",
        version: env!("CARGO_PKG_VERSION"),
        quiet_targets: &[ACTIVITY],
        crates: &["shopper"],
        ..Service::default()
    };
    let streams = match args.report.forms.output {
        Format::Text => Streams::new(output::stderr, stop.stdout()),
        // Standard output has only the report, so that it is one JSON document.
        Format::Json => Streams::new(output::stderr, io::stderr()),
    };
    let telemetry = Telemetry::init_with(service, streams)?;
    let meters = telemetry.meters();
    if let Some(meters) = &meters {
        let scope = actix_opentelemetry::instrumentation_scope();
        metrics::set_meter(&meters.meter_with_scope(scope));
    }
    let config = Config { meters, ..config };
    let statistics = Statistics::new(describe(&config, args));
    let view = View::start(&args.report, statistics.clone(), telemetry.accounting());
    let receipts = config.receipts.clone();
    let driven = actix::System::new().block_on(async {
        warn_of_idle_faults(&config).await;
        drive(&config, &statistics, async {
            let reason = stop.requested().await;
            tracing::info!(name: "shopper.run.stopping", "stopping: {reason}");
        })
        .await
    });
    view.stop();
    driven?;
    stop.tell_parent();
    output::stderr().open_reserve();
    let passed = report.conclude(statistics.result(), |result| {
        telemetry.shutdown_within(stop.time_for(telemetry::SHUTDOWN_TIMEOUT));
        result.account(&telemetry.accounting().snapshot());
    })?;
    receipts.as_ref().map_or(Ok(()), Receipts::check)?;
    Ok((passed, stop.reason()))
}

fn describe(config: &Config, args: &Args) -> Settings {
    Settings {
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        store_url: config.store_url.to_string(),
        ui_url: args.report.ui_url.to_string(),
        model: config.load.to_string(),
        mix: config.mix.to_string(),
        seed: config.seed,
        shares: if config.share.is_whole() { vec![] } else { vec![config.share] },
        threads: config.threads.get(),
        faults: config.faults.iter().map(ToString::to_string).collect(),
        ..Settings::default()
    }
}

fn fail(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    writeln!(output::stderr(), "shopper: {error}").ok();
    output::finish();
    code
}

//! The shopper as a process of its own: telemetry, signals, the live view and the report around a
//! run.

use std::{io::Write, process::ExitCode, time::SystemTime};

use opentelemetry::global;
use telemetry::{Service, Telemetry};

use crate::{
    cli::Args,
    config::Config,
    drive,
    error::ShopperError,
    live::View,
    report::{Report, Run},
    statistics::Statistics,
};

/// The exit code of wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;

/// Runs the shopper until its trips are made or it is told to stop, and reports how they went.
///
/// The code is 0 when all assertions hold, 1 when one does not or the run could not be made, 2 for
/// wrong usage.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let report = match Report::prepare(&args.report) {
        Ok(report) => report,
        Err(error) => return fail(&error, WRONG_USAGE.into()),
    };
    match shop(&args, &report) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error, ExitCode::FAILURE),
    }
}

fn shop(args: &Args, report: &Report) -> Result<bool, ShopperError> {
    let telemetry = Telemetry::init(Service {
        name: "shopper",
        version: env!("CARGO_PKG_VERSION"),
        ..Service::default()
    })?;
    if telemetry.exports_metrics() {
        actix_opentelemetry::metrics::set_meter(&global::meter("actix-opentelemetry"));
    }
    let config = args.config();
    let statistics = Statistics::new(config.threads.get());
    let run = describe(&config, args);
    let view = View::start(
        &args.report,
        {
            let statistics = statistics.clone();
            move || statistics.snapshot()
        },
        telemetry.accounting(),
    );
    let driven = actix::System::new().block_on(async {
        let stop = shared::signal::shutdown(args.parent_pipe).map_err(ShopperError::Signals)?;
        drive(&config, &statistics, async {
            let reason = stop.await;
            tracing::info!("stopping: {reason}");
        })
        .await
    });
    view.stop();
    driven?;
    let passed = report.conclude(&run, &statistics.snapshot(), || {
        telemetry.shutdown();
        telemetry.accounting().snapshot()
    })?;
    Ok(passed)
}

fn describe(config: &Config, args: &Args) -> Run {
    Run {
        started_at: SystemTime::now(),
        store_url: config.store_url.to_string(),
        ui_url: args.report.ui_url.to_string(),
        model: config.load.to_string(),
        mix: config.mix.to_string(),
        seed: config.seed,
        threads: config.threads.get(),
        faults: config.faults.iter().map(ToString::to_string).collect(),
    }
}

fn fail(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    // Nobody is left to tell when stderr is closed.
    writeln!(std::io::stderr(), "shopper: {error}").ok();
    code
}

//! A health check of a role, for containers, which have no curl.

use std::{process::ExitCode, time::Duration};

use anyhow::ensure;
use clap::Args;

use crate::http;

/// The arguments of the health check.
#[derive(Args, Debug)]
pub(crate) struct Probe {
    /// The http:// URL to ask, which answers with a 2xx status if the role is well
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5000/readyz")]
    url: String,

    /// How long to wait for the answer, in seconds
    #[arg(long, env = "PROBE_TIMEOUT", value_name = "SECONDS", default_value_t = 2)]
    timeout: u64,
}

/// Asks the URL once.
///
/// # Errors
/// When there is no answer in time, or its status is not 2xx.
pub(crate) fn run(probe: &Probe) -> anyhow::Result<ExitCode> {
    let Probe { url, timeout } = probe;
    let asking = http::get(url, Duration::from_secs(*timeout));
    let answer = actix_rt::System::new().block_on(asking)?;
    ensure!(answer.status.is_success(), "{url} answers {}", answer.status);
    Ok(ExitCode::SUCCESS)
}

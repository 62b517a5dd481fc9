//! Whether a role is well: for a container's health check, where there is no curl.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, ensure};
use clap::Args;
use reqwest::blocking::Client;

/// What to ask.
#[derive(Args, Debug)]
pub(crate) struct Probe {
    /// The URL that answers with a 2xx status when all is well
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5000/readyz")]
    url: String,

    /// How long to wait for the answer, in seconds
    #[arg(long, env = "PROBE_TIMEOUT", value_name = "SECONDS", default_value_t = 2)]
    timeout: u64,
}

/// Asks once.
///
/// # Errors
/// When there is no answer in time, or one that says that not all is well.
pub(crate) fn run(probe: &Probe) -> anyhow::Result<ExitCode> {
    // An error says that the process has chosen a TLS provider already, which does as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Client::builder().timeout(Duration::from_secs(probe.timeout)).build()?;
    let answer = client.get(&probe.url).send();
    let answer = answer.with_context(|| format!("no answer from {}", probe.url))?;
    ensure!(answer.status().is_success(), "{} answers {}", probe.url, answer.status());
    Ok(ExitCode::SUCCESS)
}

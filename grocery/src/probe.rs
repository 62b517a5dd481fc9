//! A health check of a role, for containers, which have no curl.

use std::{process::ExitCode, time::Duration};

use anyhow::{anyhow, ensure};
use clap::Args;
use shopper::tls::TrustArgs;
use url::Url;

use crate::http::Http;

/// What a URL that is asked looks like.
const EXPECTED: &str = "expected an http:// or https:// URL";

/// The arguments of the health check.
#[derive(Args, Debug)]
pub(crate) struct Probe {
    /// The http:// or https:// URL to ask, which answers with a 2xx status if the role is well
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5000/readyz")]
    url: String,

    /// How long to wait for the answer, in seconds
    #[arg(long, env = "PROBE_TIMEOUT", value_name = "SECONDS", default_value_t = 2)]
    timeout: u64,

    #[command(flatten)]
    trust: TrustArgs,
}

/// Asks the URL once.
///
/// # Errors
/// When the server is not trusted, there is no answer in time, or its status is not 2xx.
pub(crate) fn run(probe: &Probe) -> anyhow::Result<ExitCode> {
    let Probe { url, timeout, trust } = probe;
    let parsed: Url = url.parse().map_err(|error| anyhow!("{url}: {error}; {EXPECTED}"))?;
    ensure!(matches!(parsed.scheme(), "http" | "https"), "{url}: {EXPECTED}");
    let http = Http::to(&parsed, trust)?;
    let asking = async { http.get(url, Duration::from_secs(*timeout)).await };
    let answer = actix_rt::System::new().block_on(asking)?;
    ensure!(answer.status.is_success(), "{url} answers {}", answer.status);
    Ok(ExitCode::SUCCESS)
}

//! A health check of a role, for containers, which have no curl.

use std::{process::ExitCode, time::Duration};

use anyhow::ensure;
use clap::Args;
use shared::env::duration_above_zero;
use shopper::tls::TrustArgs;
use url::Url;

use crate::http::{Http, target};

/// What a URL that is asked looks like.
const EXPECTED: &str = "expected an http:// or https:// URL";

/// The arguments of the health check.
#[derive(Args, Debug)]
pub(crate) struct Probe {
    /// The http:// or https:// URL to ask, which answers with a 2xx status if the role is well
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5000/readyz", value_parser = asked)]
    url: Asked,

    /// How long to wait for the answer, such as 500ms or 5s; a number alone is seconds
    #[arg(long, env = "PROBE_TIMEOUT", value_name = "DURATION", default_value = "2s")]
    #[arg(value_parser = timeout)]
    timeout: Duration,

    #[command(flatten)]
    trust: TrustArgs,
}

/// What is asked, as it was written and as it is read.
#[derive(Clone, Debug)]
struct Asked {
    text: String,
    url: Url,
}

/// Asks the URL once.
///
/// # Errors
/// When the server is not trusted, there is no answer in time, or its status is not 2xx.
pub(crate) fn run(probe: &Probe) -> anyhow::Result<ExitCode> {
    let Probe { url: Asked { text, url }, timeout, trust } = probe;
    let http = Http::to(url, trust)?;
    let asking = async { http.get(text, *timeout).await };
    let answer = actix_rt::System::new().block_on(asking)?;
    ensure!(answer.status.is_success(), "{text} answers {}", answer.status);
    Ok(ExitCode::SUCCESS)
}

fn asked(text: &str) -> Result<Asked, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}; {EXPECTED}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EXPECTED.into());
    }
    target(text).map_err(|_| format!("HTTP does not allow it; {EXPECTED}"))?;
    Ok(Asked { text: text.into(), url })
}

/// Reads a duration. The flag once took whole seconds alone, and health checks that were written then still do.
fn timeout(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    duration_above_zero(&if is_number { format!("{text}s") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_duration_and_a_number_alone_is_seconds() {
        for (text, expected) in [
            ("500ms", Duration::from_millis(500)),
            ("5s", Duration::from_secs(5)),
            ("1m 30s", Duration::from_secs(90)),
            ("5", Duration::from_secs(5)),
            ("18446744073709551615", Duration::from_secs(u64::MAX)),
        ] {
            assert_eq!(timeout(text), Ok(expected), "{text}");
        }
        for text in ["0", "0s", "", "-1", "2.5", "soon", "5 apples", "18446744073709551616"] {
            let error = timeout(text).unwrap_err();
            assert!(error.contains("expected a duration"), "{text}: {error}");
        }
    }
}

//! Before the first trip: warns of faults that will do nothing.

use std::time::Duration;

use awc::{Client, Connector};
use opentelemetry::global;
use shared::fault::FaultSupport;

use super::connection::connector;
use crate::{
    config::Config,
    tls::{Target, Tls},
    trip::faults_url,
};

/// How long to wait for the store. It may be down, and then the trips will report it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The key of the header that carries baggage.
const BAGGAGE: &str = "baggage";

/// Warns of each fault that will do nothing, and says why. The run goes on, and its report counts
/// what the store says about the faults of each request.
pub(crate) async fn warn_of_idle_faults(config: &Config) {
    if config.faults.is_empty() {
        return;
    }
    if !global::get_text_map_propagator(|all| all.fields().any(|field| field == BAGGAGE)) {
        tracing::warn!(
            name: "shopper.fault.idle",
            "faults will do nothing: they travel as baggage, and OTEL_PROPAGATORS has none"
        );
        return;
    }
    let Some(url) = faults_url(&config.store_url) else { return };
    let Ok(tls) = Tls::for_url(&config.store_url, config.http.authorities.as_deref()) else {
        return;
    };
    match ask(&url, tls).await {
        Ok(support) => {
            for fault in &config.faults {
                if let Some(why) = support.ignores(fault.fault()) {
                    tracing::warn!(name: "shopper.fault.idle", "--fault {fault} will do nothing: {why}");
                }
            }
        }
        Err(NotTold::Unreachable) => {}
        Err(NotTold::Otherwise(why)) => tracing::warn!(
            name: "shopper.fault.idle",
            "faults may do nothing: GET {url} does not say which the store honours ({why})"
        ),
    }
}

/// Why the store did not say which faults it honours.
enum NotTold {
    /// It cannot be reached, which the trips will report.
    Unreachable,
    /// It gave another answer, described here.
    Otherwise(String),
}

async fn ask(url: &str, tls: Option<Tls>) -> Result<FaultSupport, NotTold> {
    let connector = Connector::new().connector(connector(tls));
    let client =
        Client::builder().connector(connector).timeout(PATIENCE).disable_redirects().finish();
    let target = Target::new(url).ok_or(NotTold::Unreachable)?;
    let request = client.get(target.uri().clone()).no_decompress();
    #[expect(clippy::disallowed_methods, reason = "it is asked before the first trip, in no trace")]
    let answer = request.send().await;
    let mut answer = answer.map_err(|_| NotTold::Unreachable)?;
    if !answer.status().is_success() {
        return Err(NotTold::Otherwise(format!("status {}", answer.status().as_u16())));
    }
    let body = answer.body().limit(MAX_ANSWER_BYTES).await;
    let body = body.map_err(|error| NotTold::Otherwise(error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| NotTold::Otherwise(error.to_string()))
}

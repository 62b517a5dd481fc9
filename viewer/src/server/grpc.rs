//! OTLP over gRPC, on a runtime of its own: tonic's server and actix's do not share one.

use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::error::Error;
use crate::otlp::grpc::Services;
use crate::otlp::receiver::{BODY_SECONDS, Receiver};
use crate::otlp::signal::{Logs, Metrics, Traces};

/// Requests that one connection may have open.
const STREAMS: u32 = 64;

/// Starts the server, which runs until `stopped` resolves.
pub(super) fn start(
    listener: TcpListener,
    receiver: Receiver,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, Error> {
    let failed = |source| Error::Start { what: "the gRPC server", source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let incoming = {
        let _entered = runtime.enter();
        TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).map_err(failed)?)
    };
    let services = Services::new(receiver);
    let run = move || {
        let server = Server::builder()
            .max_concurrent_streams(STREAMS)
            .timeout(Duration::from_secs(BODY_SECONDS))
            .add_service(services.export::<Traces>())
            .add_service(services.export::<Metrics>())
            .add_service(services.export::<Logs>())
            .serve_with_incoming(incoming);
        runtime.block_on(async {
            tokio::select! {
                served = server => {
                    if let Err(error) = served {
                        tracing::error!("OTLP over gRPC has ended: {error}");
                    }
                }
                _ = stopped => {}
            }
        });
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name(String::from("otlp-grpc")).spawn(run).map_err(failed)
}

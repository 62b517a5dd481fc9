//! A store that makes lessons, and the viewer that gets its spans, as two processes.

use std::net::SocketAddr;

use testing::{
    ports,
    process::{Ended, Process},
};

use super::grocery::{grocery, url};

/// Both, until this is dropped.
pub(crate) struct Teaching {
    pub(crate) viewer: SocketAddr,
    otlp: SocketAddr,
    store: Option<Process>,
    _viewer: Process,
}

impl Teaching {
    pub(crate) fn start() -> Self {
        let [viewer, otlp, otlp_grpc] = ports::free();
        let listen = [viewer, otlp, otlp_grpc].map(|address| address.to_string());
        let args =
            ["viewer", "--listen", &listen[0], "--otlp", &listen[1], "--otlp-grpc", &listen[2]];
        let viewer_process = grocery(args, []).start();
        let args = ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:"];
        let args = args.into_iter().chain(["--allow-faults"]);
        let store = grocery(args, Self::exporting_to(otlp)).start();
        testing::wait_until("the viewer listens", || {
            [viewer, otlp].iter().all(|address| std::net::TcpStream::connect(address).is_ok())
        });
        Self { viewer, otlp, store: Some(store), _viewer: viewer_process }
    }

    /// The variables of a process that sends its spans there at once.
    fn exporting_to(otlp: SocketAddr) -> [(&'static str, String); 3] {
        [
            ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{otlp}")),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ]
    }

    pub(crate) fn store_url(&self) -> String {
        url(self.store.as_ref().expect("it is open"))
    }

    /// Where its store listens.
    pub(crate) fn store_address(&self) -> SocketAddr {
        self.store_url().trim_start_matches("http://").parse().expect("an address")
    }

    pub(crate) fn close_store(&mut self) {
        self.store = None;
    }

    /// `grocery lesson ARGS` with this store and viewer.
    pub(crate) fn lesson(&self, args: &[&str]) -> Ended {
        let (store, viewer) = (self.store_url(), format!("http://{}", self.viewer));
        let named = ["--store-url", &store, "--viewer-url", &viewer];
        grocery(["lesson"].iter().chain(args).chain(&named).copied(), []).run()
    }

    /// `grocery lab` with this store and viewer.
    pub(crate) fn lab(&self) -> Lab {
        self.lab_with(&self.store_url(), &format!("http://{}", self.viewer), &[])
    }

    /// `grocery lab FLAGS` that reaches the store and the viewer at these addresses.
    pub(crate) fn lab_with(&self, store: &str, viewer: &str, flags: &[&str]) -> Lab {
        let args = ["lab", "--listen", "127.0.0.1:0", "--store-url", store, "--viewer-url", viewer];
        let args = args.iter().chain(flags).copied();
        let process = grocery(args, Self::exporting_to(self.otlp)).start();
        let url = process.await_line("address", |line| {
            line.strip_prefix("grocery lab: open on ").map(str::to_owned)
        });
        Lab { url, process }
    }
}

/// A lab, until this is dropped.
pub(crate) struct Lab {
    pub(crate) url: String,
    pub(crate) process: Process,
}

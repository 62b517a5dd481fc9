//! The viewer under load, as a process of its own: what it says and what it takes.

use std::fs::read_to_string;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often its memory is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Ticks of the kernel's clock in a second, in `/proc`.
const CLOCK_TICKS: f64 = 100.0;

/// A running viewer, ended with this.
pub(crate) struct Viewer {
    child: Child,
    /// `http://…` of its OTLP port.
    pub(crate) otlp: String,
    page: String,
}

impl Viewer {
    /// Starts the viewer on free ports.
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_viewer"))
            .args(["--listen", "127.0.0.1:0", "--otlp", "127.0.0.1:0"])
            .args(["--otlp-grpc", "127.0.0.1:0", "--parent-pipe"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the viewer's binary");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = lines.next().expect("a line at its start").expect("text");
        let mut addresses = line.split_whitespace().filter(|word| word.starts_with("http://"));
        let mut next = || addresses.next().expect("an address").trim_end_matches('/').to_owned();
        let (page, otlp) = (next(), next());
        // What else it says is for whoever runs this.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| eprintln!("{line}"))
        });
        Self { child, otlp, page }
    }

    /// Resident memory now, in MiB.
    pub(crate) fn rss_mib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or_default() / 1024
    }

    /// Processor time so far, of all its threads.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The name, in brackets, may hold anything; the times are the 14th and 15th fields.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        ticks / CLOCK_TICKS
    }

    /// Its memory again and again, until it is over.
    pub(crate) fn watch_memory(&self, over: &AtomicBool) -> Vec<u64> {
        let mut memory = Vec::new();
        while !over.load(Ordering::Relaxed) {
            memory.push(self.rss_mib());
            std::thread::sleep(WATCH_INTERVAL);
        }
        memory
    }

    /// Its own statistics.
    pub(crate) fn stats(&self) -> String {
        let url = format!("{}/viewer/api/stats", self.page);
        let client = super::load::client();
        client.get(url).send().and_then(|answer| answer.text()).expect("statistics")
    }

    fn proc(&self, file: &str) -> String {
        read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

//! A soak: sends spans to the real viewer at a steady rate over OTLP/HTTP and says how it went:
//! what senders waited, what was refused, and what the viewer's memory and processor time were.
//!
//!     cargo bench -p viewer --bench soak -- --rate 50000 --seconds 60
//!
//! Latency counts from when a request should have been sent, so a stall of the viewer shows in
//! every request that it held up.

#![expect(clippy::print_stdout, reason = "figures are what this is for")]

mod load;
mod process;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Parser;

use self::load::{Outcome, SPANS_A_REQUEST, Sender};
use self::process::Viewer;

/// Soaks a viewer in spans
#[derive(Clone, Copy, Debug, Parser)]
struct Args {
    /// Spans a second
    #[arg(long, default_value_t = 50_000)]
    rate: u32,
    /// For how long, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Connections to send over
    #[arg(long, default_value_t = 4)]
    senders: u32,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let viewer = Viewer::start();
    let start_rss = viewer.rss_mib();
    let over = AtomicBool::new(false);
    let interval = Duration::from_secs(1) * args.senders * SPANS_A_REQUEST / args.rate;
    let begun = Instant::now();
    let (outcome, memory) = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..args.senders)
            .map(|number| {
                let sender = Sender::new(&viewer.otlp, number);
                let first = begun + interval * number / args.senders;
                let last = begun + Duration::from_secs(args.seconds.into());
                scope.spawn(move || sender.run(first, last, interval))
            })
            .collect();
        let watch = scope.spawn(|| viewer.watch_memory(&over));
        let outcomes = senders.into_iter().map(|sender| sender.join().expect("a sender"));
        let outcome = outcomes.fold(Outcome::new(), Outcome::and);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        (outcome, watch.join().expect("the watch"))
    });
    let seconds = begun.elapsed().as_secs_f64();
    report(&viewer, &outcome, seconds);
    println!(
        "memory of the viewer: {start_rss} MiB at the start, {} MiB half-way, {} MiB at the end, \
         {} MiB at most",
        memory[memory.len() / 2],
        viewer.rss_mib(),
        memory.iter().max().unwrap_or(&0)
    );
    println!("viewer's statistics: {}", viewer.stats());
}

fn report(viewer: &Viewer, outcome: &Outcome, seconds: f64) {
    let sent = outcome.requests * u64::from(SPANS_A_REQUEST);
    println!(
        "sent {sent} spans in {} requests over {seconds:.1} s: {:.0} spans/s",
        outcome.requests,
        sent as f64 / seconds
    );
    println!("refused requests: {}; failed requests: {}", outcome.refused, outcome.failed);
    let at = |percent| outcome.latency_us.value_at_quantile(percent) as f64 / 1_000.0;
    println!(
        "sender's latency from the intended start, ms: p50 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
        at(0.5),
        at(0.99),
        at(0.999),
        outcome.latency_us.max() as f64 / 1_000.0
    );
    println!("processor time of the viewer: {:.2} cores", viewer.cpu_seconds() / seconds);
}

//! Checkouts a second of the real store process, traced (OTLP, every trace sampled) and with
//! `OTEL_SDK_DISABLED=true`: on SQLite, 64 customers at a time, the customers included.
//!
//! The two take turns, so that other work on the machine affects both alike.
//! Run it by `cargo bench -p store --bench traced`; `-- --seconds 10` makes each turn longer.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod customers;
mod receiver;
mod store_process;

use std::time::Duration;

use customers::buy_for;
use receiver::Receiver;
use store_process::StoreProcess;

/// How often each takes its turn.
const TURNS: usize = 3;

/// The result of one turn.
struct Turn {
    checkouts_per_second: f64,
    /// Processor time of the store, in microseconds for each checkout.
    cpu_us: f64,
}

fn main() {
    // `cargo bench` passes this flag. `cargo test --benches` only checks that the benchmark runs.
    let is_test = !std::env::args().any(|arg| arg == "--bench");
    let seconds = std::env::args().skip_while(|arg| arg != "--seconds").nth(1);
    let seconds = seconds.map_or(5, |seconds| seconds.parse().unwrap());
    let duration = if is_test { Duration::from_millis(300) } else { Duration::from_secs(seconds) };

    actix_rt::System::new().block_on(async {
        let receiver = Receiver::start();
        let (mut plain, mut traced) = (Vec::new(), Vec::new());
        for _ in 0..if is_test { 1 } else { TURNS } {
            plain.push(turn(&[("OTEL_SDK_DISABLED", "true")], duration).await);
            let endpoint = receiver.url();
            let variables =
                [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)];
            traced.push(turn(&variables, duration).await);
        }
        report("plain", &plain);
        report("traced", &traced);
        let ratio = |of: fn(&Turn) -> f64| median(&traced, of) / median(&plain, of);
        println!("throughput, traced / plain: {:.2}", ratio(|turn| turn.checkouts_per_second));
        println!("processor time of a checkout, traced / plain: {:.2}", ratio(|turn| turn.cpu_us));
        println!("bytes of spans received: {}", receiver.bytes());
    });
}

async fn turn(variables: &[(&str, &str)], duration: Duration) -> Turn {
    let store = StoreProcess::start(variables).await;
    buy_for(store.url(), Duration::from_millis(300).min(duration)).await;
    let before = store.cpu();
    let checkouts = buy_for(store.url(), duration).await as f64;
    Turn {
        checkouts_per_second: checkouts / duration.as_secs_f64(),
        cpu_us: (store.cpu() - before).as_secs_f64() * 1e6 / checkouts,
    }
}

fn report(name: &str, turns: &[Turn]) {
    for Turn { checkouts_per_second, cpu_us } in turns {
        println!(
            "{name:>7}: {checkouts_per_second:8.0} checkouts/s, {cpu_us:6.0} us of processor time each"
        );
    }
}

fn median(turns: &[Turn], of: fn(&Turn) -> f64) -> f64 {
    let mut values: Vec<_> = turns.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

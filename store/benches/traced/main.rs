//! What tracing costs the real store process, traced (OTLP, every trace sampled) and with
//! `OTEL_SDK_DISABLED=true`.
//!
//! - `cargo bench -p store --bench traced`: checkouts a second on SQLite, 64 customers at a time, the
//!   customers included;
//! - `cargo bench -p store --bench traced -- --get`: `GET /` of a store with one thread for HTTP, over
//!   actix-web alone: by processor time of the server's process, and by answers a second. The program
//!   `benches/get` reads its last line.
//!
//! Those that are compared take turns, so that other work on the machine affects all alike.
//! `--seconds 10` makes each turn longer, `--rounds 5` makes more of them, and `--program PATH` names the
//! program `grocery` to be measured.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]
#![allow(clippy::print_stderr, reason = "what it prints is what it is for")]

mod bare;
mod customers;
mod get;
mod receiver;
mod server;

use std::{str::FromStr, time::Duration};

use customers::buy_for;
use get::get_for;
use receiver::Receiver;
use server::{BARE, Server};

/// As in the program `grocery`, so that the allocator is no difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each takes its turn.
const ROUNDS: usize = 3;

/// The result of one turn.
struct Turn {
    per_second: f64,
    /// Processor time of the server, in microseconds for each request.
    cpu_us: f64,
}

struct Options {
    rounds: usize,
    turn: Duration,
    program: Option<String>,
}

fn main() {
    let is_given = |flag: &str| std::env::args().any(|arg| arg == flag);
    if is_given(BARE) {
        return bare::serve();
    }
    // `cargo bench` passes this flag. `cargo test --benches` only checks that the benchmark runs.
    let options = if is_given("--bench") {
        Options {
            rounds: value("--rounds").unwrap_or(ROUNDS),
            turn: Duration::from_secs(value("--seconds").unwrap_or(5)),
            program: value("--program"),
        }
    } else {
        Options { rounds: 1, turn: Duration::from_millis(300), program: None }
    };
    actix_rt::System::new().block_on(async {
        if is_given("--get") {
            compare_get(&options).await
        } else {
            compare_checkout(&options).await
        }
    });
}

fn value<T: FromStr>(flag: &str) -> Option<T> {
    let text = std::env::args().skip_while(|arg| arg != flag).nth(1)?;
    let Ok(value) = text.parse() else { panic!("{flag} {text}: it cannot be read") };
    Some(value)
}

const UNTRACED: [(&str, &str); 1] = [("OTEL_SDK_DISABLED", "true")];

fn traced(endpoint: &str) -> [(&str, &str); 4] {
    [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
    ]
}

async fn compare_checkout(options: &Options) {
    let receiver = Receiver::start();
    let endpoint = receiver.url();
    let (mut plain, mut with_spans) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        plain.push(checkout_turn(options, &UNTRACED).await);
        with_spans.push(checkout_turn(options, &traced(&endpoint)).await);
    }
    report("plain", "checkouts", &plain);
    report("traced", "checkouts", &with_spans);
    let ratio = |of: fn(&Turn) -> f64| median(&with_spans, of) / median(&plain, of);
    println!("throughput, traced / plain: {:.2}", ratio(|turn| turn.per_second));
    println!("processor time of a checkout, traced / plain: {:.2}", ratio(|turn| turn.cpu_us));
    println!("bytes of spans received: {}", receiver.bytes());
}

async fn checkout_turn(options: &Options, variables: &[(&str, &str)]) -> Turn {
    let store = Server::store(options.program.as_deref(), variables, None).await;
    buy_for(store.url(), Duration::from_millis(300).min(options.turn)).await;
    let before = store.cpu();
    let checkouts = buy_for(store.url(), options.turn).await as f64;
    Turn::of(checkouts, options, store.cpu() - before)
}

async fn compare_get(options: &Options) {
    let receiver = Receiver::start();
    let endpoint = receiver.url();
    let program = options.program.as_deref();
    let servers = [
        Server::bare(),
        Server::store(program, &UNTRACED, Some(1)).await,
        Server::store(program, &traced(&endpoint), Some(1)).await,
    ];
    for server in &servers {
        get_for(server.url(), Duration::from_millis(300).min(options.turn)).await;
    }
    let mut turns: [Vec<Turn>; 3] = Default::default();
    for _ in 0..options.rounds {
        for (server, turns) in servers.iter().zip(&mut turns) {
            let before = server.cpu();
            let answers = get_for(server.url(), options.turn).await as f64;
            // What is still in the exporter's queue costs processor time too.
            actix_rt::time::sleep(Duration::from_secs(1).min(options.turn)).await;
            turns.push(Turn::of(answers, options, server.cpu() - before));
        }
    }
    for (name, turns) in ["bare", "untraced", "traced"].into_iter().zip(&turns) {
        report(name, "GET /", turns);
    }
    let [bare, untraced, with_spans] = turns;
    assert_ne!(receiver.bytes(), 0, "no spans came");
    let rows = [
        ("`GET /`, one worker, OTLP, over bare actix-web", &with_spans, ">= 0.80"),
        ("untraced store over bare actix-web on `GET /`", &untraced, ">= 0.95"),
    ];
    let rows = rows.map(|(work, turns, aim)| {
        let runs = |of: fn(&Turn, &Turn) -> f64| {
            let runs: Vec<_> = turns.iter().zip(&bare).map(|(turn, bare)| of(turn, bare)).collect();
            let median = median(&runs, |run| *run);
            (runs, median)
        };
        let (by_cpu, value) = runs(|turn, bare| bare.cpu_us / turn.cpu_us);
        let (by_clock, by_clock_value) = runs(|turn, bare| turn.per_second / bare.per_second);
        [
            serde_json::json!({
                "work": format!("{work}: requests per processor second"),
                "value": value, "unit": "ratio", "aim": aim, "runs": by_cpu,
            }),
            serde_json::json!({
                "work": format!("{work}: throughput"),
                "value": by_clock_value, "unit": "ratio", "aim": aim, "runs": by_clock,
            }),
        ]
    });
    println!("{}", serde_json::json!({ "rows": rows.concat() }));
}

impl Turn {
    fn of(requests: f64, options: &Options, cpu: Duration) -> Self {
        Self {
            per_second: requests / options.turn.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / requests,
        }
    }
}

fn report(name: &str, what: &str, turns: &[Turn]) {
    for Turn { per_second, cpu_us } in turns {
        eprintln!(
            "{name:>8}: {per_second:8.0} {what} a second, {cpu_us:6.1} us of processor time each"
        );
    }
}

fn median<T>(turns: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<_> = turns.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

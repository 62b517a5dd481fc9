//! Throughput beside other load generators, on the same server in the same run.
//!
//! All keep 64 connections busy, alternating between the two requests of a trip that only browses.
//! The cores of a machine are shared with the server, so the figure to compare is requests per
//! second of processor time of the generator. `wrk` and `oha` take part if they are installed.
//! `cargo bench -p shopper --bench throughput` runs it.
#![expect(clippy::print_stdout, reason = "its figures are what a benchmark is for")]

mod counter;

use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use counter::Counter;
use nix::sys::resource::{UsageWho, getrusage};

/// How long each generator runs, in seconds.
const SECONDS: u64 = 10;

/// The argument that makes this program the server of the benchmark.
const SERVE: &str = "--serve-for-benchmark";

fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == SERVE) {
        return serve();
    }
    let server = Server::start()?;
    let folder = std::env::temp_dir().join(format!("throughput-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure_all(&server.url, &folder);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure_all(url: &str, folder: &Path) -> io::Result<()> {
    println!("{:<24} {:>12} {:>10} {:>18}", "", "requests/s", "CPU", "requests/CPU-second");
    report("wrk", wrk(url, folder)?)?;
    report("oha", oha(url, folder)?)?;
    report("shopper, tracing off", shopper(url, &[("OTEL_SDK_DISABLED", "true")])?)?;
    report("shopper, spans made", shopper(url, &[("OTEL_TRACES_EXPORTER", "none")])?)?;
    let otlp = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", url)];
    report("shopper, OTLP", shopper(url, &otlp)?)
}

/// The server, as a process of its own so that its processor time is not the generators'.
struct Server {
    url: String,
    process: Child,
}

impl Server {
    fn start() -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut url)?;
        Ok(Self { url: url.trim().to_owned(), process })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Serves until standard input ends: when the benchmark does.
fn serve() -> io::Result<()> {
    println!("{}", counter::serve(Counter::new()));
    io::stdout().flush()?;
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

/// A generator that was run: its output, and the processor time it took.
struct Ran {
    output: String,
    cpu: Duration,
}

/// Runs a generator; `None` if it is not installed.
fn time(command: &mut Command) -> io::Result<Option<Ran>> {
    let before = children_cpu()?;
    let output = match command.stderr(Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let cpu = children_cpu()? - before;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {}", output.status)));
    }
    Ok(Some(Ran { output: String::from_utf8_lossy(&output.stdout).into_owned(), cpu }))
}

/// Processor time of all children that have ended and been waited for.
fn children_cpu() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
    };
    Ok(microseconds(usage.user_time()) + microseconds(usage.system_time()))
}

/// Requests made, wall time and processor time.
struct Figures {
    requests: f64,
    wall: Duration,
    cpu: Duration,
}

fn report(name: &str, figures: Option<Figures>) -> io::Result<()> {
    match figures {
        None => println!("{name:<24} is not installed"),
        Some(Figures { requests, wall, cpu }) => println!(
            "{name:<24} {:>12.0} {:>8.1} s {:>18.0}",
            requests / wall.as_secs_f64(),
            cpu.as_secs_f64(),
            requests / cpu.as_secs_f64()
        ),
    }
    io::stdout().flush()
}

fn wrk(url: &str, folder: &Path) -> io::Result<Option<Figures>> {
    let script = folder.join("alternate.lua");
    let lua = "local n = 0\nrequest = function()\n  n = n + 1\n  return wrk.format('GET', n % 2 == 0 \
               and '/' or '/whats-in-store')\nend\n";
    std::fs::write(&script, lua)?;
    let duration = format!("-d{SECONDS}s");
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", &duration, "-s"]).arg(script).arg(url);
    let began = Instant::now();
    let Some(ran) = time(&mut command)? else { return Ok(None) };
    // "  123456 requests in 10.01s, 12.34MB read"
    let line = ran.output.lines().find(|line| line.contains(" requests in "));
    let requests = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    figures(requests, began.elapsed(), &ran)
}

fn oha(url: &str, folder: &Path) -> io::Result<Option<Figures>> {
    let urls = folder.join("urls.txt");
    std::fs::write(&urls, format!("{url}/\n{url}/whats-in-store\n"))?;
    let duration = format!("{SECONDS}s");
    let mut command = Command::new("oha");
    let options = ["-c", "64", "-z", &duration, "--no-tui", "--output-format", "json"];
    command.args(options).arg("--urls-from-file").arg(urls);
    // One thread, as the others have.
    command.env("TOKIO_WORKER_THREADS", "1");
    let began = Instant::now();
    let Some(ran) = time(&mut command)? else { return Ok(None) };
    let wall = began.elapsed();
    let report: serde_json::Value = serde_json::from_str(&ran.output)?;
    let statuses = report["statusCodeDistribution"].as_object();
    let requests = statuses.map(|all| all.values().filter_map(|count| count.as_f64()).sum());
    figures(requests, wall, &ran)
}

fn shopper(url: &str, environment: &[(&str, &str)]) -> io::Result<Option<Figures>> {
    let duration = format!("{SECONDS}s");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopper"));
    command
        .args(["--store-url", url, "--shoppers", "64", "--every", "0s", "--duration", &duration])
        .args(["--mix", "browse-only=1", "--output", "json", "--quiet"])
        .envs(environment.iter().copied());
    let began = Instant::now();
    let Some(ran) = time(&mut command)? else { return Ok(None) };
    let wall = began.elapsed();
    let report: serde_json::Value = serde_json::from_str(&ran.output)?;
    figures(report["requests"]["total"].as_f64(), wall, &ran)
}

fn figures(requests: Option<f64>, wall: Duration, ran: &Ran) -> io::Result<Option<Figures>> {
    match requests {
        Some(requests) => Ok(Some(Figures { requests, wall, cpu: ran.cpu })),
        None => Err(io::Error::other(format!("there is no count of requests in {}", ran.output))),
    }
}

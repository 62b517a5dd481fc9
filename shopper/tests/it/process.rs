//! The shopper as a process: it ends when told to, and says where every trip and span went.

use std::{
    io::Read,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    stub::{Stub, nobody},
    support::DEADLINE,
};

/// A shopper process that does not outlive its test.
struct Process(Option<Child>);

impl Process {
    fn start(store_url: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopper"));
        command
            .args(["--store-url", store_url, "--output", "json"])
            .args(arguments)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(Some(command.spawn().unwrap()))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.as_ref().unwrap().id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Closes its standard input, as a parent's end would.
    fn close_stdin(&mut self) {
        drop(self.0.as_mut().unwrap().stdin.take());
    }

    async fn output(mut self) -> Output {
        let mut child = self.0.take().unwrap();
        let waiting = tokio::task::spawn_blocking(move || wait(&mut child));
        waiting.await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The output of a process that ends; one that does not is killed.
fn wait(child: &mut Child) -> Output {
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr }
}

/// Waits until the stub was asked so often.
async fn until_asked(stub: &Stub, times: usize) {
    let asked = async {
        while stub.asked().len() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asked).await.expect("the shopper goes shopping");
}

fn assert_ended_well(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("telemetry: started="), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let trips = &report["trips"];
    let count = |name: &str| trips[name].as_u64().unwrap_or_else(|| panic!("{name}: {trips}"));
    assert!(count("started") > 0);
    assert_eq!(count("started"), count("completed") + count("failed") + count("gave_up"));
}

#[actix_web::test]
async fn a_signal_ends_it_with_a_report_and_the_accounting_line() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let stub = Stub::proper();
        let process = Process::start(&stub.url, &["--shoppers", "4", "--every", "1ms"]);
        until_asked(&stub, 30).await;
        process.signal(signal);
        assert_ended_well(&process.output().await);
    }
}

/// As `nohup` starts it: it outlives its terminal.
#[cfg(target_os = "linux")]
#[actix_web::test]
async fn a_hang_up_that_is_ignored_stays_ignored() {
    let stub = Stub::proper();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_shopper")])
        .args(["--store-url", &stub.url, "--output", "json", "--every", "1ms"])
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let process = Process(Some(command.spawn().unwrap()));
    until_asked(&stub, 3).await;
    process.signal(Signal::SIGHUP);
    let asked = stub.asked().len();
    until_asked(&stub, asked + 30).await;
    process.signal(Signal::SIGTERM);
    assert_ended_well(&process.output().await);
}

/// docker compose and Kubernetes make empty variables of those that are not set.
#[actix_web::test]
async fn an_empty_variable_is_one_that_is_not_set() {
    let stub = Stub::proper();
    let command = <shopper::Args as clap::Args>::augment_args(clap::Command::new("shopper"));
    let variables: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()).collect();
    assert!(variables.len() > 20, "{variables:?}");
    let mut shopper = Command::new(env!("CARGO_BIN_EXE_shopper"));
    shopper.env("OTEL_TRACES_EXPORTER", "none");
    for variable in &variables {
        shopper.env(variable, "");
    }
    shopper.args(["--store-url", &stub.url, "--trips", "2", "--every", "1ms", "--output", "json"]);
    let output = tokio::task::spawn_blocking(move || shopper.output().unwrap()).await.unwrap();
    assert_ended_well(&output);

    let mut shopper = Command::new(env!("CARGO_BIN_EXE_shopper"));
    shopper.args(["--store-url", &stub.url]).env("SHOPPER_RATE", "100/s");
    let output = tokio::task::spawn_blocking(move || shopper.output().unwrap()).await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("SHOPPER_RATE") && stderr.contains("without a unit"), "{stderr}");
}

#[actix_web::test]
async fn it_ends_with_its_parent() {
    let stub = Stub::proper();
    let mut process = Process::start(&stub.url, &["--parent-pipe", "--every", "1ms"]);
    until_asked(&stub, 3).await;
    process.close_stdin();
    assert_ended_well(&process.output().await);
}

#[actix_web::test]
async fn it_ends_by_itself_after_its_trips_or_its_time() {
    for limit in [["--trips", "3"], ["--duration", "300ms"]] {
        let stub = Stub::proper();
        let arguments = [&limit[..], &["--every", "1ms"]].concat();
        assert_ended_well(&Process::start(&stub.url, &arguments).output().await);
    }
}

#[actix_web::test]
async fn a_store_that_is_down_is_said_once_however_many_trips_fail() {
    let arguments = ["--trips", "20", "--shoppers", "20", "--every", "1ms"];
    let output = Process::start(&nobody(), &arguments).output().await;
    assert_ended_well(&output);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.matches("cannot be reached").count(), 1, "{stderr}");
}

#[actix_web::test]
async fn an_assertion_that_does_not_hold_makes_the_code_one() {
    let arguments = ["--trips", "1", "--assert", "failures<1%"];
    let output = Process::start(&nobody(), &arguments).output().await;
    assert_eq!(output.status.code(), Some(1));
}

#[actix_web::test]
async fn wrong_usage_makes_the_code_two() {
    let output = Process::start(&nobody(), &["--rate", "5", "--shoppers", "2"]).output().await;
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}

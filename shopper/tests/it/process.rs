//! The shopper as a process: it ends when it is told to, and accounts for every trip and span.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use testing::process::{Ended, Process, Program};

use crate::{
    stub::{Stub, nobody},
    support::{DEADLINE, end, shopper},
};

/// A shopper that reports in JSON.
fn start(store_url: &str, arguments: &[&str]) -> Process {
    shopper(store_url).args(["--output", "json"]).args(arguments).start()
}

/// Waits until the stub has had at least so many requests.
async fn until_asked(stub: &Stub, times: usize) {
    let asked = async {
        while stub.asked().len() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asked).await.expect("the shopper goes shopping");
}

fn assert_ended_well(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors());
    assert!(ended.last_line().starts_with("telemetry: started="), "{}", ended.errors());
    let report: Value = serde_json::from_str(&ended.stdout).expect("the report is JSON");
    let trips = &report["trips"];
    let count = |name: &str| trips[name].as_u64().unwrap_or_else(|| panic!("{name}: {trips}"));
    assert!(count("started") > 0);
    assert_eq!(count("started"), count("completed") + count("failed") + count("gave_up"));
}

#[actix_web::test]
async fn a_signal_ends_it_with_a_report_and_the_accounting_line() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let stub = Stub::proper();
        let process = start(&stub.url, &["--shoppers", "4", "--every", "1ms"]);
        until_asked(&stub, 30).await;
        process.signal(signal);
        assert_ended_well(&end(process).await);
    }
}

/// `nohup` starts a program with SIGHUP ignored, so that it goes on when its terminal is closed.
#[actix_web::test]
async fn a_hang_up_that_is_ignored_stays_ignored() {
    let stub = Stub::proper();
    let process = Program::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_shopper")])
        .args(["--store-url", &stub.url, "--output", "json", "--every", "1ms"])
        .envs([("OTEL_TRACES_EXPORTER", "none")])
        .start();
    until_asked(&stub, 3).await;
    process.signal(Signal::SIGHUP);
    let asked = stub.asked().len();
    until_asked(&stub, asked + 30).await;
    process.signal(Signal::SIGTERM);
    assert_ended_well(&end(process).await);
}

/// Compose files and Kubernetes templates set variables to empty texts where they have no value.
#[actix_web::test]
async fn an_empty_variable_is_one_that_is_not_set() {
    let stub = Stub::proper();
    let command = <shopper::Args as clap::Args>::augment_args(clap::Command::new("shopper"));
    let variables: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()).collect();
    assert!(variables.len() > 20, "{variables:?}");
    let empty = variables.iter().map(|variable| (variable, ""));
    let process = shopper(&stub.url)
        .envs(empty)
        .args(["--trips", "2", "--every", "1ms", "--output", "json"])
        .start();
    assert_ended_well(&end(process).await);

    let ended = end(shopper(&stub.url).envs([("SHOPPER_RATE", "100/s")]).start()).await;
    let errors = ended.errors();
    assert_eq!(ended.status.code(), Some(2), "{errors}");
    assert!(errors.contains("SHOPPER_RATE") && errors.contains("without a unit"), "{errors}");
}

#[actix_web::test]
async fn it_ends_with_its_parent() {
    let stub = Stub::proper();
    let mut process = start(&stub.url, &["--parent-pipe", "--every", "1ms"]);
    until_asked(&stub, 3).await;
    process.close_stdin();
    assert_ended_well(&end(process).await);
}

#[actix_web::test]
async fn it_ends_by_itself_after_its_trips_or_its_time() {
    for limit in [["--trips", "3"], ["--duration", "300ms"]] {
        let stub = Stub::proper();
        let arguments = [&limit[..], &["--every", "1ms"]].concat();
        assert_ended_well(&end(start(&stub.url, &arguments)).await);
    }
}

#[actix_web::test]
async fn a_store_that_is_down_is_said_once_however_many_trips_fail() {
    let arguments = ["--trips", "20", "--shoppers", "20", "--every", "1ms"];
    let ended = end(start(&nobody(), &arguments)).await;
    assert_ended_well(&ended);
    let errors = ended.errors();
    assert_eq!(errors.matches("cannot be reached").count(), 1, "{errors}");
}

#[actix_web::test]
async fn an_assertion_that_does_not_hold_makes_the_code_one() {
    let arguments = ["--trips", "1", "--assert", "failures<1%"];
    let ended = end(start(&nobody(), &arguments)).await;
    assert_eq!(ended.status.code(), Some(1));
}

#[actix_web::test]
async fn wrong_usage_makes_the_code_two() {
    let ended = end(start(&nobody(), &["--rate", "5", "--shoppers", "2"])).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.errors().contains("cannot be used with"), "{}", ended.errors());
}

#[actix_web::test]
async fn a_pod_of_an_indexed_job_makes_the_share_of_its_index_and_an_index_too_large_is_refused() {
    let job = ["--shares", "3", "--seed", "7", "--rate", "600", "--trips", "30"];
    let run = async |index: &str| {
        let stub = Stub::proper();
        let program = shopper(&stub.url)
            .args(["--output", "json"])
            .args(job)
            .envs([("JOB_COMPLETION_INDEX", index)]);
        end(program.start()).await
    };
    let ended = run("2").await;
    assert_ended_well(&ended);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["run"]["shares"], serde_json::json!(["3/3"]));
    assert_eq!(report["trips"]["started"], 10);
    let refused = run("3").await;
    assert_eq!(refused.status.code(), Some(2), "{}", refused.errors());
    assert_eq!(
        refused.errors(),
        "shopper: --share-index 3 (or JOB_COMPLETION_INDEX): expected an index from 0 to 2, since \
         --shares is 3"
    );
    assert_eq!(run("first").await.status.code(), Some(2));
}

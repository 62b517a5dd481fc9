//! What a shopper has bought is known after it was killed, and is not bought twice.

use std::{collections::BTreeMap, fs};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    stub::{Asked, Stub},
    support::{DEADLINE, end, shopper},
};

/// The checkouts so far: baskets by their keys, in the order of the keys.
fn checkouts(stub: &Stub) -> BTreeMap<String, Vec<String>> {
    let mut baskets = BTreeMap::<_, Vec<_>>::new();
    for asked in stub.asked().into_iter().filter(|asked| asked.line == "POST /checkout") {
        baskets.entry(asked.header("idempotency-key").to_owned()).or_default().push(asked.body);
    }
    baskets
}

#[actix_web::test]
async fn a_shopper_of_a_named_run_that_is_killed_and_started_again_orders_the_same_by_the_same_keys()
 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipts.jsonl");
    let stub = Stub::proper();
    let start = |limit: &[&str]| {
        shopper(&stub.url)
            .args(["--run", "monday", "--seed", "7", "--rate", "100", "--share", "2/3", "--quiet"])
            .args(["--receipts", file.to_str().unwrap()])
            .args(limit)
            .start()
    };
    let lines = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    let killed = start(&[]);
    let some = async {
        while lines() < 5 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, some).await.expect("there are receipts");
    killed.signal(Signal::SIGKILL);
    assert!(!end(killed).await.status.success());
    let known = lines();
    // All that it has made, those that were under way, and some more. Each begins with a welcome.
    let begun = stub.asked().iter().filter(|asked| asked.line == "GET /").count();
    let made = begun + 30;
    let ended = end(start(&["--trips", &(3 * made).to_string()])).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors());

    let keys: Vec<String> = (0..made).map(|n| format!("monday-7-{}-0", 3 * n + 2)).collect();
    let checkouts = checkouts(&stub);
    let mut expected = keys.clone();
    expected.sort();
    assert_eq!(checkouts.keys().cloned().collect::<Vec<_>>(), expected);
    for (key, baskets) in &checkouts {
        assert!(baskets.iter().all(|basket| basket == &baskets[0]), "{key}: {baskets:?}");
    }
    let again = checkouts.values().filter(|baskets| baskets.len() == 2).count();
    assert!(again >= known, "{again} of {known}");

    // Of every receipt of both, the first ones twice.
    let text = fs::read_to_string(&file).unwrap();
    let written: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written.len(), known + made);
    let id = "018f4d1e-0000-7000-8000-000000000000";
    let line = |key: &String| json!({"key": key, "order_id": id, "total": 0.0});
    let mut second = written[known..].to_vec();
    second.sort_by_key(|line| line["key"].to_string());
    assert_eq!(second, expected.iter().map(line).collect::<Vec<_>>());
}

#[actix_web::test]
async fn without_a_name_each_order_has_a_key_of_its_own() {
    let stub = Stub::proper();
    for _ in 0..2 {
        let run = shopper(&stub.url).args(["--seed", "7", "--trips", "3", "--every", "1ms"]);
        assert!(end(run.start()).await.status.success());
    }
    let bought = |asked: &Asked| asked.line == "POST /checkout";
    assert_eq!(stub.asked().iter().filter(|asked| bought(asked)).count(), 6);
    assert_eq!(checkouts(&stub).len(), 6);
}

#[actix_web::test]
async fn receipts_that_cannot_be_written_fail_the_run_and_a_name_needs_a_seed() {
    let stub = Stub::proper();
    let run = async |args: &[&str]| end(shopper(&stub.url).args(args).start()).await;
    let full = run(&["--trips", "3", "--every", "1ms", "--receipts", "/dev/full"]).await;
    assert_eq!(full.status.code(), Some(1));
    let said = "shopper: --receipts /dev/full: cannot be written: No space left on device";
    assert!(full.errors().contains(said), "{}", full.errors());
    assert!(full.stdout.contains("trips"), "the report is there all the same");
    let nowhere = run(&["--trips", "3", "--receipts", "/nowhere/at/all"]).await;
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(nowhere.errors().contains("--receipts /nowhere/at/all: "), "{}", nowhere.errors());
    let alone = run(&["--trips", "3", "--run", "monday"]).await;
    assert_eq!(alone.status.code(), Some(2));
    assert!(alone.errors().contains("--seed"), "{}", alone.errors());
    let bad = run(&["--trips", "3", "--seed", "1", "--run", "on monday"]).await;
    assert_eq!(bad.status.code(), Some(2));
    assert!(bad.errors().contains("\"on monday\" is not the name of a run"), "{}", bad.errors());
}

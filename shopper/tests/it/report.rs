//! The report as the process writes it: its forms and exit codes, and the usage errors that end it
//! before the run.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use testing::process::Ended;

use crate::{
    stub::{Reply, Stub},
    support::{end, shopper},
};

/// Runs a shopper for three trips, without an exporter of spans.
async fn shop(store_url: &str, arguments: &[&str]) -> Ended {
    shop_exporting("none", store_url, arguments).await
}

/// Runs a shopper for three trips. If it exports spans, the stub of the store receives them.
async fn shop_exporting(exporter: &str, store_url: &str, arguments: &[&str]) -> Ended {
    let variables =
        [("OTEL_TRACES_EXPORTER", exporter), ("OTEL_EXPORTER_OTLP_ENDPOINT", store_url)];
    let shopper = shopper(store_url)
        .args(["--trips", "3", "--every", "1ms", "--seed", "1"])
        .args(arguments)
        .envs(variables);
    end(shopper.start()).await
}

/// The report of a run, in a file, and what it must be like.
async fn written(store_url: &str, folder: &TempDir) -> PathBuf {
    let output = shop(store_url, &["--output", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.errors());
    let path = folder.path().join("old.json");
    std::fs::write(&path, &output.stdout).unwrap();
    path
}

fn assert_valid(report: &Value) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
    let schema = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    if let Err(error) = jsonschema::draft202012::new(&schema).unwrap().validate(report) {
        panic!("{}: {error}\n{report:#}", error.instance_path());
    }
}

#[actix_web::test]
async fn a_real_run_gives_json_by_the_schema_a_page_and_a_comparison() {
    let (stub, folder) = (Stub::proper(), TempDir::new().unwrap());
    let (old, html) = (written(&stub.url, &folder).await, folder.path().join("report.html"));
    let [old, html] = [&old, &html].map(|path| path.to_str().unwrap());
    let output = shop(
        &stub.url,
        &["--output", "json", "--compare", old, "--html", html, "--assert", "failures<1%,p99<1h"],
    )
    .await;
    assert_eq!(output.status.code(), Some(2), "an hour is no unit here: {}", output.errors());

    let assertions = "failures<1%, max<=3600s, missed<1";
    let arguments = ["--output", "json", "--compare", old, "--html", html, "--assert", assertions];
    let output = shop_exporting("otlp", &stub.url, &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.errors());
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_valid(&report);
    assert_eq!(report["trips"]["completed"], 3);
    assert_eq!(report["assertions"].as_array().unwrap().len(), 3);
    assert_eq!(report["comparison"]["settings"], Value::Array(vec![]));
    let page = std::fs::read_to_string(html).unwrap();
    let trace = report["slowest"][0]["trace"]["url"].as_str().unwrap();
    assert!(page.contains(&format!("href=\"{trace}\"")), "{trace}");
    assert!(page.contains("Compared with the earlier run"), "the page has the comparison too");
}

/// Without a backend that has received the spans, no form of the report links to traces.
#[actix_web::test]
async fn a_trace_that_nobody_received_is_named_and_not_linked() {
    let (stub, folder) = (Stub::proper(), TempDir::new().unwrap());
    let [json, html] = ["run.json", "run.html"].map(|name| folder.path().join(name));
    let files = [&json, &html].map(|path| path.to_str().unwrap());
    let output = shop(&stub.url, &["--json", files[0], "--html", files[1]]).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.errors());
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_valid(&report);
    let trace = &report["slowest"][0]["trace"];
    assert_eq!(trace["url"], Value::Null);
    let id = trace["id"].as_str().unwrap();
    let text = output.stdout;
    assert!(text.contains(&format!("{id} (in no viewer)")) && !text.contains("/trace/"), "{text}");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains(id) && !page.contains("/trace/"));
}

#[actix_web::test]
async fn the_report_in_a_file_is_the_one_on_standard_output() {
    let (stub, folder) = (Stub::proper(), TempDir::new().unwrap());
    let path = folder.path().join("run.json");
    let output = shop(&stub.url, &["--output", "json", "--json", path.to_str().unwrap()]).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), output.stdout);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["run"]["seed"], "1", "64 bits do not fit a number's 53");
}

#[actix_web::test]
async fn console_spans_stand_beside_the_report_and_not_in_it() {
    let stub = Stub::proper();
    let output = shop_exporting("console", &stub.url, &["--output", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.errors());
    let report: Value = serde_json::from_str(&output.stdout).expect("the report is JSON");
    assert_valid(&report);
    assert!(output.errors().contains("going to the grocery store"), "{}", output.errors());
    let output = shop_exporting("console", &stub.url, &[]).await;
    assert!(output.stdout.contains("going to the grocery store"), "{}", output.stdout);
}

#[actix_web::test]
async fn a_reader_that_has_seen_enough_ends_it_quietly() {
    for form in ["text", "json"] {
        let stub = Stub::proper();
        let shopper = shopper(&stub.url)
            .args(["--trips", "3", "--every", "1ms", "--output", form])
            .closed_stdout();
        let output = end(shopper.start()).await;
        let stderr = output.errors();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("pipe") && !stderr.contains("panicked"), "{stderr}");
    }
}

#[actix_web::test]
async fn the_field_that_cannot_be_understood_is_named() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /whats-in-store" => Reply::Body(
            r#"{"inventory": {"products": [{"id": "1", "name": "potato", "price": "0.99"}]}}"#,
        ),
        _ => Reply::Proper,
    });
    let output = shop(&stub.url, &[]).await;
    let problem = "GET /whats-in-store: inventory.products[0].price: ";
    let (stdout, stderr) = (&output.stdout, output.errors());
    assert!(stdout.contains(&format!("body: {problem}")), "{stdout}");
    assert_eq!(stderr.matches(problem).count(), 1, "said once: {stderr}");
}

#[actix_web::test]
async fn each_assertion_that_fails_is_said_before_the_accounting_line() {
    let stub = Stub::proper();
    let output = shop(&stub.url, &["--assert", "p50<0us,failures<1%,rate>1000000/s"]).await;
    assert_eq!(output.status.code(), Some(1));
    let stderr = output.errors();
    let lines: Vec<_> = stderr.lines().rev().take(3).collect();
    assert!(lines[0].starts_with("telemetry: "), "{stderr}");
    assert!(lines[1].starts_with("assertion failed: rate>1000000/s: measured "), "{stderr}");
    assert!(lines[2].starts_with("assertion failed: p50<0us: measured "), "{stderr}");
    let stdout = output.stdout;
    assert!(stdout.contains("holds   failures<1%"), "{stdout}");
}

#[actix_web::test]
async fn what_cannot_work_at_the_end_is_refused_before_the_first_request() {
    let (stub, folder) = (Stub::proper(), TempDir::new().unwrap());
    let other = folder.path().join("other.json");
    std::fs::write(&other, r#"{"schema": "grocery-shopper-report/9"}"#).unwrap();
    let other = other.to_str().unwrap();
    let missing = folder.path().join("missing");
    let (missing_file, no_place) = (missing.join("old.json"), missing.join("page.html"));
    let refusals = [
        (["--assert", "p42<1ms"], "there is no metric \"p42\"; there are rate,"),
        (["--assert", "p99<1%"], "expected a time such as 50ms"),
        (["--compare", other], "its schema is \"grocery-shopper-report/9\""),
        (["--compare", missing_file.to_str().unwrap()], "cannot be read: No such file"),
        (["--html", no_place.to_str().unwrap()], "its folder does not exist"),
        (["--json", no_place.to_str().unwrap()], "--json "),
        (["--assert", "worse<1"], "--assert worse<1: it is about an earlier run"),
        (["--assert", "p99<+10%"], "name that with --compare"),
        (["--html", folder.path().to_str().unwrap()], "is a folder; expected a file"),
        (["--output", "xml"], "possible values: text, json"),
        (["--ui-url", "not a url"], "invalid value 'not a url' for '--ui-url <URL>'"),
    ];
    for (arguments, problem) in refusals {
        let output = shop(&stub.url, &arguments).await;
        let stderr = output.errors();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(problem), "{arguments:?}: {stderr}");
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
    assert!(stub.asked().is_empty(), "a run was begun that could not be reported");
}

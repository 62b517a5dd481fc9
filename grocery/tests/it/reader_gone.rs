//! When the reader of a role's output ends, as in `| head -1`, the role ends quietly, as `yes`
//! does.

use testing::{http::HttpReceiver, ports, process::Ended, wait_until};

use crate::support::{
    grocery::{grocery, url},
    shopping::{Variables, open_store},
};

/// The exit code that a shell reports for a program that SIGPIPE ended.
const READER_GONE: Option<i32> = Some(141);

fn on_the_console() -> Variables<'static> {
    vec![
        ("OTEL_TRACES_EXPORTER", "console".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
    ]
}

/// Nothing is written about it: no panic, no error, no warning.
fn assert_quiet(ended: &Ended) {
    let said = ended.errors();
    for noise in ["panicked", "roken pipe", "ERROR", "WARN", "failed:"] {
        assert!(!said.contains(noise), "{said}");
    }
}

#[test]
fn a_shopper_whose_spans_nobody_reads_any_more_ends_quietly() {
    let store = open_store(&vec![("OTEL_TRACES_EXPORTER", "none".to_owned())]);
    let args = ["shopper", "--store-url", &url(&store), "--every", "10ms"];
    let ended = grocery(args, on_the_console()).closed_stdout().run();
    assert_eq!(ended.status.code(), READER_GONE, "{ended:#?}");
    assert_quiet(&ended);
}

#[test]
fn a_report_that_nobody_reads_is_no_failure() {
    let store = open_store(&vec![("OTEL_TRACES_EXPORTER", "none".to_owned())]);
    for output in ["text", "json"] {
        let store = url(&store);
        let args = ["shopper", "--store-url", &store, "--trips", "2", "--output", output];
        let variables = [("OTEL_TRACES_EXPORTER", "none".to_owned())];
        let ended = grocery(args, variables).closed_stdout().run();
        assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
        assert_quiet(&ended);
    }
}

#[test]
fn a_store_whose_spans_nobody_reads_any_more_ends_quietly_and_exports_the_others() {
    let receiver = HttpReceiver::answering(200);
    let mut variables = on_the_console();
    variables[0].1 = "console,otlp".to_owned();
    variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()));
    let args = ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:"];
    let store = grocery(args, variables).closed_stdout().start();
    let page = format!("{}/whats-in-store", url(&store));
    wait_until("it has been asked for something", || crate::support::http::get(&page).is_some());
    let ended = store.end();
    assert_eq!(ended.status.code(), READER_GONE, "{ended:#?}");
    assert_quiet(&ended);
    let last = ended.last_line();
    assert!(last.contains(" | otlp exported=") && last.ends_with(" failed=0 dropped=0"), "{last}");
}

#[test]
fn all_roles_whose_spans_nobody_reads_any_more_end_quietly() {
    let [store, viewer, otlp, grpc, lab] = ports::free();
    let variables = [
        ("STORE_LISTEN", store.to_string()),
        ("VIEWER_LISTEN", viewer.to_string()),
        ("VIEWER_OTLP", otlp.to_string()),
        ("VIEWER_OTLP_GRPC", grpc.to_string()),
        ("GROCERY_LAB_LISTEN", lab.to_string()),
        ("DATABASE_URL", "sqlite::memory:".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
    ];
    let ended = grocery(["--console", "--every", "10ms"], variables).closed_stdout().run();
    assert_eq!(ended.status.code(), READER_GONE, "{ended:#?}");
    for noise in ["panicked", "roken pipe", "failed:"] {
        assert!(!ended.errors().contains(noise), "{ended:#?}");
    }
}

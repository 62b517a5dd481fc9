//! The stress test, small enough for every run of the tests. This is a binary of its own because it
//! counts the memory and the spans of the whole process.
//! `cargo run --release -p actix-opentelemetry --example stress` is the large one.

mod scenario;

#[test]
fn chains_of_messages_across_threads_leave_no_span_open_or_misplaced_and_no_memory() {
    let report = scenario::run(50_000);
    assert!(report.is_clean(), "{report}");
}

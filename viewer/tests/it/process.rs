//! The viewer as a process: how it starts, says where it is, and ends.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use testing::process::{Process, Program};

/// The viewer with these flags.
fn program<'a>(flags: impl IntoIterator<Item = &'a str>) -> Program {
    Program::new(env!("CARGO_BIN_EXE_viewer")).args(flags)
}

/// Starts the viewer on free ports.
pub(crate) fn viewer(more: &[&str]) -> Process {
    let ports = ["--listen", "127.0.0.1:0", "--otlp", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"];
    program(ports).args(more).start()
}

/// The line that it says when it has started.
pub(crate) fn first_line(viewer: &Process) -> String {
    viewer.await_line("line", |line| Some(line.to_owned()))
}

/// Waits for its end.
pub(crate) fn exit_code(viewer: Process) -> Option<i32> {
    viewer.end().status.code()
}

#[test]
fn it_says_where_the_page_is_and_stops_on_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let viewer = viewer(&[]);
        let line = first_line(&viewer);
        assert!(line.contains("the traces are at http://127.0.0.1:"), "{line}");

        viewer.signal(signal);

        assert_eq!(exit_code(viewer), Some(0));
    }
}

#[test]
fn it_stops_when_its_parent_is_gone() {
    let mut viewer = viewer(&["--parent-pipe"]);
    first_line(&viewer);

    viewer.close_stdin();

    assert_eq!(exit_code(viewer), Some(0));
}

#[test]
fn it_fails_when_a_port_is_taken_and_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();

    let ports = ["--listen", "127.0.0.1:0", "--otlp", "127.0.0.1:0", "--otlp-grpc", &address];
    let refused = program(ports).run();

    assert_eq!(refused.status.code(), Some(1));
    let said = refused.errors();
    let in_use = TcpListener::bind(&address).expect_err("it is taken");
    let expected = format!("cannot listen on {address} for OTLP over gRPC (--otlp-grpc): {in_use}");
    assert!(said.ends_with(&expected), "{said}");
    assert_eq!(said.matches("in use").count(), 1, "{said}");
}

#[test]
fn a_flag_that_makes_no_sense_is_wrong_usage() {
    for flags in [
        ["--max-spans", "0"],
        ["--max-bytes", "many"],
        ["--listen", "here"],
        ["--chips", "a b"],
        ["--log", "info,viewer[="],
    ] {
        let refused = program(flags).run();
        assert_eq!(refused.status.code(), Some(2), "{flags:?}");
        assert!(refused.errors().contains("expected "), "{flags:?}: {}", refused.errors());
    }
}

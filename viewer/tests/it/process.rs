//! The viewer as a process: how it starts, says where it is, and ends.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Starts the viewer on free ports.
pub(crate) fn viewer(more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_viewer"))
        .args(["--listen", "127.0.0.1:0", "--otlp", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"])
        .args(more)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the viewer's binary")
}

/// The line that it says when it has started.
pub(crate) fn first_line(viewer: &mut Child) -> String {
    let mut line = String::new();
    let stderr = viewer.stderr.as_mut().expect("a pipe");
    BufReader::new(stderr).read_line(&mut line).expect("a line");
    line
}

/// Waits for its end.
pub(crate) fn exit_code(mut viewer: Child) -> Option<i32> {
    viewer.wait().expect("an end").code()
}

#[test]
fn it_says_where_the_page_is_and_stops_on_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut viewer = viewer(&[]);
        let line = first_line(&mut viewer);
        assert!(line.contains("the traces are at http://127.0.0.1:"), "{line}");

        let id = i32::try_from(viewer.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("a running process");

        assert_eq!(exit_code(viewer), Some(0));
    }
}

#[test]
fn it_stops_when_whoever_started_it_is_gone() {
    let mut viewer = viewer(&["--parent-pipe"]);
    first_line(&mut viewer);

    drop(viewer.stdin.take());

    assert_eq!(exit_code(viewer), Some(0));
}

#[test]
fn it_fails_when_a_port_is_taken_and_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();

    let mut refused = Command::new(env!("CARGO_BIN_EXE_viewer"))
        .args(["--listen", "127.0.0.1:0", "--otlp", "127.0.0.1:0", "--otlp-grpc", &address])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the viewer's binary");

    let mut said = String::new();
    refused.stderr.take().expect("a pipe").read_to_string(&mut said).expect("a text");
    assert_eq!(exit_code(refused), Some(1));
    let expected = format!(
        "cannot listen on {address} for OTLP over gRPC (--otlp-grpc): \
         Address already in use (os error 98)\n"
    );
    assert!(said.ends_with(&expected), "{said}");
    assert_eq!(said.matches("in use").count(), 1, "{said}");
}

#[test]
fn a_flag_that_makes_no_sense_is_wrong_usage() {
    for flags in [["--max-spans", "0"], ["--max-bytes", "many"], ["--listen", "here"]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_viewer")).args(flags).output().expect("the binary");

        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

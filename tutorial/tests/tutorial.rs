//! What docs/tutorial.md shows is what there is: its programs are the files of this crate, and what
//! it prints is what they print.
//!
//! A block of the document that is checked has a comment before it:
//!
//! ```text
//! <!-- file: tutorial/src/bin/welcome.rs -->       the block is this file, or these lines of it
//! <!-- output: welcome store -->                   the block is what the program writes
//! ```
//!
//! Ids, times and ports differ from run to run. Ids are compared by which of them are equal, in all
//! outputs of a step together; times and ports are not compared. A line `...` stands for any lines.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpStream, UdpSocket},
    path::Path,
    time::Duration,
};

use nix::sys::signal::Signal;
use testing::{
    http::HttpReceiver,
    jaeger, otlp, ports,
    process::{Ended, Process, Program},
    span::Span,
    wait_until, zipkin,
};

/// The programs by their names.
fn program(name: &str) -> Program {
    Program::new(match name {
        "welcome" => env!("CARGO_BIN_EXE_welcome"),
        "spans" => env!("CARGO_BIN_EXE_spans"),
        "service_name" => env!("CARGO_BIN_EXE_service_name"),
        "instrumentation" => env!("CARGO_BIN_EXE_instrumentation"),
        "actor" => env!("CARGO_BIN_EXE_actor"),
        name => panic!("there is no program {name}"),
    })
}

const JSON: [(&str, &str); 2] =
    [("OTEL_TRACES_EXPORTER", "console"), ("OTEL_EXPORTER_CONSOLE_FORMAT", "json")];

fn document() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("docs/tutorial.md")).unwrap()
}

/// The blocks that are checked: what the comment says, and the text of the block.
fn blocks(kind: &str) -> Vec<(String, String)> {
    let document = document();
    let marked = document.split("<!-- ").skip(1).filter_map(|part| {
        let (comment, rest) = part.split_once(" -->\n").expect("a comment has its own line");
        let what = comment.strip_prefix(kind)?.strip_prefix(": ")?;
        let block = rest.strip_prefix("```").expect("a block follows the comment");
        let (_, text) = block.split_once('\n').unwrap();
        let (text, _) = text.split_once("\n```").expect("the block ends");
        Some((what.to_owned(), format!("{text}\n")))
    });
    marked.collect()
}

/// The block of this output, which is there once.
fn shown(what: &str) -> String {
    let mut found = blocks("output").into_iter().filter(|(name, _)| name == what);
    let block = found.next().unwrap_or_else(|| panic!("no block for {what:?}")).1;
    assert_eq!(found.next(), None, "{what:?} is there twice");
    block
}

#[test]
fn every_program_is_shown_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let blocks = blocks("file");
    for (file, text) in &blocks {
        let content = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(content.contains(text.as_str()), "{file} has no such lines:\n{text}");
    }
    // Those programs that are shown whole; of the one in between only what is new.
    for name in ["welcome", "spans", "instrumentation", "actor"] {
        let file = format!("tutorial/src/bin/{name}.rs");
        let content = std::fs::read_to_string(root.join(&file)).unwrap();
        assert!(blocks.contains(&(file.clone(), content)), "{file} is not shown whole");
    }
}

/// What the store and the shopper of a step wrote.
struct Step {
    store: Ended,
    shopper: Ended,
    address: SocketAddr,
}

/// Opens the store, lets the shopper call, and closes the store.
fn step(store: &[&str], shopper: &[&str], variables: &[(&str, &str)]) -> Step {
    let [address] = ports::free();
    let at = address.to_string();
    let start = |words: &[&str]| -> Process {
        let arguments = words[1..].iter().copied().chain([at.as_str()]);
        program(words[0]).args(arguments).envs(variables.iter().copied()).start()
    };
    let store = start(store);
    wait_until("the store listens", || TcpStream::connect(address).is_ok());
    let shopper = start(shopper).end();
    store.signal(Signal::SIGINT);
    Step { store: store.end(), shopper, address }
}

impl Step {
    /// Compares what both wrote with what the document shows for them.
    fn assert_shown(&self, shopper: &str, store: &str) {
        for ended in [&self.store, &self.shopper] {
            assert!(ended.status.success(), "{ended:#?}");
        }
        let output = format!("{}{}", self.shopper.stdout, self.store.stdout);
        let port = self.address.port().to_string();
        let actual = normalised(&output.replace(&port, "5000"));
        let expected = normalised(&format!("{}{}", shown(shopper), shown(store)));
        assert_lines(&actual, &expected);
    }
}

/// The text with ids replaced by numbers in the order in which they first come, and without times.
fn normalised(text: &str) -> String {
    let mut ids = HashMap::new();
    let quoted = text.split('"').map(|part| {
        let digits = part.strip_prefix("0x").unwrap_or_default();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if matches!(digits.len(), 16 | 32) && is_hex {
            let next = ids.len();
            return format!("id {}", ids.entry(part.to_owned()).or_insert(next));
        }
        let bytes = part.as_bytes();
        let is_time = bytes.len() == 27 && bytes[10] == b'T' && bytes[26] == b'Z';
        if is_time { "a time".to_owned() } else { part.to_owned() }
    });
    quoted.collect::<Vec<_>>().join("\"")
}

/// Compares line by line, where `...` stands for any lines.
fn assert_lines(actual: &str, expected: &str) {
    let mut lines = actual.lines();
    let mut expected_lines = expected.lines().peekable();
    while let Some(expected_line) = expected_lines.next() {
        let found = match (expected_line.trim(), expected_lines.peek()) {
            ("...", Some(next)) => {
                let is_there = lines.any(|line| line == *next);
                expected_lines.next();
                is_there
            }
            ("...", None) => return,
            _ => lines.next() == Some(expected_line),
        };
        assert!(found, "at {expected_line:?} of\n{expected}\nthere is:\n{actual}");
    }
    assert_eq!(lines.next(), None, "there is more than\n{expected}\nin\n{actual}");
}

#[test]
fn step_1_the_shopper_is_welcomed() {
    let step = step(&["welcome", "store"], &["welcome", "shopper"], &[]);
    assert_eq!(step.store.stdout, "");
    assert_eq!(step.shopper.stdout, shown("welcome shopper"));
}

#[test]
fn step_2_each_prints_its_span() {
    step(&["spans", "store"], &["spans", "shopper"], &JSON)
        .assert_shown("spans shopper", "spans store");
}

#[test]
fn step_3_each_has_its_name() {
    step(&["service_name", "store"], &["service_name", "shopper"], &JSON)
        .assert_shown("service_name shopper", "service_name store");
}

#[test]
fn step_4_both_are_in_one_trace() {
    step(&["instrumentation", "store"], &["instrumentation", "shopper"], &JSON)
        .assert_shown("instrumentation shopper", "instrumentation store");
}

#[test]
fn step_6_the_actor_is_in_it_too() {
    let backend = HttpReceiver::answering(200);
    let url = backend.url();
    let variables = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)];
    let step = step(&["actor"], &["instrumentation", "shopper"], &variables);
    assert!(step.store.status.success() && step.shopper.status.success());
    assert_eq!(tree(&otlp::from_protobuf(&backend.received())), shown("actor tree"));
}

#[test]
fn step_5_jaeger_zipkin_and_any_receiver_of_otlp_get_the_same_trace() {
    let expected = shown("instrumentation tree");
    let shop = |variables: &[(&str, &str)]| {
        let step = step(&["instrumentation", "store"], &["instrumentation", "shopper"], variables);
        for ended in [step.store, step.shopper] {
            assert!(ended.status.success(), "{ended:#?}");
        }
    };

    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    agent.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let port = agent.local_addr().unwrap().port().to_string();
    shop(&[
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
    ]);
    let mut spans = Vec::new();
    let mut datagram = vec![0; 65_536];
    // All that was sent is there when those who sent it have ended.
    while let Ok(length) = agent.recv(&mut datagram) {
        spans.extend(jaeger::from_datagram(&datagram[..length]));
    }
    assert_eq!(tree(&spans), expected);

    let backend = HttpReceiver::answering(200);
    let url = backend.url();
    shop(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]);
    assert_eq!(tree(&otlp::from_protobuf(&backend.received())), expected);

    let backend = HttpReceiver::answering(200);
    let url = format!("{}/api/v2/spans", backend.url());
    shop(&[("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &url)]);
    assert_eq!(tree(&zipkin::from_json(&backend.received())), expected);
}

/// The tree of the one trace that there is.
fn tree(spans: &[Span]) -> String {
    let root = spans.iter().find(|span| span.parent_id.is_empty()).expect("a root");
    assert!(spans.iter().all(|span| span.trace_id == root.trace_id), "{spans:#?}");
    branch(spans, root, 0)
}

fn branch(spans: &[Span], span: &Span, depth: usize) -> String {
    let service = &span.resource["service.name"];
    let line = format!("{:14}{:indent$}{}\n", service, "", span.name, indent = 3 * depth);
    let children = spans.iter().filter(|child| child.parent_id == span.span_id);
    children.fold(line, |tree, child| tree + &branch(spans, child, depth + 1))
}

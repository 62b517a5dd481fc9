//! `grocery` without a subcommand: the viewer, the store and the shopper, as a user sees them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, SystemTime},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testing::{
    http::{HANG, HttpReceiver},
    otlp, ports,
    process::{Ended, Process, Program},
    span::Span,
    wait_until,
};

use crate::support::{grocery::grocery, http::get, terminal::Terminal};

/// Where the roles of one test listen.
struct Addresses {
    store: SocketAddr,
    viewer: SocketAddr,
    otlp: SocketAddr,
    otlp_grpc: SocketAddr,
    lab: SocketAddr,
}

impl Addresses {
    fn free() -> Self {
        let [store, viewer, otlp, otlp_grpc, lab] = ports::free();
        Self { store, viewer, otlp, otlp_grpc, lab }
    }

    fn start(&self, flags: &[&str]) -> Process {
        self.start_with(flags, &[])
    }

    fn start_with(&self, flags: &[&str], more: &[(&str, &str)]) -> Process {
        self.program(flags, more).start()
    }

    fn program(&self, flags: &[&str], more: &[(&str, &str)]) -> Program {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        grocery(flags.iter().copied(), self.variables().into_iter().chain(more))
    }

    fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("STORE_LISTEN", self.store.to_string()),
            ("VIEWER_LISTEN", self.viewer.to_string()),
            ("VIEWER_OTLP", self.otlp.to_string()),
            ("VIEWER_OTLP_GRPC", self.otlp_grpc.to_string()),
            ("GROCERY_LAB_LISTEN", self.lab.to_string()),
            ("DATABASE_URL", "sqlite::memory:".to_owned()),
        ]
    }

    fn wait_for_a_trip(&self) {
        wait_until("the viewer shows a trip through both services", || {
            let found = get(&format!("http://{}/api/traces?service=shopper&limit=1", self.viewer));
            let found = found.map(|body| String::from_utf8(body).unwrap()).unwrap_or_default();
            ["going to the grocery store", "POST /checkout", "ask Ledger Record"]
                .iter()
                .all(|name| found.contains(name))
        });
    }

    fn wait_until_all_are_gone(&self) {
        for address in [self.store, self.viewer, self.otlp, self.otlp_grpc, self.lab] {
            wait_until("no role listens", || TcpStream::connect(address).is_err());
        }
    }
}

#[test]
fn one_command_shows_trips_in_the_viewer_until_ctrl_c() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--every", "10ms"]);
    addresses.wait_for_a_trip();

    grocery.signal(Signal::SIGINT);
    let Ended { status, stderr: lines, .. } = grocery.end();

    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    addresses.wait_until_all_are_gone();
    let said = [
        format!("grocery: traces  http://{}/", addresses.viewer),
        format!("grocery: logs    http://{}/logs", addresses.viewer),
        format!("grocery: monitor http://{}/monitor", addresses.viewer),
        format!("grocery: store   http://{}/whats-in-store", addresses.store),
        format!("grocery: lab     http://{}/", addresses.lab),
        "grocery: Ctrl-C stops".to_owned(),
        "grocery: SIGINT, stopping: the last spans are sent, for 5s at most; Ctrl-C again ends at once"
            .to_owned(),
    ];
    assert_eq!(lines[..6], said[..6], "where to look, and nothing of anybody else's");
    assert!(lines.contains(&said[6]), "{lines:#?}");
    let accounts: Vec<_> = lines.iter().filter(|line| line.starts_with("telemetry: ")).collect();
    assert_eq!(accounts.len(), 3, "shopper, lab and store account for their spans: {lines:#?}");
    assert!(accounts.iter().all(|line| line.ends_with("failed=0 dropped=0")), "{accounts:?}");
}

/// What a user of a proxy, of containers or of a browser's exporter sets for the viewer and the lab.
#[test]
fn the_viewer_and_the_lab_are_told_by_their_variables_where_and_by_whom_they_are_reached() {
    let addresses = Addresses::free();
    let variables = [
        ("VIEWER_BASE_PATH", "/tools/traces"),
        ("VIEWER_ALLOWED_HOSTS", "traces.example"),
        ("VIEWER_CORS_ORIGINS", "https://shop.example"),
        ("GROCERY_LAB_ALLOWED_HOSTS", "lab.example"),
    ];
    let grocery = addresses.start_with(&["--every", "10ms"], &variables);
    // The lab finds the viewer, and the shopper's spans come, as without a base path.
    addresses.wait_for_a_trip();
    // It fails if an earlier call has installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let answers = |address: SocketAddr, path: &str, host: &str| {
        let request = client.get(format!("http://{address}{path}")).header("host", host);
        request.send().unwrap().status().as_u16()
    };
    for (address, name, paths) in [
        (addresses.viewer, "traces.example", &["/tools/traces/", "/tools/traces/logs"][..]),
        (addresses.lab, "lab.example", &["/"]),
    ] {
        for path in paths {
            wait_until("the role answers", || TcpStream::connect(address).is_ok());
            assert_eq!(answers(address, path, name), 200, "{name}{path}");
            assert_eq!(answers(address, path, "other.example"), 403, "{name}{path}");
        }
    }
    let allowed = |origin: &str| {
        let asked = client
            .request(reqwest::Method::OPTIONS, format!("http://{}/v1/traces", addresses.otlp))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let answer = asked.send().unwrap();
        let header = answer.headers().get("access-control-allow-origin");
        header.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(allowed("https://shop.example").as_deref(), Some("https://shop.example"));
    assert_eq!(allowed("https://other.example"), None);
    grocery.signal(Signal::SIGINT);
    assert!(grocery.end().status.success());
}

#[test]
fn each_role_serves_its_metrics_on_a_port_of_its_own() {
    let [first, ..] = ports::in_a_row::<3>().map(|address| address.port());
    let port = first.to_string();
    let variables =
        [("OTEL_METRICS_EXPORTER", "prometheus"), ("OTEL_EXPORTER_PROMETHEUS_PORT", &port[..])];
    let page = |role: u16| format!("http://localhost:{}/metrics", first + role);
    let addresses = Addresses::free();
    let grocery = addresses.start_with(&["--every", "10ms"], &variables);
    for (role, service) in [(0, "grocery-store"), (1, "shopper"), (2, "grocery-lab")] {
        let name = format!("service_name=\"{service}\"");
        wait_until("the role serves its page", || {
            let body = get(&page(role)).unwrap_or_default();
            String::from_utf8(body).unwrap().contains(&name)
        });
    }
    grocery.signal(Signal::SIGINT);
    let Ended { status, stderr: lines, .. } = grocery.end();
    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    let said: Vec<_> =
        lines.iter().filter(|line| line.starts_with("grocery: metrics ")).cloned().collect();
    let expected = ["store", "shopper", "lab"];
    let expected = [0, 1, 2]
        .map(|role| format!("grocery: metrics {} ({})", page(role), expected[usize::from(role)]));
    assert_eq!(said, expected);

    let taken = TcpListener::bind(("127.0.0.1", first + 1)).unwrap();
    let refused = addresses.start_with(&[], &variables).end();
    assert_eq!(refused.status.code(), Some(1));
    let errors = refused.errors();
    let said = format!(
        "something listens on {} already, so the page for Prometheus of the shopper cannot: stop \
         it, or choose another address with OTEL_EXPORTER_PROMETHEUS_PORT",
        taken.local_addr().unwrap()
    );
    assert!(errors.contains(&said), "{errors}");
}

#[test]
fn it_ends_by_itself_after_the_trips_it_was_asked_for() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--trips", "2", "--every", "1ms", "--", "--seed", "7"]);
    let Ended { status, stderr: lines, .. } = grocery.end();
    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    addresses.wait_until_all_are_gone();
}

#[test]
fn at_a_terminal_the_traces_stay_until_ctrl_c_when_the_run_is_over() {
    let addresses = Addresses::free();
    let flags = ["--trips", "1", "--every", "1ms", "--", "--assert", "p50<1us"];
    let terminal = Terminal::start(addresses.program(&flags, &[]));
    let said = format!(
        "grocery: the run is over, and its traces stay at http://{}/ until Ctrl-C",
        addresses.viewer
    );
    wait_until("it says that the traces stay", || terminal.text().contains(&said));
    assert!(TcpStream::connect(addresses.store).is_err(), "the store is closed");
    let text = terminal.text();
    let link = format!("http://{}/trace/", addresses.viewer);
    let trace = &text.split_once(&link).expect("a link to the slowest trip").1[..32];
    let found = get(&format!("http://{}/api/traces/{trace}", addresses.viewer)).unwrap();
    let found = String::from_utf8(found).unwrap();
    for name in ["going to the grocery store", "POST /checkout", "ask Ledger Record"] {
        assert!(found.contains(name), "{found}");
    }

    terminal.process.signal(Signal::SIGINT);
    let ended = terminal.process.end();
    assert_eq!(ended.status.code(), Some(1), "the assertion did not hold: {text}");
    addresses.wait_until_all_are_gone();
}

#[test]
fn at_a_terminal_it_ends_with_the_run_if_it_is_to() {
    let addresses = Addresses::free();
    let terminal =
        Terminal::start(addresses.program(&["--trips", "1", "--every", "1ms", "--exit"], &[]));
    let ended = terminal.process.end();
    assert!(ended.status.success(), "{ended:?}");
    addresses.wait_until_all_are_gone();
}

#[test]
fn without_flags_orders_meet_baskets_are_sold_out_and_an_aisle_is_slow() {
    let backend = HttpReceiver::answering(200);
    let addresses = Addresses { otlp: backend.address, ..Addresses::free() };
    let grocery = addresses.start(&["--", "--seed", "7"]);
    let is = |name: &'static str, also: fn(&Span) -> bool| {
        move |span: &Span| span.name == name && also(span)
    };
    let meet = is("process Ledger batch", |batch| batch.links.len() > 1);
    let sold_out = is("POST /checkout", |span| {
        span.attributes.get("http.response.status_code").is_some_and(|code| code == "409")
    });
    let slow = is("ask Aisle ListProducts", |span| {
        span.attributes["grocery.aisle"] == "frozen" && span.duration_us >= 250_000
    });
    let mut looked_at = 0;
    wait_until("all three are seen", || {
        let requests = backend.requests().len();
        if std::mem::replace(&mut looked_at, requests) == requests {
            return false;
        }
        let spans = otlp::from_protobuf(&backend.received());
        spans.iter().any(&meet) && spans.iter().any(&sold_out) && spans.iter().any(&slow)
    });
    grocery.signal(Signal::SIGINT);
    let ended = grocery.end();
    assert!(ended.status.success(), "{ended:#?}");
    for named in ["slow-aisle=frozen:250ms@10%", "out-of-stock", "bursty arrivals"] {
        assert!(ended.stdout.contains(named), "{named}: {}", ended.stdout);
    }
}

#[test]
fn no_role_outlives_a_parent_that_is_killed() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--every", "10ms"]);
    addresses.wait_for_a_trip();
    grocery.signal(Signal::SIGKILL);
    addresses.wait_until_all_are_gone();
}

#[test]
fn what_receives_otlp_already_gets_the_spans() {
    let backend = testing::http::HttpReceiver::answering(200);
    let addresses = Addresses { otlp: backend.address, ..Addresses::free() };
    let Ended { status, stderr: lines, .. } = addresses.start(&["--trips", "1"]).end();
    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    let said = format!("grocery: traces  something receives OTLP on {} already", backend.address);
    assert!(lines[0].starts_with(&said), "{lines:#?}");
    let names = testing::otlp::from_protobuf(&backend.received());
    assert!(names.iter().any(|span| span.name == "going to the grocery store"));
}

#[test]
fn a_store_that_cannot_listen_is_said_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = Addresses { store: taken.local_addr().unwrap(), ..Addresses::free() };
    let Ended { status, stderr: lines, .. } = addresses.start(&[]).end();
    assert_eq!(status.code(), Some(1));
    let said = format!("grocery: something listens on {} already", addresses.store);
    assert!(lines.len() == 1 && lines[0].starts_with(&said), "{lines:#?}");
}

#[test]
fn an_assertion_that_does_not_hold_fails_the_command() {
    let addresses = Addresses::free();
    let Ended { status, stderr: lines, .. } =
        addresses.start(&["--trips", "1", "--", "--assert", "p50<1us"]).end();
    assert_eq!(status.code(), Some(1), "{lines:#?}");
    addresses.wait_until_all_are_gone();
}

#[test]
fn wrong_usage_is_refused_by_name_and_with_code_2_before_anything_starts() {
    for (flags, named) in [
        (&["--rate", "fast"][..], "fast"),
        (&["--every", "soon"], "soon"),
        (&["--rate", "5", "--shoppers", "2"], "--shoppers"),
        (&["--", "--mix", "window-shopping=1"], "window-shopping"),
        (&["--", "--assert", "p50<1parsec"], "parsec"),
        (&["store", "--database", "oracle://x"], "oracle"),
        (&["--database", "oracle://x"], "oracle"),
    ] {
        let Ended { status, stderr: lines, .. } = Addresses::free().start(flags).end();
        assert_eq!(status.code(), Some(2), "{flags:?}: {lines:#?}");
        assert!(lines.iter().any(|line| line.contains(named)), "{flags:?}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("grocery: traces")), "{lines:#?}");
    }
}

/// A server that takes the viewer's address, and answers every request like this.
fn something_else(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            if matches!(stream.read(&mut request), Ok(1..)) {
                stream.write_all(answer.as_bytes()).ok();
            }
        }
    });
    address
}

#[test]
fn what_takes_no_otlp_is_said_to_take_none_before_anything_starts() {
    let html = "HTTP/1.1 501 Unsupported\r\nServer: SimpleHTTP/0.6\r\nContent-Type: text/html\r\n\
                Content-Length: 0\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello";
    let moved = "HTTP/1.1 301 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    let cases = [
        (html, "501 Not Implemented, content-type \"text/html\", server \"SimpleHTTP/0.6\""),
        (page, "200 OK, content-type \"text/html\""),
        (moved, "301 Moved Permanently"),
    ];
    for (answer, told) in cases {
        let addresses = Addresses { otlp: something_else(answer), ..Addresses::free() };
        let ended = addresses.start(&["--trips", "1"]).end();
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        let said = format!(
            "grocery: what listens on {} does not take OTLP: it answers POST /v1/traces with {told}; \
             stop it, or choose another address with --otlp",
            addresses.otlp
        );
        assert_eq!(ended.stderr, [said]);
    }
}

#[test]
fn what_does_not_answer_an_export_takes_no_otlp() {
    let silent = HttpReceiver::answering(HANG);
    let addresses = Addresses { otlp: silent.address, ..Addresses::free() };
    let ended = addresses.start(&["--trips", "1"]).end();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    let said = format!("grocery: what listens on {} does not take OTLP: no answer", silent.address);
    assert!(ended.stderr.len() == 1 && ended.stderr[0].starts_with(&said), "{ended:#?}");
}

#[test]
fn an_address_that_is_taken_is_said_with_the_flag_that_chooses_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (addresses, flag) in [
        (Addresses { viewer: address, ..Addresses::free() }, "--viewer-listen"),
        (Addresses { otlp_grpc: address, ..Addresses::free() }, "--otlp-grpc"),
        (Addresses { store: address, ..Addresses::free() }, "--store-listen"),
        (Addresses { lab: address, ..Addresses::free() }, "--lab-listen"),
    ] {
        let ended = addresses.start(&["--trips", "1"]).end();
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        let said = format!("grocery: something listens on {address} already, so ");
        let [line] = &ended.stderr[..] else { panic!("{ended:#?}") };
        assert!(line.starts_with(&said) && line.ends_with(flag), "{line}");
    }
}

#[test]
fn ctrl_c_takes_five_seconds_at_most_when_nobody_answers_the_exporters() {
    let silent = HttpReceiver::answering(HANG);
    let addresses = Addresses::free();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", silent.url())];
    let endpoint = endpoint.each_ref().map(|(name, url)| (*name, url.as_str()));
    let grocery = addresses.start_with(&["--every", "10ms"], &endpoint);
    wait_until("both services wait for an answer", || silent.hanging() >= 2);

    grocery.signal(Signal::SIGINT);
    let ended = grocery.end();

    // An export alone may take ten seconds. On a busy machine the five take somewhat longer.
    assert!(ended.took < Duration::from_secs(8), "{ended:#?}");
    assert!(ended.status.success(), "{ended:#?}");
    let accounts = ended.stderr.iter().filter(|line| line.starts_with("telemetry: started="));
    assert_eq!(accounts.count(), 2, "each service accounts for its spans: {ended:#?}");
}

#[test]
fn a_terminal_that_goes_away_ends_it_as_sigterm_does() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--every", "10ms"]);
    addresses.wait_for_a_trip();
    grocery.signal(Signal::SIGHUP);
    let ended = grocery.end();
    assert!(ended.status.success(), "{ended:#?}");
    assert!(ended.stdout.contains("trips"), "with the report: {ended:#?}");
    addresses.wait_until_all_are_gone();
}

/// `nohup` starts a program with SIGHUP ignored, so that it goes on when its terminal is closed.
/// The roles inherit that.
#[test]
fn under_nohup_no_role_ends_when_the_terminal_goes_away() {
    let addresses = Addresses::free();
    let variables = addresses.variables();
    let grocery = Program::new("nohup")
        .args([env!("CARGO_BIN_EXE_grocery"), "--every", "10ms"])
        .envs(variables)
        .start();
    addresses.wait_for_a_trip();

    grocery.signal(Signal::SIGHUP);
    for role in children(&grocery) {
        kill(Pid::from_raw(role), Signal::SIGHUP).unwrap();
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    let query = format!("service=shopper&limit=1&start={since}");
    wait_until("the viewer shows a later trip", || {
        let found = get(&format!("http://{}/api/traces?{query}", addresses.viewer));
        found.is_some_and(|body| String::from_utf8(body).unwrap().contains("POST /checkout"))
    });

    grocery.signal(Signal::SIGTERM);
    let ended = grocery.end();
    assert!(ended.status.success(), "{ended:#?}");
    assert!(ended.errors().contains("grocery: SIGTERM, stopping"), "{ended:#?}");
    addresses.wait_until_all_are_gone();
}

#[cfg(target_os = "linux")]
#[test]
fn the_address_of_the_database_is_not_in_the_list_of_processes() {
    let addresses = Addresses::free();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hunter2.db");
    let url = format!("sqlite:{}", file.display());
    let grocery = addresses.start(&["--every", "10ms", "--database", &url]);
    addresses.wait_for_a_trip();

    let command_lines: Vec<_> = children(&grocery)
        .into_iter()
        .map(|role| std::fs::read_to_string(format!("/proc/{role}/cmdline")).unwrap())
        .collect();
    for role in ["store", "shopper", "viewer"] {
        let has_role = command_lines.iter().any(|line| line.split('\0').nth(1) == Some(role));
        assert!(has_role, "{role}: {command_lines:?}");
    }
    assert!(!command_lines.concat().contains("hunter2"), "{command_lines:?}");
    assert!(file.exists(), "the store uses the database all the same");
}

/// The processes that this one has started, where the system tells (Linux).
fn children(process: &Process) -> Vec<i32> {
    let parent = format!("PPid:\t{}", process.id());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        // It fails for a process that has ended meanwhile.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == parent)
    })
    .collect()
}

#[test]
fn variables_are_read_as_flags_are_in_every_role() {
    let addresses = Addresses { otlp: "127.0.0.1:9".parse().unwrap(), ..Addresses::free() };
    let more = [
        ("GROCERY_NO_VIEWER", "Yes"),
        ("GROCERY_CONSOLE", "1"),
        ("GROCERY_RATE", ""),
        ("GROCERY_TRIPS", "1"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ];
    let ended = addresses.start_with(&[], &more).end();
    assert!(ended.status.success(), "{ended:#?}");
    assert_eq!(ended.stderr[0], "grocery: traces  nobody receives OTLP on 127.0.0.1:9 yet");

    for (role, variable) in
        [("store", "STORE_LISTEN"), ("viewer", "VIEWER_LISTEN"), ("viewer", "VIEWER_OTLP")]
    {
        let ended = grocery([role], [(variable, "5000".to_owned())]).run();
        assert_eq!(ended.status.code(), Some(2), "{ended:#?}");
        let expected = "expected an IP address and a port, such as 127.0.0.1:5000";
        let said = ended.errors();
        assert!(said.contains(expected) && said.contains(variable), "{said}");
    }
}

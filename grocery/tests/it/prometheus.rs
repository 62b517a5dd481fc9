//! Prometheus reads the metrics of both services, each from a page of its own.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use nix::sys::signal::Signal;
use testing::{http::HttpReceiver, ports, process::Process, wait_until};

use crate::support::{
    http::get,
    shopping::{Variables, end, open_store, send_shopper},
};

/// A store and a shopper that makes trips until it is told to stop.
struct Services {
    backend: HttpReceiver,
    store: Process,
    shopper: Process,
    /// The pages of the store and of the shopper.
    pages: [SocketAddr; 2],
}

impl Services {
    fn start() -> Self {
        let backend = HttpReceiver::answering(200);
        let pages = ports::free();
        let variables = |page: SocketAddr| -> Variables<'_> {
            vec![
                ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
                ("OTEL_METRICS_EXPORTER", "otlp,prometheus".to_owned()),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
                ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1".to_owned()),
                ("OTEL_EXPORTER_PROMETHEUS_PORT", page.port().to_string()),
            ]
        };
        let [of_store, of_shopper] = pages;
        // Without this they run on a thread of HTTP if the machine has few cores.
        let own_thread = ("STORE_ACTOR_THREADS", "1".to_owned());
        let store = open_store(&[variables(of_store), vec![own_thread]].concat());
        let shopper = send_shopper(&store, &variables(of_shopper), &["--every", "10ms"]);
        Self { backend, store, shopper, pages }
    }

    fn page(&self, service: usize) -> String {
        let page = get(&format!("http://{}/metrics", self.pages[service]));
        page.map(|page| String::from_utf8(page).unwrap()).unwrap_or_default()
    }

    fn end(self) {
        self.shopper.signal(Signal::SIGTERM);
        end(self.shopper).all_exported("otlp");
        self.store.signal(Signal::SIGTERM);
        end(self.store).all_exported("otlp");
        drop(self.backend);
    }
}

#[test]
fn the_page_of_each_service_has_its_metrics_and_is_right_for_promtool() {
    let services = Services::start();
    for (service, name, runtimes) in
        [(0, "grocery-store", &["actors", "http", "main"][..]), (1, "shopper", &["main", "trips"])]
    {
        wait_until("a message has waited in a mailbox", || {
            services.page(service).contains("\nactix_mailbox_wait_duration_seconds_count{")
        });
        let page = services.page(service);
        let types: BTreeMap<&str, &str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        for (metric, kind) in [
            ("actix_mailbox_depth", "gauge"),
            ("actix_mailbox_wait_duration_seconds", "histogram"),
            ("actix_message_duration_seconds", "histogram"),
            ("otel_sdk_exporter_span_exported_total", "counter"),
            ("otel_sdk_exporter_span_inflight", "gauge"),
            ("otel_sdk_processor_span_processed_total", "counter"),
            ("otel_sdk_processor_span_queue_capacity", "gauge"),
            ("otel_sdk_processor_span_queue_size", "gauge"),
            ("otel_sdk_span_live", "gauge"),
            ("otel_sdk_span_started_total", "counter"),
            ("process_cpu_time_seconds_total", "counter"),
            ("process_memory_usage_bytes", "gauge"),
            ("target_info", "gauge"),
            ("tokio_alive_tasks", "gauge"),
            ("tokio_workers", "gauge"),
        ] {
            assert_eq!(types.get(metric), Some(&kind), "{metric} of {name}: {types:#?}");
        }
        let own = format!("service_name=\"{name}\"");
        assert!(page.lines().any(|line| line.starts_with("target_info{") && line.contains(&own)));
        for runtime in runtimes {
            let first = format!("tokio_runtime_name=\"{runtime}/0\"");
            let is_there = |line: &str| line.starts_with("tokio_workers{") && line.contains(&first);
            assert!(page.lines().any(is_there), "{runtime} of {name}");
        }
        check_by_promtool(&page, name);
    }
    services.end();
}

/// The metrics of which `promtool check metrics` does not like the name or the unit. The semantic
/// conventions, and the crate that measures tokio, have chosen them.
const KNOWN: [&str; 4] = [
    "db_client_connection_count ",
    "process_thread_count ",
    "process_unix_file_descriptor_count ",
    "tokio_worker_busy_duration_milliseconds_total ",
];

/// Lets Prometheus's own tool check a page, if it is installed.
fn check_by_promtool(page: &str, name: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Some(mut promtool) = start(promtool.stderr(Stdio::piped())) else { return };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let said = [said.stdout, said.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    let unknown: Vec<_> =
        said.lines().filter(|line| !KNOWN.iter().any(|known| line.starts_with(known))).collect();
    assert_eq!(unknown, [""; 0], "{name}");
}

#[test]
fn a_prometheus_server_knows_how_long_messages_wait_in_the_mailboxes_of_both() {
    let services = Services::start();
    let Some(server) = Prometheus::start(services.pages) else { return services.end() };
    // The services are told apart as Prometheus does it: by the job that it scrapes.
    let query = "histogram_quantile(0.99, sum by (le, job) \
                 (rate(actix_mailbox_wait_duration_seconds_bucket[20s])))";
    let mut waits = BTreeMap::new();
    wait_until("both services have a wait", || {
        waits = server.ask(query);
        waits.len() == 2 && waits.values().all(|wait| wait.is_finite())
    });
    assert_eq!(waits.keys().collect::<Vec<_>>(), ["shopper", "store"]);
    for (service, wait) in &waits {
        assert!((0.0..=100.0).contains(wait), "p99 of {service} is {wait} s");
    }
    services.end();
}

/// A Prometheus server that scrapes both services. It ends when this is dropped.
struct Prometheus {
    url: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start([store, shopper]: [SocketAddr; 2]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let settings = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n\
             - {{job_name: store, static_configs: [{{targets: [\"{store}\"]}}]}}\n\
             - {{job_name: shopper, static_configs: [{{targets: [\"{shopper}\"]}}]}}\n"
        );
        std::fs::write(&config, settings).unwrap();
        let [address] = ports::free();
        let process = start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        let server = Self { url: format!("http://{address}"), process, _folder: folder };
        wait_until("Prometheus is up", || get(&format!("{}/-/ready", server.url)).is_some());
        Some(server)
    }

    /// The values of a query, by job.
    fn ask(&self, query: &str) -> BTreeMap<String, f64> {
        let mut url = url::Url::parse(&self.url).unwrap();
        url.set_path("/api/v1/query");
        url.query_pairs_mut().append_pair("query", query);
        let Some(answer) = get(url.as_str()) else { return BTreeMap::new() };
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let results = answer["data"]["result"].as_array().unwrap().iter();
        let results = results.map(|result| {
            let job = result["metric"]["job"].as_str().unwrap().to_owned();
            (job, result["value"][1].as_str().unwrap().parse().unwrap())
        });
        results.collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Starts a program of Prometheus. If it is not installed, says that the test is skipped.
#[expect(clippy::disallowed_methods, reason = "this configures the test")]
fn start(command: &mut Command) -> Option<Child> {
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let program = command.get_program().display().to_string();
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!required, "{program} is not installed, and CI=true");
            // libtest hides what `eprintln!` prints, but not this.
            writeln!(std::io::stderr(), "SKIPPED: {program} is not installed").ok();
            None
        }
        Err(error) => panic!("{:?}: {error}", command.get_program()),
    }
}

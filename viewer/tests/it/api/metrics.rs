//! Jaeger's metrics of spans, asked for as the Monitor tab of its page does: `fetchMetrics` in its
//! `api/jaeger.ts`, called by `fetchAllServiceMetrics` and `fetchAggregatedServiceMetrics` with what
//! `components/Monitor/ServicesView/index.tsx` puts together.

use serde_json::{Value as Json, json};

use crate::support::spans::{CLIENT, SERVER, Trace, error, of_service, request};
use crate::support::{Backend, now_us};

const SECOND: u64 = 1_000_000;

/// The beginning of ten seconds, two minutes ago: in microseconds.
fn two_minutes_ago() -> u64 {
    now_us() / (10 * SECOND) * 10 * SECOND - 120 * SECOND
}

/// A viewer that has received spans of the services `store` and `shopper`, since `base`.
fn backend(base: u64) -> Backend {
    let backend = Backend::viewer();
    let trace = Trace { start_us: base, ..Trace::new() };
    let serving = |id, name: &str, start: u64, milliseconds: u64| {
        let mut span = trace.span(id, 0, name, start..start + milliseconds * 1_000);
        span.kind = SERVER;
        span
    };
    let mut failed = serving(4, "GET /", 20 * SECOND, 1_000);
    failed.status = error("no");
    let mut call = trace.span(6, 0, "GET", 0..SECOND);
    call.kind = CLIENT;
    backend.send(&request([
        of_service(
            "store",
            vec![
                serving(1, "GET /", 0, 10),
                serving(2, "GET /", SECOND, 10),
                serving(3, "GET /", 2 * SECOND, 10),
                failed,
                serving(5, "POST /checkout", 21 * SECOND, 100),
            ],
        ),
        of_service("shopper", vec![call]),
    ]));
    backend.stats_when_stored(6);
    backend
}

/// What the page asks for, at a moment: its parameters in the order in which it writes them.
fn asked(metric: &str, end_us: u64, more: &str, quantile: f64) -> String {
    let end = end_us / 1_000;
    format!(
        "/api/metrics/{metric}?service=store&endTs={end}{more}&lookback=3600000\
         &quantile={quantile}&ratePer=600000&spanKind=server&step=60000"
    )
}

/// The moment that is so many seconds after `base`, in RFC 3339.
fn moment(base: u64, seconds: u64) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(
        i64::try_from(base / SECOND + seconds).expect("a time"),
    );
    let format = &time::format_description::well_known::Rfc3339;
    moment.expect("a time").format(format).expect("a text")
}

fn family(name: &str, help: &str, metrics: Json) -> (u16, Json) {
    (200, json!({"name": name, "type": "GAUGE", "help": help, "metrics": metrics}))
}

#[test]
fn the_monitor_tab_of_jaegers_page_gets_its_whole_answers() {
    let base = two_minutes_ago();
    let backend = backend(base);
    let end = base + 65 * SECOND;
    let points = |values: [Json; 2]| {
        let [first, last] = values;
        json!([
            {"gaugeValue": {"doubleValue": first}, "timestamp": moment(base, 5)},
            {"gaugeValue": {"doubleValue": last}, "timestamp": moment(base, 65)},
        ])
    };
    let of_store = |values| {
        json!([{
            "labels": [{"name": "service_name", "value": "store"}],
            "metricPoints": points(values),
        }])
    };

    // A percentile is the middle of its bin: these are 10 ms, 100 ms and 1 s, to within 1.6 %.
    let (ten, thousand) = (10.092_544, 998.244_352);
    for (quantile, help, values) in [
        (0.5, "0.50th", [json!(ten), json!(ten)]),
        (0.75, "0.75th", [json!(ten), json!(99.614_72)]),
        (0.95, "0.95th", [json!(ten), json!(thousand)]),
    ] {
        assert_eq!(
            backend.get(&asked("latencies", end, "", quantile)),
            family(
                "service_latencies",
                &format!("{help} quantile latency, grouped by service"),
                of_store(values)
            )
        );
    }
    assert_eq!(
        backend.get(&asked("calls", end, "", 0.95)),
        family(
            "service_call_rate",
            "calls/sec, grouped by service",
            of_store([json!(0.3), json!(5.0 / 70.0)])
        )
    );
    assert_eq!(
        backend.get(&asked("errors", end, "", 0.95)),
        family(
            "service_error_rate",
            "error rate, computed as a fraction of errors/sec over calls/sec, grouped by service",
            of_store([json!(0), json!(0.2)])
        )
    );

    let more = "&groupByOperation=true";
    let labels = |operation: &str| {
        json!([
            {"name": "service_name", "value": "store"},
            {"name": "operation", "value": operation},
        ])
    };
    let of_operations = |get, checkout: Json| {
        json!([
            {"labels": labels("GET /"), "metricPoints": points(get)},
            {
                "labels": labels("POST /checkout"),
                // There is no point before its first span.
                "metricPoints": [
                    {"gaugeValue": {"doubleValue": checkout}, "timestamp": moment(base, 65)},
                ],
            },
        ])
    };
    for (metric, name, help, get, checkout) in [
        (
            "latencies",
            "service_operation_latencies",
            "0.95th quantile latency, grouped by service & operation",
            [json!(ten), json!(thousand)],
            json!(99.614_72),
        ),
        (
            "calls",
            "service_operation_call_rate",
            "calls/sec, grouped by service & operation",
            [json!(0.3), json!(4.0 / 70.0)],
            json!(1.0 / 50.0),
        ),
        (
            "errors",
            "service_operation_error_rate",
            "error rate, computed as a fraction of errors/sec over calls/sec, grouped by service \
             & operation",
            [json!(0), json!(0.25)],
            json!(0),
        ),
    ] {
        assert_eq!(
            backend.get(&asked(metric, end, more, 0.95)),
            family(name, help, of_operations(get, checkout)),
            "{metric}"
        );
    }
}

#[test]
fn a_rate_is_over_what_it_says_and_where_there_are_no_calls_there_is_no_latency() {
    let base = two_minutes_ago();
    let backend = backend(base);
    let end = (base + 45 * SECOND) / 1_000;
    let values = |metric: &str, more: &str| {
        let path = format!(
            "/api/metrics/{metric}?service=store&endTs={end}&lookback=40000&step=20000\
             &ratePer=10000{more}"
        );
        let (status, answer) = backend.get(&path);
        assert_eq!(status, 200, "{answer}");
        let points = answer["metrics"][0]["metricPoints"].as_array().cloned().unwrap_or_default();
        json!(points.iter().map(|point| &point["gaugeValue"]["doubleValue"]).collect::<Vec<_>>())
    };

    assert_eq!(values("calls", ""), json!([0.3, 0.2, 0]));
    assert_eq!(values("errors", ""), json!([0, 0.5, "NaN"]));
    assert_eq!(values("latencies", "&quantile=0.5"), json!([10.092_544, 99.614_72, "NaN"]));
    assert_eq!(values("calls", "&spanKind=client"), json!([]), "the store has called nobody");
    assert_eq!(values("calls", "&spanKind=client&service=shopper"), json!([0.1, 0, 0]));
}

#[test]
fn a_service_that_is_not_known_has_no_metrics_and_the_smallest_step_is_a_millisecond() {
    let backend = Backend::viewer();

    assert_eq!(
        backend.get("/api/metrics/calls?service=nobody"),
        family("service_call_rate", "calls/sec, grouped by service", json!([]))
    );
    assert_eq!(
        backend.get("/api/metrics/minstep"),
        (200, json!({"data": 1, "total": 0, "limit": 0, "offset": 0, "errors": null}))
    );
}

#[test]
fn a_request_that_cannot_be_understood_is_answered_with_what_is_wrong_with_it() {
    let backend = Backend::viewer();

    for (path, status, message) in [
        ("calls", 400, "parameter 'service' is required"),
        ("errors?quantile=1", 400, "parameter 'service' is required"),
        ("latencies?service=x", 400, "parameter 'quantile' is required"),
        (
            "latencies?service=x&quantile=most",
            400,
            "parameter 'quantile' is \"most\": expected a number from 0 to 1",
        ),
        (
            "calls?service=x&groupByOperation=perhaps",
            400,
            "parameter 'groupByOperation' is \"perhaps\": expected true or false",
        ),
        (
            "calls?service=x&spanKind=odd",
            400,
            "parameter 'spanKind' is \"odd\": expected unspecified, internal, server, client, \
             producer or consumer",
        ),
        ("calls?service=x&endTs=now", 400, "parameter 'endTs' is \"now\": expected a whole number"),
        (
            "calls?service=x&lookback=1h",
            400,
            "parameter 'lookback' is \"1h\": expected a whole number",
        ),
        ("calls?service=x&step=5s", 400, "parameter 'step' is \"5s\": expected a whole number"),
        (
            "calls?service=x&ratePer=10m",
            400,
            "parameter 'ratePer' is \"10m\": expected a whole number",
        ),
        ("calls?service=x&step=0", 500, "'step' must be greater than 0"),
        ("calls?service=x&lookback=-1", 500, "'lookback' must not be negative"),
        ("calls?service=x&ratePer=0", 500, "'ratePer' must be greater than 0"),
        ("calls?service=x&step=1", 500, "more than 11000 points: 'step' must be greater"),
    ] {
        let errors = json!([{"code": status, "msg": message}]);
        let envelope = json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors});

        assert_eq!(backend.get(&format!("/api/metrics/{path}")), (status, envelope), "{path}");
    }
}

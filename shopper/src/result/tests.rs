use std::time::Duration;

use serde_json::{Value, json};

use super::{Point, RunResult, SCHEMA};
use crate::{
    report::{Assertions, compare, sample},
    statistics::Statistics,
};

/// The published description of the result.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../report.schema.json")).unwrap()
}

/// A result in which no part is empty.
fn full() -> RunResult {
    let mut result = sample::result();
    result.assertions = "p99<50ms".parse::<Assertions>().unwrap().judge(&result);
    result.comparison = Some(compare(&sample::result(), &result));
    result
}

fn problems(result: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let problem =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(result).map(problem).collect()
}

#[test]
fn the_schema_is_a_schema_and_names_the_version() {
    jsonschema::meta::validate(&schema()).unwrap();
    assert_eq!(schema()["properties"]["schema"]["const"], SCHEMA);
}

#[test]
fn every_result_is_as_the_schema_says() {
    let empty = Statistics::new(sample::settings()).result();
    for result in [full(), empty] {
        let result = serde_json::to_value(result).unwrap();
        assert_eq!(problems(&result), Vec::<String>::new());
    }
}

/// A field that is added to the result must be added to the schema.
#[test]
fn the_schema_describes_every_field() {
    let mut schema = schema();
    close(&mut schema);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let result = serde_json::to_value(full()).unwrap();
    let unknown: Vec<_> = validator.iter_errors(&result).map(|error| error.to_string()).collect();
    assert_eq!(unknown, Vec::<String>::new());
}

/// Makes every object of the schema refuse fields that it does not describe.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn a_result_that_lacks_or_distorts_something_is_against_the_schema() {
    let good = serde_json::to_value(full()).unwrap();
    let changes: [(&str, Value); 7] = [
        ("/schema", json!("grocery-shopper-report/1")),
        ("/run/seed", json!(42)),
        ("/latency/corrected/p99_us", json!(-1)),
        ("/trips/failed", json!("none")),
        ("/slowest/0/trace/id", json!("feed")),
        ("/faults/stall=Aisle:1s/struck", json!(null)),
        ("/comparison/differences/0/direction", json!("sideways")),
    ];
    for (place, value) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(place).unwrap() = value;
        assert_eq!(problems(&changed).len(), 1, "{place}");
    }
    for field in good.as_object().unwrap().keys().filter(|field| *field != "comparison") {
        let mut lacking = good.clone();
        lacking.as_object_mut().unwrap().remove(field);
        assert_eq!(problems(&lacking).len(), 1, "{field}");
    }
}

#[test]
fn counts_add_up_and_the_histogram_holds_every_trip() {
    let result = sample::result();
    let trips = &result.trips;
    assert_eq!(trips.scheduled, trips.started + trips.missed);
    assert_eq!(trips.started, trips.completed + trips.gave_up + trips.failed + trips.in_flight);
    let in_buckets: u64 = result.distribution.histogram.iter().map(|bucket| bucket.count).sum();
    assert_eq!(in_buckets, result.latency.corrected.count);
    let gapless =
        result.distribution.histogram.windows(2).all(|pair| pair[0].to_us == pair[1].from_us);
    assert!(gapless, "{:?}", result.distribution.histogram);
    let curve = &result.distribution.corrected;
    assert!(curve.is_sorted_by(|a, b| a.percentile <= b.percentile && a.us <= b.us));
    assert_eq!(curve.last().map(|at| at.us), result.latency.corrected.max_us);
    assert_eq!(result.latency.corrected.max_us, Some(result.slowest[0].latency_us));
}

#[test]
fn a_stall_is_in_the_corrected_latency_and_not_in_the_service_time() {
    let result = sample::result();
    assert!(result.latency.corrected.p99_us > Some(800_000), "{:?}", result.latency);
    assert!(result.latency.service.max_us < Some(20_000), "{:?}", result.latency);
}

#[test]
fn what_was_never_visited_has_no_percentiles() {
    let result = serde_json::to_value(sample::result()).unwrap();
    let look = &result["steps"][2];
    assert_eq!((&look["name"], &look["requests"]), (&json!("GET /products/{id}"), &json!(0)));
    for figure in ["min_us", "mean_us", "p50_us", "p99_9_us", "max_us"] {
        assert_eq!(look["latency"]["corrected"][figure], Value::Null, "{figure}");
    }
}

/// The numbers of JavaScript, jq and others have fewer than 64 bits.
#[test]
fn the_largest_seed_reads_back_as_it_was() {
    let mut result = sample::result();
    result.run.seed = u64::MAX;
    let written = serde_json::to_value(&result).unwrap();
    assert_eq!(written["run"]["seed"], "18446744073709551615");
    assert_eq!(serde_json::from_value::<RunResult>(written).unwrap(), result);
}

#[test]
fn a_trace_that_nobody_received_has_no_link() {
    let exporter = |name, exported, failed| telemetry::ExporterTotals {
        name,
        exported,
        failed,
        ..telemetry::ExporterTotals::default()
    };
    let has_link = |exporters| {
        let mut result = sample::result();
        result.account(&telemetry::Snapshot {
            started: 9,
            ended: 9,
            exporters,
            ..telemetry::Snapshot::default()
        });
        let trace = result.slowest[0].trace.as_ref().unwrap();
        assert_eq!(trace.id.len(), 32);
        trace.url.is_some()
    };
    assert!(!has_link(vec![]), "OTEL_TRACES_EXPORTER=none");
    assert!(!has_link(vec![exporter("console", 9, 0)]));
    assert!(!has_link(vec![exporter("otlp", 0, 9), exporter("console", 9, 0)]));
    assert!(has_link(vec![exporter("otlp", 1, 8)]));
    assert!(has_link(vec![exporter("otlp", 0, 0)]), "they are on their way");
}

#[test]
fn joined_points_keep_the_worst_and_the_middle() {
    let second = |completed, us| Point {
        completed,
        length: Duration::from_secs(1),
        p50_us: us,
        p99_us: us.map(|us| us * 2),
        ..Point::default()
    };
    let parts = [second(30, Some(10_000)), second(10, Some(50_000)), second(0, None)];
    let joined = Point::joined(&parts).unwrap();
    let length = Duration::from_secs(3);
    assert_eq!(joined, Point { length, p99_us: Some(100_000), ..second(40, Some(20_000)) });
}

#[test]
fn joined_points_ask_for_what_their_parts_asked_for() {
    let second =
        |target_per_s| Point { length: Duration::from_secs(1), target_per_s, ..Point::default() };
    let target = |parts: &[Option<f64>]| {
        let parts: Vec<_> = parts.iter().map(|target| second(*target)).collect();
        Point::joined(&parts).unwrap().target_per_s
    };
    assert_eq!(target(&[Some(10.0), Some(30.0)]), Some(20.0));
    assert_eq!(target(&[Some(10.0), None]), Some(5.0), "the schedule ended in its middle");
    assert_eq!(target(&[None, None]), None);
}

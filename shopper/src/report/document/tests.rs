use super::{Document, SCHEMA};
use crate::report::{Assertions, compare, sample};
use serde_json::{Value, json};

/// The published description of the document.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../../report.schema.json")).unwrap()
}

/// A document with everything in it that one can have.
fn full() -> Document {
    let mut document = sample::document();
    document.assertions = "p99<50ms".parse::<Assertions>().unwrap().judge(&document);
    document.comparison = Some(compare(&sample::document(), &document));
    document
}

fn problems(document: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let problem =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(document).map(problem).collect()
}

#[test]
fn the_schema_is_a_schema_and_names_the_version() {
    jsonschema::meta::validate(&schema()).unwrap();
    assert_eq!(schema()["properties"]["schema"]["const"], SCHEMA);
}

#[test]
fn every_document_is_as_the_schema_says() {
    let nothing = crate::statistics::Statistics::new(1).snapshot();
    let empty = Document::new(&sample::run(), &nothing);
    for document in [full(), empty] {
        let document = serde_json::to_value(document).unwrap();
        assert_eq!(problems(&document), Vec::<String>::new());
    }
}

/// So that a field cannot be added to the document and forgotten in the schema.
#[test]
fn the_schema_describes_every_field() {
    let mut schema = schema();
    close(&mut schema);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let document = serde_json::to_value(full()).unwrap();
    let unknown: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(unknown, Vec::<String>::new());
}

/// Forbids every object of the schema what it does not describe.
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
fn a_document_that_lacks_or_distorts_something_is_against_the_schema() {
    let good = serde_json::to_value(full()).unwrap();
    let changes: [(&str, Value); 5] = [
        ("/schema", json!("grocery-shopper-report/2")),
        ("/latency/corrected/p99_us", json!(-1)),
        ("/trips/failed", json!("none")),
        ("/slowest/0/trace/id", json!("feed")),
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
    let document = sample::document();
    let trips = &document.trips;
    assert_eq!(trips.scheduled, trips.started + trips.missed);
    assert_eq!(trips.started, trips.completed + trips.gave_up + trips.failed + trips.in_flight);
    let in_buckets: u64 = document.distribution.histogram.iter().map(|bucket| bucket.count).sum();
    assert_eq!(in_buckets, document.latency.corrected.count);
    let gapless =
        document.distribution.histogram.windows(2).all(|pair| pair[0].to_us == pair[1].from_us);
    assert!(gapless, "{:?}", document.distribution.histogram);
    let curve = &document.distribution.corrected;
    assert!(curve.is_sorted_by(|a, b| a.percentile <= b.percentile && a.us <= b.us));
    assert_eq!(curve.last().map(|at| at.us), Some(document.latency.corrected.max_us));
}

#[test]
fn a_stall_is_in_the_corrected_latency_and_not_in_the_service_time() {
    let document = sample::document();
    assert!(document.latency.corrected.p99_us > 800_000, "{:?}", document.latency);
    assert!(document.latency.service.max_us < 20_000, "{:?}", document.latency);
}

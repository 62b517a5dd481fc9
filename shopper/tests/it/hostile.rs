//! Hostile input, at random but the same in every run. The fuzz targets in `shopper/fuzz` do the
//! same for hours on nightly; here it takes seconds on stable.

use std::{fs, path::PathBuf};

use proptest::{
    prelude::*,
    test_runner::{Config as Cases, RngSeed, TestRunner},
};
use serde_json::{Number, Value};
use shopper::{
    result::Settings,
    statistics::{Schedule, Statistics},
};

use crate::{
    stub::Stub,
    support::{run, trips},
};

#[path = "../../fuzz/src/checks.rs"]
mod checks;

/// How many inputs are tried. PROPTEST_CASES sets another number.
fn cases(cases: u32) -> Cases {
    let cases = Cases::default().cases.max(cases);
    Cases { cases, rng_seed: RngSeed::Fixed(10), failure_persistence: None, ..Cases::default() }
}

/// The inputs that are kept in the corpus of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.collect()
}

/// A number that someone may have put into a report.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        prop::sample::select(vec![0_u64, 1, u64::MAX, u64::MAX - 1]).prop_map(Value::from),
        prop::sample::select(vec![0.0, 1e-300, 1e12, 1e300]).prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof!["\\PC{0,20}", "[\\x00-\\x7f]{0,20}", Just("<script>alert(1)</script>".to_owned())]
        .prop_map(Value::from)
}

/// Every place of a value that holds a number or a text.
fn places(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, format!("{at}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places(value, format!("{at}/{index}"), into);
            }
        }
        _ => into.push(at),
    }
}

#[actix_web::test]
async fn no_report_is_too_strange_to_be_refused_or_shown() {
    let stub = Stub::proper();
    let real = run(&trips(3, &stub.url)).await;
    let mut real = serde_json::to_value(real).unwrap();
    // Enough seconds for a band of noise.
    let point = real["timeline"][0].clone();
    real["timeline"] = std::iter::repeat_n(point, 8).collect();
    let nothing = Statistics::new(Settings::default());
    nothing.tick(std::time::Duration::from_secs(1), Schedule::default());
    let reports = [real, serde_json::to_value(nothing.result()).unwrap()];
    for bytes in corpus("report") {
        checks::report(&bytes);
    }
    let changes = prop::collection::vec(
        (any::<prop::sample::Index>(), prop_oneof![3 => number(), 1 => text()]),
        1..20,
    );
    let input = (prop::sample::select(reports.to_vec()), changes);
    TestRunner::new(cases(300))
        .run(&input, |(mut report, changes)| {
            let mut all = Vec::new();
            places(&report, String::new(), &mut all);
            for (place, value) in changes {
                let place: &String = place.get(&all);
                *report.pointer_mut(place).unwrap() = value;
            }
            checks::report(report.to_string().as_bytes());
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_plan_is_too_strange_to_be_refused_or_followed() {
    let corpus: Vec<String> =
        corpus("plan").into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    corpus.iter().for_each(|text| checks::plan(text));
    let piece = prop_oneof![
        prop::sample::select(corpus.clone()),
        "[0-9.,;:@=%<>+-]{0,8}",
        "(us|ms|s|m|h|/s|e|E|inf|nan|µs)",
        "\\PC{0,6}",
    ];
    let cut = any::<prop::sample::Index>();
    let input = prop::collection::vec((piece, cut), 0..6);
    TestRunner::new(cases(3000))
        .run(&input, |pieces| {
            let mut text = String::new();
            for (piece, cut) in &pieces {
                let chars = piece.chars().count();
                text.extend(piece.chars().take(cut.index(chars + 1)));
            }
            checks::plan(&text);
            Ok(())
        })
        .unwrap();
}

//! What the dashboards and the alerts in `docker/` ask Prometheus for is what the registry of names says
//! that the services measure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use testing::registry::{Registry, model::GroupType};

const DOCKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker");

/// Labels that Prometheus gives to every series, and those of a histogram's buckets.
const OF_PROMETHEUS: [&str; 3] = ["job", "instance", "le"];

/// Words of PromQL that are neither functions nor names.
const WORDS: [&str; 9] =
    ["by", "without", "on", "ignoring", "or", "and", "unless", "group_left", "offset"];

/// A query with the place where it stands.
struct Query {
    place: String,
    text: String,
    /// Texts that show labels of the result.
    shown: Vec<String>,
}

/// The names that each metric of the registry has in Prometheus, with its labels:
/// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>
fn series() -> BTreeMap<String, BTreeSet<String>> {
    let mut series = BTreeMap::new();
    // The exporter's own series, with what the resource says.
    series.insert("target_info".to_owned(), BTreeSet::new());
    for metric in Registry::load().groups {
        let group = &metric.group;
        if group.kind != GroupType::Metric {
            continue;
        }
        let unit = match group.unit.as_deref() {
            Some("s") => "_seconds",
            Some("ms") => "_milliseconds",
            Some("By") => "_bytes",
            _ => "",
        };
        let name = group.signal_name().replace('.', "_") + unit;
        let labels: BTreeSet<_> =
            metric.attributes.keys().map(|name| name.replace('.', "_")).collect();
        let suffixes: &[&str] = match group.instrument.as_deref() {
            Some("counter") => &["_total"],
            Some("histogram") => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        for suffix in suffixes {
            series.insert(format!("{name}{suffix}"), labels.clone());
        }
    }
    series
}

fn queries_of_dashboards() -> Vec<Query> {
    let folder = Path::new(DOCKER).join("grafana/dashboards");
    let mut queries = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries.push(Query {
                    place: format!("{}, {}", file.display(), panel["title"]),
                    text: target["expr"].as_str().unwrap().to_owned(),
                    shown: vec![target["legendFormat"].as_str().unwrap().to_owned()],
                });
            }
        }
    }
    queries
}

fn queries_of_alerts() -> Vec<Query> {
    let file = Path::new(DOCKER).join("prometheus/rules.yaml");
    let rules: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let rules = rules["groups"].as_array().unwrap().iter();
    let rules = rules.flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Query {
            place: rule["alert"].as_str().unwrap().to_owned(),
            text: rule["expr"].as_str().unwrap().to_owned(),
            shown: rule["annotations"]
                .as_object()
                .unwrap()
                .values()
                .map(Value::to_string)
                .collect(),
        })
        .collect()
}

/// Takes out of `text` each part that is between `open` and `close`, and returns those parts.
fn cut(text: &mut String, open: &str, close: char) -> Vec<String> {
    let mut parts = Vec::new();
    while let Some(start) = text.find(open) {
        let from = start + open.len();
        let end = from + text[from..].find(close).unwrap();
        parts.push(text[from..end].to_owned());
        text.replace_range(start..=end, " ");
    }
    parts
}

fn identifiers(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.split_inclusive(move |character| !is_part(character)).scan(0, move |at, piece| {
        *at += piece.len();
        let name = piece.trim_end_matches(|character| !is_part(character));
        Some((name, &text[*at - (piece.len() - name.len())..]))
    })
}

/// The metrics and the labels that a query names.
fn names(query: &Query) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut text = query.text.clone();
    cut(&mut text, "[", ']');
    let mut labels = BTreeSet::new();
    for mut matchers in cut(&mut text, "{", '}') {
        cut(&mut matchers, "\"", '"');
        let names = identifiers(&matchers).map(|(name, _)| name).filter(|name| !name.is_empty());
        labels.extend(names.map(str::to_owned));
    }
    for list in cut(&mut text, "by (", ')') {
        labels.extend(list.split(',').map(|label| label.trim().to_owned()));
    }
    for shown in &query.shown {
        let inside = shown.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
        for place in inside.map(str::trim) {
            let label = place.strip_prefix("$labels.").unwrap_or(place);
            if !label.starts_with("$value") {
                labels.insert(label.to_owned());
            }
        }
    }
    let metrics = identifiers(&text)
        .filter(|(name, rest)| {
            name.starts_with(|first: char| first.is_alphabetic())
                && !rest.trim_start().starts_with('(')
                && !WORDS.contains(name)
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    (metrics, labels)
}

fn check(queries: &[Query]) {
    let series = series();
    for query in queries {
        let (metrics, labels) = names(query);
        assert!(!metrics.is_empty(), "{}: {}", query.place, query.text);
        let mut known: BTreeSet<&str> = OF_PROMETHEUS.into();
        for metric in &metrics {
            let labels = series.get(metric);
            let labels = labels.unwrap_or_else(|| panic!("{}: no metric {metric}", query.place));
            known.extend(labels.iter().map(String::as_str));
        }
        for label in &labels {
            assert!(known.contains(label.as_str()), "{}: no label {label}", query.place);
        }
    }
}

#[test]
fn the_names_of_a_query_are_its_metrics_and_its_labels() {
    let query = Query {
        place: String::new(),
        text: r#"histogram_quantile(0.9, sum by (a, le) (rate(x_bucket{b=~"c|z",d!=""}[5m]))) / 2 or y > 1e3"#
            .to_owned(),
        shown: vec!["{{e}} of {{ $labels.f }}: {{ $value | humanize }}".to_owned()],
    };
    let (metrics, labels) = names(&query);
    assert_eq!(metrics.into_iter().collect::<Vec<_>>(), ["x_bucket", "y"]);
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["a", "b", "d", "e", "f", "le"]);
}

#[test]
fn every_name_in_a_dashboard_is_measured() {
    let queries = queries_of_dashboards();
    assert!(queries.len() > 30, "{}", queries.len());
    check(&queries);
}

#[test]
fn every_name_in_an_alert_is_measured() {
    let queries = queries_of_alerts();
    assert!(queries.len() >= 10, "{}", queries.len());
    check(&queries);
}

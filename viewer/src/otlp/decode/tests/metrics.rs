//! Metrics: what is taken of them in either form, and what is not.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as OtlpBuckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar as OtlpExemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram as OtlpHistogram, HistogramDataPoint, Metric as OtlpMetric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, Summary as OtlpSummary, SummaryDataPoint, exemplar,
    number_data_point,
};

use super::*;
use crate::store::metrics::{
    Buckets, Exponential, Histogram, InstrumentKind, Point, PointValue, Summary,
};

fn decode(body: &Json) -> Result<Decoded, Failure> {
    let body = body.to_string();
    decode_compressed(Signal::Metrics, Encoding::Json, Compression::None, body.as_bytes())
}

/// A request with these metrics.
fn with_metrics(metrics: Json) -> Json {
    json!({"resourceMetrics": [{"scopeMetrics": [{ "metrics": metrics }]}]})
}

/// The one metric of a request that is taken whole.
fn metric(fields: Json) -> Metric {
    let decoded = decode(&with_metrics(json!([fields]))).expect("OTLP");
    assert_eq!(decoded.taken.rejected, 0, "{:?}", decoded.taken.reason);
    decoded.metrics.into_iter().next().expect("a metric")
}

fn value(metric: &Metric) -> &PointValue {
    metric.points[0].value.as_ref().expect("a value")
}

#[test]
fn every_kind_is_read_with_all_of_its_fields() {
    let gauge = metric(json!({
        "name": "queue", "unit": "{item}", "description": "How many wait.",
        "gauge": {"dataPoints": [{
            "timeUnixNano": "7", "startTimeUnixNano": "6", "asInt": "-3",
            "attributes": [{"key": "b", "value": {"boolValue": true}}, {"key": "a"}],
        }]},
    }));
    let Point { start, time, attributes, .. } = &gauge.points[0];
    assert_eq!(
        (&*gauge.name, &*gauge.unit, &*gauge.description),
        ("queue", "{item}", "How many wait.")
    );
    assert_eq!((gauge.kind, value(&gauge)), (InstrumentKind::Gauge, &PointValue::Number(-3.0)));
    let keys: Vec<_> = attributes.iter().map(|attribute| &*attribute.key).collect();
    assert_eq!((*start, *time, keys), (6, 7, vec!["a", "b"]));

    for (sum, kind, is_cumulative) in [
        (json!({"aggregationTemporality": 2, "isMonotonic": true}), InstrumentKind::Counter, true),
        (
            json!({"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}),
            InstrumentKind::UpDownCounter,
            false,
        ),
    ] {
        let mut sum = sum;
        sum["dataPoints"] = json!([{"asDouble": 1.5}, {"asDouble": "NaN", "flags": 1}]);
        let metric = metric(json!({ "sum": sum }));
        assert_eq!((metric.kind, metric.is_cumulative), (kind, is_cumulative));
        assert_eq!(value(&metric), &PointValue::Number(1.5));
        assert_eq!(metric.points[1].value, None, "the sender has no value");
    }

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let histogram = metric(json!({"histogram": {"dataPoints": [{
        "count": "6", "sum": 2.5, "bucketCounts": ["1", 2, "3"], "explicitBounds": [0.5, "1"],
        "exemplars": [
            {"timeUnixNano": "9", "asDouble": 0.75, "traceId": trace, "spanId": "b7ad6b7169203331"},
            {"asInt": "1"},
        ],
    }]}}));
    let (bounds, counts) = (vec![0.5, 1.0], vec![1, 2, 3]);
    let expected = Histogram { count: 6, sum: 2.5, bounds, counts };
    assert_eq!(value(&histogram), &PointValue::Histogram(expected));
    let exemplars = &histogram.points[0].exemplars;
    assert_eq!((exemplars.len(), exemplars[0].value, exemplars[0].time), (1, 0.75, 9));
    assert_eq!(exemplars[0].trace.to_string(), trace);

    let exponential = metric(json!({"exponentialHistogram": {"dataPoints": [{
        "count": 4, "sum": 1, "scale": -1, "zeroCount": "1",
        "positive": {"offset": -2, "bucketCounts": ["1", "2"]},
        "negative": {"bucketCounts": []},
    }]}}));
    let expected = Exponential {
        count: 4,
        sum: 1.0,
        scale: -1,
        zeroes: 1,
        positive: Buckets { offset: -2, counts: vec![1, 2] },
        negative: Buckets::default(),
    };
    assert_eq!(value(&exponential), &PointValue::Exponential(expected));

    let summary = metric(json!({"summary": {"dataPoints": [{
        "count": 4, "sum": 1, "quantileValues": [{"quantile": 0.5, "value": 2}],
    }]}}));
    let expected = Summary { count: 4, sum: 1.0, quantiles: vec![(0.5, 2.0)] };
    assert_eq!(value(&summary), &PointValue::Summary(expected));
}

/// A request with every kind of metric.
fn whole() -> ExportMetricsServiceRequest {
    let exemplar = OtlpExemplar {
        time_unix_nano: 3,
        span_id: vec![1; 8],
        trace_id: vec![2; 16],
        value: Some(exemplar::Value::AsInt(-4)),
        ..OtlpExemplar::default()
    };
    let number = NumberDataPoint {
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        exemplars: vec![exemplar.clone()],
        value: Some(number_data_point::Value::AsInt(-7)),
        ..NumberDataPoint::default()
    };
    let histogram = HistogramDataPoint {
        time_unix_nano: 2,
        count: 3,
        sum: Some(0.5),
        bucket_counts: vec![1, 2, 0],
        explicit_bounds: vec![-1.0, 1.0],
        exemplars: vec![exemplar],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: 2,
        count: 300,
        scale: -3,
        zero_count: 1,
        positive: Some(OtlpBuckets { offset: -9, bucket_counts: vec![1, 298] }),
        negative: Some(OtlpBuckets { offset: 1 << 20, bucket_counts: vec![1] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let quantile = ValueAtQuantile { quantile: 0.9, value: 4.0 };
    let summary = SummaryDataPoint {
        time_unix_nano: 2,
        count: 1,
        sum: 4.0,
        quantile_values: vec![quantile],
        ..SummaryDataPoint::default()
    };
    let sum =
        Sum { data_points: vec![number.clone()], aggregation_temporality: 2, is_monotonic: true };
    let data = [
        Data::Gauge(Gauge { data_points: vec![number] }),
        Data::Sum(sum),
        Data::Histogram(OtlpHistogram { data_points: vec![histogram], aggregation_temporality: 1 }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            aggregation_temporality: 2,
        }),
        Data::Summary(OtlpSummary { data_points: vec![summary] }),
    ];
    let metric = |data| OtlpMetric {
        name: "it".into(),
        unit: "s".into(),
        data: Some(data),
        ..OtlpMetric::default()
    };
    let metrics = data.map(metric).to_vec();
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    }
}

#[test]
fn a_request_for_metrics_means_the_same_in_both_forms() {
    let request = whole();
    let json = serde_json::to_vec(&request).expect("JSON");

    let protobuf = fuzzing::decode_metrics(Form::Protobuf, &request.encode_to_vec());

    let outcome = protobuf.as_ref().expect("a request");
    assert_eq!((outcome.items.len(), outcome.received, outcome.rejected), (5, 5, 0));
    assert_eq!(protobuf, fuzzing::decode_metrics(Form::Json, &json));
}

#[test]
fn a_list_that_is_not_packed_is_read_as_well() {
    // Field 6, bucket counts, as 64 bits each; field 7, bounds, packed.
    let mut point = Vec::new();
    for count in [1u64, 2] {
        point.push(6 << 3 | 1);
        point.extend(count.to_le_bytes());
    }
    point.extend([7 << 3 | 2, 8]);
    point.extend(0.5f64.to_le_bytes());
    let inside = |number: u8, message: Vec<u8>| {
        let length = u8::try_from(message.len()).expect("a short message");
        [vec![number << 3 | 2, length], message].concat()
    };
    let metric = inside(9, inside(1, point));
    let body = inside(1, inside(2, inside(2, metric)));

    let decoded = decode_compressed(Signal::Metrics, Encoding::Protobuf, Compression::None, &body)
        .expect("OTLP");

    let (bounds, counts) = (vec![0.5], vec![1, 2]);
    let expected = Histogram { bounds, counts, ..Histogram::default() };
    assert_eq!(value(&decoded.metrics[0]), &PointValue::Histogram(expected));
}

#[test]
fn a_point_that_cannot_be_read_is_rejected_and_its_neighbours_are_kept() {
    let good = json!({"asInt": 1});
    for (bad, why) in [
        (json!({"asInt": "many"}), "asInt: expected a whole number of 64 bits, found \"many\""),
        (json!({"attributes": [{"key": 7}]}), "attributes[0].key: expected a string, found 7"),
        (json!(5), "expected an object, found 5"),
    ] {
        let gauge = json!({"gauge": {"dataPoints": [good, bad, good]}});
        let decoded = decode(&with_metrics(json!([gauge, gauge]))).expect("OTLP");

        let points: Vec<_> = decoded.metrics.iter().map(|metric| metric.points.len()).collect();
        assert_eq!(points, [2, 2], "{bad}");
        assert_eq!((decoded.taken.received, decoded.taken.rejected), (6, 2), "{bad}");
        let place = "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[1]";
        let separator = if bad.is_object() { "." } else { ": " };
        assert_eq!(decoded.taken.reason, Some(format!("{place}{separator}{why}")));
    }
    // A metric that cannot be read takes its points with it.
    let bad = json!({"gauge": {"dataPoints": [good, good]}, "unit": 7});
    let decoded =
        decode(&with_metrics(json!([bad, {"gauge": {"dataPoints": [good]}}]))).expect("OTLP");
    assert_eq!((decoded.taken.received, decoded.taken.rejected), (3, 2));
}

#[test]
fn a_histogram_has_a_limited_number_of_buckets() {
    let with = |counts: usize| {
        let histogram = json!({"dataPoints": [{"bucketCounts": vec![1; counts]}]});
        decode(&with_metrics(json!([{ "histogram": histogram }]))).expect("OTLP")
    };

    assert_eq!(with(limits::BUCKETS).taken.rejected, 0);
    let taken = with(limits::BUCKETS + 1).taken;
    assert_eq!(taken.rejected, 1);
    assert!(taken.reason.is_some_and(|why| why.ends_with("expected 1024 numbers at most")));
}

#[test]
fn the_memory_of_points_and_of_packed_numbers_is_charged_before_it_is_taken() {
    let refused = |data| {
        let metrics = vec![OtlpMetric { data: Some(data), ..OtlpMetric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
        };
        let mut decoder = Decoder::new(LIMIT, 4 * LIMIT);
        let refused = decoder.decode(Request {
            signal: Signal::Metrics,
            encoding: Encoding::Protobuf,
            compression: Compression::None,
            body: request.encode_to_vec().into(),
            reservation: Budget::new(0).reservation(),
        });
        for names in decoder.all_names() {
            names.sweep();
            assert_eq!(names.bytes(), 0, "what was read has been let go");
        }
        matches!(refused, Err(Failure::TooExpensive { limit }) if limit == 4 * LIMIT)
    };
    // An empty point is 2 bytes in protobuf and some 300 in memory.
    let data_points = vec![NumberDataPoint::default(); LIMIT / 2 - 100];
    assert!(refused(Data::Gauge(Gauge { data_points })));
    // A count of a bucket is a byte in protobuf, and 8 in memory.
    let buckets = OtlpBuckets { offset: 0, bucket_counts: vec![1; limits::BUCKETS] };
    let point = ExponentialHistogramDataPoint {
        positive: Some(buckets),
        ..ExponentialHistogramDataPoint::default()
    };
    let data_points = vec![point; LIMIT / (limits::BUCKETS + 20)];
    let histogram = ExponentialHistogram { data_points, aggregation_temporality: 1 };
    assert!(refused(Data::ExponentialHistogram(histogram)));
}

#[test]
fn whatever_bytes_come_as_metrics_are_answered() {
    let request = whole();
    let forms = [request.encode_to_vec(), serde_json::to_vec(&request).expect("JSON")];
    let damages = vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    check((damages, any::<bool>()), 600, |(damages, is_json)| {
        let mut body = forms[usize::from(is_json)].clone();
        for (place, byte) in damages {
            let place = place.index(body.len());
            body[place] = byte;
        }
        drop(fuzzing::decode_metrics(Form::Protobuf, &body));
        drop(fuzzing::decode_metrics(Form::Json, &body));
    });
}

//! The stable API, which answers in OTLP's JSON.

use serde_json::{Value as Json, json};

use super::{Shop, names, shop, sorted};

/// A search of the stable API, in the time of the trace.
fn search(shop: &Shop, path: &str, query: &str) -> (u16, Json) {
    let times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z";
    shop.backend.get(&format!("/api/v3/{path}?{times}&{query}"))
}

#[test]
fn a_trace_is_answered_in_otlp() {
    let shop = shop();
    let ns = |us: u64| format!("{}000", shop.trace.start_us + us);

    let (status, answer) = shop.backend.get(&format!("/api/v3/traces/{}", shop.trace.hex()));

    assert_eq!(status, 200);
    let resource = |service: &str| {
        json!({"attributes": [
            {"key": "service.name", "value": {"stringValue": service}},
            {"key": "zone", "value": {"stringValue": "north"}},
        ]})
    };
    let id = shop.trace.hex();
    assert_eq!(
        answer,
        json!({"result": {"resourceSpans": [
            {
                "resource": resource(&shop.shopper),
                "scopeSpans": [{
                    "scope": {"name": "tests", "version": "1.0"},
                    "spans": [
                        {
                            "traceId": id, "spanId": "00000000000000a1", "name": "trip",
                            "kind": 1, "startTimeUnixNano": ns(0),
                            "endTimeUnixNano": ns(10_000), "status": {},
                        },
                        {
                            "traceId": id, "spanId": "00000000000000a2",
                            "parentSpanId": "00000000000000a1", "name": "GET", "kind": 3,
                            "startTimeUnixNano": ns(1_000), "endTimeUnixNano": ns(9_000),
                            "status": {},
                        },
                    ],
                }],
            },
            {
                "resource": resource(&shop.store),
                "scopeSpans": [{
                    "scope": {"name": "tests", "version": "1.0"},
                    "spans": [{
                        "traceId": id, "spanId": "00000000000000b1",
                        "parentSpanId": "00000000000000a2", "name": "GET /products", "kind": 2,
                        "startTimeUnixNano": ns(2_000), "endTimeUnixNano": ns(8_000),
                        "attributes": [
                            {"key": "aisle", "value": {"stringValue": "produce"}},
                            {"key": "http.route", "value": {"stringValue": "/products"}},
                        ],
                        "status": {"message": "no potatoes", "code": 2},
                    }],
                }],
            },
        ]}})
    );
}

#[test]
fn traces_are_found_by_both_spellings_of_the_parameters() {
    let shop = shop();
    let store = &shop.store;

    for query in [
        format!("query.serviceName={store}"),
        format!("query.service_name={store}&query.operation_name=GET%20%2Fproducts"),
        format!("query.serviceName={store}&query.attributes=%7B%22aisle%22%3A%22produce%22%7D"),
        format!("query.serviceName={store}&query.durationMin=6ms&query.durationMax=6ms"),
        format!("query.serviceName={store}&query.searchDepth=1"),
    ] {
        let (status, answer) = search(&shop, "traces", &query);

        assert_eq!((status, names(&answer).len()), (200, 3), "{query}");
    }
    let none = format!("query.serviceName={store}&query.durationMin=7ms");
    assert_eq!(search(&shop, "traces", &none).0, 404);
}

#[test]
fn services_and_operations_are_listed() {
    let shop = shop();

    let (_, services) = shop.backend.get("/api/v3/services");
    let (_, operations) = shop.backend.get(&format!("/api/v3/operations?service={}", shop.store));

    let services = sorted(&services["services"]);
    assert!(services.contains(&shop.shopper) && services.contains(&shop.store));
    assert_eq!(
        operations,
        json!({"operations": [{"name": "GET /products", "spanKind": "server"}]})
    );
    let (_, none) = shop.backend.get("/api/v3/operations?service=nobody");
    assert_eq!(none, json!({"operations": []}));
}

#[test]
fn a_trace_is_summed_up() {
    let shop = shop();
    let ns = |us: u64| format!("{}000", shop.trace.start_us + us);

    let query = format!("query.serviceName={}", shop.store);
    let (status, answer) = search(&shop, "trace-summaries", &query);

    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({"summaries": [{
            "traceId": shop.trace.hex(),
            "rootServiceName": shop.shopper, "rootOperationName": "trip",
            "minStartTimeUnixNano": ns(0), "maxEndTimeUnixNano": ns(10_000),
            "spanCount": 3, "errorSpanCount": 1,
            "services": [
                {"name": shop.shopper, "spanCount": 2},
                {"name": shop.store, "spanCount": 1, "errorSpanCount": 1},
            ],
        }]})
    );
    let (_, none) = search(&shop, "trace-summaries", "query.serviceName=nobody");
    assert_eq!(none, json!({"summaries": []}));
}

#[test]
fn parameters_in_snake_case_as_in_earlier_releases_mean_the_same() {
    let shop = shop();
    let times =
        "query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2100-01-01T00:00:00Z";
    let search = |query: &str| shop.backend.get(&format!("/api/v3/traces?{times}&{query}"));
    let service = format!("query.service_name={}", shop.store);

    let (_, found) = search(&format!("{service}&query.operation_name=GET+/products"));
    let (_, too_short) = search(&format!("{service}&query.duration_min=1h"));
    let (status, _) = search(&format!("{service}&query.num_traces=0"));

    assert_eq!(names(&found).len(), 3);
    assert_eq!(names(&too_short), [""; 0]);
    assert_eq!(status, 500);
}

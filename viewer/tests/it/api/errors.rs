//! Errors: their statuses and shapes are Jaeger's, their texts the viewer's own.

use serde_json::json;

use crate::support::Backend;

#[test]
fn a_bad_request_is_answered_with_what_is_wrong_with_it() {
    let backend = Backend::viewer();

    for (path, status, message) in [
        ("/api/operations", 400, "parameter 'service' is required"),
        ("/api/traces", 400, "parameter 'service' is required"),
        ("/api/traces/xyz", 400, "\"xyz\" is no trace id: expected 32 hexadecimal digits"),
        ("/api/traces/x.z", 400, "\"x.z\" is no trace id: expected 32 hexadecimal digits"),
        ("/api/traces/ffff0000ffff0000ffff0000ffff0000", 404, "trace not found"),
        (
            "/api/traces?service=x&start=noon",
            400,
            "parameter 'start' is \"noon\": expected a whole number",
        ),
        (
            "/api/traces?service=x&limit=many",
            400,
            "parameter 'limit' is \"many\": expected a whole number of at most 2147483647",
        ),
        (
            "/api/traces?service=x&limit=2147483648",
            400,
            "parameter 'limit' is \"2147483648\": expected a whole number of at most 2147483647",
        ),
        (
            "/api/traces?service=x&limit=0",
            500,
            "0 is no number of traces to find: expected 1 to 100000",
        ),
        (
            "/api/traces?service=x&minDuration=5",
            400,
            "parameter 'minDuration' is \"5\": expected a duration such as 1.5s, 100ms or 1h2m",
        ),
        (
            "/api/traces?service=x&minDuration=2s&maxDuration=1s",
            400,
            "'maxDuration' should be greater than 'minDuration'",
        ),
        (
            "/api/traces?service=x&tag=alone",
            400,
            "parameter 'tag' is \"alone\": expected key:value",
        ),
        (
            "/api/traces?service=x&tags=%22open%3D1",
            400,
            "parameter 'tags' is \"\\\"open=1\": expected a second quote after \"\\\"open=1\"",
        ),
        (
            "/api/traces?service=x&tags=%7B%22a%22%3A1%7D",
            400,
            "parameter 'tags' is \"{\\\"a\\\":1}\": expected a JSON object of strings: \
             invalid type: integer `1`, expected a string at line 1 column 6",
        ),
        ("/api/traces?traceID=xyz", 400, "\"xyz\" is no trace id: expected 32 hexadecimal digits"),
        (
            "/api/dependencies?endTs=noon",
            400,
            "parameter 'endTs' is \"noon\": expected a whole number",
        ),
    ] {
        let errors = json!([{"code": status, "msg": message}]);
        let envelope = json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors});

        assert_eq!(backend.get(path), (status, envelope), "{path}");
    }
}

#[test]
fn a_bad_request_to_the_stable_api_is_answered_in_its_own_shape() {
    let backend = Backend::viewer();
    let times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2020-01-02T00:00:00Z";

    for (path, status, message) in [
        ("/api/v3/traces/ffff0000ffff0000ffff0000ffff0000".into(), 404, "No traces found"),
        (
            "/api/v3/traces/xyz".into(),
            400,
            "\"xyz\" is no trace id: expected 32 hexadecimal digits",
        ),
        (
            "/api/v3/traces/x.z".into(),
            400,
            "\"x.z\" is no trace id: expected 32 hexadecimal digits",
        ),
        (
            "/api/v3/traces?query.serviceName=x&query.startTimeMin=noon".into(),
            400,
            "query.startTimeMin and query.startTimeMax are required",
        ),
        (format!("/api/v3/traces?query.serviceName=x&{times}"), 404, "No traces found"),
        (
            format!("/api/v3/traces?query.serviceName=x&{times}&query.searchDepth=deep"),
            400,
            "parameter 'query.searchDepth' is \"deep\": expected a whole number",
        ),
        (
            format!("/api/v3/traces?query.serviceName=x&{times}&query.durationMin=1x"),
            400,
            "parameter 'query.durationMin' is \"1x\": expected a duration such as 1.5s, 100ms or 1h2m",
        ),
    ] {
        let error = json!({"error": {"httpCode": status, "message": message}});

        assert_eq!(backend.get(&path), (status, error), "{path}");
    }
}

#[test]
fn an_unknown_route_is_not_found() {
    let backend = Backend::jaeger_or_viewer();

    let (status, text) = backend.get("/api/nothing");

    assert_eq!((status, text.as_str()), (404, Some("404 page not found\n")));
}

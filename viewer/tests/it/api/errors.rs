//! Errors: their statuses, texts and shapes.

use serde_json::json;

use crate::support::Backend;

#[test]
fn a_bad_request_is_answered_with_what_is_wrong_with_it() {
    let backend = Backend::jaeger_or_viewer();

    for (path, status, message) in [
        ("/api/operations", 400, "parameter 'service' is required"),
        ("/api/traces", 400, "parameter 'service' is required"),
        ("/api/traces/xyz", 400, "invalid length for TraceID"),
        ("/api/traces/x.z", 400, "strconv.ParseUint: parsing \"x.z\": invalid syntax"),
        ("/api/traces/ffff0000ffff0000ffff0000ffff0000", 404, "trace not found"),
        (
            "/api/traces?service=x&start=noon",
            400,
            "unable to parse param 'start': strconv.ParseInt: parsing \"noon\": invalid syntax",
        ),
        (
            "/api/traces?service=x&limit=many",
            400,
            "strconv.ParseInt: parsing \"many\": invalid syntax",
        ),
        (
            "/api/traces?service=x&limit=2147483648",
            400,
            "strconv.ParseInt: parsing \"2147483648\": value out of range",
        ),
        (
            "/api/traces?service=x&limit=0",
            500,
            "search depth must be greater than 0 and less than max traces",
        ),
        (
            "/api/traces?service=x&minDuration=5",
            400,
            "unable to parse param 'minDuration': time: missing unit in duration \"5\"",
        ),
        (
            "/api/traces?service=x&minDuration=2s&maxDuration=1s",
            400,
            "'maxDuration' should be greater than 'minDuration'",
        ),
        (
            "/api/traces?service=x&tag=alone",
            400,
            "malformed 'tag' parameter, expecting key:value, received: alone",
        ),
        (
            "/api/traces?traceID=xyz",
            400,
            "cannot parse traceID param: strconv.ParseUint: parsing \"xyz\": invalid syntax",
        ),
        (
            "/api/dependencies?endTs=noon",
            400,
            "unable to parse param 'endTs': strconv.ParseInt: parsing \"noon\": invalid syntax",
        ),
    ] {
        let errors = json!([{"code": status, "msg": message}]);
        let envelope = json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors});

        assert_eq!(backend.get(path), (status, envelope), "{path}");
    }
}

#[test]
fn a_bad_request_to_the_stable_api_is_answered_in_its_own_shape() {
    let backend = Backend::jaeger_or_viewer();
    let times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2020-01-02T00:00:00Z";

    for (path, status, message) in [
        ("/api/v3/traces/ffff0000ffff0000ffff0000ffff0000".into(), 404, "No traces found"),
        (
            "/api/v3/traces/xyz".into(),
            400,
            "malformed parameter trace_id: invalid length for TraceID",
        ),
        (
            "/api/v3/traces/x.z".into(),
            400,
            "malformed parameter trace_id: strconv.ParseUint: parsing \"x.z\": invalid syntax",
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
            "malformed parameter query.searchDepth: \
             strconv.Atoi: parsing \"deep\": invalid syntax",
        ),
        (
            format!("/api/v3/traces?query.serviceName=x&{times}&query.durationMin=1x"),
            400,
            "malformed parameter query.durationMin: time: unknown unit \"x\" in duration \"1x\"",
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

//! Whether the conditions hold on which attributes are required, as far as telemetry itself tells.
//!
//! The registry and the conventions write a condition as a sentence, so each is here once as a rule.
//! A sentence that is not here is a violation: nobody would check what it asks for.

use super::seen::{Attributes, Span, Value};

/// What is known of the telemetry whose attributes are checked.
pub(super) struct Facts<'a> {
    /// The name of the metric or the event, or the id of the span's group.
    pub(super) signal: &'a str,
    /// All attributes that it has.
    pub(super) attributes: &'a Attributes,
    /// Whether a span's status is an error; `None` of what has no status.
    pub(super) failed: Option<bool>,
    /// The CLIENT span that is a span's parent.
    pub(super) caller: Option<&'a Span>,
}

/// What a condition asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The attribute must be there.
    Required,
    /// It must not be there.
    Absent,
    /// It may be there: telemetry does not tell whether the condition holds.
    Open,
}

use Verdict::{Absent, Open, Required};

/// What this condition on the attribute `key` asks for; `None` if it is unknown.
pub(super) fn verdict(key: &str, condition: &str, facts: &Facts<'_>) -> Option<Verdict> {
    let has = |key: &str| facts.attributes.contains_key(key);
    let text = |key: &str| facts.attributes.get(key).map(Value::text).unwrap_or_default();
    let error = text("error.type");
    let status = text("http.response.status_code");
    Some(match (key, condition.trim()) {
        // The kind of an error is the status, unless there was none. A request that its sender gave up
        // has neither: of an answer a client's span has the version of the protocol.
        ("http.response.status_code", "If and only if one was received/sent.") => {
            let is_given_up = facts.signal.contains("http.client")
                && facts.failed == Some(false)
                && !has("network.protocol.version");
            if_and_only_if(!is_given_up && (error.is_empty() || is_status(&error)))
        }
        (
            "error.type",
            "If request has ended with an error."
            | "If the store has failed (status 5xx), or the caller has gone."
            | "If there is no answer, or its status is 4xx or 5xx.",
        ) => {
            let is_of_client = facts.signal.contains("http.client");
            let failing = if is_of_client { "400" } else { "500" };
            match &*status {
                "" => Open,
                status if status >= failing => Required,
                _ => Absent,
            }
        }
        (
            "error.type",
            "If and only if the operation failed."
            | "If the reply is a failure, or there is none."
            | "If it has failed.",
        ) => match facts.failed {
            Some(failed) => if_and_only_if(failed),
            None if has("db.response.status_code") => Required,
            None => Open,
        },
        ("error.type", "If the trip failed.") => {
            let outcome = text("shopper.outcome");
            if_and_only_if(
                !["bought", "browsed", "left", "out-of-stock", "gave-up"].contains(&&*outcome),
            )
        }
        // How long an export took does not tell whether it worked.
        ("error.type", "If operation has ended with an error") => Open,
        ("network.protocol.name", "If not `http` and `network.protocol.version` is set.") => {
            match &*text("network.protocol.version") {
                "" => Open,
                "0.9" | "1.0" | "1.1" | "2" | "3" => Absent,
                _ => Required,
            }
        }
        // Only where nothing is there, there is no route.
        ("http.route", "If and only if it's available") => {
            if status == "404" {
                Open
            } else {
                Required
            }
        }
        (
            "http.request.method_original",
            "If and only if it's different than `http.request.method`.",
        ) => if_and_only_if(text("http.request.method") == "_OTHER"),
        ("server.port", "If available and `server.address` is set.") => {
            let is_known = facts.caller.is_some_and(|caller| {
                let port = caller.attributes.get("server.port").map(Value::text);
                port.is_some_and(|port| port != "80" && port != "443")
            });
            match has("server.address") {
                false => Absent,
                true if is_known => Required,
                true => Open,
            }
        }
        // The services say the port always.
        (
            "server.port",
            "If using a port other than the default port for this DBMS and if `server.address` is set.",
        ) => if_and_only_if(has("server.address")),
        ("url.query", "If and only if one was received/sent.") => {
            match facts.caller.and_then(|caller| caller.attributes.get("url.full")) {
                Some(url) => if_and_only_if(url.text().contains('?')),
                None => Open,
            }
        }
        // The kind of an error is the database's code, if it gave one.
        ("db.response.status_code", "If the operation failed and status code is available.") => {
            if_and_only_if(error.bytes().any(|byte| byte.is_ascii_digit()))
        }
        // Every database has a name: SQLite's is its file.
        ("db.namespace", "If available.") => Required,
        // The services send SQL, of which the conventions have `db.query.summary` say this.
        (
            "db.operation.name",
            "If readily available and if there is a single operation name that describes the \
             database call.",
        )
        | (
            "db.collection.name",
            "If readily available and if a database call is performed on a single collection.",
        ) => Open,
        (
            "exception.type",
            "Required if `exception.message` is not set, recommended otherwise.",
        ) => {
            if has("exception.message") {
                Open
            } else {
                Required
            }
        }
        (
            "exception.message",
            "Required if `exception.type` is not set, recommended otherwise.",
        ) => {
            if has("exception.type") {
                Open
            } else {
                Required
            }
        }
        ("actix.message.type", "Unless it is the closure of a timer.") => {
            match &*text("actix.message.kind") {
                "delayed" | "interval" => Open,
                _ => Required,
            }
        }
        // Only the sender knows these.
        ("actix.mailbox.wait", "If the time of sending was taken.")
        | ("grocery.fault", "If the trip asks for faults.") => Open,
        _ => return None,
    })
}

fn if_and_only_if(holds: bool) -> Verdict {
    if holds { Required } else { Absent }
}

/// Whether this is an HTTP status.
fn is_status(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

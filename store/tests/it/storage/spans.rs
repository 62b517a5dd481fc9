//! The spans of the database: one for every statement, below the span that is current.

use actix_opentelemetry::testing::{SpanRecord, SpanTree, TestTrace};
use opentelemetry::{
    Context,
    trace::{FutureExt as _, SpanContext, TraceContextExt as _, TraceFlags},
};
use store::domain::Delivery;

use super::fixture::{TestDatabase, keyed, noon, order, product};

/// The tree in the order in which the statements were run, with these attributes.
fn tree(spans: &[SpanRecord], attributes: &[&str]) -> String {
    SpanTree::new(spans).in_start_order().attributes(attributes.iter().copied()).render()
}

#[tokio::test]
async fn a_batch_of_orders_is_one_transaction_on_sqlite() {
    let storage = TestDatabase::sqlite();
    let storage = storage.open([(1, 10), (2, 10)]).await;
    let trace = TestTrace::start("a batch");
    let batch = [keyed("k", [(1, 1), (2, 1)]), order([(1, 1)]), order([(1, 99)])];

    trace.run(storage.record(&batch)).await.unwrap();

    assert_eq!(
        tree(&trace.spans(10).await, &["db.operation.batch.size"]),
        "a batch INTERNAL
  acquire connection INTERNAL
  BEGIN CLIENT
  SELECT idempotency_keys CLIENT
  SELECT products CLIENT
  INSERT orders CLIENT
  INSERT order_lines CLIENT
  UPDATE products CLIENT
  INSERT idempotency_keys CLIENT
  COMMIT CLIENT
"
    );
}

#[tokio::test]
async fn a_batch_of_orders_is_one_transaction_on_postgres() {
    let Some(database) = TestDatabase::postgres() else { return };
    let storage = database.open([(1, 10), (2, 10)]).await;
    storage.record(&[keyed("k", [(1, 1)])]).await.unwrap();
    let trace = TestTrace::start("a batch");
    let batch = [keyed("k", [(1, 1)]), order([(2, 1)])];

    trace.run(storage.record(&batch)).await.unwrap();

    assert_eq!(
        tree(&trace.spans(11).await, &["db.operation.batch.size"]),
        "a batch INTERNAL
  acquire connection INTERNAL
  BEGIN CLIENT
  SELECT pg_advisory_xact_lock CLIENT
  SELECT idempotency_keys CLIENT
  SELECT products CLIENT
  INSERT orders CLIENT
  INSERT order_lines CLIENT
  UPDATE products CLIENT
  SELECT orders order_lines CLIENT
  COMMIT CLIENT
"
    );
}

#[tokio::test]
async fn a_statement_says_what_and_where_it_is() {
    let Some(database) = TestDatabase::postgres() else { return };
    let storage = database.open([(1, 10)]).await;
    let trace = TestTrace::start("a question");
    trace.run(storage.stock(&[product(1)])).await.unwrap();
    let spans = trace.spans(3).await;
    let statement = spans.iter().find(|span| span.name == "SELECT products").unwrap();

    let url = database.url.to_string().replace("%2F", "/");
    let (socket, name) = url.trim_start_matches("postgres://postgres@").rsplit_once('/').unwrap();
    let expected = [
        ("db.system.name", "postgresql"),
        ("db.namespace", &format!("{name}|public")),
        ("db.query.summary", "SELECT products"),
        (
            "db.query.text",
            "SELECT id, on_hand FROM products WHERE id IN (SELECT CAST(input.value->>'id' AS \
             BIGINT) FROM json_array_elements($1::json) AS input) ORDER BY id",
        ),
        ("server.address", socket),
        ("server.port", "5432"),
    ];
    for (key, value) in expected {
        assert_eq!(statement.attribute(key).map(|found| found.to_string()).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn reading_and_delivering_are_spans_too() {
    let database = TestDatabase::sqlite();
    let storage = database.open([(1, 10)]).await;
    let orders = [order([(1, 1)])];
    storage.record(&orders).await.unwrap();
    let trace = TestTrace::start("a day");
    let one = std::num::NonZeroU32::MIN;

    trace.run(storage.catalogue()).await.unwrap();
    trace.run(storage.order(orders[0].id)).await.unwrap();
    trace.run(storage.deliver(&[Delivery::new(product(1), one, noon())])).await.unwrap();
    trace.run(storage.check()).await.unwrap();

    assert_eq!(
        tree(&trace.spans(14).await, &["db.system.name"]),
        "a day INTERNAL
  acquire connection INTERNAL {db.system.name=sqlite}
  SELECT products CLIENT {db.system.name=sqlite}
  acquire connection INTERNAL {db.system.name=sqlite}
  SELECT orders order_lines CLIENT {db.system.name=sqlite}
  acquire connection INTERNAL {db.system.name=sqlite}
  BEGIN CLIENT {db.system.name=sqlite}
  SELECT products CLIENT {db.system.name=sqlite}
  INSERT deliveries CLIENT {db.system.name=sqlite}
  UPDATE products CLIENT {db.system.name=sqlite}
  SELECT products CLIENT {db.system.name=sqlite}
  COMMIT CLIENT {db.system.name=sqlite}
  acquire connection INTERNAL {db.system.name=sqlite}
  SELECT products orders order_lines deliveries idempotency_keys folded_products folded_orders write_checks CLIENT {db.system.name=sqlite}
"
    );
}

#[tokio::test]
async fn a_statement_that_fails_says_why() {
    let database = TestDatabase::sqlite();
    let storage = database.open([(1, 10)]).await;
    database.tamper(&["DROP TABLE order_lines"]).await;
    let trace = TestTrace::start("a failure");

    let error = trace.run(storage.record(&[order([(1, 1)])])).await.unwrap_err();

    assert_eq!(error.kind(), "refused");
    assert_eq!(
        tree(&trace.spans(7).await, &["db.response.status_code"]),
        "a failure INTERNAL
  acquire connection INTERNAL
  BEGIN CLIENT
  SELECT products CLIENT
  INSERT orders CLIENT
  INSERT order_lines CLIENT ERROR 1 \"no such table: order_lines\" {db.response.status_code=1}
  ROLLBACK CLIENT
"
    );
    let on_hand = storage.stock(&[product(1)]).await.unwrap();
    assert_eq!(on_hand[0].on_hand, 10, "nothing is half done");
}

/// All that the spans of statements say.
fn whole(spans: Vec<SpanRecord>) -> Vec<String> {
    let below = spans.into_iter().filter(|span| span.name != "a caller");
    let mut all: Vec<_> = below
        .map(|SpanRecord { name, kind, status, attributes, events, .. }| {
            format!("{name} {kind} {status:?} {attributes:?} {events:?}")
        })
        .collect();
    all.sort();
    all
}

/// The context of a request from another process, whose span is that of the trace.
fn called_from(trace: &TestTrace, flags: TraceFlags) -> Context {
    let span = trace.cx().span().span_context().clone();
    let state = span.trace_state().clone();
    let remote = SpanContext::new(span.trace_id(), span.span_id(), flags, true, state);
    Context::new().with_remote_span_context(remote)
}

#[tokio::test]
async fn a_statement_says_the_same_below_a_span_of_this_process_and_of_another() {
    let database = TestDatabase::sqlite();
    let storage = database.open([(1, 10)]).await;
    database.tamper(&["DROP TABLE order_lines"]).await;
    let (here, elsewhere) = (TestTrace::start("a caller"), TestTrace::start("a caller"));
    let orders = [order([(1, 1)])];

    here.run(storage.record(&orders)).await.unwrap_err();
    let remote = called_from(&elsewhere, TraceFlags::SAMPLED);
    storage.record(&orders).with_context(remote).await.unwrap_err();

    let (here, elsewhere) = (whole(here.spans(7).await), whole(elsewhere.spans(7).await));
    assert_eq!(here, elsewhere);
    let failed = here.iter().find(|span| span.starts_with("INSERT order_lines")).unwrap();
    for part in ["db.system.name", "db.namespace", "db.query.summary", "db.query.text"] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
}

#[tokio::test]
async fn where_nothing_is_recorded_statements_do_the_same_without_spans() {
    let database = TestDatabase::sqlite();
    let storage = database.open([(1, 10), (2, 10)]).await;
    let trace = TestTrace::start("a caller");
    let contexts =
        [telemetry::without_spans(trace.cx()), called_from(&trace, TraceFlags::NOT_SAMPLED)];

    for cx in &contexts {
        storage.record(&[order([(1, 1)])]).with_context(cx.clone()).await.unwrap();
    }
    database.tamper(&["DROP TABLE order_lines"]).await;
    for cx in contexts {
        let error = storage.record(&[order([(1, 1)])]).with_context(cx).await.unwrap_err();
        assert_eq!(error.kind(), "refused");
    }

    assert_eq!(trace.tree(1).await, "a caller INTERNAL\n");
    assert_eq!(storage.stock(&[product(1)]).await.unwrap()[0].on_hand, 8);
}

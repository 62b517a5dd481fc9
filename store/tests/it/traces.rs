//! The traces of requests, as whole trees, with the links to batches and deliveries.

use std::collections::HashMap;

use actix_opentelemetry::testing::{SpanRecord, SpanTree, TestTrace, recorder};
use actix_web::rt;
use futures_util::future::join_all;
use shared::wire::Receipt;

use crate::support::{Answer, LockedDatabase, PATIENCE, TestStore};

#[actix_web::test]
async fn a_welcome_is_a_span_made_by_hand() {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a trip");
    store.get("/").in_trace(&trace).send().await;
    let tree = trace.tree(3).await;
    assert_eq!(
        tree,
        "\
a trip INTERNAL
  GET / SERVER
    welcome message INTERNAL
"
    );
}

#[actix_web::test]
async fn the_inventory_asks_all_aisles() {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a trip");
    store.get("/whats-in-store").in_trace(&trace).send().await;
    let spans = trace.spans(10).await;
    assert_eq!(
        SpanTree::new(&spans).attributes(["grocery.aisle"]).render(),
        "\
a trip INTERNAL
  GET /whats-in-store SERVER
    ask Inventory WhatsInStore INTERNAL
      ask Aisle ListProducts INTERNAL {grocery.aisle=bakery}
      ask Aisle ListProducts INTERNAL {grocery.aisle=dairy}
      ask Aisle ListProducts INTERNAL {grocery.aisle=drinks}
      ask Aisle ListProducts INTERNAL {grocery.aisle=frozen}
      ask Aisle ListProducts INTERNAL {grocery.aisle=household}
      ask Aisle ListProducts INTERNAL {grocery.aisle=pantry}
      ask Aisle ListProducts INTERNAL {grocery.aisle=produce}
"
    );
}

#[actix_web::test]
async fn the_aisles_work_at_the_same_time() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let trace = TestTrace::start("a trip");
    store.get("/whats-in-store").fault("stall=Aisle:1s").in_trace(&trace).send().await;
    let spans = trace.spans(10).await;
    let aisles: Vec<_> = spans.iter().filter(|s| s.name == "ask Aisle ListProducts").collect();
    let last_start = aisles.iter().map(|span| span.start_unix_nano).max();
    let first_end = aisles.iter().map(|span| span.end_unix_nano).min();
    assert!(aisles.len() == 7 && last_start < first_end, "{aisles:?}");
}

#[actix_web::test]
async fn an_order_is_linked_from_the_batch_that_records_it() {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a trip");
    store.checkout(&[(1, 10), (2, 1), (12, 1)]).in_trace(&trace).send().await;
    let spans = trace.spans(14).await;
    assert_eq!(
        SpanTree::new(&spans).attributes(["grocery.aisle", "actix.batch.message_count"]).render(),
        "\
a trip INTERNAL
  POST /checkout SERVER
    ask Checkout PlaceOrder INTERNAL
      ask Aisle Reserve INTERNAL {grocery.aisle=dairy}
      ask Aisle Reserve INTERNAL {grocery.aisle=produce}
      ask Ledger Record INTERNAL -> process Ledger batch
process Ledger batch INTERNAL {actix.batch.message_count=1} -> ask Ledger Record
  BEGIN CLIENT
  COMMIT CLIENT
  INSERT order_lines CLIENT
  INSERT orders CLIENT
  SELECT products CLIENT
  UPDATE products CLIENT
  acquire connection INTERNAL
"
    );
}

#[actix_web::test]
async fn a_shortage_releases_what_was_reserved() {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a trip");
    store.checkout(&[(1, 501), (12, 1)]).in_trace(&trace).send().await;
    let spans = trace.spans(6).await;
    assert_eq!(
        SpanTree::new(&spans).attributes(["http.response.status_code", "grocery.aisle"]).render(),
        "\
a trip INTERNAL
  POST /checkout SERVER {http.response.status_code=409}
    ask Checkout PlaceOrder INTERNAL ERROR out_of_stock
      ask Aisle Reserve INTERNAL ERROR out_of_stock {grocery.aisle=produce}
      ask Aisle Reserve INTERNAL {grocery.aisle=dairy}
      tell Aisle Release INTERNAL {grocery.aisle=dairy}
"
    );
}

#[actix_web::test]
async fn a_checkout_that_is_repeated_says_so_and_links_to_the_sale() {
    let store = TestStore::open().await;
    let [first, again] = ["the first time", "and again"].map(TestTrace::start);
    let checkout = |trace| store.checkout(&[(1, 1)]).key("once").in_trace(trace).send();
    let receipt: Receipt = checkout(&first).await.json();
    let sale = first.spans(14).await;
    assert_eq!(checkout(&again).await.json::<Receipt>(), receipt);
    let repetition = again.spans(12).await;

    let placing = |spans: &[SpanRecord]| {
        spans.iter().find(|span| span.name == "ask Checkout PlaceOrder").cloned().unwrap()
    };
    let (sale, placed) = (placing(&sale), placing(&repetition));
    assert_eq!(placed.links, [(sale.trace_id, sale.span_id)]);
    let order = receipt.order_id.to_string();
    for attributes in [&sale.attributes, &placed.attributes] {
        assert_eq!(attributes["grocery.order.id"], order);
    }
    assert_eq!(sale.attributes.get("grocery.order.replayed"), None);
    assert_eq!(
        SpanTree::new(&repetition).attributes(["grocery.order.replayed"]).render(),
        "\
and again INTERNAL
  POST /checkout SERVER
    ask Checkout PlaceOrder INTERNAL {grocery.order.replayed=true} -> (elsewhere)
      ask Aisle Reserve INTERNAL
      ask Ledger Record INTERNAL -> process Ledger batch
      tell Aisle Release INTERNAL
process Ledger batch INTERNAL -> ask Ledger Record
  BEGIN CLIENT
  COMMIT CLIENT
  SELECT idempotency_keys CLIENT
  SELECT orders order_lines CLIENT
  acquire connection INTERNAL
"
    );
}

#[actix_web::test]
async fn a_request_whose_caller_has_gone_says_so_and_its_order_is_placed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let url = format!("sqlite:{}", file.display());
    let store = TestStore::open_with(|config| config.database = url.parse().unwrap()).await;
    let trace = TestTrace::start("a trip");
    let locked = LockedDatabase::lock(&file);
    let caller = store.checkout(&[(1, 1)]).in_trace(&trace).send_only().await;
    store.await_stock(None, 1, 499).await;

    drop(caller);

    // Its span ends before the order has been written.
    let is_over = || recorder().spans(trace.id()).iter().any(|span| span.kind == "SERVER");
    let over = async {
        while !is_over() {
            rt::task::yield_now().await;
        }
    };
    rt::time::timeout(PATIENCE, over).await.unwrap();
    locked.unlock();
    assert_eq!(
        trace.tree(13).await,
        "\
a trip INTERNAL
  POST /checkout SERVER ERROR abandoned \"not answered: the caller has gone, or the server stops\"
    ask Checkout PlaceOrder INTERNAL
      ask Aisle Reserve INTERNAL
      ask Ledger Record INTERNAL -> process Ledger batch
process Ledger batch INTERNAL -> ask Ledger Record
  BEGIN CLIENT
  COMMIT CLIENT
  INSERT order_lines CLIENT
  INSERT orders CLIENT
  SELECT products CLIENT
  UPDATE products CLIENT
  acquire connection INTERNAL
"
    );
    assert_eq!(store.in_stock(1).await, 499);
}

#[actix_web::test]
async fn orders_that_wait_together_are_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let url = format!("sqlite:{}", file.display());
    let store = TestStore::open_with(|config| config.database = url.parse().unwrap()).await;
    let trace = TestTrace::start("trips");
    // One order is being written while the database is locked. The others come in the meantime.
    let locked = LockedDatabase::lock(&file);
    let first = rt::spawn(store.checkout(&[(1, 1)]).send());
    store.await_stock(None, 1, 499).await;
    let order = || rt::spawn(store.checkout(&[(1, 1)]).in_trace(&trace).send());
    let orders = [order(), order(), order()];
    store.await_stock(None, 1, 496).await;
    locked.unlock();
    assert_eq!(first.await.unwrap().status, 201);
    let answers: Vec<_> = join_all(orders).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    let spans = trace.spans(21).await;
    assert_eq!(
        SpanTree::new(&spans).attributes(["actix.batch.message_count"]).render(),
        format!(
            "\
process Ledger batch INTERNAL {{actix.batch.message_count=3}} -> ask Ledger Record x3
  BEGIN CLIENT
  COMMIT CLIENT
  INSERT order_lines CLIENT
  INSERT orders CLIENT
  SELECT products CLIENT
  UPDATE products CLIENT
  acquire connection INTERNAL
trips INTERNAL
{}",
            "  POST /checkout SERVER
    ask Checkout PlaceOrder INTERNAL
      ask Aisle Reserve INTERNAL
      ask Ledger Record INTERNAL -> process Ledger batch
"
            .repeat(3)
        )
    );
}

#[actix_web::test]
async fn a_delivery_is_a_trace_of_its_own_with_a_link_to_the_sale_that_caused_it() {
    let store = TestStore::open_with(|config| config.actors.restock.below = 140).await;
    let trace = TestTrace::start("a trip");
    store.checkout(&[(19, 20)]).in_trace(&trace).send().await;
    store.await_stock(None, 19, 180).await;
    let spans = trace.spans(24).await;
    assert_eq!(
        SpanTree::new(&spans).render(),
        "\
a trip INTERNAL
  POST /checkout SERVER
    ask Checkout PlaceOrder INTERNAL
      ask Aisle Reserve INTERNAL
        tell Restocker LowStock INTERNAL
      ask Ledger Record INTERNAL -> process Ledger batch
delayed Restocker Arrive INTERNAL -> tell Restocker LowStock
  ask Ledger Deliver INTERNAL
    BEGIN CLIENT
    COMMIT CLIENT
    INSERT deliveries CLIENT
    SELECT products CLIENT
    SELECT products CLIENT
    UPDATE products CLIENT
    acquire connection INTERNAL
  tell Aisle Restocked INTERNAL
process Ledger batch INTERNAL -> ask Ledger Record
  BEGIN CLIENT
  COMMIT CLIENT
  INSERT order_lines CLIENT
  INSERT orders CLIENT
  SELECT products CLIENT
  UPDATE products CLIENT
  acquire connection INTERNAL
"
    );
}

#[actix_web::test]
async fn a_database_that_had_less_than_the_aisle_thought_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/store.db", folder.path().display());
    let open = || TestStore::open_with(|config| config.database = url.parse().unwrap());
    let (here, there) = (open().await, open().await);
    // The aisle answers after it has read its stock.
    assert_eq!(here.in_stock(19).await, 150);
    assert_eq!(there.checkout(&[(19, 150)]).send().await.status, 201);
    let trace = TestTrace::start("a trip");
    let answer = here.checkout(&[(19, 1)]).in_trace(&trace).send().await;
    assert_eq!(answer.problem(409).short[0].available, 0);
    // The aisle is told to read its stock again, so there is no reply: its span shows when it is
    // done.
    let spans = trace.spans(15).await;
    assert_eq!(here.in_stock(19).await, 0);
    assert_eq!(
        SpanTree::new(&spans).attributes(["http.response.status_code"]).render(),
        "\
a trip INTERNAL
  POST /checkout SERVER {http.response.status_code=409}
    ask Checkout PlaceOrder INTERNAL ERROR out_of_stock
      ask Aisle Reserve INTERNAL
      ask Ledger Record INTERNAL ERROR out_of_stock -> process Ledger batch
      tell Aisle Release INTERNAL
      tell Aisle Reread INTERNAL
        ask Ledger ReadStock INTERNAL
          SELECT products CLIENT
          acquire connection INTERNAL
process Ledger batch INTERNAL -> ask Ledger Record
  BEGIN CLIENT
  COMMIT CLIENT
  SELECT products CLIENT
  acquire connection INTERNAL
"
    );
}

/// 64 shoppers at once, each in a trace of its own.
#[actix_web::test]
async fn no_span_of_64_concurrent_trips_is_in_a_trace_of_another_nor_an_orphan() {
    let store = TestStore::open().await;
    let traces: Vec<_> = (0..64).map(|_| TestTrace::start("a trip")).collect();
    join_all((0..).zip(&traces).map(|(shopper, trace)| trip(&store, trace, shopper))).await;
    let expected = trip_tree();
    for trace in &traces {
        let own = own_spans(trace).await;
        let ids: HashMap<_, _> = own.iter().map(|span| (&span.span_id, span)).collect();
        for span in &own {
            let is_root = span.name == "a trip";
            assert_eq!(span.parent.as_ref().is_none_or(|p| !ids.contains_key(p)), is_root);
        }
        assert_eq!(SpanTree::new(&own).render(), expected);
    }
}

/// Welcome, a look around, and two products of the shopper's own choice from two aisles.
async fn trip(store: &TestStore, trace: &TestTrace, shopper: u32) -> Answer {
    store.get("/").in_trace(trace).send().await;
    store.get("/whats-in-store").in_trace(trace).send().await;
    store.checkout(&[(1 + shopper % 6, 1), (12 + shopper % 5, 1)]).in_trace(trace).send().await
}

fn trip_tree() -> String {
    let list = "      ask Aisle ListProducts INTERNAL\n".repeat(7);
    format!(
        "\
a trip INTERNAL
  GET / SERVER
    welcome message INTERNAL
  GET /whats-in-store SERVER
    ask Inventory WhatsInStore INTERNAL
{list}  POST /checkout SERVER
    ask Checkout PlaceOrder INTERNAL
      ask Aisle Reserve INTERNAL
      ask Aisle Reserve INTERNAL
      ask Ledger Record INTERNAL -> (elsewhere)
"
    )
}

/// The spans of the test's own trace, without the batches that link to it.
async fn own_spans(trace: &TestTrace) -> Vec<SpanRecord> {
    let id = trace.id().to_string();
    trace.spans(18).await.into_iter().filter(|span| span.trace_id == id).collect()
}

//! Runs the examples of web applications and asserts their traces.

// The middleware is for OpenTelemetry 0.33.
#![cfg(not(feature = "opentelemetry_0_32"))]

#[allow(dead_code, reason = "its main prints what is asserted here")]
#[path = "../examples/web.rs"]
mod web;

#[allow(dead_code, reason = "its main prints what is asserted here")]
#[path = "../examples/websocket.rs"]
mod websocket;

#[actix_web::test]
async fn a_request_goes_through_the_middleware_an_actor_and_another_service_in_one_trace() {
    let (reply, tree) = web::run().await;

    assert_eq!(reply, "two of them");
    assert_eq!(
        tree,
        "a customer INTERNAL
  GET 127.0.0.1 CLIENT
    GET /order SERVER
      ask Checkout PlaceOrder INTERNAL
        GET 127.0.0.1 CLIENT
          GET /supplier SERVER
"
    );
}

#[actix_web::test]
async fn messages_of_a_websocket_are_linked_to_the_request_that_opened_it() {
    let (answers, tree) = websocket::run().await;

    assert_eq!(answers, ["1: hello", "2: anyone?"]);
    assert_eq!(
        tree,
        "a client INTERNAL
  GET /chat SERVER
stream Connection Said INTERNAL -> GET /chat
  ask Room Post INTERNAL
stream Connection Said INTERNAL -> GET /chat
  ask Room Post INTERNAL
"
    );
}

//! Every exporter sends the same spans: each format is decoded and compared with OTLP of the same
//! run.

use std::net::UdpSocket;

use testing::{
    http::HttpReceiver,
    jaeger, otlp,
    span::{Span, sorted},
    zipkin,
};

use crate::support::shopping::{Accounts, Variables, shop};

#[test]
fn a_jaeger_collector_gets_what_an_otlp_receiver_gets() {
    let backend = HttpReceiver::answering(200);
    let endpoint = format!("{}/api/traces", backend.url());
    let (sent, _) = shop_with("jaeger", [("OTEL_EXPORTER_JAEGER_ENDPOINT", endpoint)]);

    let got = backend.received().iter().flat_map(|call| jaeger::from_body(&call.body)).collect();

    assert_same(got, sent, as_jaeger_can_tell);
}

#[test]
fn a_jaeger_agent_gets_what_an_otlp_receiver_gets() {
    let agent = Agent::start();
    let address = agent.socket.local_addr().unwrap();
    let (sent, _) = shop_with(
        "jaeger",
        [
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", address.ip().to_string()),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", address.port().to_string()),
        ],
    );

    let got = agent.stop().iter().flat_map(|datagram| jaeger::from_datagram(datagram)).collect();

    assert_same(got, sent, as_jaeger_can_tell);
}

#[test]
fn zipkin_gets_what_an_otlp_receiver_gets() {
    let backend = HttpReceiver::answering(200);
    let endpoint = format!("{}/api/v2/spans", backend.url());
    let (sent, _) = shop_with("zipkin", [("OTEL_EXPORTER_ZIPKIN_ENDPOINT", endpoint)]);

    assert_same(zipkin::from_json(&backend.received()), sent, as_zipkin_can_tell);
}

/// Makes three trips with this exporter and OTLP; returns the spans that OTLP received.
pub(crate) fn shop_with<const N: usize>(
    exporter: &str,
    variables: [(&'static str, String); N],
) -> (Vec<Span>, Accounts) {
    let backend = HttpReceiver::answering(200);
    let mut all: Variables<'_> = vec![
        ("OTEL_TRACES_EXPORTER", format!("otlp,{exporter}")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
    ];
    all.extend(variables);
    let accounts = shop(&all, 3);
    let spans = otlp::from_protobuf(&backend.received());
    for name in ["otlp", exporter] {
        let exported = accounts.store.all_exported(name) + accounts.shopper.all_exported(name);
        assert_eq!(exported, spans.len() as u64, "{name}");
    }
    (spans, accounts)
}

fn assert_same(got: Vec<Span>, sent: Vec<Span>, what_can_be_told: fn(Span) -> Span) {
    assert!(!sent.is_empty());
    assert_eq!(sorted(got), sorted(sent.into_iter().map(what_can_be_told).collect()));
}

/// Jaeger's links have no attributes.
fn as_jaeger_can_tell(mut span: Span) -> Span {
    span.links.iter_mut().for_each(|link| link.attributes.clear());
    span
}

/// Zipkin has fields for the name of the service and for the names of events, and none for links.
pub(crate) fn as_zipkin_can_tell(mut span: Span) -> Span {
    span.resource.retain(|key, _| key == "service.name");
    span.events.iter_mut().for_each(|event| event.attributes.clear());
    span.links.clear();
    span
}

/// A Jaeger agent that keeps the datagrams which it receives.
struct Agent {
    socket: UdpSocket,
    received: std::thread::JoinHandle<Vec<Vec<u8>>>,
}

impl Agent {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let receiving = socket.try_clone().unwrap();
        let received = std::thread::spawn(move || {
            let mut datagrams = Vec::new();
            let mut buffer = vec![0; 65_536];
            loop {
                match receiving.recv(&mut buffer).unwrap() {
                    0 => return datagrams,
                    length => datagrams.push(buffer[..length].to_vec()),
                }
            }
        });
        Self { socket, received }
    }

    /// Ends the agent by an empty datagram, which comes after all that were sent before.
    fn stop(self) -> Vec<Vec<u8>> {
        self.socket.send_to(&[], self.socket.local_addr().unwrap()).unwrap();
        self.received.join().unwrap()
    }
}

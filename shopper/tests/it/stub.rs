//! A store that answers as a test wants, and remembers its requests.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use shared::fault::OUTCOMES_HEADER;
use testing::ports;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Semaphore,
};

/// A request to the stub.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
    /// How many requests with the same line came before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map_or("", |(_, value)| value)
    }

    /// The value of a baggage entry, still percent-encoded.
    pub(crate) fn baggage(&self, key: &str) -> Option<&str> {
        let entries = self.header("baggage").split(',');
        entries.filter_map(|entry| entry.split_once('=')).find(|(k, _)| *k == key).map(|(_, v)| v)
    }
}

/// How the stub answers.
pub(crate) enum Reply {
    /// As the store's contract says.
    Proper,
    /// With this status.
    Status(u16),
    /// With a success and this body.
    Body(&'static str),
    /// With a success, this `Content-Encoding` and this body.
    Packed(&'static str, &'static [u8]),
    /// As the contract says, with this value in the header about faults.
    Faults(&'static str),
    /// As the contract says, after this time.
    After(Duration),
    /// Never.
    Never,
    /// With a body that begins and never ends.
    NeverEnding,
    /// As the contract says, as soon as there is a permit.
    Held(Arc<Semaphore>),
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A store that answers as a test wants.
pub(crate) struct Stub {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: ServerHandle,
}

impl Stub {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let answer: Arc<Answer> = Arc::new(answer);
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let remembered = Arc::clone(&asked);
        let server = HttpServer::new(move || {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&remembered));
            App::new().default_service(web::to(move |request: HttpRequest, body: Bytes| {
                serve(Arc::clone(&answer), Arc::clone(&asked), request, body)
            }))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(0)
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = url(server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        drop(actix_web::rt::spawn(server));
        Self { url, asked, server: handle }
    }

    /// A store that answers everything as the contract says.
    pub(crate) fn proper() -> Self {
        Self::start(|_| Reply::Proper)
    }

    /// All requests so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(actix_web::rt::spawn(self.server.stop(false)));
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn serve(
    answer: Arc<Answer>,
    all: Arc<Mutex<Vec<Asked>>>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let body = String::from_utf8_lossy(&body).into_owned();
    let line = format!("{} {}", request.method(), request.path());
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
    let asked = {
        let mut all = all.lock().unwrap();
        let before = all.iter().filter(|asked| asked.line == line).count();
        let asked = Asked { line, body, headers: headers.collect(), before };
        all.push(asked.clone());
        asked
    };
    match answer(&asked) {
        Reply::Proper => proper(&asked),
        Reply::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap();
            HttpResponse::build(status).json(json!({"title": "as the test says"}))
        }
        Reply::Body(body) => HttpResponse::Ok().body(body),
        Reply::Packed(encoding, body) => {
            HttpResponse::Ok().insert_header(("content-encoding", encoding)).body(body)
        }
        Reply::Faults(outcomes) => {
            let mut response = proper(&asked);
            let header = HeaderValue::from_static(outcomes);
            response.headers_mut().insert(HeaderName::from_static(OUTCOMES_HEADER), header);
            response
        }
        Reply::After(time) => {
            tokio::time::sleep(time).await;
            proper(&asked)
        }
        Reply::Never => pending().await,
        Reply::NeverEnding => {
            let first = stream::iter([Ok::<_, actix_web::Error>(Bytes::from_static(b"{"))]);
            HttpResponse::Ok().streaming(first.chain(stream::pending()))
        }
        Reply::Held(permits) => {
            permits.acquire().await.unwrap().forget();
            proper(&asked)
        }
    }
}

fn product(id: usize) -> Value {
    json!({
        "id": id.to_string(), "name": format!("product {id}"), "price": 0.99,
        "aisle": "produce", "in_stock": 100,
    })
}

fn inventory() -> Value {
    let products: Vec<_> = (1..=30).map(product).collect();
    json!({"inventory": {"products": products}})
}

fn receipt() -> Value {
    json!({
        "order_id": "018f4d1e-0000-7000-8000-000000000000", "lines": [], "total": 0.00,
        "placed_at": "2026-01-31T09:30:00.000Z",
    })
}

/// A list of thirty products, and a receipt for every checkout.
fn proper(asked: &Asked) -> HttpResponse {
    match asked.line.as_str() {
        "GET /" => HttpResponse::Ok().body(shared::wire::WELCOME),
        "GET /whats-in-store" => HttpResponse::Ok().json(inventory()),
        "POST /checkout" => HttpResponse::Created().json(receipt()),
        // In some tests the stub is also the backend that receives spans.
        "POST /v1/traces" => {
            HttpResponse::Ok().content_type("application/x-protobuf").body(Bytes::new())
        }
        line => match line.strip_prefix("GET /products/").map(str::parse) {
            Some(Ok(id)) => HttpResponse::Ok().json(product(id)),
            _ => HttpResponse::NotFound().finish(),
        },
    }
}

/// A store that answers the first request of every connection with these bytes, and closes it.
pub(crate) async fn blunt(answer: &'static [u8]) -> String {
    Blunt::start(move |_, _| answer.to_vec()).await.url
}

/// A store that answers the first request of every connection with bytes of a test's choice, closes
/// it, and remembers the request.
pub(crate) struct Blunt {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Blunt {
    /// `answer` gets the request line (`GET /`) and the number of requests before.
    pub(crate) async fn start(answer: impl Fn(&str, usize) -> Vec<u8> + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        drop(actix_web::rt::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 16 * 1024];
                let count = connection.read(&mut bytes).await.unwrap();
                let request = String::from_utf8_lossy(&bytes[..count]).into_owned();
                let line = request.split(" HTTP/").next().unwrap().to_owned();
                let before = log.lock().unwrap().len();
                log.lock().unwrap().push(line.clone());
                connection.write_all(&answer(&line, before)).await.unwrap();
            }
        }));
        Self { url, asked }
    }

    /// The request lines so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The body with which a store answers this request line by the contract.
pub(crate) fn proper_body(line: &str) -> String {
    match line {
        "GET /" => shared::wire::WELCOME.into(),
        "GET /whats-in-store" => inventory().to_string(),
        "POST /checkout" => receipt().to_string(),
        line => panic!("{line}"),
    }
}

/// The address of a store that does not run.
pub(crate) fn nobody() -> String {
    let [address] = ports::free();
    url(address)
}

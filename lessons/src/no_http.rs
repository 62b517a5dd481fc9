//! `no-http`: a request to another service that does not carry the context, or carries the wrong one.

use std::{io, net::Ipv4Addr};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Data},
};
use actix_web_opentelemetry::{ClientExt as _, RequestTracing};
use futures_util::future::LocalBoxFuture;
use opentelemetry::trace::Tracer as _;

use super::{
    lesson::{Lesson, Picture, Variant},
    process::Service,
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "no-http",
    title: "An HTTP request without its context",
    mistake: "A request to the warehouse is sent by awc alone, without headers. The warehouse then asks \
              itself for its stock, and copies the `traceparent` that it got onto that request by hand. \
              Last, a depot is asked as it should be, but reads the headers of another propagator.",
    seen: "The first and the last begin a trace of their own in the service that is asked. The second \
           is worse: the tree looks whole, but the callee is beside its caller and not below it.",
    picture: Picture::Moved,
    runs: "in the request, with a warehouse of its own that listens on a free port of loopback, and with \
           a depot that is a process of its own, because propagators are those of a process",
    why: [
        "A context crosses to another process only in headers, and a plain HTTP client writes none.",
        "The `traceparent` of a request names the span that sent it, so a copy of it makes the next \
         service another child of that span; and the baggage is in another header.",
        "`trace_request` makes a span for the request and writes that span and the baggage into its \
         headers, in the format of the propagators, which both sides must have in common.",
    ],
    file: "lessons/src/no_http.rs",
    source: include_str!("no_http.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            ask_three_times(variant, tracer).await.err().map(HttpResponse::from_error)
        })
    },
};

// ANCHOR: mistake
#[expect(clippy::disallowed_methods, reason = "it is the mistake")]
async fn count_bare(url: String) {
    awc::Client::default().get(url).send().await.ok();
}

#[expect(clippy::disallowed_methods, reason = "it is the mistake")]
async fn count_with_copied_header(incoming: HttpRequest, url: String) {
    let mut request = awc::Client::default().get(url);
    if let Some(parent) = incoming.headers().get("traceparent") {
        request = request.insert_header(("traceparent", parent.clone()));
    }
    request.send().await.ok();
}
/// The store writes `traceparent`, and this depot reads `b3`.
async fn open_depot_on_b3(tracer: &LessonTracer) -> io::Result<Service> {
    Service::start(tracer, "depot", None, &[("OTEL_PROPAGATORS", "b3")]).await
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn count_in_context(url: String) {
    awc::Client::default().get(url).trace_request().send().await.ok();
}
/// This depot has the propagators of the store.
async fn open_depot(tracer: &LessonTracer) -> io::Result<Service> {
    Service::start(tracer, "depot", None, &[]).await
}
// ANCHOR_END: fix

async fn ask_three_times(variant: Variant, tracer: LessonTracer) -> io::Result<()> {
    let pick: Pick = match variant {
        Variant::Mistake => |request, url| Box::pin(count_with_copied_header(request, url)),
        Variant::Fix => |_, url| Box::pin(count_in_context(url)),
    };
    let warehouse = Warehouse::open(tracer.clone(), pick)?;
    let depot = match variant {
        Variant::Mistake => open_depot_on_b3(&tracer).await?,
        Variant::Fix => open_depot(&tracer).await?,
    };
    match variant {
        Variant::Mistake => count_bare(warehouse.url("/stock")).await,
        Variant::Fix => count_in_context(warehouse.url("/stock")).await,
    }
    count_in_context(warehouse.url("/pick")).await;
    count_in_context(depot.url()).await;
    depot.end().await
}

/// How the warehouse asks for its stock, at this URL, while it answers a request.
type Pick = fn(HttpRequest, String) -> LocalBoxFuture<'static, ()>;

/// Another service: `/stock` counts the stock, and `/pick` asks `/stock`. It ends when it is dropped.
struct Warehouse {
    url: String,
    server: ServerHandle,
}

impl Warehouse {
    fn open(tracer: LessonTracer, pick: Pick) -> io::Result<Self> {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new((tracer.clone(), pick)))
                .wrap(RequestTracing::new())
                .route("/stock", web::get().to(count_stock))
                .route("/pick", web::get().to(pick_basket))
        });
        let server = server.workers(1).disable_signals().bind((Ipv4Addr::LOCALHOST, 0))?;
        let addrs = server.addrs();
        let addr = addrs.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let url = format!("http://{addr}");
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(Self { url, server: handle })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        // The server is told at once; what comes back only waits for its end.
        drop(self.server.stop(false));
    }
}

async fn count_stock(warehouse: Data<(LessonTracer, Pick)>) -> HttpResponse {
    warehouse.0.in_span("count stock", |_| ());
    HttpResponse::NoContent().finish()
}

async fn pick_basket(request: HttpRequest, warehouse: Data<(LessonTracer, Pick)>) -> HttpResponse {
    let stock = format!("http://{}/stock", request.app_config().local_addr());
    (warehouse.1)(request, stock).await;
    HttpResponse::NoContent().finish()
}

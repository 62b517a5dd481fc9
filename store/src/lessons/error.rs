//! `error`: failures that are recorded on the wrong span, too late, or not at all.

use std::{borrow::Cow, io, net::Ipv4Addr, time::Duration};

use actix::{Actor, Handler, Message};
use actix_opentelemetry::{Reply, TracedActor, TracedContext, TracedStart as _};
use actix_web::HttpResponse;
use actix_web_opentelemetry::ClientExt as _;
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, Status, TraceContextExt as _, Tracer as _},
};
use tokio::{net::TcpListener, time::timeout};

use super::{
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "error",
    title: "A failure that is nowhere, or another's",
    mistake: "A failure is written on the current span after the await, on a span that has ended, before a \
              final `Ok`; or a timeout drops the future that would have recorded it.",
    seen: "The request is red and the actor that failed is not. Of three other failures nothing is seen.",
    picture: Picture::Moved,
    runs: "in the request, with an actor and a silent server of its own",
    why: [
        "A reply that is an `Err` is an answer like any other until the actor's `classify` says that it is \
         a failure; the span that is current after the await is the caller's.",
        "A span takes nothing after its end, and `Status::Ok` is the last word, whatever was said before.",
        "A future that is dropped records nothing more, so the timeout belongs to the client, which tells \
         it.",
    ],
    file: "store/src/lessons/error.rs",
    source: include_str!("error.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let bank = match SilentServer::start().await {
                Ok(bank) => bank,
                Err(error) => return Some(HttpResponse::from_error(error)),
            };
            match variant {
                Variant::Mistake => blame_the_request(tracer, bank).await,
                Variant::Fix => blame_what_failed(tracer, bank).await,
            }
            None
        })
    },
};

const PATIENCE: Duration = Duration::from_millis(20);

// ANCHOR: mistake
async fn blame_the_request(tracer: LessonTracer, bank: SilentServer) {
    let aisle = SilentAisle { tracer: tracer.clone() }.start_traced();
    if let Ok(Err(OutOfStock)) = aisle.send(Take).await {
        Context::current().span().set_status(Status::error("out of stock"));
    }

    let mut card = tracer.start("charge card");
    card.end();
    card.set_status(Status::error("declined"));

    let mut receipt = tracer.start("print receipt");
    receipt.set_status(Status::error("no paper"));
    receipt.set_status(Status::Ok);
    receipt.end();

    let request = awc::Client::default().get(&bank.url).trace_request();
    timeout(PATIENCE, request.send()).await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn blame_what_failed(tracer: LessonTracer, bank: SilentServer) {
    let aisle = Aisle { tracer: tracer.clone() }.start_traced();
    aisle.send(Take).await.ok();

    let mut card = tracer.start("charge card");
    card.set_status(Status::error("declined"));
    card.end();

    let mut receipt = tracer.start("print receipt");
    receipt.set_status(Status::error("no paper"));
    receipt.end();

    let client = awc::Client::builder().timeout(PATIENCE).finish();
    client.get(&bank.url).trace_request().send().await.ok();
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        reply.err::<(), OutOfStock>().map(|_| "OutOfStock".into())
    }

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}
// ANCHOR_END: fix

/// Has nothing left, and does not say that this is a failure.
struct SilentAisle {
    tracer: LessonTracer,
}

/// Has nothing left, and says so.
struct Aisle {
    tracer: LessonTracer,
}

/// Take a piece.
#[derive(Message)]
#[rtype(result = "Result<(), OutOfStock>")]
struct Take;

struct OutOfStock;

impl Actor for SilentAisle {
    type Context = TracedContext<Self>;
}

impl TracedActor for SilentAisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

impl Handler<Take> for SilentAisle {
    type Result = Result<(), OutOfStock>;

    fn handle(&mut self, _: Take, _: &mut Self::Context) -> Self::Result {
        Err(OutOfStock)
    }
}

impl Actor for Aisle {
    type Context = TracedContext<Self>;
}

impl Handler<Take> for Aisle {
    type Result = Result<(), OutOfStock>;

    fn handle(&mut self, _: Take, _: &mut Self::Context) -> Self::Result {
        Err(OutOfStock)
    }
}

/// A server that takes connections and answers nothing, on a port of its own.
struct SilentServer {
    url: String,
    _listener: TcpListener,
}

impl SilentServer {
    async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        Ok(Self { url, _listener: listener })
    }
}

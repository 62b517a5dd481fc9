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
    title: "A failure on the wrong span, or on none",
    mistake: "A failure is set on the current span after an await, on a span that has ended, or \
              before `Status::Ok`; or a timeout drops the future that would record it.",
    seen: "The request is marked as failed, and the actor that failed is not. Three more failures \
           are not seen at all.",
    picture: Picture::Moved,
    runs: "in the request, with an actor of its own and a server that does not answer",
    why: [
        "A reply that is an `Err` is no failure of the actor until its `classify` says so, and \
         the span that is current after the await is the caller's.",
        "A span ignores what is set after its end, and `Status::Ok` replaces an error that was \
         set before.",
        "A future that is dropped records nothing more; a timeout that is set on the client is \
         recorded by it.",
    ],
    file: "lessons/src/error.rs",
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

/// How long the bank may take to answer.
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
        reply.err::<(), OutOfStock>().map(|_| "out_of_stock".into())
    }

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}
// ANCHOR_END: fix

/// An aisle with nothing left, which does not say that this is a failure.
struct SilentAisle {
    tracer: LessonTracer,
}

/// An aisle with nothing left, which says that this is a failure.
struct Aisle {
    tracer: LessonTracer,
}

/// Takes a piece.
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

/// A server that accepts connections and never answers.
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

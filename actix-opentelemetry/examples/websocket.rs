//! A WebSocket whose connection is an actor: `actix-ws` for the protocol, and a stream of what the
//! client says for the actor. (`actix-web-actors` is deprecated, and its `WebsocketContext` carries
//! no context.)
//!
//! Each message of the client is a trace of its own, with a link to the request that opened the
//! connection. A connection may stay open for days, while its request was answered long ago.
//!
//! ```text
//! cargo run -p actix-opentelemetry --features testing --example websocket
//! ```

use actix::prelude::*;
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{StartPolicy, TracedActor, TracedContext, TracedStart, ask};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::{Message as Frame, Session};
use futures_util::{SinkExt, StreamExt};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_instrumentation_actix_web::RequestTracing;

/// Counts what is said by everyone.
struct Room {
    said: usize,
}

#[derive(Message)]
#[rtype(result = "usize")]
struct Post;

/// One client's connection.
struct Connection {
    session: Session,
    room: Addr<Room>,
}

/// What the client says: an item of the connection's stream.
struct Said(String);

impl Actor for Room {
    type Context = TracedContext<Self>;
}

impl TracedActor for Room {
    const NAME: &'static str = "Room";
}

impl Handler<Post> for Room {
    type Result = usize;

    fn handle(&mut self, _: Post, _: &mut Self::Context) -> usize {
        self.said += 1;
        self.said
    }
}

impl Actor for Connection {
    type Context = TracedContext<Self>;
}

impl TracedActor for Connection {
    const NAME: &'static str = "Connection";

    // It starts in the context of the request that opened it, so that the stream is linked to that.
    const START: StartPolicy = StartPolicy::Inherit;
}

impl StreamHandler<Said> for Connection {
    fn handle(&mut self, said: Said, ctx: &mut Self::Context) {
        let (room, mut session) = (self.room.clone(), self.session.clone());
        let answer = async move {
            if let Ok(number) = ask(&room, Post).await {
                // A client that has gone gets no answer.
                session.text(format!("{number}: {}", said.0)).await.ok();
            }
        };
        ctx.spawn(answer.into_actor(self));
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

async fn chat(
    request: HttpRequest,
    body: web::Payload,
    room: web::Data<Addr<Room>>,
) -> actix_web::Result<HttpResponse> {
    let (response, session, frames) = actix_ws::handle(&request, body)?;
    let said = frames.filter_map(async |frame| match frame {
        Ok(Frame::Text(text)) => Some(Said(text.to_string())),
        // This example has no use for other frames, such as pings.
        _ => None,
    });
    Connection::create_traced(|ctx| {
        ctx.add_stream(said);
        Connection { session, room: room.get_ref().clone() }
    });
    Ok(response)
}

/// Runs the application, says two things to it, and returns its answers and the tree of the trace.
pub(crate) async fn run() -> (Vec<String>, String) {
    let trace = TestTrace::start("a client");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("the port that was bound");
    let room = web::Data::new(Room { said: 0 }.start_traced());
    let server = HttpServer::new(move || {
        App::new()
            .wrap(RequestTracing::new())
            .app_data(room.clone())
            .route("/chat", web::get().to(chat))
    })
    .workers(1)
    .listen(listener)
    .expect("a listener that listens")
    .run();
    let handle = server.handle();
    let server = actix_rt::spawn(server);

    let span = trace.cx().span().span_context().clone();
    let (_, mut socket) = awc::Client::new()
        .ws(format!("ws://{address}/chat"))
        .header("traceparent", format!("00-{}-{}-01", span.trace_id(), span.span_id()))
        .connect()
        .await
        .expect("a connection");
    let mut answers = Vec::new();
    for text in ["hello", "anyone?"] {
        socket.send(awc::ws::Message::Text(text.into())).await.expect("it is sent");
        if let Some(Ok(awc::ws::Frame::Text(answer))) = socket.next().await {
            answers.push(String::from_utf8_lossy(&answer).into_owned());
        }
    }
    socket.send(awc::ws::Message::Close(None)).await.expect("it is sent");
    let tree = trace.tree(6).await;
    handle.stop(false).await;
    server.await.expect("the server is not aborted").expect("the server ends well");
    (answers, tree)
}

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() {
    let (answers, tree) = actix_rt::System::new().block_on(run());
    println!("answers: {answers:?}\n\n{tree}");
}

//! What a process of a lesson does, see `process`.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    process::ExitCode,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::header::HeaderValue,
    web::{self, Data},
};
use actix_web_opentelemetry::{ClientExt as _, RequestTracing};
use opentelemetry::{
    Array, Context, KeyValue, StringValue, Value,
    trace::{SpanBuilder, TraceContextExt as _, Tracer as _},
};
use shared::{output, signal};
use telemetry::{Service, Streams, Telemetry};

use super::{
    ACTIVITY, exit,
    process::{LISTEN, Part, Role},
    tracer::{CUSTOMER, process_tracer},
};

/// How long such a process may take to send its last spans and to end.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// The attribute of a SERVER span that has the header from which its parent was read, as a list of its
/// values:
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/>.
const TRACEPARENT: &str = "http.request.header.traceparent";

/// Does its part in a lesson. The exit code is 0 for success, 1 for failure.
pub fn play(part: &Part) -> ExitCode {
    let played = init_telemetry().and_then(|telemetry| match &part.role {
        Role::Service { asks } => serve(&telemetry, part, asks.clone()),
        Role::Caller { url, flushes: false } => exit::call_and_exit(telemetry, part, url),
        Role::Caller { url, flushes: true } => exit::call_flush_and_exit(telemetry, part, url),
    });
    let code = match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(output::stderr(), "grocery store, in a lesson: {error}").ok();
            ExitCode::FAILURE
        }
    };
    output::finish();
    code
}

/// The telemetry of the store, of which the environment says what is different here. Its log would
/// only repeat the store's.
fn init_telemetry() -> anyhow::Result<Telemetry> {
    let service = Service {
        name: "lesson",
        namespace: "grocery",
        version: env!("CARGO_PKG_VERSION"),
        baggage_attributes: &[CUSTOMER],
        quiet_targets: &[ACTIVITY],
        crates: &["lessons"],
    };
    Ok(Telemetry::init_with(service, Streams::new(io::sink, io::stdout()))?)
}

/// Serves until standard input ends, and says there on which address.
fn serve(telemetry: &Telemetry, part: &Part, asks: Option<String>) -> anyhow::Result<()> {
    let stop = signal::watch(true, STOP_WITHIN)?;
    let shared = Data::new((part.clone(), asks));
    actix_rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .wrap(RequestTracing::new())
                .route("/stock", web::get().to(stock))
        });
        let server = server.workers(1).disable_signals().bind(LISTEN)?;
        let addr = server.addrs().first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let server = server.run();
        writeln!(File::from(io::stdin().as_fd().try_clone_to_owned()?), "{addr}")?;
        let handle = server.handle();
        actix_rt::spawn(async move {
            stop.requested().await;
            handle.stop(false).await;
        });
        server.await
    })?;
    telemetry.shutdown_within(STOP_WITHIN);
    Ok(())
}

async fn stock(request: HttpRequest, shared: Data<(Part, Option<String>)>) -> HttpResponse {
    let (part, asks) = &**shared;
    let cx = Context::current();
    cx.span().set_attribute(part.run());
    let parent = request.headers().get("traceparent").map(HeaderValue::to_str);
    if let Some(Ok(parent)) = parent {
        let values = Array::String(vec![StringValue::from(parent.to_owned())]);
        cx.span().set_attribute(KeyValue::new(TRACEPARENT, Value::Array(values)));
    }
    match asks {
        Some(url) => {
            let request = awc::Client::default().get(url.as_str()).trace_request();
            request.with_attributes([part.run()]).send().await.ok();
        }
        None => {
            let builder = SpanBuilder::from_name("count stock").with_attributes([part.run()]);
            drop(process_tracer().build(builder));
        }
    }
    HttpResponse::NoContent().finish()
}

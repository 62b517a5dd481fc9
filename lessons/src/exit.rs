//! `exit`: a process that ends while its spans wait to be sent.

use std::{io, process};

use actix_rt::System;
use actix_web::HttpResponse;
use actix_web_opentelemetry::ClientExt as _;
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{FutureExt as _, SpanBuilder, TraceContextExt as _, Tracer as _},
};
use telemetry::Telemetry;

use super::{
    lesson::{Lesson, Picture, Variant},
    process::{Part, Process, Role, Service},
    tracer::{CUSTOMER, LessonTracer, process_tracer},
};

pub(super) const LESSON: Lesson = Lesson {
    name: "exit",
    title: "A process that ends without a flush",
    mistake: "A caller asks the depot for its stock and exits, while its own spans still wait to be \
              sent. After it comes a caller that does not sample.",
    seen: "Two traces whose root is missing, and they look the same: which caller lost its spans, and \
           which never made any?",
    picture: Picture::Cut,
    runs: "in processes of its own: a depot, and two callers after one another",
    why: [
        "Spans are sent in batches, so the last ones are in memory when a process ends; \
         `std::process::exit` runs no destructor that could send them, and neither does a crash.",
        "A caller that makes no spans leaves the same tree, but its request says so: in the attribute \
         `http.request.header.traceparent` of the depot's span the last two digits are 01 if the caller \
         samples, and its spans were lost, and 00 if it does not.",
        "In the fix the first caller shuts its telemetry down, which sends what waits, and the second \
         one samples.",
    ],
    file: "lessons/src/exit.rs",
    source: include_str!("exit.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let called = match variant {
                Variant::Mistake => call(&tracer, false, "always_off").await,
                Variant::Fix => call(&tracer, true, "always_on").await,
            };
            called.err().map(HttpResponse::from_error)
        })
    },
};

// ANCHOR: mistake
pub(super) fn call_and_exit(_telemetry: Telemetry, part: &Part, url: &str) -> ! {
    System::new().block_on(ask_for_stock(part, url));
    process::exit(0)
}
// ANCHOR_END: mistake

// ANCHOR: fix
pub(super) fn call_flush_and_exit(telemetry: Telemetry, part: &Part, url: &str) -> ! {
    System::new().block_on(ask_for_stock(part, url));
    telemetry.shutdown();
    process::exit(0)
}
// ANCHOR_END: fix

/// What a caller does, in a trace of its own.
async fn ask_for_stock(part: &Part, url: &str) {
    let builder = SpanBuilder::from_name("plan delivery").with_attributes([part.run()]);
    let cx = Context::new().with_baggage([KeyValue::new(CUSTOMER, "bob")]);
    let cx = cx.with_span(process_tracer().build_with_context(builder, &cx));
    let asked = async {
        let request = awc::Client::default().get(url).trace_request();
        request.with_attributes([part.run()]).send().await.ok();
    };
    asked.with_context(cx.clone()).await;
    cx.span().end();
}

/// One caller that is sampled and `flushes` or not, then one with this sampler that flushes.
async fn call(tracer: &LessonTracer, flushes: bool, sampler: &str) -> io::Result<()> {
    let sampled = [("OTEL_TRACES_SAMPLER", "always_on")];
    let depot = Service::start(tracer, "depot", None, &sampled).await?;
    // A process that takes long to end could send its spans after all. Here it never does, so that the
    // lesson does not depend on how busy the machine is.
    let sampled_and_slow = [
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2048"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"),
    ];
    let role = |flushes| Role::Caller { url: depot.url(), flushes };
    Process::start(tracer, "caller", role(flushes), &sampled_and_slow)?.ended().await?;
    let second = [("OTEL_TRACES_SAMPLER", sampler)];
    Process::start(tracer, "caller", role(true), &second)?.ended().await?;
    depot.end().await
}

//! `sampled-apart`: services that each decide which traces they record.

use std::io;

use actix_web::HttpResponse;
use actix_web_opentelemetry::ClientExt as _;

use super::{
    lesson::{Lesson, Picture, Variant},
    process::Service,
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "sampled-apart",
    title: "Services that each sample for themselves",
    mistake: "The store asks the warehouse, and the warehouse asks the depot. Each has a sampler of its \
              own: the store and the depot record this trace, and the warehouse does not.",
    seen: "A hole in the middle of one trace. The depot's spans name a parent that was never recorded, \
           and it looks as if the warehouse were not there.",
    picture: Picture::Cut,
    runs: "in processes of its own: a warehouse and a depot",
    why: [
        "A sampler that does not ask its parent decides anew in each service, and what one of them leaves \
         out is missing in the middle.",
        "The same ratio in all services hides the mistake, because the decision comes from the id of the \
         trace; it shows as soon as one ratio differs (here it is 0, in place of any low one).",
        "A sampler whose name begins with `parentbased` does what the caller decided, which is in the \
         last two digits of `traceparent`, so a trace is recorded whole or not at all.",
    ],
    file: "lessons/src/sampled_apart.rs",
    source: include_str!("sampled_apart.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let asked = match variant {
                Variant::Mistake => ask_through(&tracer, WAREHOUSE, DEPOT).await,
                Variant::Fix => ask_through(&tracer, PARENT_BASED, PARENT_BASED).await,
            };
            asked.err().map(HttpResponse::from_error)
        })
    },
};

/// Environment variables with their values.
type Settings = &'static [(&'static str, &'static str)];

// ANCHOR: mistake
const WAREHOUSE: Settings =
    &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];

const DEPOT: Settings = &[("OTEL_TRACES_SAMPLER", "always_on")];
// ANCHOR_END: mistake

// ANCHOR: fix
/// Both services. It is also what the specification has as the default.
const PARENT_BASED: Settings = &[("OTEL_TRACES_SAMPLER", "parentbased_always_on")];
// ANCHOR_END: fix

/// Asks the warehouse, which asks the depot.
async fn ask_through(
    tracer: &LessonTracer,
    warehouse: Settings,
    depot: Settings,
) -> io::Result<()> {
    let depot = Service::start(tracer, "depot", None, depot).await?;
    let warehouse = Service::start(tracer, "warehouse", Some(depot.url()), warehouse).await?;
    let request = awc::Client::default().get(warehouse.url()).trace_request();
    request.with_attributes([tracer.run()]).send().await.ok();
    warehouse.end().await?;
    depot.end().await
}

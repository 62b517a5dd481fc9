//! What messages cost and how they fail, as OpenTelemetry metrics: feature `metrics`, which is on by
//! default.
//!
//! Nothing is measured until [`set_meter`] is called; call it before the actors start. From then on
//! every message of every traced actor is measured, whether its trace is sampled or not:
//!
//! | instrument | kind, unit | what | attributes |
//! |---|---|---|---|
//! | `actix.message.duration` | histogram, `s` | from the handler's start until the reply is ready | actor, message, kind, `error.type` of a failure |
//! | `actix.message.active` | observable up-down counter, `{message}` | messages that are being handled, until the reply is ready | actor, message, kind |
//! | `actix.message.active.max_age` | observable gauge, `s` | how long the oldest of these has been handled: what shows a handler that is stuck | actor, message, kind |
//! | `actix.mailbox.wait.duration` | histogram, `s` | from sending until handling; of a timer, how late it fired | actor, message, kind |
//! | `actix.mailbox.depth` | up-down counter, `{message}` | messages in the mailboxes | actor |
//! | `actix.message.dropped` | counter, `{message}` | messages that no handler got | actor, message, kind, [`actix.message.drop_reason`](crate::attribute::DROP_REASON) |
//! | `actix.message.without_context` | counter, `{message}` | messages that were sent outside any trace to an actor that starts none: where contexts are lost | actor, message, kind |
//! | `actix.ask.failures` | counter, `{ask}` | calls of [`ask`](crate::ask()) that got no reply | actor, message, kind, `error.type` |
//! | `actix.actor.live` | observable up-down counter, `{actor}` | actors that have started and not ended | actor |
//! | `actix.actor.panics` | counter, `{panic}` | panics, in handlers, replies, timers, spawned work, `started` | actor |
//! | `actix.actor.restarts` | counter, `{restart}` | restarts by a supervisor | actor |
//!
//! The attributes are named as on spans, see [`attribute`](crate::attribute). A timer's closure has
//! no message type.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

use crate::attribute;
use crate::measure;
use crate::operation::Operation;

/// The bounds of the histograms' buckets, in seconds: from a message handled at once on the same
/// thread (a microsecond) to one that has long been given up (ten seconds).
pub const BUCKET_BOUNDS: [f64; 15] = [
    0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 5.0, 10.0,
];

static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// Measures all messages from now on, with instruments of this meter.
///
/// Only the first call has an effect; the answer says whether this was it.
///
/// ```
/// use opentelemetry::global;
///
/// actix_opentelemetry::metrics::set_meter(&global::meter("actix-opentelemetry"));
/// ```
pub fn set_meter(meter: &Meter) -> bool {
    let mut is_first = false;
    INSTRUMENTS.get_or_init(|| {
        is_first = true;
        Instruments::new(meter)
    });
    is_first
}

pub(crate) fn instruments() -> Option<&'static Instruments> {
    INSTRUMENTS.get()
}

#[derive(Debug)]
pub(crate) struct Instruments {
    pub(crate) duration: Histogram<f64>,
    pub(crate) wait: Histogram<f64>,
    pub(crate) depth: UpDownCounter<i64>,
    pub(crate) dropped: Counter<u64>,
    pub(crate) without_context: Counter<u64>,
    pub(crate) ask_failures: Counter<u64>,
    pub(crate) panics: Counter<u64>,
    pub(crate) restarts: Counter<u64>,
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let seconds = |name, description| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(BUCKET_BOUNDS.to_vec())
                .build()
        };
        let count = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        observe(meter);
        Self {
            duration: seconds(
                "actix.message.duration",
                "From the start of a message's handler until its reply is ready.",
            ),
            wait: seconds(
                "actix.mailbox.wait.duration",
                "From the sending of a message until its handling.",
            ),
            depth: meter
                .i64_up_down_counter("actix.mailbox.depth")
                .with_unit("{message}")
                .with_description("Messages that wait in mailboxes.")
                .build(),
            dropped: count("actix.message.dropped", "{message}", "Messages that no handler got."),
            without_context: count(
                "actix.message.without_context",
                "{message}",
                "Messages that were sent outside any trace.",
            ),
            ask_failures: count("actix.ask.failures", "{ask}", "Asks that got no reply."),
            panics: count("actix.actor.panics", "{panic}", "Panics of actors."),
            restarts: count(
                "actix.actor.restarts",
                "{restart}",
                "Restarts of actors by their supervisors.",
            ),
        }
    }
}

/// The instruments that are read when they are exported. The meter keeps them for ever.
fn observe(meter: &Meter) {
    meter
        .i64_observable_up_down_counter("actix.actor.live")
        .with_unit("{actor}")
        .with_description("Actors that have started and not ended.")
        .with_callback(|live| {
            measure::for_each_live_actor(|actor, count| {
                live.observe(count, &[KeyValue::new(attribute::ACTOR_NAME, actor)]);
            });
        })
        .build();
    meter
        .i64_observable_up_down_counter("actix.message.active")
        .with_unit("{message}")
        .with_description("Messages that are being handled.")
        .with_callback(|active| {
            measure::for_each_active(|operation, count, _| {
                active.observe(count, &labels(operation));
            });
        })
        .build();
    meter
        .f64_observable_gauge("actix.message.active.max_age")
        .with_unit("s")
        .with_description("How long the oldest message that is being handled has been.")
        .with_callback(|age| {
            measure::for_each_active(|operation, _, oldest: Option<Instant>| {
                let oldest = oldest.map_or(Duration::ZERO, |started| started.elapsed());
                age.observe(oldest.as_secs_f64(), &labels(operation));
            });
        })
        .build();
}

/// Which message it is, with room for one attribute more.
pub(crate) fn labels(operation: &'static Operation) -> Vec<KeyValue> {
    let mut labels = Vec::with_capacity(4);
    if !operation.actor.is_empty() {
        labels.push(KeyValue::new(attribute::ACTOR_NAME, operation.actor));
    }
    if let Some(message) = operation.message {
        labels.push(KeyValue::new(attribute::MESSAGE_TYPE, message));
    }
    labels.push(KeyValue::new(attribute::MESSAGE_KIND, operation.kind.as_str()));
    labels
}

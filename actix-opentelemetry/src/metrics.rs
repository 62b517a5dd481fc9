//! What messages cost, as OpenTelemetry metrics: feature `metrics`, which is on by default.
//!
//! Nothing is measured until [`set_meter`] is called. From then on every message of every traced
//! actor is, whether its trace is sampled or not:
//!
//! | instrument | kind, unit | what | attributes |
//! |---|---|---|---|
//! | `actix.message.duration` | histogram, `s` | from the handler's start until the reply is ready | actor, message, kind, `error.type` of a failure |
//! | `actix.mailbox.wait.duration` | histogram, `s` | from sending until handling; of a timer, how late it fired | actor, message, kind |
//! | `actix.mailbox.depth` | up-down counter, `{message}` | messages in the mailboxes | actor |
//! | `actix.message.dropped` | counter, `{message}` | messages that no handler got | actor, message, kind, `reason` |
//! | `actix.actor.restarts` | counter, `{restart}` | restarts by a supervisor | actor |
//!
//! The attributes are named as on spans, see [`attribute`](crate::attribute).

use std::sync::OnceLock;

use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

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
    INSTRUMENTS.set(Instruments::new(meter)).is_ok()
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
            restarts: count(
                "actix.actor.restarts",
                "{restart}",
                "Restarts of actors by their supervisors.",
            ),
        }
    }
}

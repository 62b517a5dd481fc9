//! Which buckets the histograms have.

use crate::config::HistogramBuckets;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, Stream};

/// The bounds of all histograms of seconds: three for each power of ten, from a microsecond, which a
/// message waits in an idle actor's mailbox, to 100 s, after which every caller has given up.
///
/// The bounds that an instrument advises are not used for seconds, so that all of them can be
/// compared and added up.
const SECONDS: [f64; 25] = [
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.002_5,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
];

/// The most buckets of an exponential histogram, for values above zero and again for those below:
/// <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation>
const MOST_BUCKETS: u32 = 160;

/// The finest scale at which an exponential histogram begins; from the same specification.
const MAX_SCALE: i8 = 20;

/// The stream of a histogram. `None` leaves an instrument as it is.
pub(super) fn of(instrument: &Instrument, buckets: HistogramBuckets) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram {
        return None;
    }
    let aggregation = match buckets {
        HistogramBuckets::Exponential => Aggregation::Base2ExponentialHistogram {
            max_size: MOST_BUCKETS,
            max_scale: MAX_SCALE,
            record_min_max: true,
        },
        HistogramBuckets::Explicit if instrument.unit() == "s" => {
            Aggregation::ExplicitBucketHistogram {
                boundaries: SECONDS.to_vec(),
                record_min_max: true,
            }
        }
        HistogramBuckets::Explicit => return None,
    };
    Stream::builder().with_aggregation(aggregation).build().ok()
}

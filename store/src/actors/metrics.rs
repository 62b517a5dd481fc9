//! What the shop measures of its business: orders, batches, deliveries, stock.
//!
//! | instrument | kind, unit | what | attributes |
//! |---|---|---|---|
//! | `grocery.order.placed` | counter, `{order}` | orders that were recorded | |
//! | `grocery.order.refused` | counter, `{order}` | checkouts that were answered with an error | `error.type` |
//! | `grocery.order.revenue` | counter, `{cent}` | totals of the orders that were recorded | |
//! | `grocery.order.pieces` | counter, `{piece}` | pieces that these orders sold | |
//! | `grocery.ledger.batch.size` | histogram, `{order}` | orders in one transaction of the ledger | |
//! | `grocery.ledger.wait.duration` | histogram, `s` | how long an order waited for its batch | |
//! | `grocery.delivery.received` | counter, `{delivery}` | deliveries that were recorded | |
//! | `grocery.delivery.pieces` | counter, `{piece}` | pieces that they brought | |
//! | `grocery.stock.on_hand` | observable up-down counter, `{piece}` | pieces on hand, reserved ones too, as the aisle sees it | `grocery.aisle` |
//!
//! A checkout that is repeated with its key, and gets the receipt of the first, is neither placed nor
//! refused. A checkout that was answered too late can be both: its client was told that, and the
//! order was recorded nevertheless.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use telemetry::ServiceMeters;
use tokio::time::Instant;

use super::error::ActorError;
use crate::{domain::Delivery, storage::RecordOutcome};

/// The attribute with the name of an aisle, on spans and metrics.
pub(super) const AISLE: &str = "grocery.aisle";

/// The bounds of the sizes of batches: powers of two up to the largest batch.
const SIZE_BOUNDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The bounds of the waits for a batch, in seconds: from none to as long as a request may take.
const WAIT_BOUNDS: [f64; 13] =
    [0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// Measures the business of one store. Without a meter it does nothing. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShopMetrics(Option<Arc<Instruments>>);

#[derive(Debug)]
struct Instruments {
    meter: Meter,
    placed: Counter<u64>,
    refused: Counter<u64>,
    revenue: Counter<u64>,
    pieces: Counter<u64>,
    batch_size: Histogram<u64>,
    batch_wait: Histogram<f64>,
    deliveries: Counter<u64>,
    delivered_pieces: Counter<u64>,
}

impl ShopMetrics {
    /// Makes the instruments, if there are meters.
    pub(crate) fn new(meters: Option<&ServiceMeters>) -> Self {
        let meter = meters.map(|meters| meters.for_scope("store", env!("CARGO_PKG_VERSION")));
        Self(meter.map(|meter| Arc::new(Instruments::new(meter))))
    }

    /// Counts a checkout that was answered with this error.
    pub(crate) fn refused(&self, error: &ActorError) {
        if let Some(instruments) = &self.0 {
            instruments.refused.add(1, &[KeyValue::new(ERROR_TYPE, error.kind())]);
        }
    }

    /// Measures a batch that begins, with the times since which its orders have waited.
    pub(super) fn batch_begins(&self, queued: impl ExactSizeIterator<Item = Instant>) {
        if let Some(instruments) = &self.0 {
            instruments.batch_size.record(queued.len() as u64, &[]);
            for since in queued {
                instruments.batch_wait.record(since.elapsed().as_secs_f64(), &[]);
            }
        }
    }

    /// Counts the orders that were recorded in a batch with these outcomes.
    pub(super) fn recorded(&self, outcomes: &[RecordOutcome]) {
        let Some(instruments) = &self.0 else { return };
        for outcome in outcomes {
            if let RecordOutcome::Recorded(receipt) = outcome {
                let pieces = receipt.lines.iter().map(|line| u64::from(line.quantity)).sum();
                instruments.placed.add(1, &[]);
                instruments.revenue.add(receipt.total.cents(), &[]);
                instruments.pieces.add(pieces, &[]);
            }
        }
    }

    /// Counts a delivery that was recorded.
    pub(super) fn delivered(&self, delivery: &Delivery) {
        if let Some(instruments) = &self.0 {
            instruments.deliveries.add(1, &[]);
            instruments.delivered_pieces.add(delivery.quantity.get().into(), &[]);
        }
    }

    /// A gauge of the stock of one aisle.
    pub(super) fn stock_gauge(&self, aisle: &Arc<str>) -> StockGauge {
        let is_measured = self.0.is_some();
        StockGauge(is_measured.then(|| Arc::new((Arc::clone(aisle), AtomicU64::new(0)))))
    }

    /// Has these gauges read whenever metrics are exported.
    pub(super) fn observe_stock(&self, gauges: &[StockGauge]) {
        let Some(instruments) = &self.0 else { return };
        let gauges: Vec<_> = gauges.iter().filter_map(|gauge| gauge.0.clone()).collect();
        instruments
            .meter
            .i64_observable_up_down_counter("grocery.stock.on_hand")
            .with_unit("{piece}")
            .with_description("Pieces on hand.")
            .with_callback(move |on_hand| {
                for gauge in &gauges {
                    let (aisle, pieces) = &**gauge;
                    let pieces = i64::try_from(pieces.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                    on_hand.observe(pieces, &[KeyValue::new(AISLE, Arc::clone(aisle))]);
                }
            })
            .build();
    }
}

impl Instruments {
    fn new(meter: Meter) -> Self {
        let count = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        Self {
            placed: count("grocery.order.placed", "{order}", "Orders that were recorded."),
            refused: count(
                "grocery.order.refused",
                "{order}",
                "Checkouts that were answered with an error.",
            ),
            revenue: count(
                "grocery.order.revenue",
                "{cent}",
                "Totals of the orders that were recorded.",
            ),
            pieces: count("grocery.order.pieces", "{piece}", "Pieces that were sold."),
            batch_size: meter
                .u64_histogram("grocery.ledger.batch.size")
                .with_unit("{order}")
                .with_description("Orders in one transaction of the ledger.")
                .with_boundaries(SIZE_BOUNDS.to_vec())
                .build(),
            batch_wait: meter
                .f64_histogram("grocery.ledger.wait.duration")
                .with_unit("s")
                .with_description("How long an order waited for its batch.")
                .with_boundaries(WAIT_BOUNDS.to_vec())
                .build(),
            deliveries: count(
                "grocery.delivery.received",
                "{delivery}",
                "Deliveries that were recorded.",
            ),
            delivered_pieces: count(
                "grocery.delivery.pieces",
                "{piece}",
                "Pieces that were delivered.",
            ),
            meter,
        }
        .starting_at_zero()
    }

    /// Has the counters exported before they count, so that a backend sees their first increase.
    fn starting_at_zero(self) -> Self {
        let Self { placed, revenue, pieces, deliveries, delivered_pieces, .. } = &self;
        for counter in [placed, revenue, pieces, deliveries, delivered_pieces] {
            counter.add(0, &[]);
        }
        self
    }
}

/// How many pieces an aisle has on hand, for those who measure it. The aisle sets it; an aisle that
/// replaces one that has panicked sets the same. Without a meter it does nothing.
#[derive(Clone, Debug)]
pub(super) struct StockGauge(Option<Arc<(Arc<str>, AtomicU64)>>);

impl StockGauge {
    /// Takes over what `pieces` returns, which is called only if the stock is measured.
    pub(super) fn set(&self, pieces: impl FnOnce() -> u64) {
        if let Some(gauge) = &self.0 {
            gauge.1.store(pieces(), Ordering::Relaxed);
        }
    }
}

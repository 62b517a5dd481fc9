//! Pieces set aside for one order in one aisle, which find their way back by themselves.

use actix::Addr;
use opentelemetry::Context;

use super::{
    aisle::{Aisle, MarkSold, Release},
    batch::BatchNumber,
};
use crate::domain::BasketLine;

/// Pieces that an aisle has set aside for an order.
///
/// Dropped, for whatever reason (a shortage elsewhere, a deadline, a panic, a caller that is gone),
/// it puts them back: only [`mark_sold`](Self::mark_sold) does not.
#[derive(Debug)]
pub(crate) struct Reservation {
    aisle: Addr<Aisle>,
    lines: Vec<BasketLine>,
    /// Where the pieces were set aside, for whatever the sale will cause.
    cx: Context,
}

impl Reservation {
    /// The reservation of `lines` in an aisle, made in the current context.
    pub(super) fn new(aisle: Addr<Aisle>, lines: Vec<BasketLine>) -> Self {
        Self { aisle, lines, cx: Context::current() }
    }

    /// The order was recorded in `batch`: the pieces are gone.
    pub(crate) fn mark_sold(mut self, batch: BatchNumber) {
        let sold =
            MarkSold { lines: std::mem::take(&mut self.lines), batch, sale: self.cx.clone() };
        // Bookkeeping of the view, after the order is done: no part of the order's trace.
        let _guard = Context::new().attach();
        self.aisle.do_send(sold);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.lines.is_empty() {
            self.aisle.do_send(Release { lines: std::mem::take(&mut self.lines) });
        }
    }
}

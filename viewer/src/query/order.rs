//! In which order the traces of a search are listed, and the first of them in it: of however many
//! traces there are, only as many are remembered as are listed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::params::Params;
use crate::answer::Failure;
use crate::store::model::TraceId;
use crate::store::trace::Trace;

/// What the search remembers for each trace that is listed, in bytes.
pub(crate) const PLACE_BYTES: usize = 2 * size_of::<Place>();

/// What the traces are sorted by, and which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    by: By,
    is_ascending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Start,
    Duration,
    Spans,
    Errors,
}

/// The smaller comes first in the list.
pub(crate) type Place = (u64, Reverse<u64>, TraceId);

impl Order {
    /// The order that `sort` and `order` say; without them the latest start comes first.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub(crate) fn of(params: &Params) -> Result<Self, Failure> {
        let by = params.read("sort", "start, duration, spans or errors", |text| match text {
            "start" => Some(By::Start),
            "duration" => Some(By::Duration),
            "spans" => Some(By::Spans),
            "errors" => Some(By::Errors),
            _ => None,
        })?;
        let is_ascending = params.read("order", "asc or desc", |text| match text {
            "asc" => Some(true),
            "desc" => Some(false),
            _ => None,
        })?;
        Ok(Self { by: by.unwrap_or(By::Start), is_ascending: is_ascending.unwrap_or_default() })
    }

    /// Where `trace` comes. Those that are alike are in the order of their starts, the latest
    /// first.
    pub(crate) fn place(self, trace: &Trace) -> Place {
        let key = match self.by {
            By::Start => trace.start,
            By::Duration => trace.duration(),
            By::Spans => trace.spans.len() as u64,
            By::Errors => trace.errors() as u64,
        };
        (if self.is_ascending { key } else { !key }, Reverse(trace.start), trace.id)
    }
}

/// The first so many places of those that are considered: of traces or of log records.
#[derive(Debug)]
pub(crate) struct First<P> {
    most: usize,
    /// The last of them on top.
    places: BinaryHeap<P>,
    considered: usize,
}

impl<P: Ord> First<P> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, places: BinaryHeap::with_capacity(most + 1), considered: 0 }
    }

    /// Considers one more.
    pub(crate) fn consider(&mut self, place: P) {
        self.considered += 1;
        self.places.push(place);
        if self.places.len() > self.most {
            self.places.pop();
        }
    }

    /// The first of them, in their order; and how many were considered.
    pub(crate) fn sorted(self) -> (Vec<P>, usize) {
        (self.places.into_sorted_vec(), self.considered)
    }
}

//! The run as a line of points: a second each, or longer in a long run.

use std::time::Duration;

use crate::result::Point;

/// The most points that a time line has. When it is full, each two neighbours are joined into one,
/// so that the memory of an endless run is bounded.
pub const MAX_POINTS: usize = 3600;

/// The points so far.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    points: Vec<Point>,
    /// How many ticks make a point now.
    ticks_a_point: u32,
    /// How many ticks are in the last point.
    ticks_in_last: u32,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self { points: Vec::new(), ticks_a_point: 1, ticks_in_last: 0 }
    }

    /// When the next point begins: where the last one ends.
    pub(super) fn end(&self) -> Duration {
        self.points.last().map_or(Duration::ZERO, |last| last.offset + last.length)
    }

    /// Adds what happened since the last call.
    pub(super) fn push(&mut self, point: &Point) {
        match self.points.last_mut() {
            Some(last) if self.ticks_in_last < self.ticks_a_point => {
                last.join(point);
                self.ticks_in_last += 1;
            }
            _ => {
                self.points.push(point.clone());
                self.ticks_in_last = 1;
            }
        }
        if self.points.len() == MAX_POINTS && self.ticks_in_last == self.ticks_a_point {
            self.points = self.points.chunks(2).filter_map(Point::joined).collect();
            self.ticks_a_point *= 2;
            self.ticks_in_last = self.ticks_a_point;
        }
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of the run that ends at `end`.
    fn second(end: u64) -> Point {
        let length = Duration::from_secs(1);
        Point { offset: Duration::from_secs(end) - length, length, ..Point::default() }
    }

    #[test]
    fn a_long_run_keeps_every_trip_in_few_points() {
        let mut timeline = Timeline::new();
        for end in 1..=20_000 {
            timeline.push(&Point { started: 3, target_per_s: Some(3.0), ..second(end) });
        }
        let points = timeline.points();
        assert!(points.len() < MAX_POINTS);
        assert_eq!(points.iter().map(|point| point.started).sum::<u64>(), 60_000);
        assert_eq!(points.iter().map(|point| point.length.as_secs()).sum::<u64>(), 20_000);
        let gapless = points.windows(2).all(|two| two[0].offset + two[0].length == two[1].offset);
        assert!(gapless);
        assert!(points.iter().all(|point| point.target_per_s == Some(3.0)));
    }

    #[test]
    fn a_short_run_has_a_point_each_second() {
        let mut timeline = Timeline::new();
        for end in 1..=90 {
            timeline.push(&second(end));
        }
        assert_eq!(timeline.points().len(), 90);
        assert!(timeline.points().iter().all(|point| point.length == Duration::from_secs(1)));
    }
}

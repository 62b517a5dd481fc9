//! Axes: where a value stands, and which values are worth a label.

/// The numbers that ticks are made of, in every decade.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// Steps of a time axis, in seconds: what people count time in.
const TIME_STEPS: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];

/// An axis from its lowest value to its highest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// The values that get a label, lowest first.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to a round number not below `high`.
    pub(super) fn from_zero(high: f64) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = steps_around(high / 4.0).into_iter().find(|step| step * 5.0 >= high);
        let step = step.unwrap_or(high);
        let count = (high / step).ceil().max(1.0) as u32;
        let ticks: Vec<f64> = (0..=count).map(|n| f64::from(n) * step).collect();
        Scale { low: 0.0, high: f64::from(count) * step, logarithmic: false, ticks }
    }

    /// From exactly 0 to exactly `seconds`, with ticks that suit a clock.
    pub(super) fn time(seconds: f64) -> Self {
        let high = seconds.max(1.0);
        let step = TIME_STEPS.into_iter().find(|step| high / step <= 8.0);
        // Longer than a day's work: eight ticks at whole hours.
        let step = step.unwrap_or_else(|| (high / 8.0 / 3600.0).ceil() * 3600.0);
        let ticks = (0..=(high / step) as u32).map(|n| f64::from(n) * step).collect();
        Scale { low: 0.0, high, logarithmic: false, ticks }
    }

    /// Logarithmic, between round numbers around `low` and `high`, both above 0.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let low = low.max(1.0);
        let high = high.max(low);
        let below = steps_around(low).into_iter().rfind(|step| *step <= low).unwrap_or(low);
        let above = steps_around(high).into_iter().find(|step| *step > below && *step >= high);
        let above = above.unwrap_or(high * 2.0);
        let decades = (above / below).log10();
        let ticks = (below.log10().floor() as i32..=above.log10().ceil() as i32)
            .flat_map(|decade| STEPS.map(|step| step * 10_f64.powi(decade)))
            // Over many decades only their beginnings have room.
            .filter(|tick| decades < 3.5 || tick.log10().fract().abs() < 1e-9)
            .filter(|tick| (below..=above).contains(tick))
            .collect();
        Scale { low: below, high: above, logarithmic: true, ticks }
    }

    /// Linear between two values, with these ticks.
    pub(super) fn between(low: f64, high: f64, ticks: Vec<f64>) -> Self {
        Scale { low, high, logarithmic: false, ticks }
    }

    /// Where `value` stands: 0 at the low end, 1 at the high one, never outside.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// Round numbers from a tenth of `value` to its hundredfold, lowest first.
fn steps_around(value: f64) -> Vec<f64> {
    let decade = value.log10().floor() as i32;
    (decade - 1..=decade + 2).flat_map(|d| STEPS.map(|step| step * 10_f64.powi(d))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(Scale::from_zero(187.0).ticks, [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!(Scale::from_zero(0.0).ticks, [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(Scale::logarithmic(1_300.0, 7_000.0).ticks, [1e3, 2e3, 5e3, 1e4]);
        assert_eq!(Scale::logarithmic(300.0, 1.2e6).ticks, [1e3, 1e4, 1e5, 1e6]);
        assert_eq!(Scale::time(20.0).ticks, [0.0, 5.0, 10.0, 15.0, 20.0]);
    }

    proptest! {
        #[test]
        fn every_value_of_the_data_has_a_place_in_order(a in 0.0..1e12_f64, b in 0.0..1e12_f64) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let scales = [Scale::from_zero(high), Scale::logarithmic(low, high), Scale::time(high)];
            for scale in scales {
                let (low, high) = (scale.place(low), scale.place(high));
                prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
                prop_assert!(low <= high);
                prop_assert!(scale.ticks.len() <= 14, "{:?}", scale.ticks);
                prop_assert!(scale.ticks.is_sorted());
            }
        }
    }
}

//! Formats figures for people: durations, rates, shares, counts and sizes with their units.
//!
//! The live view, the text, the page and the assertions all use it, so that a figure looks the same
//! in each of them.

use std::time::Duration;

use crate::config::RunShare;

/// A duration in microseconds with three significant digits: `870 µs`, `1.42 ms`, `12.3 s`,
/// `2m 05s`.
pub(crate) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..999_500 => format!("{} ms", significant(us as f64 / 1e3)),
        999_500..119_950_000 => format!("{} s", significant(us as f64 / 1e6)),
        _ => clock(Duration::from_micros(us)),
    }
}

/// The same, or a dash if nothing was measured.
pub(crate) fn some_micros(us: Option<u64>) -> String {
    us.map_or_else(|| "-".to_owned(), micros)
}

/// How long something has run, to the nearest second: `07s`, `2m 05s`, `1h 02m 05s`.
pub(crate) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.saturating_add(Duration::from_millis(500)).as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds:02}s"),
        (0, _) => format!("{minutes}m {seconds:02}s"),
        _ => format!("{hours}h {minutes:02}m {seconds:02}s"),
    }
}

/// Seconds to the millisecond, without trailing zeros: `20 s`, `3.333 s`.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", trim(format!("{:.3}", time.as_secs_f64())))
}

/// The shares of a run: `1/3 2/3`, or `all 3` if none is missing.
pub(crate) fn shares(shares: &[RunShare]) -> String {
    match shares {
        [] => "the whole run".to_owned(),
        [first, ..] if shares.len() > 1 && shares.len() == first.count().get() as usize => {
            format!("all {}", shares.len())
        }
        _ => shares.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// A rate: `0.5/s`, `199.8/s`, `12,345/s`. Only 0 is shown as `0/s`; less than 0.05 is `<0.1/s`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 0.05 {
        "<0.1/s".to_owned()
    } else if per_second < 9_999.95 {
        format!("{}/s", trim(format!("{per_second:.1}")))
    } else {
        format!("{}/s", count(per_second.round() as u64))
    }
}

/// A part of a whole as a percentage. A part of nothing is 0%.
pub(crate) fn part(count: u64, of: u64) -> String {
    share(if of > 0 { count as f64 / of as f64 } else { 0.0 })
}

/// A share of one as a percentage: `0%`, `0.02%`, `12.5%`. Only 0 is shown as `0%` and only 1 as
/// `100%`; what would round to them is `<0.01%` and `>99.9%`.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.01 {
        return "<0.01%".to_owned();
    }
    if share < 1.0 && percent >= 99.95 {
        return ">99.9%".to_owned();
    }
    format!(
        "{}%",
        trim(if percent < 1.0 { format!("{percent:.2}") } else { format!("{percent:.1}") })
    )
}

/// A count with its thousands separated: `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun, in the plural unless it is 1: `1 trip`, `2 trips`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A size: `512 B`, `1.5 KiB`, `3.25 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", significant(size), UNITS[unit])
}

/// Three significant digits, without an exponent.
fn significant(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// Removes the trailing zeros of a decimal fraction.
fn trim(number: String) -> String {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_keep_three_digits_in_the_unit_that_fits() {
        let shown = [0, 999, 1_000, 9_994, 9_995, 99_960, 999_499, 999_500, 1_500_000, 119_000_000]
            .map(micros);
        assert_eq!(
            shown,
            [
                "0 µs", "999 µs", "1.00 ms", "9.99 ms", "10.0 ms", "100 ms", "999 ms", "1.00 s",
                "1.50 s", "119 s"
            ]
        );
        assert_eq!(micros(125_000_000), "2m 05s");
        assert_eq!(some_micros(None), "-");
        assert_eq!(some_micros(Some(999)), micros(999));
    }

    #[test]
    fn clocks_rates_shares_counts_and_sizes_have_one_form_each() {
        assert_eq!(
            [7, 125, 3_725].map(|s| clock(Duration::from_secs(s))),
            ["07s", "2m 05s", "1h 02m 05s"]
        );
        assert_eq!([0.0, 0.5, 199.84, 12_345.4].map(rate), ["0/s", "0.5/s", "199.8/s", "12,345/s"]);
        assert_eq!(
            [0.0, 0.00001, 0.0002, 0.125, 1.0].map(share),
            ["0%", "<0.01%", "0.02%", "12.5%", "100%"]
        );
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2].map(|n| counted(n, "trip")), ["1 trip", "2 trips"]);
        assert_eq!(
            [0, 1_023, 1_536, 1 << 20, 3_489_660_928].map(bytes),
            ["0 B", "1023 B", "1.50 KiB", "1.00 MiB", "3.25 GiB"]
        );
        assert!(bytes(u64::MAX).ends_with(" PiB"));
        assert_eq!(
            [3_333, 20_000].map(|ms| seconds(Duration::from_millis(ms))),
            ["3.333 s", "20 s"]
        );
    }

    #[test]
    fn rounding_makes_no_none_of_some_and_no_all_of_most() {
        assert_eq!(part(2_999, 3_000), ">99.9%");
        assert_eq!([part(3_000, 3_000), part(0, 3_000), part(0, 0)], ["100%", "0%", "0%"]);
        assert_eq!([0.0, 0.001, 0.049, 0.06].map(rate), ["0/s", "<0.1/s", "<0.1/s", "0.1/s"]);
    }

    proptest! {
        #[test]
        fn a_part_is_shown_as_0_or_100_percent_only_when_it_is(of in 1_u64..1 << 50, part_of: u64) {
            let count = part_of % (of + 1);
            let shown = part(count, of);
            prop_assert_eq!(shown == "0%", count == 0, "{} of {}: {}", count, of, shown);
            prop_assert_eq!(shown == "100%", count == of, "{} of {}: {}", count, of, shown);
        }
    }
}

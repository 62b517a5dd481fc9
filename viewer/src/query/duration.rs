//! Durations as Jaeger's API speaks them: `1.5s`, `100ms`, `1h2m`.

const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
];

/// The nanoseconds that `text` says; `None` when it is no duration, or none that fits.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanoseconds = 0.0;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, size) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters])?;
        nanoseconds += number * size;
        rest = &rest[letters..];
        if rest.is_empty() {
            break;
        }
    }
    (nanoseconds < i64::MAX as f64).then(|| sign * nanoseconds.round() as i64)
}

/// `nanoseconds` as Go's `Duration.String` writes them, which is what Jaeger shows.
pub(crate) fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    let text = match size {
        0 => return String::from("0s"),
        1..1_000 => format!("{size}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(size, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(size, 1_000_000)),
        _ => {
            let (minutes, rest) = (size / 60_000_000_000, size % 60_000_000_000);
            let seconds = fraction(rest, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

fn fraction(size: u64, unit: u64) -> String {
    let (whole, rest) = (size / unit, size % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse("1.5s"), Some(1_500_000_000));
        assert_eq!(parse("1h2m3ms"), Some(3_720_003_000_000));
        assert_eq!(parse("500us"), Some(500_000));
        assert_eq!(parse("-2µs"), Some(-2_000));
        assert_eq!(parse("0"), Some(0));
    }

    #[test]
    fn what_is_no_duration_is_not_read() {
        for text in ["", "-", "abc", "10", "10x", "1.2.3s", "s", "9999999h"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let written = [0, 7, 1_500, -2_000_000, 1_500_000_000, 61_000_000_000, 3_600_000_000_000];

        assert_eq!(written.map(format), ["0s", "7ns", "1.5µs", "-2ms", "1.5s", "1m1s", "1h0m0s"]);
    }
}

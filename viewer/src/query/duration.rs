//! Durations as Go writes and reads them (`1.5s`, `100ms`, `1h2m`): Jaeger's API speaks them.

use thiserror::Error;

/// Why a text is no duration, in the words of Go's `time.ParseDuration`.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum DurationError {
    #[error("time: invalid duration \"{0}\"")]
    Invalid(String),
    #[error("time: missing unit in duration \"{0}\"")]
    MissingUnit(String),
    #[error("time: unknown unit \"{unit}\" in duration \"{text}\"")]
    UnknownUnit { unit: String, text: String },
}

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

/// The nanoseconds that `text` says.
///
/// # Errors
///
/// What Go would say of it.
pub(crate) fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = &rest[letters..];
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { unit: unit.into(), text: text.into() });
        };
        nanoseconds += number * size;
    }
    if nanoseconds > i64::MAX as f64 {
        return Err(invalid());
    }
    let nanoseconds = nanoseconds.round() as i64;
    Ok(if negative { -nanoseconds } else { nanoseconds })
}

/// `nanoseconds` as Go's `Duration.String` writes them.
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
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(parse("1.5s"), Ok(1_500_000_000));
        assert_eq!(parse("1h2m3ms"), Ok(3_720_003_000_000));
        assert_eq!(parse("500us"), Ok(500_000));
        assert_eq!(parse("-2µs"), Ok(-2_000));
        assert_eq!(parse("0"), Ok(0));
    }

    #[test]
    fn what_is_no_duration_is_said_in_gos_words() {
        let said = ["", "abc", "10", "10x", "1.2.3s"].map(|text| match parse(text) {
            Ok(nanoseconds) => nanoseconds.to_string(),
            Err(error) => error.to_string(),
        });

        assert_eq!(
            said,
            [
                r#"time: invalid duration """#,
                r#"time: invalid duration "abc""#,
                r#"time: missing unit in duration "10""#,
                r#"time: unknown unit "x" in duration "10x""#,
                r#"time: invalid duration "1.2.3s""#,
            ]
        );
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let written = [0, 7, 1_500, -2_000_000, 1_500_000_000, 61_000_000_000, 3_600_000_000_000];

        assert_eq!(written.map(format), ["0s", "7ns", "1.5µs", "-2ms", "1.5s", "1m1s", "1h0m0s"]);
    }
}

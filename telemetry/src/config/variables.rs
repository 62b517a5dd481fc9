//! Reading one variable as a value of some type, or refusing it by name.

use crate::TelemetryError;
use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

/// A source of variables.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Variables { lookup }
    }

    /// The trimmed value; `None` when unset or empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    /// Whether `name` is set to nothing.
    pub(super) fn is_empty(&self, name: &str) -> bool {
        (self.lookup)(name).is_some_and(|value| value.trim().is_empty())
    }

    /// The error that refuses the value of `name`.
    pub(super) fn invalid(
        &self,
        name: &'static str,
        expected: impl Into<Cow<'static, str>>,
    ) -> TelemetryError {
        let value = self.text(name).unwrap_or_default();
        TelemetryError::Invalid { variable: name.into(), value, expected: expected.into() }
    }

    /// A value of type `T` that `check` accepts.
    pub(super) fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
        check: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>, TelemetryError> {
        self.text(name)
            .map(|text| text.parse().ok().filter(check).ok_or_else(|| self.invalid(name, expected)))
            .transpose()
    }

    /// `true` or `false`; unset is false.
    pub(super) fn boolean(&self, name: &'static str) -> Result<bool, TelemetryError> {
        match self.text(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.invalid(name, "true or false")),
        }
    }

    /// A number from 0.
    pub(super) fn number<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, TelemetryError> {
        self.parsed(name, "a whole number, 0 or more", |_| true)
    }

    /// A number from 1.
    pub(super) fn positive(&self, name: &'static str) -> Result<Option<usize>, TelemetryError> {
        // Queues are allocated at once: a number past this is a slip, and would abort the process.
        const LIMIT: usize = 10_000_000;
        self.parsed(name, "a whole number from 1 to 10000000", |n| (1..=LIMIT).contains(n))
    }

    /// A duration in milliseconds, at least 1.
    pub(super) fn millis(
        &self,
        name: &'static str,
        default: u64,
    ) -> Result<Duration, TelemetryError> {
        let millis = self.optional_millis(name)?;
        Ok(millis.unwrap_or(Duration::from_millis(default)))
    }

    /// A duration in milliseconds, at least 1, if set.
    pub(super) fn optional_millis(
        &self,
        name: &'static str,
    ) -> Result<Option<Duration>, TelemetryError> {
        let day = 86_400_000;
        let millis = self.parsed(name, "milliseconds, from 1 to 86400000", |millis| {
            (1..=day).contains(millis)
        })?;
        Ok(millis.map(Duration::from_millis))
    }

    /// A probability.
    pub(super) fn ratio(&self, name: &'static str) -> Result<Option<f64>, TelemetryError> {
        self.parsed(name, "a number from 0 to 1", |ratio| (0.0..=1.0).contains(ratio))
    }

    /// The names in a comma-separated list; `none` is the empty list and stands alone.
    pub(super) fn list(
        &self,
        name: &'static str,
        default: &str,
        expected: &'static str,
    ) -> Result<Vec<String>, TelemetryError> {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names == ["none"] {
            return Ok(Vec::new());
        }
        let repeated = names.iter().enumerate().any(|(i, name)| names[..i].contains(name));
        if repeated {
            return Err(self.invalid(name, format!("{expected}, each once")));
        }
        Ok(names)
    }

    /// `key=value` pairs, separated by commas, with percent-encoded values.
    pub(super) fn pairs(
        &self,
        name: &'static str,
    ) -> Result<Vec<(String, String)>, TelemetryError> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        text.split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=')?;
                let (key, value) = (key.trim(), percent_decode(value.trim())?);
                (!key.is_empty()).then(|| (key.to_owned(), value))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| {
                self.invalid(name, "key=value pairs separated by commas, percent-encoded")
            })
    }
}

/// Decodes `%XX`; `None` when what follows a `%` is not two hex digits or the result is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// Parses an absolute `http` or `https` URL.
pub(super) fn http_url(text: &str) -> Option<http::Uri> {
    let url: http::Uri = text.parse().ok()?;
    matches!(url.scheme_str(), Some("http" | "https")).then_some(url)
}

//! Reading one variable as a value of some type, or refusing it by name.

use crate::TelemetryError;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

/// Set to `1`, `true`, `yes` or `on`, it makes telemetry warn about values that it would refuse,
/// and go on without them, as the specification says: for clusters that set `OTEL_` variables for
/// everybody. Certificates and keys that cannot be used are refused all the same.
pub const LENIENT: &str = "GROCERY_OTEL_LENIENT";

/// A source of variables.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    is_lenient: bool,
    /// Variables whose values are wrong: they count as unset.
    ignored: BTreeSet<String>,
    /// What is to be said at the start, each once.
    warnings: RefCell<Vec<String>>,
}

impl<'a> Variables<'a> {
    /// Variables as `lookup` finds them.
    ///
    /// # Errors
    /// When [`LENIENT`] says neither yes nor no.
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Result<Self, TelemetryError> {
        let mut vars = Variables {
            lookup,
            is_lenient: false,
            ignored: BTreeSet::new(),
            warnings: RefCell::default(),
        };
        if let Some(text) = vars.text(LENIENT) {
            let expected = "1, true, yes or on; or 0, false, no or off";
            vars.is_lenient =
                shared::env::boolean(&text).map_err(|_| vars.invalid(LENIENT, expected))?;
        }
        Ok(vars)
    }

    /// Whether wrong values are to be ignored with a warning.
    pub(super) fn is_lenient(&self) -> bool {
        self.is_lenient
    }

    /// Counts `variable` as unset from now on, because of `error`.
    pub(super) fn ignore(&mut self, variable: String, error: &TelemetryError) {
        self.warn(format!("{error}; it is ignored"));
        self.ignored.insert(variable);
    }

    /// Has `warning` said at the start.
    pub(super) fn warn(&self, warning: String) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// What is to be said at the start.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }

    /// The trimmed value; `None` when unset or empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        if self.ignored.contains(name) {
            return None;
        }
        let value = (self.lookup)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
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

    /// The error that refuses the value of `name`, however lenient one is.
    pub(super) fn unusable(&self, name: &'static str, expected: String) -> TelemetryError {
        let value = self.text(name).unwrap_or_default();
        TelemetryError::Unusable { variable: name, value, expected }
    }

    /// Whether `name` is set to nothing.
    pub(super) fn is_empty(&self, name: &str) -> bool {
        (self.lookup)(name).is_some_and(|value| value.trim().is_empty())
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

    /// How long something may take, in milliseconds; 0 means that there is no limit.
    pub(super) fn timeout(
        &self,
        name: &'static str,
        default: u64,
    ) -> Result<Option<Duration>, TelemetryError> {
        let timeout = self.millis(name)?.unwrap_or(Duration::from_millis(default));
        Ok((!timeout.is_zero()).then_some(timeout))
    }

    /// How often something is done, in milliseconds; 0 means as often as possible, which is once
    /// a millisecond, because a thread that never waits would take a core for itself.
    pub(super) fn interval(
        &self,
        name: &'static str,
        default: u64,
    ) -> Result<Duration, TelemetryError> {
        let interval = self.millis(name)?.unwrap_or(Duration::from_millis(default));
        Ok(interval.max(Duration::from_millis(1)))
    }

    /// A duration in milliseconds, if set.
    pub(super) fn millis(&self, name: &'static str) -> Result<Option<Duration>, TelemetryError> {
        let day = 86_400_000;
        let millis =
            self.parsed(name, "milliseconds, from 0 to 86400000", |millis| *millis <= day)?;
        Ok(millis.map(Duration::from_millis))
    }

    /// A probability.
    pub(super) fn ratio(&self, name: &'static str) -> Result<Option<f64>, TelemetryError> {
        self.parsed(name, "a number from 0 to 1", |ratio| (0.0..=1.0).contains(ratio))
    }

    /// The value that `choices` gives to the text of `name`, in any case.
    pub(super) fn choice<T: Clone>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, TelemetryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match find(choices, &text) {
            Some(value) => Ok(Some(value)),
            None => {
                let (last, others) =
                    choices.split_last().map_or(("", &[][..]), |(last, others)| (last.0, others));
                let others: Vec<_> = others.iter().map(|(choice, _)| *choice).collect();
                Err(self.invalid(name, format!("{} or {last}", others.join(", "))))
            }
        }
    }

    /// The values that `choices` gives to the names in a comma-separated list, in any case; `none`
    /// is the empty list and stands alone. `None` when the variable is not set.
    ///
    /// What is wrong in a list is ignored by itself where wrong values are.
    pub(super) fn list<T: Clone>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
        expected: &'static str,
        repeated: Repeated,
    ) -> Result<Option<Vec<T>>, TelemetryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let names: Vec<String> =
            text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        if names == ["none"] {
            return Ok(Some(Vec::new()));
        }
        let mut values = Vec::new();
        for (i, one) in names.iter().enumerate() {
            let error = match find(choices, one) {
                Some(_) if names[..i].contains(one) => match repeated {
                    Repeated::CountsOnce => continue,
                    Repeated::IsRefused => self.invalid(name, format!("{expected}, each once")),
                },
                Some(value) => {
                    values.push(value);
                    continue;
                }
                None => self.invalid(name, expected),
            };
            if !self.is_lenient {
                return Err(error);
            }
            self.warn(format!("{error}; {one:?} is ignored"));
        }
        // A list of which nothing is left is ignored as a whole.
        Ok((!values.is_empty()).then_some(values))
    }

    /// `key=value` pairs, separated by commas, with percent-encoded values.
    pub(super) fn pairs(
        &self,
        name: &'static str,
    ) -> Result<Vec<(String, String)>, TelemetryError> {
        self.pairs_with(name, |key| Some(key.to_owned()))
    }

    /// `key=value` pairs, separated by commas, with percent-encoded keys and values.
    pub(super) fn decoded_pairs(
        &self,
        name: &'static str,
    ) -> Result<Vec<(String, String)>, TelemetryError> {
        self.pairs_with(name, percent_decode)
    }

    fn pairs_with(
        &self,
        name: &'static str,
        read_key: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<(String, String)>, TelemetryError> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        text.split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=')?;
                let (key, value) = (read_key(key.trim())?, percent_decode(value.trim())?);
                (!key.is_empty()).then_some((key, value))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| {
                self.invalid(name, "key=value pairs separated by commas, percent-encoded")
            })
    }
}

/// What a name means that stands in a list twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeated {
    /// The same as once.
    CountsOnce,
    /// A mistake.
    IsRefused,
}

fn find<T: Clone>(choices: &[(&str, T)], text: &str) -> Option<T> {
    let found = choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(text));
    found.map(|(_, value)| value.clone())
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

/// The variable that names a proxy for `endpoint`, if one is set. The HTTP client obeys it, but for
/// addresses of this machine.
pub(super) fn proxy(vars: &Variables<'_>, endpoint: &http::Uri) -> Option<&'static str> {
    let names = match endpoint.scheme_str() {
        _ if crate::http::is_loopback(endpoint) => return None,
        Some("https") => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    names.into_iter().find(|name| vars.text(name).is_some())
}

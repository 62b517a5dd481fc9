//! Reads single variables as typed values, and keeps what was wrong with them.
//!
//! A reader never fails: a value that is malformed is kept as a problem, and the variable then
//! counts as unset. So the code that reads a configuration names each variable once, beside its
//! default, and [`Variables::finish`] decides at the end whether the problems are errors or
//! warnings:
//!
//! ```text
//! OTEL_BSP_MAX_QUEUE_SIZE=many
//!     vars.size("OTEL_BSP_MAX_QUEUE_SIZE").unwrap_or(2_048)   2048, and one problem
//!     vars.finish()                                           an error that names the variable,
//!                                                             or with LENIENT a warning
//! ```

use crate::error::TelemetryError;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

/// Set to `1`, `true`, `yes` or `on`, it makes telemetry warn about values that it would refuse and
/// go on without them, as the specification says. It is for clusters that set `OTEL_` variables for
/// all their programs. Certificates and keys that cannot be used are refused all the same.
pub const LENIENT: &str = "GROCERY_OTEL_LENIENT";

/// The largest queue and the largest batch, in spans. The queues are allocated at the start, so
/// that a larger number, which can only be a slip, would abort the process.
const MAX_SIZE: usize = 10_000_000;

/// The longest duration: a day.
const MAX_MILLIS: u64 = 86_400_000;

/// A source of variables, and the problems with those that have been read.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    problems: RefCell<Vec<Problem>>,
    /// Warnings about variables that are right, but do nothing.
    warnings: RefCell<Vec<String>>,
}

/// Why a value was not taken.
struct Problem {
    error: TelemetryError,
    /// What of the value is ignored where problems are only warnings: `it`, or a part of a list.
    ignored: String,
}

/// What a list means that names the same thing twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeated {
    /// The same as if it were named once.
    CountsOnce,
    /// A mistake.
    IsRefused,
}

impl<'a> Variables<'a> {
    /// Variables as `lookup` finds them.
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Variables { lookup, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// Decides about the problems: the warnings to give at the start, or the error that stops it.
    ///
    /// # Errors
    /// The first problem, unless [`LENIENT`] is set; then only [`TelemetryError::Unusable`]. Also
    /// when [`LENIENT`] itself is malformed.
    pub(super) fn finish(self) -> Result<Vec<String>, TelemetryError> {
        let is_lenient = match self.text(LENIENT).map(|text| shared::env::boolean(&text)) {
            Some(Ok(is_lenient)) => is_lenient,
            Some(Err(_)) => {
                let expected = "1, true, yes or on; or 0, false, no or off";
                return Err(self.invalid(LENIENT, expected.into()));
            }
            None => false,
        };
        let mut warnings = Vec::new();
        for Problem { error, ignored } in self.problems.into_inner() {
            if !is_lenient || matches!(error, TelemetryError::Unusable { .. }) {
                return Err(error);
            }
            let warning = format!("{error}; {ignored} is ignored");
            // A general variable is read once for each signal.
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        warnings.extend(self.warnings.into_inner());
        Ok(warnings)
    }

    /// Refuses the value of `name`, which then counts as unset.
    pub(super) fn refuse(&self, name: &str, expected: impl Into<Cow<'static, str>>) {
        self.note(self.invalid(name, expected.into()), "it");
    }

    /// Refuses the value of `name` even where problems are only warnings.
    pub(super) fn refuse_always(&self, name: &str, expected: String) {
        let (variable, value) = (name.to_owned(), self.text(name).unwrap_or_default());
        self.note(TelemetryError::Unusable { variable, value, expected }, "it");
    }

    /// Adds a warning to those that are given at the start.
    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The value without white space around it; `None` when it is unset or empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match (self.lookup)(name)?.into_string() {
            Ok(value) => Some(value.trim().to_owned()).filter(|value| !value.is_empty()),
            Err(_) => {
                self.note(TelemetryError::NotUnicode { variable: name.to_owned() }, "it");
                None
            }
        }
    }

    /// Whether the variable is set, but to nothing.
    pub(super) fn is_blank(&self, name: &str) -> bool {
        let value = (self.lookup)(name);
        value.is_some_and(|value| value.to_str().is_some_and(|text| text.trim().is_empty()))
    }

    /// What `read` makes of the value; a value of which it makes nothing is refused.
    pub(super) fn read<T>(
        &self,
        name: &str,
        expected: impl Into<Cow<'static, str>>,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(&self.text(name)?);
        if value.is_none() {
            self.refuse(name, expected);
        }
        value
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        self.read(name, "true or false", |text| text.to_ascii_lowercase().parse().ok())
    }

    /// A whole number from 0.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.read(name, "a whole number, 0 or more", |text| text.parse().ok())
    }

    /// The size of a queue or a batch: a whole number from 1 to [`MAX_SIZE`].
    pub(super) fn size(&self, name: &str) -> Option<usize> {
        let expected = format!("a whole number from 1 to {MAX_SIZE}");
        let is_size = |size: &usize| (1..=MAX_SIZE).contains(size);
        self.read(name, expected, |text| text.parse().ok().filter(is_size))
    }

    /// A number from 0 to 1.
    pub(super) fn ratio(&self, name: &str) -> Option<f64> {
        let is_ratio = |ratio: &f64| (0.0..=1.0).contains(ratio);
        self.read(name, "a number from 0 to 1", |text| text.parse().ok().filter(is_ratio))
    }

    /// A duration in milliseconds.
    pub(super) fn millis(&self, name: &str) -> Option<Duration> {
        let expected = format!("milliseconds, from 0 to {MAX_MILLIS}");
        let is_short = |millis: &u64| *millis <= MAX_MILLIS;
        let millis = self.read(name, expected, |text| text.parse().ok().filter(is_short));
        millis.map(Duration::from_millis)
    }

    /// How often something is done. 0 means as often as possible, which is once a millisecond: a
    /// thread that never waits would take a core for itself.
    pub(super) fn interval(&self, name: &str) -> Option<Duration> {
        self.millis(name).map(|interval| interval.max(Duration::from_millis(1)))
    }

    /// The value that belongs to one of the names in `choices`, which are read in any case.
    pub(super) fn choice<T: Clone>(&self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        self.read(name, one_of(choices), |text| find(choices, text))
    }

    /// The values that belong to the names in a comma-separated list, in any case. `none` alone is
    /// the empty list.
    ///
    /// Each name that is wrong is a problem of its own. The list counts as unset if no name is
    /// left.
    pub(super) fn list<T: Clone>(
        &self,
        name: &str,
        choices: &[(&str, T)],
        expected: &'static str,
        repeated: Repeated,
    ) -> Option<Vec<T>> {
        let text = self.text(name)?.to_ascii_lowercase();
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        if names == ["none"] {
            return Some(Vec::new());
        }
        let mut values = Vec::new();
        for (i, one) in names.iter().enumerate() {
            let is_repeated = names[..i].contains(one);
            let expected: Cow<'static, str> = match find(choices, one) {
                Some(_) if is_repeated && repeated == Repeated::CountsOnce => continue,
                Some(_) if is_repeated => format!("{expected}, each once").into(),
                Some(value) => {
                    values.push(value);
                    continue;
                }
                None => expected.into(),
            };
            self.note(self.invalid(name, expected), &format!("{one:?}"));
        }
        Some(values).filter(|values| !values.is_empty())
    }

    /// `key=value` pairs, separated by commas, with percent-encoded values.
    pub(super) fn pairs(&self, name: &str) -> Option<Vec<(String, String)>> {
        self.pairs_with(name, |key| Some(key.to_owned()))
    }

    /// `key=value` pairs, separated by commas, with percent-encoded keys and values.
    pub(super) fn decoded_pairs(&self, name: &str) -> Option<Vec<(String, String)>> {
        self.pairs_with(name, percent_decode)
    }

    fn pairs_with(
        &self,
        name: &str,
        read_key: impl Fn(&str) -> Option<String>,
    ) -> Option<Vec<(String, String)>> {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (read_key(key.trim())?, percent_decode(value.trim())?);
            (!key.is_empty()).then_some((key, value))
        };
        self.read(name, "key=value pairs separated by commas, percent-encoded", |text| {
            text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(pair).collect()
        })
    }

    /// A URL with the scheme `http` or `https`, after `complete` has added what may be left out.
    pub(super) fn url(
        &self,
        name: &str,
        complete: impl FnOnce(&str) -> String,
    ) -> Option<http::Uri> {
        self.read(name, "a URL that starts with http:// or https://", |text| {
            let url: http::Uri = complete(text).parse().ok()?;
            matches!(url.scheme_str(), Some("http" | "https")).then_some(url)
        })
    }

    /// The content of the file that the variable names, if `check` accepts it. A file that cannot
    /// be used is refused always: the connection would be less secure than asked for without it.
    pub(super) fn pem_file(
        &self,
        name: &str,
        check: impl FnOnce(&[u8]) -> Result<(), String>,
    ) -> Option<Vec<u8>> {
        let read = std::fs::read(self.text(name)?)
            .map_err(|error| format!("a file as PEM, but: {error}"))
            .and_then(|pem| check(&pem).map(|()| pem));
        read.map_err(|expected| self.refuse_always(name, expected)).ok()
    }

    /// The variable that names a proxy for `endpoint`, if one is set. The HTTP client uses that
    /// proxy, but never for an address of this machine.
    pub(super) fn proxy(&self, endpoint: &http::Uri) -> Option<&'static str> {
        let names = match endpoint.scheme_str() {
            _ if crate::http::is_loopback(endpoint) => return None,
            Some("https") => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        names.into_iter().find(|name| self.text(name).is_some())
    }

    fn invalid(&self, name: &str, expected: Cow<'static, str>) -> TelemetryError {
        let (variable, value) = (name.to_owned().into(), self.text(name).unwrap_or_default());
        TelemetryError::Invalid { variable, value, expected }
    }

    fn note(&self, error: TelemetryError, ignored: &str) {
        self.problems.borrow_mut().push(Problem { error, ignored: ignored.to_owned() });
    }
}

/// How long something may take, if its variable is `set` to a duration. 0 means without limit,
/// which is `None`.
pub(super) fn timeout(set: Option<Duration>, default: Duration) -> Option<Duration> {
    Some(set.unwrap_or(default)).filter(|timeout| !timeout.is_zero())
}

fn find<T: Clone>(choices: &[(&str, T)], text: &str) -> Option<T> {
    let found = choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(text));
    found.map(|(_, value)| value.clone())
}

/// The names of `choices` in the words of an error: `a, b or c`.
fn one_of<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
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

//! Tags: how a search writes them, and whether a span or a log record has one.
//!
//! People type pairs of keys and values, and the page writes them in its links:
//!
//! ```text
//! error http.route="/a b" "guid:x-request-id" = 7
//! ```
//!
//! - Pairs are separated by white space. A key alone means `true`.
//! - White space around `=` does not matter.
//! - A text without white space, `"` and `=` needs no quotes; a value may also hold `=`, unless
//!   white space stands before it. Any other text stands in `"`, and in it `\` before a character
//!   means that character.
//! - Text that starts with `{` is a JSON object of strings instead: Jaeger's page writes that.
//!
//! Whether a span has a tag goes by the rules of Jaeger's in-memory storage.

use std::collections::BTreeMap;

use crate::render;
use crate::store::model::{Attribute, Kind, LogRecord, Span, Status, find};

/// A tag that a span must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Tag {
    /// Whether `span` has it: as an intrinsic field for the keys that name one, otherwise as an
    /// attribute of the span, its scope, its resource, an event or a link.
    pub(crate) fn matches(&self, span: &Span) -> bool {
        match self.key.as_str() {
            // A status that was not set matches neither true nor false.
            "error" => match truth(&self.value) {
                Some(true) => span.status == Status::Error,
                Some(false) => span.status == Status::Ok,
                None => false,
            },
            "span.kind" => Kind::from_name(&self.value) == span.kind,
            "span.status" => status(&self.value) == span.status,
            "otel.status_code" => {
                span.status != Status::Unset && status(&self.value) == span.status
            }
            "scope.name" | "otel.scope.name" => *self.value == *span.scope.name,
            "scope.version" | "otel.scope.version" => *self.value == *span.scope.version,
            key => {
                let of_resource = key.strip_prefix("resource.");
                of_resource.is_some_and(|key| self.is_among(key, &span.resource.attributes))
                    || self.is_an_attribute(key, span)
            }
        }
    }

    /// Whether a log record has it: as `event.name`, as an intrinsic field of its scope, or as an
    /// attribute of the record, its scope or its resource.
    pub(crate) fn matches_record(&self, record: &LogRecord) -> bool {
        match self.key.as_str() {
            "event.name" => record.event_name.as_deref() == Some(&*self.value),
            "scope.name" | "otel.scope.name" => *self.value == *record.scope.name,
            "scope.version" | "otel.scope.version" => *self.value == *record.scope.version,
            key => {
                let of_resource = key.strip_prefix("resource.");
                of_resource.is_some_and(|key| self.is_among(key, &record.resource.attributes))
                    || self.is_among(key, &record.attributes)
                    || self.is_among(key, &record.scope.attributes)
                    || self.is_among(key, &record.resource.attributes)
            }
        }
    }

    fn is_an_attribute(&self, key: &str, span: &Span) -> bool {
        self.is_among(key, &span.attributes)
            || self.is_among(key, &span.scope.attributes)
            || self.is_among(key, &span.resource.attributes)
            || span.events().iter().any(|event| self.is_among(key, &event.attributes))
            || span.links().iter().any(|link| self.is_among(key, &link.attributes))
    }

    fn is_among(&self, key: &str, attributes: &[Attribute]) -> bool {
        find(attributes, key).is_some_and(|value| render::text(value) == self.value)
    }
}

/// The tags in `text`, in the order in which their keys first occur; of one key the last value
/// holds.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Tag>, String> {
    let mut tags = Vec::new();
    for (key, value) in pairs(text)? {
        put(&mut tags, key, value);
    }
    Ok(tags)
}

/// Sets a tag; the last of one key holds.
pub(crate) fn put(tags: &mut Vec<Tag>, key: String, value: String) {
    match tags.iter_mut().find(|tag| tag.key == key) {
        Some(tag) => tag.value = value,
        None => tags.push(Tag { key, value }),
    }
}

/// A truth value, in the spellings that Jaeger takes.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn status(name: &str) -> Status {
    match name.to_ascii_uppercase().as_str() {
        "OK" => Status::Ok,
        "ERROR" => Status::Error,
        _ => Status::Unset,
    }
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut rest = text.trim_start();
    if rest.starts_with('{') {
        let object: Result<BTreeMap<_, _>, _> = serde_json::from_str(rest);
        return object
            .map(|pairs| pairs.into_iter().collect())
            .map_err(|error| format!("expected a JSON object of strings: {error}"));
    }
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (key, after) = word(rest, true)?;
        let value_start = after.trim_start().strip_prefix('=');
        let (value, after) = match value_start {
            None => (String::from("true"), after),
            Some(start) => value(&key, start)?,
        };
        if !(after.is_empty() || after.starts_with(char::is_whitespace)) {
            return Err(format!("expected white space before {after:?}"));
        }
        pairs.push((key, value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The value of `key` at the start of `text`, which follows the `=`, and the text after it.
fn value<'a>(key: &str, text: &'a str) -> Result<(String, &'a str), String> {
    let start = text.trim_start();
    let (value, after) = word(start, false)?;
    let is_bare = !start.starts_with('"');
    // In "a= b=1" the value of a is missing; it is hardly meant to be "b=1".
    if is_bare && (value.is_empty() || start.len() < text.len() && value.contains('=')) {
        return Err(format!("expected a value after {key:?} (an empty one is \"\")"));
    }
    Ok((value, after))
}

/// The word at the start of `text`, quoted or not, and the text after it.
fn word(text: &str, is_key: bool) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let ends = |c: char| c.is_whitespace() || c == '"' || is_key && c == '=';
        let (bare, after) = text.split_at(text.find(ends).unwrap_or(text.len()));
        if is_key && bare.is_empty() {
            return Err(format!("expected a key before {after:?}"));
        }
        return Ok((bare.to_owned(), after));
    };
    let (mut word, mut is_escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return Ok((word, &quoted[at + 1..])),
            _ => {
                word.push(c);
                is_escaped = false;
            }
        }
    }
    Err(format!("expected a second quote after {text:?}"))
}

/// A tag as the page writes it (`tagText` in `lib.js`).
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn write(key: &str, value: &str) -> String {
    let quoted = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
        if !text.is_empty() && text.chars().all(is_plain) {
            text.to_owned()
        } else {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
    };
    format!("{}={}", quoted(key), quoted(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(tags) => tags.iter().map(|tag| format!("{}→{}", tag.key, tag.value)).collect(),
            Err(error) => vec![error],
        }
    }

    #[test]
    fn keys_values_and_quotes_are_understood() {
        assert_eq!(
            tags(r#"error  http.route="/a \"b\" c" id=7 empty="" url=/?a=b"#),
            ["error→true", "http.route→/a \"b\" c", "id→7", "empty→", "url→/?a=b"]
        );
    }

    #[test]
    fn a_pair_means_what_it_looks_like() {
        assert_eq!(tags(r#"foo = "bar""#), ["foo→bar"]);
        assert_eq!(tags("foo =bar error"), ["foo→bar", "error→true"]);
        assert_eq!(tags(r#""guid:x-request-id"="some guid""#), ["guid:x-request-id→some guid"]);
        assert_eq!(tags(r#""a b" "c=d" = e"#), ["a b→true", "c=d→e"]);
        assert_eq!(tags(r#"guid:x-request-id="some guid""#), ["guid:x-request-id→some guid"]);
        assert_eq!(tags("a=1 a=2"), ["a→2"]);
        assert_eq!(tags(r#" {"a b": "c", "error": "true"}"#), ["a b→c", "error→true"]);
    }

    #[test]
    fn what_is_no_tag_is_said() {
        for (text, said) in [
            ("=lost", r#"expected a key before "=lost""#),
            ("a=", r#"expected a value after "a" (an empty one is "")"#),
            ("a= b=1", r#"expected a value after "a" (an empty one is "")"#),
            (r#"open="x y"#, r#"expected a second quote after "\"x y""#),
            (r#"size=5"in"#, r#"expected white space before "\"in""#),
            (r#""a"b=1"#, r#"expected white space before "b=1""#),
            (
                "{\"a\":1}",
                "expected a JSON object of strings: invalid type: integer `1`, \
                 expected a string at line 1 column 6",
            ),
        ] {
            assert_eq!(tags(text), [said], "{text}");
        }
    }

    /// The texts that the page writes for these keys and values: its own tests have the same list.
    #[test]
    fn the_page_writes_what_is_read_here() {
        let cases: Vec<[String; 3]> =
            serde_json::from_str(include_str!("../../web/test/tags.json")).expect("triples");
        assert!(cases.len() > 10);
        for [key, value, text] in cases {
            assert_eq!(write(&key, &value), text);
            assert_eq!(parse(&text), Ok(vec![Tag { key, value }]), "{text}");
        }
    }

    /// The inputs that the fuzz target begins with, and those that failed once.
    #[test]
    fn the_corpus_is_read_or_refused_and_what_is_read_can_be_written() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/tags");
        let mut read = 0;
        for file in std::fs::read_dir(corpus).expect("a corpus") {
            let path = file.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("a text");
            if let Ok(tags) = parse(&text) {
                let written: Vec<_> = tags.iter().map(|tag| write(&tag.key, &tag.value)).collect();
                assert_eq!(parse(&written.join(" ")), Ok(tags), "{path:?}");
                read += 1;
            }
        }
        assert!(read > 5, "{read}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            pairs in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5),
        ) {
            let written: Vec<_> = pairs.iter().map(|(key, value)| write(key, value)).collect();

            let tags = parse(&written.join(" "));

            let expected = pairs.into_iter().map(|(key, value)| Tag { key, value }).collect();
            prop_assert_eq!(tags, Ok(expected));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            drop(parse(&text));
        }

        #[test]
        fn any_text_of_the_grammars_own_characters_is_read_or_refused(text in r#"[a "=\\{}:\t]{0,24}"#) {
            if let Ok(tags) = parse(&text) {
                let written: Vec<_> =
                    tags.iter().map(|tag| write(&tag.key, &tag.value)).collect();
                prop_assert_eq!(parse(&written.join(" ")), Ok(tags));
            }
        }
    }
}

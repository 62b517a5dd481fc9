//! How much of one span is kept. A span may be as large as a whole request. What is beyond these
//! limits is cut, and counted on the span (`cut`) and in the statistics; the rest of the span is
//! kept.
//!
//! The numbers leave room above the limits of OpenTelemetry SDKs (128 attributes, events and
//! links a span by default).

/// Attributes of one span, event, link, resource or scope, and entries of one nested map or array.
pub(crate) const ATTRIBUTES: usize = 256;
/// Events of one span.
pub(crate) const EVENTS: usize = 512;
/// Links of one span.
pub(crate) const LINKS: usize = 512;
/// Buckets of one histogram's data point.
pub(crate) const BUCKETS: usize = 1024;
/// Percentiles of one summary's data point.
pub(crate) const QUANTILES: usize = 64;
/// Exemplars of one data point.
pub(crate) const EXEMPLARS: usize = 64;
/// Levels of arrays and maps inside an attribute's value.
pub(crate) const DEPTH: usize = 8;
/// Bytes of an attribute's key, of a span's, event's or scope's name, of a version or schema URL.
pub(crate) const NAME_BYTES: usize = 1024;
/// Bytes of a string or byte string, of a status message, of a trace state.
pub(crate) const VALUE_BYTES: usize = 16 * 1024;
/// Values in one attribute, nested ones counted.
pub(crate) const NESTED_VALUES: usize = 1024;

/// The beginning of `text`, at most `bytes` of it, up to a character's boundary.
pub(crate) fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("aéé", 4), "aé");
        assert_eq!(shortened("aéé", 5), "aéé");
    }
}

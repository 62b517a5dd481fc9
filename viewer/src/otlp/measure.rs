//! What decoding a request will take in memory, found out without decoding it.

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::shapes::{LARGEST, Shape};

/// How deep messages may nest; prost itself stops at as much.
const DEPTH: usize = 100;

/// A list grows by doubling, and both halves exist while it is copied.
const GROWTH: usize = 2;

/// An estimate, on the high side, of the bytes that `message` takes when decoded: its own bytes
/// for texts, and the messages that it nests.
///
/// # Errors
///
/// When `message` is no protobuf, or nests too deep.
pub(super) fn protobuf(message: &[u8], shape: &Shape) -> Result<usize, DecodeError> {
    Ok(message.len() + GROWTH * nested(message, shape, DEPTH)?)
}

/// The same of JSON: every object could become the largest of messages, though most become an
/// attribute and its value.
pub(super) fn json(text: &[u8]) -> usize {
    let objects = text.iter().filter(|&&byte| byte == b'{').count();
    text.len() + objects * LARGEST
}

fn nested(mut message: &[u8], shape: &Shape, depth: usize) -> Result<usize, DecodeError> {
    let mut bytes = 0;
    while !message.is_empty() {
        let (field, wire_type) = decode_key(&mut message)?;
        let child = shape.fields.iter().find(|(number, _)| *number == field);
        match (child, wire_type) {
            (Some((_, child)), WireType::LengthDelimited) if depth > 0 => {
                let length = usize::try_from(decode_varint(&mut message)?).unwrap_or(usize::MAX);
                let Some((content, rest)) = message.split_at_checked(length) else {
                    return Err(truncated());
                };
                message = rest;
                bytes += child.bytes + nested(content, child, depth - 1)?;
            }
            _ => skip_field(wire_type, field, &mut message, DecodeContext::default())?,
        }
    }
    Ok(bytes)
}

/// The error that prost has for a length past the end; it offers no way to make one.
fn truncated() -> DecodeError {
    match decode_varint(&mut &[][..]) {
        Err(error) => error,
        Ok(_) => unreachable!("an empty buffer holds no number"),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::super::shapes::TRACES;
    use super::*;

    #[test]
    fn a_small_request_of_empty_spans_is_known_to_take_much_memory() {
        let spans = vec![Span::default(); 1000];
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();

        let bytes = protobuf(&request, &TRACES).expect("a well-formed request");

        assert!(request.len() < 2100);
        assert!(bytes >= 1000 * size_of::<Span>());
    }

    #[test]
    fn a_length_past_the_end_is_an_error() {
        assert!(protobuf(&[0x0a, 0x7f, 0x00], &TRACES).is_err());
    }
}

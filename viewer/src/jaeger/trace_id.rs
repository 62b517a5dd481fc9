//! Trace ids as Jaeger takes them in addresses: hexadecimal without leading zeroes too, or base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::store::model::TraceId;

/// The id that `text` says; zero is an id that nothing has.
///
/// # Errors
///
/// What Jaeger says of it.
pub(super) fn parse(text: &str) -> Result<TraceId, String> {
    hexadecimal(text).or_else(|error| base64(text).ok_or(error)).map(TraceId)
}

fn hexadecimal(text: &str) -> Result<u128, String> {
    if text.len() > 32 {
        return Err(format!("TraceID cannot be longer than 32 hex characters: {text}"));
    }
    // Jaeger reads the two halves apart, and says which of them is wrong.
    let split = text.len().saturating_sub(16);
    let halves = text.split_at_checked(split).unwrap_or(("", text));
    let half = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.ok_or_else(|| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
    };
    let high = if halves.0.is_empty() { 0 } else { half(halves.0)? };
    Ok(u128::from(high) << 64 | u128::from(half(halves.1)?))
}

fn base64(text: &str) -> Option<u128> {
    // 128 bits make 22 characters, and two of padding.
    if text.len() > 24 {
        return None;
    }
    let engines = [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(text).ok())?;
    match bytes.len() {
        16 => Some(u128::from_be_bytes(bytes.try_into().ok()?)),
        8 => Some(u64::from_be_bytes(bytes.try_into().ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_jaeger_reads_them() {
        let id = TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);

        assert_eq!(parse("0af7651916cd43dd8448eb211c80319c"), Ok(id));
        assert_eq!(parse("af7651916cd43dd8448eb211c80319c"), Ok(id));
        assert_eq!(parse("1"), Ok(TraceId(1)));
        assert_eq!(parse("CvdlGRbNQ92ESOshHIAxnA=="), Ok(id));
    }

    #[test]
    fn what_is_no_id_is_said_in_jaegers_words() {
        assert_eq!(
            parse("xyz").map_err(|error| error.clone()),
            Err("strconv.ParseUint: parsing \"xyz\": invalid syntax".into())
        );
        let long = "a".repeat(33);
        assert_eq!(
            parse(&long),
            Err(format!("TraceID cannot be longer than 32 hex characters: {long}"))
        );
    }
}

//! Trace ids as Jaeger takes them: hexadecimal without leading zeroes too, and in paths also base64,
//! as its stable API's own JSON has them.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD, PAD};

use crate::store::model::TraceId;

/// The base64 that Jaeger tries, in its order. Go lets the bits be that the last character has too
/// many.
const ENGINES: [GeneralPurpose; 4] = {
    const fn lenient(config: GeneralPurposeConfig) -> GeneralPurposeConfig {
        config.with_decode_allow_trailing_bits(true)
    }
    [
        GeneralPurpose::new(&STANDARD, lenient(PAD)),
        GeneralPurpose::new(&URL_SAFE, lenient(PAD)),
        GeneralPurpose::new(&STANDARD, lenient(NO_PAD)),
        GeneralPurpose::new(&URL_SAFE, lenient(NO_PAD)),
    ]
};

/// 128 bits make 22 characters of base64, and two of padding.
const LONGEST_BASE64: usize = 24;

/// The id that `text`, part of a path, says; zero is an id that nothing has.
///
/// # Errors
///
/// What Jaeger says of it: of what is no hexadecimal but some base64, that its length is wrong.
pub(super) fn in_path(text: &str) -> Result<TraceId, String> {
    let error = match hexadecimal(text) {
        Ok(id) => return Ok(id),
        Err(error) if text.len() > LONGEST_BASE64 => return Err(error),
        Err(error) => error,
    };
    let bytes = ENGINES.iter().find_map(|engine| engine.decode(text).ok()).ok_or(error)?;
    let id = match bytes.len() {
        16 => bytes.try_into().ok().map(u128::from_be_bytes),
        8 => bytes.try_into().ok().map(u64::from_be_bytes).map(u128::from),
        _ => None,
    };
    id.map(TraceId).ok_or_else(|| String::from("invalid length for TraceID"))
}

/// The id that `text`, hexadecimal, says; zero is an id that nothing has.
///
/// # Errors
///
/// What Jaeger says of it.
pub(super) fn hexadecimal(text: &str) -> Result<TraceId, String> {
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
    Ok(TraceId(u128::from(high) << 64 | u128::from(half(halves.1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_jaeger_reads_them() {
        let id = TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);

        assert_eq!(in_path("0af7651916cd43dd8448eb211c80319c"), Ok(id));
        assert_eq!(in_path("af7651916cd43dd8448eb211c80319c"), Ok(id));
        assert_eq!(in_path("1"), Ok(TraceId(1)));
        assert_eq!(in_path("CvdlGRbNQ92ESOshHIAxnA=="), Ok(id));
        assert_eq!(in_path("CvdlGRbNQ92ESOshHIAxnB"), Ok(id), "bits too many do not matter");
        assert_eq!(in_path("AAAAAAAAAAE="), Ok(TraceId(1)));
    }

    #[test]
    fn what_is_no_id_is_said_in_jaegers_words() {
        let said = |text: &str| in_path(text).map_err(|error| error.replace(text, "TEXT"));

        for (text, expected) in [
            ("xyz", "invalid length for TraceID"),
            ("x.z", "strconv.ParseUint: parsing \"TEXT\": invalid syntax"),
            (&"a".repeat(33), "TraceID cannot be longer than 32 hex characters: TEXT"),
        ] {
            assert_eq!(said(text), Err(expected.into()), "{text}");
        }
        let late = "0".repeat(16) + "zzzzzzzzzzzzzzzz";
        let expected = "strconv.ParseUint: parsing \"zzzzzzzzzzzzzzzz\": invalid syntax";
        assert_eq!(in_path(&late), Err(expected.into()));
        assert!(hexadecimal("CvdlGRbNQ92ESOshHIAxnA==").is_err(), "base64 is for paths");
    }
}

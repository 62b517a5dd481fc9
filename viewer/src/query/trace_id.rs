//! Trace ids as readers write them: in hexadecimal, leading zeroes or not, and in paths also in
//! base64, as Jaeger's stable API takes them.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::ParamError;
use crate::store::model::TraceId;

/// The two alphabets of base64, padded or not. As in Go, surplus bits of the last character do not
/// matter.
const ENGINES: [GeneralPurpose; 2] = {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(Indifferent);
    [GeneralPurpose::new(&STANDARD, LENIENT), GeneralPurpose::new(&URL_SAFE, LENIENT)]
};

/// 128 bits make 22 characters of base64, and two of padding.
const LONGEST_BASE64: usize = 24;

/// The id that `text`, part of a path, says; zero is an id that nothing has.
///
/// # Errors
///
/// A sentence that says what was expected.
pub(crate) fn in_path(text: &str) -> Result<TraceId, ParamError> {
    hexadecimal(text).or_else(|error| base64(text).ok_or(error))
}

/// The id that `text`, hexadecimal, says; zero is an id that nothing has.
///
/// # Errors
///
/// A sentence that says what was expected.
pub(crate) fn hexadecimal(text: &str) -> Result<TraceId, ParamError> {
    let is_hexadecimal =
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_hexadecimal.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    id.map(TraceId).ok_or_else(|| {
        ParamError::other(format!("{text:?} is no trace id: expected 32 hexadecimal digits"))
    })
}

fn base64(text: &str) -> Option<TraceId> {
    if text.len() > LONGEST_BASE64 {
        return None;
    }
    let bytes = ENGINES.iter().find_map(|engine| engine.decode(text).ok())?;
    let id = match bytes.len() {
        16 => u128::from_be_bytes(bytes.try_into().ok()?),
        8 => u64::from_be_bytes(bytes.try_into().ok()?).into(),
        _ => return None,
    };
    Some(TraceId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_jaeger_reads_them() {
        let id = TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);

        let in_path = |text| in_path(text).ok();

        assert_eq!(in_path("0af7651916cd43dd8448eb211c80319c"), Some(id));
        assert_eq!(in_path("af7651916cd43dd8448eb211c80319c"), Some(id));
        assert_eq!(in_path("1"), Some(TraceId(1)));
        assert_eq!(in_path("CvdlGRbNQ92ESOshHIAxnA=="), Some(id));
        assert_eq!(in_path("CvdlGRbNQ92ESOshHIAxnB"), Some(id), "bits too many do not matter");
        assert_eq!(in_path("AAAAAAAAAAE="), Some(TraceId(1)));
    }

    #[test]
    fn what_is_no_id_is_said() {
        for text in ["", "xyz", "x.z", &"a".repeat(33), "+1"] {
            let said = format!("{text:?} is no trace id: expected 32 hexadecimal digits");
            assert_eq!(in_path(text).map_err(|error| error.to_string()), Err(said));
        }
        assert!(hexadecimal("CvdlGRbNQ92ESOshHIAxnA==").is_err(), "base64 is for paths");
    }
}

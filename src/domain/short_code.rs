//! The short code of a UUID: its 128 bits as a number of 22 digits in base 58, with the alphabet of Bitcoin.
//!
//! The width is fixed, so that each UUID has exactly one code. This is not base 58 of its 16 bytes, which is shorter for
//! some UUIDs.

use uuid::Uuid;

use super::id::InvalidId;

/// The digits of a code: 58 to the power of 22 is the first above 2 to the power of 128.
const LEN: usize = 22;

/// The digit zero.
const ZERO: char = '1';

/// The code of a UUID.
pub(super) fn encode(uuid: Uuid) -> String {
    let digits = bs58::encode(uuid.as_bytes()).into_string();
    // The library writes one zero for each leading byte that is zero.
    format!("{:1>LEN$}", digits.trim_start_matches(ZERO))
}

/// The UUID of a code.
///
/// # Errors
///
/// [`InvalidId::CodeTooLarge`] if the code is over 128 bits, and [`InvalidId::NotAUuid`] if the text is no code.
pub(super) fn decode(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != LEN {
        return Err(InvalidId::NotAUuid);
    }
    let mut bytes = [0; size_of::<Uuid>()];
    match bs58::decode(text.trim_start_matches(ZERO)).onto(&mut bytes) {
        Ok(len) => {
            // A small number has fewer bytes, which stand at the end of the UUID.
            bytes.rotate_right(size_of::<Uuid>().saturating_sub(len));
            Ok(Uuid::from_bytes(bytes))
        }
        Err(bs58::decode::Error::BufferTooSmall) => Err(InvalidId::CodeTooLarge),
        Err(_) => Err(InvalidId::NotAUuid),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_a_number_of_22_digits() {
        for (number, code) in [
            (0, "1111111111111111111111"),
            (1, "1111111111111111111112"),
            (57, "111111111111111111111z"),
            (58, "1111111111111111111121"),
            (u128::MAX, "YcVfxkQb6JRzqk5kF2tNLv"),
        ] {
            assert_eq!(encode(Uuid::from_u128(number)), code, "{number}");
            assert_eq!(decode(code), Ok(Uuid::from_u128(number)), "{code}");
        }
    }

    #[test]
    fn a_text_that_is_no_code_is_no_uuid() {
        for (text, why) in [
            // One more than the largest.
            ("YcVfxkQb6JRzqk5kF2tNLw", InvalidId::CodeTooLarge),
            ("zzzzzzzzzzzzzzzzzzzzzz", InvalidId::CodeTooLarge),
            ("", InvalidId::NotAUuid),
            ("111111111111111111111", InvalidId::NotAUuid),
            ("11111111111111111111111", InvalidId::NotAUuid),
            // 0, O, I and l are no digits.
            ("111111111111111111111l", InvalidId::NotAUuid),
            ("1111111111111111111 11", InvalidId::NotAUuid),
            ("11111111111111111111ü", InvalidId::NotAUuid),
        ] {
            assert_eq!(decode(text), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_uuid_has_one_code_of_22_characters(number in any::<u128>(), shift in 0..128_u32) {
            // Shifted, so that small numbers are among them.
            let uuid = Uuid::from_u128(number >> shift);
            let code = encode(uuid);
            prop_assert_eq!(code.len(), LEN);
            prop_assert_eq!(decode(&code), Ok(uuid));
        }

        #[test]
        fn every_text_that_is_a_code_is_the_code_of_its_uuid(text in "[1-9A-HJ-NP-Za-km-z]{22}|.{0,30}") {
            if let Ok(uuid) = decode(&text) {
                prop_assert_eq!(encode(uuid), text);
            }
        }
    }
}

//! Base64 as lenient as KES's users rely on.
//!
//! Values marked as binary were written by people and tools over years: with line breaks, without
//! padding, in either alphabet. What decoded there must decode here to the same bytes, so nothing is
//! refused: what is no digit is skipped, and the first `=` ends the text.

/// The bytes that `text` stands for.
#[must_use]
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &character in text {
        let digit = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_both_alphabets_junk_and_missing_padding_decode() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("Zm9vYg", b"foob"),
            ("Zm9v\nYmFy\r\n", b"foobar"),
            (" Z m 9 v ! ", b"foo"),
            ("+/+/", &[0xFB, 0xFF, 0xBF]),
            ("-_-_", &[0xFB, 0xFF, 0xBF]),
            ("Zm9v=Zm9v", b"foo"),
            ("=Zm9v", b""),
            ("Z", b""),
            ("Zm9vY", b"foo"),
            ("é€Zm9v", b"foo"),
        ] {
            assert_eq!(decode(text.as_bytes()), bytes, "{text}");
        }
    }

    #[test]
    fn what_a_strict_decoder_takes_is_decoded_alike() {
        use base64::Engine as _;
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..random.usize(0..50)).map(|_| random.u8(..)).collect();
            for engine in [
                base64::engine::general_purpose::STANDARD,
                base64::engine::general_purpose::URL_SAFE_NO_PAD,
            ] {
                assert_eq!(decode(engine.encode(&bytes).as_bytes()), bytes);
            }
        }
    }
}

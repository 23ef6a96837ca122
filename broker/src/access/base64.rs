//! Base64 as SCRAM uses it: the standard alphabet with padding, and nothing else. [RFC 4648, section 4]

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for position in 0..4 {
            let index = (bits >> (18 - 6 * position)) & 0x3F;
            text.push(match position <= chunk.len() {
                true => char::from(ALPHABET[index as usize]),
                false => '=',
            });
        }
    }
    text
}

/// `None` if `text` is not what [`encode`] writes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let digits = group.iter().take_while(|byte| **byte != b'=');
        let mut bits = 0_u32;
        let mut count = 0;
        for byte in digits {
            let value = ALPHABET.iter().position(|digit| digit == byte)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
            count += 1;
        }
        let bits = bits.checked_shl(6 * (4 - count))?;
        let [_, decoded @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(decoded.get(..(count as usize).checked_sub(1)?)?);
    }
    // Anything but the one way to write it is refused: padding elsewhere, bits that mean nothing.
    Some(bytes).filter(|bytes| encode(bytes) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_bytes_are_decoded() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
    }

    #[test]
    fn invalid_base64_is_refused() {
        for text in [
            "Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "=", "====", "Zm9v!", "Zm 9", "ü===",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}

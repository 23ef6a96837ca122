//! The content of a segment: framed records, each after its length.

/// Bytes of a length.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Appends one part.
pub(crate) fn push(segment: &mut Vec<u8>, piece: &[u8]) {
    // The engine's packets are far smaller than 4 GiB.
    let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
    segment.extend(length.to_le_bytes());
    segment.extend(piece);
}

/// Returns the parts, in order. Bytes after an impossible length are one part, which the engine reports.
pub(crate) fn pieces(segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = segment;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_first_chunk::<LENGTH_BYTES>();
        let piece = piece
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let (piece, after) = piece.unwrap_or((rest, &[]));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written() {
        let mut segment = Vec::new();
        for piece in [&b"a"[..], b"", b"bcd"] {
            push(&mut segment, piece);
        }
        assert_eq!(
            pieces(&segment).collect::<Vec<_>>(),
            [&b"a"[..], b"", b"bcd"]
        );
        assert_eq!(pieces(&[]).count(), 0);
    }

    #[test]
    fn a_truncated_part_is_one_last_part() {
        let mut segment = Vec::new();
        push(&mut segment, b"a");
        push(&mut segment, b"bcd");
        segment.pop();
        let found: Vec<&[u8]> = pieces(&segment).collect();
        assert_eq!(found, [&b"a"[..], b"\x03\0\0\0bc"]);
    }
}

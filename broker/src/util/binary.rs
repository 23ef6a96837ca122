//! The layout of values in records, in frames and between a page and its worker. `docs/formats.md` specifies it.
//!
//! The bytes are those of bincode 1.3, which is no longer maintained. This code owns the layout, because logs in browsers and
//! tabs of other builds depend on it. Its errors carry no text: a caller can only drop unreadable bytes, and the texts would be
//! 9 kB of the compressed worker.

mod reader;
mod writer;

pub use reader::{Unreadable, read};
pub use writer::{Unwritable, write};

/// How integers of more than 8 bits, lengths and numbers of variants are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integers {
    /// In 1 byte below 251; otherwise in a tag and 2, 4 or 8 bytes.
    Variable,
    /// In all bytes of their type. A length has 8 bytes, the number of a variant 4.
    Fixed,
}

/// With [`Integers::Variable`], the first byte of an integer of 2, 4 or 8 bytes. A smaller first byte is the integer.
const TAG_2: u8 = 251;
const TAG_4: u8 = 252;
const TAG_8: u8 = 253;

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use bincode::Options as _;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind<'a> {
        Unit,
        One(Option<u64>),
        Two(u16, bool),
        Named {
            text: &'a str,
            #[serde(borrow)]
            bytes: Cow<'a, [u8]>,
            list: Vec<(u32, u8)>,
            map: BTreeMap<String, ()>,
        },
        Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
        Array([u16; 2], Number),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Number(u64);

    fn kinds() -> Vec<Kind<'static>> {
        vec![
            Kind::Unit,
            Kind::One(None),
            Kind::One(Some(u64::MAX)),
            Kind::Two(300, true),
            Kind::Named {
                text: "für",
                bytes: Cow::Borrowed(b"\xff\0"),
                list: vec![(250, 1), (251, 255), (65_535, 0), (65_536, 0)],
                map: BTreeMap::from([("a".to_owned(), ())]),
            },
            Kind::Bytes(vec![7; 300]),
            Kind::Array([0, 65_535], Number(1 << 32)),
        ]
    }

    /// The values that bincode reads from these bytes.
    fn peer(integers: Integers, bytes: &[u8]) -> Option<Vec<Kind<'_>>> {
        let options = bincode::DefaultOptions::new();
        match integers {
            Integers::Variable => options.deserialize(bytes).ok(),
            Integers::Fixed => options.with_fixint_encoding().deserialize(bytes).ok(),
        }
    }

    #[test]
    fn values_are_written_as_bincode_writes_them() {
        let mut bytes = Vec::new();
        write(&kinds(), &mut bytes).unwrap();
        let expected = bincode::DefaultOptions::new().serialize(&kinds()).unwrap();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_layout_is_the_one_that_the_document_specifies() {
        let written = |kind: Kind<'_>| {
            let mut bytes = Vec::new();
            write(&kind, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(written(Kind::Unit), [0]);
        assert_eq!(written(Kind::One(None)), [1, 0]);
        assert_eq!(written(Kind::One(Some(250))), [1, 1, 250]);
        assert_eq!(written(Kind::One(Some(251))), [1, 1, 251, 251, 0]);
        assert_eq!(written(Kind::One(Some(65_536))), [1, 1, 252, 0, 0, 1, 0]);
        let large = written(Kind::One(Some(1 << 32)));
        assert_eq!(large, [1, 1, 253, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(written(Kind::Two(2, true)), [2, 2, 1]);
        assert_eq!(written(Kind::Bytes(vec![9, 8])), [4, 2, 9, 8]);
        assert_eq!(written(Kind::Array([1, 2], Number(3))), [5, 1, 2, 3]);
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let options = bincode::DefaultOptions::new;
        let variable = options().serialize(&kinds()).unwrap();
        assert_eq!(read(Integers::Variable, &variable), Ok(kinds()));
        let fixed = options().with_fixint_encoding().serialize(&kinds());
        assert_eq!(read(Integers::Fixed, &fixed.unwrap()), Ok(kinds()));
    }

    #[test]
    fn changed_bytes_are_read_as_bincode_reads_them() {
        for integers in [Integers::Variable, Integers::Fixed] {
            let options = bincode::DefaultOptions::new();
            let bytes = match integers {
                Integers::Variable => options.serialize(&kinds()),
                Integers::Fixed => options.with_fixint_encoding().serialize(&kinds()),
            };
            let bytes = bytes.unwrap();
            let mut refused = 0;
            let lengths = (0..bytes.len()).map(|len| bytes[..len].to_vec());
            let changed = (0..bytes.len()).flat_map(|place| {
                let bytes = &bytes;
                (0..=255).map(move |byte| {
                    let mut changed = bytes.clone();
                    changed[place] = byte;
                    changed
                })
            });
            let longer = core::iter::once([&*bytes, b"\0"].concat());
            for bytes in lengths.chain(changed).chain(longer) {
                let expected = peer(integers, &bytes);
                refused += usize::from(expected.is_none());
                assert_eq!(read(integers, &bytes).ok(), expected, "{bytes:?}");
            }
            assert!(refused > bytes.len());
        }
    }

    #[test]
    fn values_without_a_place_in_the_layout_are_refused() {
        let mut bytes = Vec::new();
        assert_eq!(write(&1.5, &mut bytes), Err(Unwritable));
        assert_eq!(write(&-1, &mut bytes), Err(Unwritable));
        assert_eq!(write(&'a', &mut bytes), Err(Unwritable));
        assert_eq!(read::<f64>(Integers::Fixed, &[0; 8]), Err(Unreadable));
        assert_eq!(read::<i32>(Integers::Fixed, &[0; 4]), Err(Unreadable));
    }
}

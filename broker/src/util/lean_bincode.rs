//! Reads bincode, with errors that carry no text.
//!
//! Serde's errors describe the found value, and bincode makes a text of each. That links the printing of
//! floating-point numbers and more, 9 kB of the compressed worker. Nobody reads these texts: a caller can only drop
//! unreadable bytes.

use core::fmt;

use bincode::Options;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, SeqAccess, Unexpected, VariantAccess, Visitor,
};

/// The bytes are no value of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreadable")
    }
}

impl core::error::Error for Unreadable {}

impl Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self
    }

    fn invalid_length(_: usize, _: &dyn serde::de::Expected) -> Self {
        Self
    }
}

/// Reads a value from all of `bytes`, which were written with the same `options`.
///
/// # Errors
///
/// If they were not, or are damaged.
pub fn read<'de, T: Deserialize<'de>>(
    options: impl Options,
    bytes: &'de [u8],
) -> Result<T, Unreadable> {
    let mut seed = None;
    let read = options.deserialize_seed(Into(&mut seed), bytes);
    match (read, seed) {
        (Ok(()), Some(value)) => Ok(value),
        _ => Err(Unreadable),
    }
}

/// Puts what it reads in its place.
struct Into<'a, T>(&'a mut Option<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Into<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.0 = T::deserialize(Lean(deserializer)).ok();
        Ok(())
    }
}

/// Forwards all calls, and drops the texts of errors.
struct Lean<T>(T);

/// Bincode's error for a refused value, which the caller drops.
fn refused<E: Error>(_: Unreadable) -> E {
    E::custom(Unreadable)
}

fn unreadable<E>(_: E) -> Unreadable {
    Unreadable
}

macro_rules! read_as {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            self.0.$method(Lean(visitor)).map_err(unreadable)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lean<D> {
    type Error = Unreadable;

    read_as! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_unit deserialize_seq deserialize_map deserialize_identifier
        deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.deserialize_unit_struct(name, Lean(visitor));
        read.map_err(unreadable)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.deserialize_newtype_struct(name, Lean(visitor));
        read.map_err(unreadable)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.deserialize_tuple(len, Lean(visitor));
        read.map_err(unreadable)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.deserialize_tuple_struct(name, len, Lean(visitor));
        read.map_err(unreadable)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.deserialize_struct(name, fields, Lean(visitor));
        read.map_err(unreadable)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.deserialize_enum(name, variants, Lean(visitor));
        read.map_err(unreadable)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($type:ty))*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value).map_err(refused)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Lean<V> {
    type Value = V::Value;

    fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    visit! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none().map_err(refused)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit().map_err(refused)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Lean(deserializer)).map_err(refused)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let read = self.0.visit_newtype_struct(Lean(deserializer));
        read.map_err(refused)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Lean(access)).map_err(refused)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Lean(access)).map_err(refused)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Lean(access)).map_err(refused)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Lean<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Lean(deserializer)).map_err(refused)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Lean<A> {
    type Error = Unreadable;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unreadable> {
        self.0.next_element_seed(Lean(seed)).map_err(unreadable)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: serde::de::MapAccess<'de>> serde::de::MapAccess<'de> for Lean<A> {
    type Error = Unreadable;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unreadable> {
        self.0.next_key_seed(Lean(seed)).map_err(unreadable)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Unreadable> {
        self.0.next_value_seed(Lean(seed)).map_err(unreadable)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Lean<A> {
    type Error = Unreadable;
    type Variant = Lean<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), Unreadable> {
        let (value, variant) = self.0.variant_seed(Lean(seed)).map_err(unreadable)?;
        Ok((value, Lean(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Lean<A> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        self.0.unit_variant().map_err(unreadable)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, Unreadable> {
        self.0.newtype_variant_seed(Lean(seed)).map_err(unreadable)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.0.tuple_variant(len, Lean(visitor)).map_err(unreadable)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let read = self.0.struct_variant(fields, Lean(visitor));
        read.map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind<'a> {
        Unit,
        One(Option<u64>),
        Two(i16, bool),
        Named {
            text: &'a str,
            #[serde(borrow)]
            bytes: Cow<'a, [u8]>,
            list: Vec<(char, u8)>,
        },
    }

    fn kinds() -> Vec<Kind<'static>> {
        vec![
            Kind::Unit,
            Kind::One(None),
            Kind::One(Some(u64::MAX)),
            Kind::Two(-300, true),
            Kind::Named {
                text: "für",
                bytes: Cow::Borrowed(b"\xff\0"),
                list: vec![('ß', 1), ('x', 255)],
            },
        ]
    }

    #[test]
    fn it_reads_what_bincode_writes() {
        let options = bincode::DefaultOptions::new;
        let bytes = options().serialize(&kinds()).unwrap();
        assert_eq!(read(options(), &bytes), Ok(kinds()));
    }

    #[test]
    fn it_refuses_all_that_bincode_refuses() {
        let options = bincode::DefaultOptions::new;
        let bytes = options().serialize(&kinds()).unwrap();
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
            let expected: Option<Vec<Kind<'_>>> = options().deserialize(&bytes).ok();
            refused += usize::from(expected.is_none());
            assert_eq!(read(options(), &bytes).ok(), expected, "{bytes:?}");
        }
        assert!(refused > bytes.len());
    }
}

//! The encoding between a page and its worker: bincode, as in gloo.

use gloo_worker::Codec;
use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};
use tab::binary::{self, Integers};
use wasm_bindgen::{JsCast, JsValue, UnwrapThrowExt};

/// Writes and reads the same bytes as gloo's own codec, without the error texts that no caller sees.
#[derive(Debug)]
pub struct Terse;

impl Codec for Terse {
    fn encode<I: Serialize>(input: I) -> JsValue {
        let bytes = bincode::serialize(&input).ok().unwrap_throw();
        Uint8Array::from(bytes.as_slice()).into()
    }

    /// Cannot fail: only a page of this build opens the bridge, and nothing else can post on it.
    fn decode<O: for<'de> Deserialize<'de>>(input: JsValue) -> O {
        let bytes = input.unchecked_into::<Uint8Array>().to_vec();
        read(&bytes).unwrap_throw()
    }
}

/// Reads a value that `bincode::serialize` wrote. `None` if the bytes are not such a value.
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    binary::read(Integers::Fixed, bytes).ok()
}

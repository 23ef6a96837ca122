//! Encodes packets by the specification, without the tested codec.

/// The fields of a packet, one after the other.
#[derive(Default)]
pub(crate) struct Fields(Vec<u8>);

impl Fields {
    pub(crate) fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn two(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn four(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn string(self, value: &str) -> Self {
        let length = u16::try_from(value.len()).expect("a short string");
        self.two(length).raw(value.as_bytes())
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A block of properties, with its length in front.
    pub(crate) fn properties(self, block: Self) -> Self {
        let length = length(block.0.len());
        self.raw(&length).raw(&block.0)
    }

    /// The whole packet; `first` is the first byte of its fixed header.
    pub(crate) fn packet(self, first: u8) -> Vec<u8> {
        let mut bytes = vec![first];
        bytes.extend(length(self.0.len()));
        bytes.extend(self.0);
        bytes
    }
}

fn length(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

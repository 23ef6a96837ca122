//! Packets as raw bytes, for input that the encoder refuses to write.

/// A packet with this first byte and body.
pub(crate) fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &variable_byte_integer(body.len()), body].concat()
}

/// A QoS 0 PUBLISH to `topic` with `count` empty User Properties.
pub(crate) fn publish_with_user_properties(topic: u8, count: usize) -> Vec<u8> {
    let properties = [0x26, 0, 0, 0, 0].repeat(count);
    let length = variable_byte_integer(properties.len());
    framed(
        0x30,
        &[&[0, 1, topic][..], &length, &properties, b"x"].concat(),
    )
}

fn variable_byte_integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7F {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

//! The packets that the clients of a script send.

use super::super::wire::Fields;
use super::{AUTHENTICATION_DATA, CLIENT_IDS, FILTERS, INTERVALS_S, Script, TOPICS};

pub(super) fn acknowledge(first: u8, packet_id: u16) -> Vec<u8> {
    Fields::default().two(packet_id).packet(first)
}

pub(super) fn connect(script: &mut Script<'_>) -> Vec<u8> {
    let flags = script.byte();
    let keep_alive_s = script.choose(&[0, 1, 10]);
    let mut properties = Fields::default();
    let given = script.byte();
    if given & 1 != 0 {
        properties = properties.byte(17).four(script.choose(&INTERVALS_S));
    }
    if given & 2 != 0 {
        properties = properties.byte(33).two(script.choose(&[1, 2, 3, 0]));
    }
    if given & 4 != 0 {
        properties = properties.byte(39).four(script.choose(&[40, 10, 4, 300]));
    }
    if given & 8 != 0 {
        properties = properties.byte(34).two(script.choose(&[1, 2, 0]));
    }
    if given & 16 != 0 {
        properties = properties.byte(23).byte(script.choose(&[0, 1, 2]));
    }
    if given & 32 != 0 {
        properties = properties
            .byte(21)
            .string(script.choose(&["SCRAM-SHA-256", "x"]));
    }
    let client_id = script.choose(&CLIENT_IDS);
    // A will, its QoS and its retain flag. `access` checks user name and password.
    let (will, level) = (flags & 4 != 0, script.choose(&[5, 5, 5, 5, 4, 3, 6]));
    let kept = if will { flags & 0x36 } else { flags & 2 };
    let mut fields = Fields::default()
        .string(if level == 3 { "MQIsdp" } else { "MQTT" })
        .byte(level)
        .byte(kept)
        .two(keep_alive_s);
    if level >= 5 {
        fields = fields.properties(properties);
    }
    fields = fields.string(client_id);
    if will {
        if level >= 5 {
            let delay = Fields::default().byte(24).four(script.choose(&INTERVALS_S));
            fields = fields.properties(delay);
        }
        fields = fields.string(script.choose(&TOPICS)).string("will");
    }
    fields.packet(0x10)
}

pub(super) fn publish(script: &mut Script<'_>) -> Vec<u8> {
    let flags = script.byte() & 0x0F;
    let mut fields = Fields::default().string(script.choose(&TOPICS));
    if flags & 0x06 != 0 {
        fields = fields.two(script.choose(&[1, 2, 3, 4, 0]));
    }
    let mut properties = Fields::default();
    let given = script.byte();
    if given & 1 != 0 {
        properties = properties.byte(2).four(script.choose(&INTERVALS_S));
    }
    if given & 2 != 0 {
        properties = properties.byte(35).two(script.choose(&[1, 2, 3, 0]));
    }
    if given & 4 != 0 {
        properties = properties.byte(38).string("k").string("v");
    }
    if given & 8 != 0 {
        properties = properties.byte(1).byte(1);
    }
    let payload = script.choose(&["", "x", "a longer payload that does not fit everywhere"]);
    let fields = fields.properties(properties).raw(payload.as_bytes());
    fields.packet(0x30 | flags)
}

pub(super) fn subscribe(script: &mut Script<'_>) -> Vec<u8> {
    let mut fields = Fields::default().two(script.choose(&[1, 2, 3, 0]));
    let id = script.choose(&[0, 1, 2, 0]);
    let properties = match id {
        0 => Fields::default(),
        id => Fields::default().byte(11).byte(id),
    };
    fields = fields.properties(properties);
    for _ in 0..=script.byte() % 3 {
        fields = fields
            .string(script.choose(&FILTERS))
            .byte(script.byte() & 0x3F);
    }
    fields.packet(0x82)
}

pub(super) fn unsubscribe(script: &mut Script<'_>) -> Vec<u8> {
    let mut fields = Fields::default().two(script.choose(&[1, 2, 3])).byte(0);
    for _ in 0..=script.byte() % 3 {
        fields = fields.string(script.choose(&FILTERS));
    }
    fields.packet(0xA2)
}

/// PINGREQ, DISCONNECT, AUTH, and acknowledgements out of order.
pub(super) fn other(script: &mut Script<'_>) -> Vec<u8> {
    match script.byte() % 6 {
        0 => Fields::default().packet(0xC0),
        1 => Fields::default().packet(0xE0),
        2 => {
            let expiry = Fields::default().byte(17).four(script.choose(&INTERVALS_S));
            let reason_code = script.choose(&[0x00, 0x04, 0x80, 0x82]);
            Fields::default()
                .byte(reason_code)
                .properties(expiry)
                .packet(0xE0)
        }
        3 => {
            let method = Fields::default().byte(21).string("SCRAM-SHA-256");
            let method = method.byte(22).string(script.choose(&AUTHENTICATION_DATA));
            let reason_code = script.choose(&[0x18, 0x19, 0x00]);
            Fields::default()
                .byte(reason_code)
                .properties(method)
                .packet(0xF0)
        }
        4 => {
            let first = script.choose(&[0x40, 0x50, 0x62, 0x70]);
            acknowledge(first, script.choose(&[1, 2, 3, 4]))
        }
        _ => {
            let first = script.choose(&[0x40, 0x50]);
            let packet_id = script.choose(&[1, 2, 3, 4]);
            Fields::default().two(packet_id).byte(0x80).packet(first)
        }
    }
}

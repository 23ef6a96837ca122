//! Which versions of MQTT are spoken.

use core::fmt;

use mqtt5_protocol::packet::connect::ConnectPacket;

/// How the packets of a connection are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// MQTT 3.1. Its packets are those of MQTT 3.1.1, but for the name and the level in CONNECT, a byte of CONNACK that is
    /// reserved, and the DUP flag, which PUBREL, SUBSCRIBE and UNSUBSCRIBE may have.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    #[default]
    V5,
}

impl ProtocolVersion {
    /// The version of the connection that `connect` begins.
    #[must_use]
    pub fn of(connect: &ConnectPacket) -> Self {
        Self::of_level(connect.protocol_version)
    }

    /// The version in which a client is answered that stated `level`, whether or not it is a known one.
    pub(crate) const fn of_level(level: u8) -> Self {
        match level {
            0..=V31_LEVEL => Self::V31,
            V311_LEVEL => Self::V311,
            V5_LEVEL.. => Self::V5,
        }
    }

    /// The level that CONNECT states for this version.
    pub(crate) const fn level(self) -> u8 {
        match self {
            Self::V31 => V31_LEVEL,
            Self::V311 => V311_LEVEL,
            Self::V5 => V5_LEVEL,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "MQTT 3.1",
            Self::V311 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        })
    }
}

/// MQTT 3.1, as CONNECT states it.
pub(crate) const V31_LEVEL: u8 = 3;
/// MQTT 3.1.1, as CONNECT states it.
pub(crate) const V311_LEVEL: u8 = 4;
/// MQTT 5.0, as CONNECT states it.
pub(crate) const V5_LEVEL: u8 = 5;

/// The protocol name of a CONNECT of this level. [MQTT-3.1.2-1]
pub(super) const fn name(level: u8) -> &'static [u8] {
    match level {
        V31_LEVEL => b"MQIsdp",
        _ => b"MQTT",
    }
}

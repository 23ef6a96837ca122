//! CONNACK: the granted limits, or the reason of a refusal.

use crate::codec::{self, ProtocolVersion, V5_LEVEL, V31_LEVEL};
use crate::connection::limits::{ClientLimits, ServerLimits};
use crate::packet::PacketType;
use crate::packet::connack::ConnAckPacket;
use crate::packet::connect::ConnectPacket;
use crate::{CloseReason, Config, Packet, Properties, QoS, ReasonCode};

/// The limits that CONNACK grants.
pub(super) struct Granted {
    pub(super) expiry_interval_s: u32,
    pub(super) keep_alive_s: u16,
    pub(super) server: ServerLimits,
    pub(super) connack: ConnAckPacket,
}

impl Granted {
    pub(super) fn new(
        config: &Config,
        connect: &ConnectPacket,
        client_id: &str,
        id_is_assigned: bool,
        authentication: Properties,
        client: ClientLimits,
    ) -> Result<Self, CloseReason> {
        let requested_s = match (client.version(), connect.clean_start) {
            (ProtocolVersion::V5, _) => connect.properties.get_session_expiry_interval(),
            (ProtocolVersion::V31 | ProtocolVersion::V311, true) => None,
            (ProtocolVersion::V31 | ProtocolVersion::V311, false) => Some(u32::MAX),
        };
        let requested_s = requested_s.unwrap_or(0);
        let expiry_interval_s = requested_s.min(config.session_expiry_interval_max_s);
        let mut connack = ConnAckPacket::new(false, ReasonCode::Success);
        connack.protocol_version = client.level;
        // A limit that CONNACK cannot state does not apply to the client, except the packet size in the decoder.
        let unlimited = ServerLimits {
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            maximum_qos: QoS::ExactlyOnce,
        };
        let mut granted = Self {
            expiry_interval_s,
            keep_alive_s: connect.keep_alive,
            server: unlimited,
            connack,
        };
        if client.version() != ProtocolVersion::V5 {
            return Ok(granted);
        }
        granted.connack.properties = authentication;
        let properties = &mut granted.connack.properties;
        if id_is_assigned {
            properties.set_assigned_client_identifier(client_id.to_owned());
        }
        if expiry_interval_s != requested_s {
            properties.set_session_expiry_interval(expiry_interval_s);
        }
        let mut full = granted.connack.clone();
        let keep_alive_s = add_limits(&mut full.properties, config, connect.keep_alive);
        if client.fits(&Packet::ConnAck(full.clone())) {
            granted.connack = full;
            granted.keep_alive_s = keep_alive_s;
            granted.server = ServerLimits {
                receive_maximum: config.receive_maximum,
                topic_alias_maximum: config.topic_alias_maximum,
                maximum_qos: config.maximum_qos,
            };
        }
        client.check(&Packet::ConnAck(granted.connack.clone()))?;
        // Response Information is optional even on request. [MQTT-3.1.2-28]
        let asked = connect.properties.get_request_response_information();
        if let (Some(true), Some(text)) = (asked, &config.response_information) {
            let mut informed = granted.connack.clone();
            let text = text.replace("%c", client_id);
            informed.properties.set_response_information(text);
            let packet = Packet::ConnAck(informed.clone());
            if client.has_room_for(&packet) {
                granted.connack = informed;
            }
        }
        Ok(granted)
    }
}

/// Adds every limit that differs from MQTT's default, and returns the Keep Alive. [MQTT-3.1.2-21]
fn add_limits(properties: &mut Properties, config: &Config, keep_alive_s: u16) -> u16 {
    if config.receive_maximum < u16::MAX {
        properties.set_receive_maximum(config.receive_maximum);
    }
    if config.topic_alias_maximum > 0 {
        properties.set_topic_alias_maximum(config.topic_alias_maximum);
    }
    if config.maximum_packet_size < Config::PACKET_SIZE_LIMIT {
        properties.set_maximum_packet_size(config.maximum_packet_size);
    }
    if config.maximum_qos != QoS::ExactlyOnce {
        properties.set_maximum_qos(config.maximum_qos.into());
    }
    let maximum_s = config.keep_alive_max_s;
    if maximum_s > 0 && !(1..=maximum_s).contains(&keep_alive_s) {
        properties.set_server_keep_alive(maximum_s);
        return maximum_s;
    }
    keep_alive_s
}

/// The CONNACK that refuses a client, if its version has one for `reason`. [MQTT-3.2.2-6]
pub(super) fn refusal(level: u8, reason: &CloseReason) -> Option<ConnAckPacket> {
    let code = match reason.reason_code() {
        // Only DISCONNECT has this code (section 2.4).
        ReasonCode::ServerShuttingDown => ReasonCode::ServerUnavailable,
        code if code.is_error() && codec::has_reason_code(PacketType::ConnAck, code) => code,
        _ => ReasonCode::NotAuthorized,
    };
    let reason_code = match ProtocolVersion::of_level(level) {
        ProtocolVersion::V5 => code,
        ProtocolVersion::V31 | ProtocolVersion::V311 => return_code(code)?,
    };
    let mut connack = ConnAckPacket::new(false, reason_code);
    // An unknown version is answered in the nearest known one.
    connack.protocol_version = level.clamp(V31_LEVEL, V5_LEVEL);
    Some(connack)
}

/// The return code of MQTT 3.1.1 for `code`. Malformed packets have none, so the connection closes without CONNACK.
fn return_code(code: ReasonCode) -> Option<ReasonCode> {
    match code {
        ReasonCode::UnsupportedProtocolVersion
        | ReasonCode::ClientIdentifierNotValid
        | ReasonCode::ServerUnavailable
        | ReasonCode::BadUsernameOrPassword
        | ReasonCode::NotAuthorized => Some(code),
        ReasonCode::ServerBusy | ReasonCode::QuotaExceeded | ReasonCode::ConnectionRateExceeded => {
            Some(ReasonCode::ServerUnavailable)
        }
        ReasonCode::Banned | ReasonCode::TopicNameInvalid => Some(ReasonCode::NotAuthorized),
        _ => None,
    }
}

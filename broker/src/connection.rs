//! Network connections: the state that ends with them.

pub(crate) mod authentication;
pub(crate) mod close_reason;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod keep_alive;
pub(crate) mod limits;
pub(crate) mod topic_aliases;

use crate::codec::SharedPublish;
use crate::connection::authentication::{Authentication, Pending};
use crate::connection::limits::ClientLimits;
use crate::connection::limits::ServerLimits;
use crate::connection::topic_aliases::OutboundTopicAliases;
use crate::packet::publish::PublishPacket;
use crate::util::sorted::{Map, Set};
use crate::{CloseReason, ConnId, Origin, SessionId, Time, TopicName, codec};

/// A network connection.
#[derive(Debug)]
pub(crate) enum ConnectionState {
    /// Its CONNECT has not arrived, or is not answered.
    Opened {
        /// The connect timeout.
        until: Time,
        /// The client that has to authenticate first, if it does so in steps.
        pending: Option<Box<Pending>>,
        /// Its origin, if known.
        origin: Option<Origin>,
        /// Whether it resumes an interrupted connection.
        resumes: bool,
    },
    /// Its client was accepted.
    Client(SessionId),
}

/// The network connection of a client whose CONNECT was accepted.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) conn: ConnId,
    pub(crate) client: ClientLimits,
    pub(crate) server: ServerLimits,
    pub(crate) keep_alive_s: u16,
    /// Whether the client reads more slowly than messages arrive for it.
    pub(crate) is_congested: bool,
    /// When the last packet arrived.
    pub(crate) last_packet_at: Time,
    /// When Keep Alive is checked, if the client has one. A packet does not move it. The check sets it again if a
    /// packet has arrived.
    pub(crate) keep_alive_check: Option<Time>,
    /// Packet identifiers of QoS 2 messages that arrived on this connection and are not released.
    pub(crate) unreleased: Set<u16>,
    /// The authentication method, if the client authenticates in steps.
    pub(crate) authentication: Option<Authentication>,
    /// The topics of the client's topic aliases.
    inbound_aliases: Map<u16, TopicName>,
    /// The bytes of these topics.
    pub(crate) inbound_alias_bytes: usize,
    /// The topic aliases towards the client.
    outbound_aliases: OutboundTopicAliases,
    /// How many messages the client might publish at `rate_counted`.
    rate_left: u32,
    rate_counted: Time,
}

impl Connection {
    pub(crate) const fn new(
        conn: ConnId,
        client: ClientLimits,
        server: ServerLimits,
        keep_alive_s: u16,
        authentication: Option<Authentication>,
        now: Time,
    ) -> Self {
        Self {
            conn,
            client,
            server,
            keep_alive_s,
            is_congested: false,
            last_packet_at: now,
            keep_alive_check: None,
            unreleased: Set::new(),
            authentication,
            inbound_aliases: Map::new(),
            inbound_alias_bytes: 0,
            outbound_aliases: OutboundTopicAliases::new(client.topic_alias_maximum),
            rate_left: 0,
            rate_counted: Time::from_ms(0),
        }
    }

    /// When Keep Alive times out without another packet: one and a half times its interval. [MQTT-3.1.2-22]
    pub(crate) fn idle_at(&self) -> Option<Time> {
        match self.keep_alive_s {
            0 => None,
            keep_alive_s => Some(self.last_packet_at.plus_ms(u64::from(keep_alive_s) * 1500)),
        }
    }

    /// The topic of a PUBLISH, as text or through its topic alias. [MQTT-3.3.2-12]
    pub(crate) fn topic(&mut self, publish: &PublishPacket) -> Result<TopicName, CloseReason> {
        let alias = publish.topic_alias();
        let maximum = self.server.topic_alias_maximum;
        if let Some(alias) = alias
            && !(1..=maximum).contains(&alias)
        {
            return Err(CloseReason::TopicAliasTooHigh { alias, maximum });
        }
        if publish.topic_name.is_empty()
            && let Some(alias) = alias
        {
            let known = self.inbound_aliases.get(&alias);
            return known
                .cloned()
                .ok_or(CloseReason::TopicAliasUnknown { alias });
        }
        let topic = TopicName::parse(&publish.topic_name)
            .map_err(|error| codec::DecodeError::from(codec::Violation::TopicName(error)))?;
        if let Some(alias) = alias {
            let former = self.inbound_aliases.insert(alias, topic.clone());
            self.inbound_alias_bytes += topic.as_str().len();
            self.inbound_alias_bytes -= former.map_or(0, |former| former.as_str().len());
        }
        Ok(topic)
    }

    /// The packet that carries a message to the client, with a topic alias if the client allows any; `None` if it is larger
    /// than the client accepts. [MQTT-3.1.2-26] [MQTT-3.1.2-27]
    pub(crate) fn message(
        &mut self,
        topic: &TopicName,
        publish: SharedPublish,
    ) -> Option<SharedPublish> {
        if !self.outbound_aliases.is_empty() {
            let known = self.outbound_aliases.get(topic);
            if let Some(alias) = known.or_else(|| self.outbound_aliases.next()) {
                let with_alias = |mut publish: SharedPublish| {
                    publish.packet = publish.packet.with_topic_alias(alias);
                    if known.is_some() {
                        publish.packet.topic_name.clear();
                    }
                    publish
                };
                // A client without a size limit gets this packet in any case, so the original is not kept.
                if self.client.maximum_packet_size.is_none() {
                    self.outbound_aliases.sent(topic.clone(), alias);
                    return Some(with_alias(publish));
                }
                let shorter = with_alias(publish.clone());
                if self.client.fits_publish(&shorter) {
                    self.outbound_aliases.sent(topic.clone(), alias);
                    return Some(shorter);
                }
            }
        }
        // A new topic, or one of one or two bytes, is shorter without an alias.
        Some(publish).filter(|publish| self.client.fits_publish(publish))
    }

    /// Counts a published message against the rate limit. A burst may have as many messages as a second.
    pub(crate) fn check_rate(&mut self, now: Time, maximum: u32) -> Result<(), CloseReason> {
        if maximum == 0 {
            return Ok(());
        }
        let earned = now
            .ms_since(self.rate_counted)
            .saturating_mul(maximum.into())
            / 1000;
        if earned > 0 {
            let left = earned.saturating_add(self.rate_left.into());
            self.rate_left = u32::try_from(left).unwrap_or(maximum).min(maximum);
            // The remaining time counts for the next message, unless the allowance is full.
            self.rate_counted = match self.rate_left == maximum {
                true => now,
                false => self
                    .rate_counted
                    .plus_ms(earned * 1000 / u64::from(maximum)),
            };
        }
        match self.rate_left.checked_sub(1) {
            Some(left) => {
                self.rate_left = left;
                Ok(())
            }
            None => Err(CloseReason::MessageRateTooHigh { maximum }),
        }
    }

    /// Checks that the client may send one more QoS 1 or QoS 2 message. [MQTT-3.3.4-7]
    pub(crate) fn check_receive_maximum(&self) -> Result<(), CloseReason> {
        let maximum = self.server.receive_maximum;
        if self.unreleased.len() >= usize::from(maximum) {
            return Err(CloseReason::ReceiveMaximumExceeded { maximum });
        }
        Ok(())
    }
}

//! Network connections: what is known of them, and forgotten with them.

pub(crate) mod authentication;
pub(crate) mod close_reason;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod keep_alive;
pub(crate) mod limits;
pub(crate) mod topic_aliases;

use crate::connection::authentication::{Authentication, Pending};
use crate::connection::limits::ClientLimits;
use crate::connection::limits::ServerLimits;
use crate::connection::topic_aliases::OutboundTopicAliases;
use crate::packet::publish::PublishPacket;
use crate::util::sorted::{Map, Set};
use crate::{CloseReason, ConnId, Origin, Packet, SessionId, Time, TopicName, codec};

/// A network connection.
#[derive(Debug)]
pub(crate) enum ConnectionState {
    /// Its CONNECT has not come yet, or is not answered yet.
    Opened {
        /// How long that is waited for.
        until: Time,
        /// The client that has to authenticate first.
        pending: Option<Box<Pending>>,
        /// Who stands behind it, if that is known.
        origin: Option<Origin>,
        /// Whether it goes on where another one was interrupted.
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
    /// Whether the way to the client is full.
    pub(crate) is_congested: bool,
    /// When the last packet came.
    pub(crate) last_packet_at: Time,
    /// When to look whether the client is silent, if it promised not to be. It is not moved by every packet: when it
    /// falls due and a packet has come meanwhile, it is set again.
    pub(crate) keep_alive_check: Option<Time>,
    /// QoS 2 messages that came on this connection and are not released yet.
    pub(crate) unreleased: Set<u16>,
    /// How the client authenticates, if it does so in steps.
    pub(crate) authentication: Option<Authentication>,
    /// What the client's topic aliases stand for.
    inbound_aliases: Map<u16, TopicName>,
    /// The topic aliases that the client was told.
    outbound_aliases: OutboundTopicAliases,
    /// How many messages the client may publish at `rate_counted`.
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
            outbound_aliases: OutboundTopicAliases::new(client.topic_alias_maximum),
            rate_left: 0,
            rate_counted: Time::from_ms(0),
        }
    }

    /// When the client is given up if nothing comes: after one and a half times its Keep Alive. [MQTT-3.1.2-22]
    pub(crate) fn idle_at(&self) -> Option<Time> {
        match self.keep_alive_s {
            0 => None,
            keep_alive_s => Some(self.last_packet_at.plus_ms(u64::from(keep_alive_s) * 1500)),
        }
    }

    /// The topic of a PUBLISH, in its own words or through its topic alias. [MQTT-3.3.2-12]
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
            self.inbound_aliases.insert(alias, topic.clone());
        }
        Ok(topic)
    }

    /// The packet that carries a message to the client, with a topic alias if the client allows any; `None` if it is larger
    /// than the client accepts. [MQTT-3.1.2-26] [MQTT-3.1.2-27]
    pub(crate) fn message(&mut self, publish: PublishPacket) -> Option<Packet> {
        if !self.outbound_aliases.is_empty()
            && let Ok(topic) = TopicName::parse(&publish.topic_name)
        {
            let known = self.outbound_aliases.get(&topic);
            if let Some(alias) = known.or_else(|| self.outbound_aliases.next()) {
                // A client without a limit on the size gets this one in any case: there is nothing to go back to.
                if self.client.maximum_packet_size.is_none() {
                    let mut packet = publish.with_topic_alias(alias);
                    if known.is_some() {
                        packet.topic_name.clear();
                    }
                    self.outbound_aliases.sent(topic, alias);
                    return Some(Packet::Publish(packet));
                }
                let mut packet = publish.clone().with_topic_alias(alias);
                if known.is_some() {
                    packet.topic_name.clear();
                }
                let packet = Packet::Publish(packet);
                if self.client.fits(&packet) {
                    self.outbound_aliases.sent(topic, alias);
                    return Some(packet);
                }
            }
        }
        // A topic that is new to the client, or of one or two bytes, takes less without one.
        Some(Packet::Publish(publish)).filter(|packet| self.client.fits(packet))
    }

    /// Counts a message that the client publishes: as many at once as in a second, and no more in the long run.
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
            // What is left of the time counts for the next one, unless there are as many as there can be.
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

    /// Whether one more QoS 1 or QoS 2 message is as many at once as the client may send. [MQTT-3.3.4-7]
    pub(crate) fn check_receive_maximum(&self) -> Result<(), CloseReason> {
        let maximum = self.server.receive_maximum;
        if self.unreleased.len() >= usize::from(maximum) {
            return Err(CloseReason::ReceiveMaximumExceeded { maximum });
        }
        Ok(())
    }
}

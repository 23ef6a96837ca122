//! Answers that the client owes to the broker.

use std::collections::VecDeque;

use broker::Packet;
use broker::sorted::Map;

use crate::protocol::frame::ConnectionNo;

/// PUBLISH and PUBREL packets that were passed on and not answered, by packet identifier.
///
/// The next broker repeats the packets of the one before, but the client has them already. The client answers once, at
/// any time. The answer goes to the broker that asked last: an earlier broker could take it for the answer to another
/// packet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    owed: Map<u16, Owed>,
    /// The PUBLISHes that the current broker repeated, in its order, which the answers must have, too. [MQTT-4.6.0-2]
    /// [MQTT-4.6.0-3] The client may have received them in another order: some before the change of broker, others
    /// after it.
    again: VecDeque<u16>,
    /// Number of answers that the client still owes, but no broker expects.
    stale: Map<u16, u32>,
}

#[derive(Debug)]
struct Owed {
    asked: Asked,
    /// The last connection that carried it.
    connection: Option<ConnectionNo>,
    /// The client's answer, if it could not be passed on yet.
    answer: Option<Packet>,
}

/// The packet to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A PUBLISH, with the digest of its message.
    Publish(u64),
    /// A PUBREL.
    Release,
}

/// Whether the client knows a packet of the broker.
#[derive(Debug)]
pub(super) enum Came {
    /// No.
    New,
    /// Yes. These answers can be passed on now.
    Known(Vec<Packet>),
}

impl Answers {
    /// Another broker resumes the session.
    pub(super) fn begin(&mut self) {
        self.again.clear();
    }

    /// The broker sent a PUBLISH or a PUBREL with this identifier; `is_again` is only set for a PUBLISH. If another
    /// answer is owed under the identifier, a broker with a damaged log has reused it.
    pub(super) fn came(
        &mut self,
        packet_id: u16,
        asked: Asked,
        connection: Option<ConnectionNo>,
        is_again: bool,
    ) -> Came {
        let owed = self.owed.get(&packet_id);
        if owed.is_some_and(|owed| owed.asked != asked) {
            self.forget(packet_id);
        }
        if is_again {
            self.again.push_back(packet_id);
        }
        match self.owed.get_mut(&packet_id) {
            Some(owed) => {
                owed.connection = connection;
                let answers = match owed.answer.take_if(|_| !is_again) {
                    Some(answer) => {
                        self.owed.remove(&packet_id);
                        vec![answer]
                    }
                    None => self.due(),
                };
                Came::Known(answers)
            }
            None => {
                let owed = Owed {
                    asked,
                    connection,
                    answer: None,
                };
                self.owed.insert(packet_id, owed);
                Came::New
            }
        }
    }

    /// The client answers. Returns the answers to pass on now, if `connection` leads to a broker.
    pub(super) fn answered(
        &mut self,
        packet: Packet,
        connection: Option<ConnectionNo>,
    ) -> Vec<Packet> {
        let packet_id = match &packet {
            Packet::PubAck(it) => it.packet_id,
            Packet::PubRec(it) => it.packet_id,
            Packet::PubComp(it) => it.packet_id,
            _ => return vec![packet],
        };
        if self.is_stale(packet_id) {
            return Vec::new();
        }
        match self.owed.get_mut(&packet_id) {
            Some(owed) if connection.is_none() || owed.connection != connection => {
                owed.answer = Some(packet);
                Vec::new()
            }
            Some(owed) if self.again.contains(&packet_id) => {
                owed.answer = Some(packet);
                self.due()
            }
            Some(_) => {
                self.owed.remove(&packet_id);
                vec![packet]
            }
            // The answer belongs to no packet. Without a broker it is dropped; otherwise the broker judges it.
            None => connection.map(|_| packet).into_iter().collect(),
        }
    }

    /// The identifier is used for another packet now. The client answers the earlier one first.
    pub(super) fn forget(&mut self, packet_id: u16) {
        let owed = self.owed.remove(&packet_id);
        if owed.is_some_and(|owed| owed.answer.is_none()) {
            *self.stale.get_or_insert_with(packet_id, || 0) += 1;
        }
        self.again.retain(|it| *it != packet_id);
    }

    /// Whether the answer is one that no broker expects.
    fn is_stale(&mut self, packet_id: u16) -> bool {
        let Some(count) = self.stale.get_mut(&packet_id) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.stale.remove(&packet_id);
        }
        true
    }

    /// Returns the answers to repeated packets, up to the first that is missing.
    fn due(&mut self) -> Vec<Packet> {
        let mut answers = Vec::new();
        while let Some(packet_id) = self.again.front() {
            let owed = self.owed.get_mut(packet_id);
            let Some(answer) = owed.and_then(|owed| owed.answer.take()) else {
                break;
            };
            self.owed.remove(packet_id);
            self.again.pop_front();
            answers.push(answer);
        }
        answers
    }
}

//! What the broker wants of the client and has no answer to.

use std::collections::VecDeque;

use broker::Packet;
use broker::sorted::Map;

use crate::protocol::frame::ConnectionNo;

/// PUBLISH and PUBREL that were passed on and not answered, by packet identifier.
///
/// What the broker before sent, the next one sends again, and the client has it already. The client answers once, whenever
/// it likes, and the answer goes to the broker that asked last: any other would take it for one to something else.
#[derive(Debug, Default)]
pub(super) struct Answers {
    owed: Map<u16, Owed>,
    /// The PUBLISHes that the present broker sent again, in its order, which is that of the answers, too. [MQTT-4.6.0-2]
    /// [MQTT-4.6.0-3] The client may have seen them in another one: some before the broker moved, others now.
    again: VecDeque<u16>,
    /// How many answers the client has still to give to what no broker asks any more.
    stale: Map<u16, u32>,
}

#[derive(Debug)]
struct Owed {
    asked: Asked,
    /// The connection on which it came last.
    connection: Option<ConnectionNo>,
    /// What the client has answered, if that could not be passed on yet.
    answer: Option<Packet>,
}

/// The packet that an answer is owed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A PUBLISH, with a digest of its message.
    Publish(u64),
    /// A PUBREL.
    Release,
}

/// What the client knows of something that the broker sent.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing.
    New,
    /// It has it. These answers can be passed on now.
    Known(Vec<Packet>),
}

impl Answers {
    /// Another broker goes on.
    pub(super) fn begin(&mut self) {
        self.again.clear();
    }

    /// The broker sent a PUBLISH or, as `is_again` never is, a PUBREL with this identifier. If another answer is owed under it, a
    /// broker that has lost a damaged record has given the identifier to something else.
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

    /// The client answers. Returns what can be passed on now, if there is a broker on this connection.
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
            // To nothing that was asked: without a broker nobody's, and with one the broker's to judge.
            None => connection.map(|_| packet).into_iter().collect(),
        }
    }

    /// The identifier stands for something else now. What the client has still to answer, it answers first.
    pub(super) fn forget(&mut self, packet_id: u16) {
        let owed = self.owed.remove(&packet_id);
        if owed.is_some_and(|owed| owed.answer.is_none()) {
            *self.stale.get_or_insert_with(packet_id, || 0) += 1;
        }
        self.again.retain(|it| *it != packet_id);
    }

    /// Whether the client answers what no broker asks any more.
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

    /// The answers to what was sent again, up to the first that is missing.
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

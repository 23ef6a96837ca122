//! What the broker wants of the client and has no answer to.

use broker::Packet;
use broker::sorted::Map;

use crate::lane::ConnectionNo;

/// PUBLISH and PUBREL that were passed on and not answered, by packet identifier.
///
/// What the broker before sent, the next one sends again, and the client has it already. The client answers once, whenever
/// it likes, and the answer goes to the broker that asked last: any other would take it for one to something else.
#[derive(Debug, Default)]
pub(super) struct Answers(Map<u16, Owed>);

#[derive(Debug)]
struct Owed {
    /// The connection on which it came last.
    connection: Option<ConnectionNo>,
    /// What the client answered since it was cut off.
    answer: Option<Box<Packet>>,
}

/// What the client knows of something that the broker sent.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing.
    New,
    /// It has it, and has not answered yet.
    Known,
    /// It has it, and this is the answer.
    Answered(Box<Packet>),
}

impl Answers {
    /// The broker sent a PUBLISH or a PUBREL with this identifier.
    pub(super) fn came(&mut self, packet_id: u16, connection: Option<ConnectionNo>) -> Came {
        match self.0.get_mut(&packet_id) {
            Some(owed) => match owed.answer.take() {
                Some(answer) => {
                    self.0.remove(&packet_id);
                    Came::Answered(answer)
                }
                None => {
                    owed.connection = connection;
                    Came::Known
                }
            },
            None => {
                let owed = Owed {
                    connection,
                    answer: None,
                };
                self.0.insert(packet_id, owed);
                Came::New
            }
        }
    }

    /// The client answers. Returns the answer if it is for the broker on this connection.
    pub(super) fn answered(
        &mut self,
        packet: Packet,
        connection: Option<ConnectionNo>,
    ) -> Option<Packet> {
        let packet_id = match &packet {
            Packet::PubAck(it) => it.packet_id,
            Packet::PubRec(it) => it.packet_id,
            Packet::PubComp(it) => it.packet_id,
            _ => return Some(packet),
        };
        match self.0.get_mut(&packet_id) {
            Some(owed) if connection.is_none() || owed.connection != connection => {
                owed.answer = Some(Box::new(packet));
                None
            }
            Some(_) => {
                self.0.remove(&packet_id);
                Some(packet)
            }
            // To nothing that was asked: without a broker nobody's, and with one the broker's to judge.
            None => connection.map(|_| packet),
        }
    }

    /// The identifier stands for something else now.
    pub(super) fn forget(&mut self, packet_id: u16) {
        self.0.remove(&packet_id);
    }
}

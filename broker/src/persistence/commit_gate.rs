//! The commit gate: a packet that promises something leaves after its batch is stored.

use crate::util::sorted::Map;
use std::collections::VecDeque;

use crate::packet::suback::SubAckReasonCode;
use crate::{BatchId, ConnId, Output, Packet, QoS, ReasonCode};

/// Holds back packets until a batch is stored, and later packets on the same connection. Nothing else waits.
#[derive(Debug)]
pub(crate) struct CommitGate {
    committed: BatchId,
    waiting: Map<ConnId, VecDeque<Waiting>>,
    /// A connection whose CONNACK promises nothing that must be stored.
    unstored: Option<ConnId>,
}

#[derive(Debug)]
struct Waiting {
    /// The output leaves when this batch is stored, after the outputs in front of it.
    batch: BatchId,
    output: Output,
}

impl CommitGate {
    pub(crate) const fn new() -> Self {
        Self {
            committed: BatchId(0),
            waiting: Map::new(),
            unstored: None,
        }
    }

    /// The CONNACK of this input is for a new session that ends with its connection. If it is never stored, the next
    /// broker reports no session, and the client starts over.
    pub(crate) fn promise_nothing_to(&mut self, conn: ConnId) {
        self.unstored = Some(conn);
    }

    /// Passes on the outputs that need not wait for `last_batch`, and keeps the rest.
    pub(crate) fn pass(
        &mut self,
        last_batch: BatchId,
        is_full: bool,
        outputs: &mut Vec<Output>,
        out: &mut Vec<Output>,
    ) {
        let is_stored = self.is_stored(last_batch);
        let unstored = self.unstored.take();
        for output in outputs.drain(..) {
            let (conn, must_wait) = match &output {
                Output::Send(conn, packet) => {
                    let is_unstored =
                        unstored == Some(*conn) && matches!(packet, Packet::ConnAck(_));
                    let is_bearable = is_full && (is_unstored || is_bearable(packet));
                    (*conn, !is_stored && is_promise(packet) && !is_bearable)
                }
                Output::Publish(conn, publish) => {
                    let qos = publish.packet.qos;
                    let is_promise = qos != QoS::AtMostOnce;
                    // With full storage, waiting could take very long, and a QoS 1 message may arrive twice.
                    let is_bearable = is_full && qos == QoS::AtLeastOnce;
                    (*conn, !is_stored && is_promise && !is_bearable)
                }
                Output::Close(conn, _) => (*conn, false),
                Output::Persist(..) | Output::Event(_) => {
                    out.push(output);
                    continue;
                }
            };
            let batch = if must_wait {
                last_batch
            } else {
                self.committed
            };
            let waiting = Waiting { batch, output };
            match self.waiting.get_mut(&conn) {
                Some(queue) if is_full && !must_wait && may_overtake(&waiting.output, queue) => {
                    if matches!(waiting.output, Output::Close(..)) {
                        self.waiting.remove(&conn);
                    }
                    out.push(waiting.output);
                }
                Some(queue) => queue.push_back(waiting),
                None if must_wait => drop(self.waiting.insert(conn, [waiting].into())),
                None => out.push(waiting.output),
            }
        }
    }

    /// All batches up to `batch` are stored: passes on the outputs that waited for them.
    pub(crate) fn commit(&mut self, batch: BatchId, out: &mut Vec<Output>) {
        self.committed = self.committed.max(batch);
        let committed = self.committed;
        self.waiting.retain(|_, queue| {
            while let Some(first) = queue.front()
                && first.batch <= committed
            {
                out.extend(queue.pop_front().map(|first| first.output));
            }
            !queue.is_empty()
        });
    }

    /// The number of outputs that are held back for a connection.
    pub(crate) fn held(&self, conn: ConnId) -> usize {
        self.waiting.get(&conn).map_or(0, VecDeque::len)
    }

    /// Whether all batches up to `batch` are stored.
    pub(crate) fn is_stored(&self, batch: BatchId) -> bool {
        batch <= self.committed
    }

    /// Whether an output is held back.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Drops the outputs for a connection that is gone.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.waiting.remove(&conn);
    }
}

/// Whether a client may rely on a packet. A refusal promises nothing.
fn is_promise(packet: &Packet) -> bool {
    match packet {
        Packet::ConnAck(connack) => connack.reason_code == ReasonCode::Success,
        Packet::PubAck(puback) => !puback.reason_code.is_error(),
        Packet::PubRec(pubrec) => !pubrec.reason_code.is_error(),
        Packet::SubAck(suback) => suback.reason_codes.iter().any(SubAckReasonCode::is_success),
        Packet::PubRel(_) | Packet::PubComp(_) | Packet::UnsubAck(_) => true,
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::PingResp
        | Packet::Disconnect(_)
        | Packet::Auth(_) => false,
    }
}

/// Whether an output promises something in answer to a packet.
pub(crate) fn is_answer(output: &Output) -> bool {
    match output {
        Output::Send(_, Packet::PubRel(_)) => false,
        Output::Send(_, packet) => is_promise(packet),
        Output::Publish(..) | Output::Close(..) | Output::Persist(..) | Output::Event(_) => false,
    }
}

/// Whether a packet may leave although its cause may never be stored, because the session is stored. With full storage,
/// waiting could take very long.
fn is_bearable(packet: &Packet) -> bool {
    matches!(packet, Packet::ConnAck(connack) if connack.session_present)
}

/// Whether an output may overtake outputs that wait for full storage. A message may not overtake another one, whose
/// topic alias it may use. No packet overtakes CONNACK [MQTT-3.2.0-1].
fn may_overtake(output: &Output, queue: &VecDeque<Waiting>) -> bool {
    let is_message = matches!(output, Output::Publish(..));
    let is_close = matches!(output, Output::Close(..));
    !queue.iter().any(|waiting| match &waiting.output {
        Output::Send(_, Packet::ConnAck(_)) => !is_close,
        Output::Publish(..) => is_message,
        _ => false,
    })
}

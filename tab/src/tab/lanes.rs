//! The lane from this tab to the broker in another tab, and the questions that the page asks the broker.

use broker::sorted::Map;
use broker::{ReasonCode, Time};

use super::{Joined, Output, Part, Turn};
use crate::api::{Answer, EventKind, Notice, Problem, Question, RequestId, Source};
use crate::endpoint::EndpointInput;
use crate::lane::uplink::UplinkEvent;
use crate::protocol::frame::{Frame, LaneMessage, Packets};
use crate::protocol::names::Lane;

/// Questions of the page that the broker has not answered.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// When each is given up.
    due: Map<RequestId, Time>,
}

impl Questions {
    fn insert(&mut self, no: RequestId, due: Time) {
        self.due.insert(no, due);
    }

    /// Removes a question that was answered; `false` if it was given up before.
    fn answered(&mut self, no: RequestId) -> bool {
        self.due.remove(&no).is_some()
    }

    fn take_all(&mut self) -> Vec<RequestId> {
        let all = core::mem::take(&mut self.due);
        all.keys().copied().collect()
    }

    fn take_overdue(&mut self, now: Time) -> Vec<RequestId> {
        let mut overdue = Vec::new();
        self.due.retain(|no, due| {
            let is_due = *due <= now;
            if is_due {
                overdue.push(*no);
            }
            !is_due
        });
        overdue
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.due.values().min().copied()
    }
}

impl Joined {
    /// The broker has closed its end of the lane.
    pub(super) fn on_unbind(&mut self, lane: Lane, binding: u32, turn: &mut Turn<'_>) {
        // The message may be late: of an earlier binding, or of a lane that this tab has closed.
        if let Part::Client(uplink) = &self.part
            && (uplink.lane(), uplink.binding()) == (lane, binding)
        {
            self.rebind(turn.now, turn);
        }
    }

    /// Binds the lane to the broker again, not before `at`.
    pub(super) fn rebind(&mut self, at: Time, turn: &mut Turn<'_>) {
        let binding = self.next_binding();
        let Part::Client(uplink) = &mut self.part else {
            return;
        };
        uplink.reset(binding, at);
        let broker = uplink.broker();
        self.stats.lane_resets += 1;
        self.event_seldom("lane", turn, || EventKind::LaneReset(broker));
        self.disconnect_endpoints(turn);
        self.bind_if_due(turn);
    }

    pub(super) fn bind_if_due(&mut self, turn: &mut Turn<'_>) {
        if let Part::Client(uplink) = &mut self.part {
            let bind = uplink.bind_if_due(turn.now, self.settings.bind_retry_ms);
            turn.out.extend(bind.map(Output::Control));
        }
    }

    pub(super) fn next_binding(&mut self) -> u32 {
        self.last_binding += 1;
        self.last_binding
    }

    pub(super) fn on_frame(&mut self, lane: Lane, bytes: &[u8], turn: &mut Turn<'_>) {
        let Some(frame) = Frame::decode(bytes) else {
            return self.on_foreign(Source::Lane, turn);
        };
        self.stats.frames_received += 1;
        match &mut self.part {
            Part::Waiting | Part::Promoting(_) => {}
            Part::Client(uplink) => {
                if lane != uplink.lane() {
                    return;
                }
                let event = uplink.on_frame(frame, bytes.len());
                self.watch.broker_lives(turn.now);
                match event {
                    UplinkEvent::Nothing => {}
                    UplinkEvent::Bound => self.connect_endpoints(),
                    UplinkEvent::Broken => self.rebind(turn.now, turn),
                    UplinkEvent::Messages(messages) => self.on_messages(messages, turn),
                }
                self.grant_room();
            }
            Part::Broker(leadership) => {
                if lane == leadership.hosted_broker.lane(lane.tab) {
                    self.with_broker(turn, |hosted_broker, now, out| {
                        hosted_broker.on_frame(now, lane.tab, (frame, bytes.len()), out);
                    });
                }
            }
        }
    }

    fn on_messages(&mut self, messages: Vec<LaneMessage>, turn: &mut Turn<'_>) {
        for message in messages {
            match message {
                LaneMessage::Packets { connection, bytes } => {
                    // The packets are late: their connection is closed.
                    let Some(no) = self.endpoints.of_connection(connection) else {
                        continue;
                    };
                    let version = self.endpoints.version(no);
                    let maximum = self.settings.maximum_packet_size;
                    let mut packets = Packets::new(bytes, maximum);
                    packets.set_version(version);
                    for packet in packets {
                        let input = match packet {
                            Ok(packet) => EndpointInput::Packet(connection, packet),
                            Err(error) => EndpointInput::Malformed(connection, error),
                        };
                        self.endpoints.push(no, input);
                    }
                }
                LaneMessage::Closed {
                    connection,
                    reason_code,
                } => {
                    let reason = ReasonCode::from_u8(reason_code);
                    self.endpoints.on_connection_closed(connection, reason);
                }
                LaneMessage::Answer { no, answer } => {
                    // An interrupted lane has answered it already.
                    if self.questions.answered(no) {
                        turn.notify(Notice::Answer(no, answer));
                    }
                }
                // Only brokers receive these, and the lane reassembles packets.
                LaneMessage::Resume { .. }
                | LaneMessage::Question { .. }
                | LaneMessage::Part { .. } => {}
            }
        }
    }

    /// Sends the page's question to the broker.
    pub(super) fn on_ask(&mut self, no: RequestId, question: Question, turn: &mut Turn<'_>) {
        let answer = match &mut self.part {
            Part::Broker(leadership) => leadership.hosted_broker.answer(&question),
            Part::Client(uplink) => {
                if uplink.ask(no, question) {
                    let due = turn.now.plus_ms(self.settings.answer_ms);
                    self.questions.insert(no, due);
                    return;
                }
                Answer::Refused(Problem::NoBroker)
            }
            Part::Waiting | Part::Promoting(_) => Answer::Refused(Problem::NoBroker),
        };
        turn.notify(Notice::Answer(no, answer));
    }

    /// Answers all open questions: the broker that was asked is gone.
    pub(super) fn fail_questions(&mut self, turn: &mut Turn<'_>) {
        for no in self.questions.take_all() {
            turn.notify(unanswered(no));
        }
    }

    /// Answers questions whose time is over. A lost frame is noticed only when another one follows, which may be never.
    pub(super) fn fail_overdue_questions(&mut self, turn: &mut Turn<'_>) {
        for no in self.questions.take_overdue(turn.now) {
            turn.notify(unanswered(no));
        }
    }
}

fn unanswered(no: RequestId) -> Notice {
    Notice::Answer(no, Answer::Refused(Problem::NoBroker))
}

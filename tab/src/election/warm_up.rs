//! Warm-up: runs a change of broker without effect.
//!
//! A browser compiles a WebAssembly function at its first call. Without a warm-up a newly elected tab would compile the
//! whole failover code while all tabs wait.

use std::collections::VecDeque;
use std::sync::Arc;

use broker::Time;
use broker::access::AllowAll;

use crate::api::{
    Candidacy, ClientCommand, ClientNo, ClientNotice, Command, ConnectOptions, Durability, Notice,
    OpenOptions, Publication, QoS, RequestId, Subscription, Visibility,
};
use crate::io::{Input, LockEvent, LockRequest, Output};
use crate::log::storage::{
    Page, Row, Seq, StorageAnswer, StorageEvent, StorageOperation, StorageRequest,
};
use crate::protocol::control::ControlMessage;
use crate::protocol::names::{Lock, TabId};
use crate::settings::Settings;
use crate::tab::Tab;

/// Simulates an election with sessions and messages of an earlier broker, in tabs that do not exist. Returns how many
/// messages arrived, which is always the same.
#[must_use]
pub fn warm_up(now: Time) -> usize {
    let mut stage = Stage {
        now,
        tabs: Vec::new(),
        entered: 0,
        rows: Vec::new(),
        mail: VecDeque::new(),
        received: 0,
    };
    stage.enter();
    stage.enter();
    stage.publish(1);
    stage.enter();
    // Also stores the changes that wait for the next row.
    stage.pass();
    // The first tab leaves, and the second replaces it.
    let tab_id = stage.tabs.remove(0).tab_id();
    for place in 0..stage.tabs.len() {
        stage.input(
            place,
            Input::Control(ControlMessage::Goodbye {
                tab_id,
                is_lost: false,
            }),
        );
    }
    stage.input(0, Input::Lock(LockEvent::Granted(Lock::Broker)));
    stage.publish(1);
    stage.received
}

#[derive(Debug)]
struct Stage {
    now: Time,
    /// In the order of their arrival. The first holds the broker's lock.
    tabs: Vec<Tab>,
    entered: u64,
    rows: Vec<(Option<Seq>, Option<Row>)>,
    mail: VecDeque<(TabId, Input)>,
    received: usize,
}

impl Stage {
    fn enter(&mut self) {
        let place = self.tabs.len();
        self.entered += 1;
        let id = TabId::from_entropy(self.entered);
        self.tabs.push(Tab::new(
            id,
            String::new(),
            Settings::default(),
            Arc::new(AllowAll),
        ));
        let open = Command::Open(OpenOptions {
            channel: "rehearsal".to_owned(),
            visibility: Visibility::default(),
            durability: Durability::default(),
            candidacy: Candidacy::Auto,
            known_log: None,
        });
        self.input(place, Input::Command(open));
        let topic_filter = "rehearsal/+".to_owned();
        let subscription = Subscription {
            topic_filter,
            qos: QoS::ExactlyOnce,
            ..Subscription::default()
        };
        for command in [
            ClientCommand::Connect(ConnectOptions {
                session_expiry_interval: 60,
                ..ConnectOptions::default()
            }),
            ClientCommand::Subscribe(RequestId(1), vec![subscription]),
        ] {
            self.input(place, Input::Command(Command::Client(ClientNo(0), command)));
        }
        self.pass();
    }

    /// Lets time pass until all timers have run.
    fn pass(&mut self) {
        self.now = self.now.plus_ms(500);
        for place in 0..self.tabs.len() {
            self.input(place, Input::Timeout);
        }
    }

    fn publish(&mut self, place: usize) {
        for (no, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
            .into_iter()
            .enumerate()
        {
            let publication = Publication {
                topic: format!("rehearsal/{no}"),
                payload: vec![0; 64],
                qos,
                retain: qos == QoS::AtLeastOnce,
                ..Publication::default()
            };
            let publish = ClientCommand::Publish(RequestId(2 + no as u64), publication);
            self.input(place, Input::Command(Command::Client(ClientNo(0), publish)));
        }
    }

    /// Gives one tab an input, and carries out outputs until none is left.
    fn input(&mut self, place: usize, input: Input) {
        let Some(tab) = self.tabs.get(place) else {
            return;
        };
        self.mail.push_back((tab.tab_id(), input));
        while let Some((id, input)) = self.mail.pop_front() {
            let Some(place) = self.tabs.iter().position(|tab| tab.tab_id() == id) else {
                continue;
            };
            let mut outputs = Vec::new();
            self.tabs[place].handle(self.now, input, &mut outputs);
            self.tabs[place].flush(self.now, &mut outputs);
            for output in outputs {
                self.carry_out(place, id, output);
            }
        }
    }

    fn carry_out(&mut self, place: usize, id: TabId, output: Output) {
        let others = self.tabs.iter().map(Tab::tab_id).filter(|it| *it != id);
        match output {
            Output::Control(message) => {
                let mail = others.map(|other| (other, Input::Control(message.clone())));
                self.mail.extend(mail);
            }
            Output::Post(lane, frame) => {
                // The two ends of a lane: its tab's, and the broker's.
                let end = others.into_iter().next();
                let end = if lane.tab == id { end } else { Some(lane.tab) };
                self.mail
                    .extend(end.map(|end| (end, Input::Frame(lane, frame))));
            }
            Output::Lock(LockRequest::Acquire(lock)) => {
                if lock == Lock::Tab(id) || lock == Lock::Broker && place == 0 {
                    self.mail
                        .push_back((id, Input::Lock(LockEvent::Granted(lock))));
                }
            }
            Output::Storage(request) => {
                let StorageRequest { id: no, operation } = request;
                if let Some(answer) = self.store(operation) {
                    let event = StorageEvent::Answer(no, answer);
                    self.mail.push_back((id, Input::Storage(event)));
                }
            }
            Output::Notify(notices) => {
                let messages = notices.iter();
                let is_message = |notice: &&Notice| {
                    matches!(notice, Notice::Client(_, ClientNotice::Message(..)))
                };
                self.received += messages.filter(is_message).count();
                if let Some(Notice::CreditCheckpoint(checkpoint)) = notices.last() {
                    let acknowledge = Input::Command(Command::Acknowledge(*checkpoint));
                    self.mail.push_back((id, acknowledge));
                }
            }
            Output::Join(_)
            | Output::OpenLane(_)
            | Output::CloseLane(_)
            | Output::Lock(_)
            | Output::LoopbackProbe(_)
            | Output::Port(..) => {}
        }
    }

    fn store(&mut self, operation: StorageOperation) -> Option<StorageAnswer> {
        match operation {
            StorageOperation::Open(_) => Some(StorageAnswer::Opened),
            StorageOperation::Read(..) => Some(StorageAnswer::Page(Page {
                rows: self.rows.clone(),
                ..Page::default()
            })),
            StorageOperation::Append(seq, row) => {
                self.rows.push((Some(seq), Some(row)));
                Some(StorageAnswer::Committed(seq))
            }
            StorageOperation::Checkpoint(checkpoint) => {
                Some(StorageAnswer::Committed(checkpoint.seq))
            }
            StorageOperation::Check(_) => Some(StorageAnswer::Checked { is_there: true }),
            StorageOperation::Close => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_runs_the_whole_failover() {
        // Each of the two tabs receives its own and the other's messages, before and after. The third also receives the
        // retained one.
        assert_eq!(warm_up(Time::from_ms(1_000)), 13);
    }
}

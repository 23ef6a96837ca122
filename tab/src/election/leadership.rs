//! A leadership: what a tab holds while it is the broker.

use broker::Time;
use broker::sorted::Set;

use crate::api::{ClientCommand, Command, LeadershipTimes};
use crate::endpoint::cost::publication_bytes;
use crate::endpoint::port::PortInput;
use crate::hosted_broker::HostedBroker;
use crate::io::Input;
use crate::log::Log;
use crate::protocol::control::ControlMessage;
use crate::protocol::frame::Frame;
use crate::protocol::names::TabId;

/// The broker, its log, and the tabs whose end it waits for.
#[derive(Debug)]
pub(crate) struct Leadership {
    pub(crate) hosted_broker: HostedBroker,
    /// `None`: the state is in memory.
    pub(crate) log: Option<Log>,
    /// The tabs whose locks are queued for.
    pub(crate) watched: Set<TabId>,
    pub(crate) times: LeadershipTimes,
    /// Inputs held back since this tab stood still, if another may be the broker since then: nothing leaves until a row is stored.
    held: Option<Held>,
    /// How long this tab stood still, which the broker has not been told.
    suspended_ms: u64,
}

/// Inputs that are held back.
#[derive(Debug, Default)]
struct Held {
    inputs: Vec<Input>,
    /// Of messages and packets that the page wants to publish.
    bytes: usize,
}

impl Leadership {
    pub(crate) fn new(
        hosted_broker: HostedBroker,
        log: Option<Log>,
        times: LeadershipTimes,
    ) -> Self {
        Self {
            hosted_broker,
            log,
            watched: Set::new(),
            times,
            held: None,
            suspended_ms: 0,
        }
    }

    /// `answer_due`: when the silence of the database is told, if it was asked something. Until it answers, nothing is written.
    pub(crate) fn next_timeout(&self, answer_due: Option<Time>) -> Option<Time> {
        let log = answer_due.or_else(|| self.log.as_ref().and_then(Log::next_timeout));
        // While it is in doubt, what is due waits as well.
        let hosted_broker = self
            .hosted_broker
            .next_timeout()
            .filter(|_| !self.is_in_doubt());
        [hosted_broker, log].into_iter().flatten().min()
    }

    /// This tab stood still: it must make sure that it still leads. Without a log, or without room in it, nothing could
    /// prove it, and nothing is promised.
    pub(crate) fn on_suspended(&mut self, ms: u64) {
        self.suspended_ms += ms;
        let Some(log) = self.log.as_mut().filter(|log| log.trouble().is_none()) else {
            return;
        };
        log.verify();
        self.held.get_or_insert_default();
    }

    /// How long this tab stood still since this was asked last.
    pub(crate) fn take_suspended_ms(&mut self) -> u64 {
        core::mem::take(&mut self.suspended_ms)
    }

    /// Whether it is not certain that this tab still leads.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.held.is_some()
    }

    /// Keeps an input back while it is not certain that this tab still leads.
    pub(crate) fn hold_back(&mut self, input: Input) -> Option<Input> {
        let Some(held) = &mut self.held else {
            return Some(input);
        };
        match input {
            // Who else leads, and what the database says, decide it.
            Input::Control(ControlMessage::Announce(ref announcement))
                if announcement.is_broker && announcement.term > Some(self.hosted_broker.term) =>
            {
                Some(input)
            }
            // What no tab of ours sent is counted, whoever leads.
            Input::Frame(_, ref bytes) if Frame::decode(bytes).is_none() => Some(input),
            Input::Lock(_)
            | Input::Storage(_)
            | Input::Loopback(_)
            | Input::Foreign(_)
            | Input::Trouble(_)
            | Input::Timeout => Some(input),
            Input::Command(_) | Input::Port(..) | Input::Frame(..) | Input::Control(_) => {
                held.bytes += own_bytes(&input);
                held.inputs.push(input);
                None
            }
        }
    }

    /// What was held back and is not about this leadership.
    pub(crate) fn take_own(&mut self) -> Vec<Input> {
        let held = self.held.take().unwrap_or_default();
        let inputs = held.inputs.into_iter();
        inputs
            .filter(|input| matches!(input, Input::Command(_) | Input::Port(..)))
            .collect()
    }

    /// A row has proved that this tab still leads: what was held back until then.
    pub(crate) fn proved(&mut self) -> Option<Vec<Input>> {
        self.held.take().map(|held| held.inputs)
    }

    /// Whether one more input of this tab's page finds no room among those that are held back. The windows of their
    /// lanes bound the inputs of other tabs.
    pub(crate) fn is_overfull_with(&self, input: &Input, bytes_max: usize) -> bool {
        let held = self.held.as_ref();
        let bytes = own_bytes(input);
        bytes > 0 && held.is_some_and(|held| held.bytes > 0 && held.bytes + bytes > bytes_max)
    }
}

/// Bytes of an input that this tab's page may send without end.
fn own_bytes(input: &Input) -> usize {
    match input {
        Input::Command(Command::Client(_, ClientCommand::Publish(_, publication))) => {
            publication_bytes(publication)
        }
        Input::Port(_, PortInput::Bytes(bytes)) => bytes.len(),
        _ => 0,
    }
}

//! Leadership: the state of a tab while it is the broker.

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
    /// `None`: the state is in memory only.
    pub(crate) log: Option<Log>,
    /// Tabs whose locks this tab queues for.
    pub(crate) watched: Set<TabId>,
    pub(crate) times: LeadershipTimes,
    /// Inputs that are held back since a suspension, until a stored row proves that this tab still leads.
    held: Option<Held>,
    /// Duration of suspensions (ms) that the broker has not been told.
    suspended_ms: u64,
}

/// Inputs that are held back.
#[derive(Debug, Default)]
struct Held {
    inputs: Vec<Input>,
    /// Bytes of messages and packets that the page publishes.
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

    /// When the leadership needs a timeout. `answer_due`: when to report a silent database. Until the database answers,
    /// nothing is written.
    pub(crate) fn next_timeout(&self, answer_due: Option<Time>) -> Option<Time> {
        let log = answer_due.or_else(|| self.log.as_ref().and_then(Log::next_timeout));
        // While the leadership is in doubt, the broker's timers wait as well.
        let hosted_broker = self
            .hosted_broker
            .next_timeout()
            .filter(|_| !self.is_in_doubt());
        [hosted_broker, log].into_iter().flatten().min()
    }

    /// This tab was suspended and must prove that it still leads. Without a working log there is no proof, and nothing
    /// is promised.
    pub(crate) fn on_suspended(&mut self, ms: u64) {
        self.suspended_ms += ms;
        let Some(log) = self.log.as_mut().filter(|log| log.trouble().is_none()) else {
            return;
        };
        log.verify();
        self.held.get_or_insert_default();
    }

    /// Returns the duration of suspensions since the last call, in ms.
    pub(crate) fn take_suspended_ms(&mut self) -> u64 {
        core::mem::take(&mut self.suspended_ms)
    }

    /// Whether it is uncertain that this tab still leads.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the broker has inputs that the last turn did not handle, and may handle them.
    pub(crate) fn is_behind(&self) -> bool {
        self.hosted_broker.is_behind() && !self.is_in_doubt()
    }

    /// Holds an input back while it is uncertain that this tab still leads. Returns the input otherwise.
    pub(crate) fn hold_back(&mut self, input: Input) -> Option<Input> {
        let Some(held) = &mut self.held else {
            return Some(input);
        };
        match input {
            // These inputs decide whether the tab still leads.
            Input::Control(ControlMessage::Announce(ref announcement))
                if announcement.is_broker && announcement.term > Some(self.hosted_broker.term) =>
            {
                Some(input)
            }
            // Foreign messages are counted, whichever tab leads.
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

    /// Removes the held inputs that do not depend on this leadership.
    pub(crate) fn take_own(&mut self) -> Vec<Input> {
        let held = self.held.take().unwrap_or_default();
        let inputs = held.inputs.into_iter();
        inputs
            .filter(|input| matches!(input, Input::Command(_) | Input::Port(..)))
            .collect()
    }

    /// A row has proved that this tab still leads: returns the held inputs.
    pub(crate) fn proved(&mut self) -> Option<Vec<Input>> {
        self.held.take().map(|held| held.inputs)
    }

    /// Whether one more input of this tab's page exceeds the limit. The windows of their lanes bound the inputs of
    /// other tabs.
    pub(crate) fn is_overfull_with(&self, input: &Input, bytes_max: usize) -> bool {
        let held = self.held.as_ref();
        let bytes = own_bytes(input);
        bytes > 0 && held.is_some_and(|held| held.bytes > 0 && held.bytes + bytes > bytes_max)
    }
}

/// Bytes of an input that the page may send without a limit.
fn own_bytes(input: &Input) -> usize {
    match input {
        Input::Command(Command::Client(_, ClientCommand::Publish(_, publication))) => {
            publication_bytes(publication)
        }
        Input::Port(_, PortInput::Bytes(bytes)) => bytes.len(),
        _ => 0,
    }
}

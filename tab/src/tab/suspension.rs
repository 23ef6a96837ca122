//! Suspension: a broker whose tab was suspended proves by a row that it still leads, and holds inputs back until then.

use broker::ReasonCode;

use super::{Input, Joined, Output, Part, Turn};
use crate::api::{ClientCommand, ClientNotice, Command, EventKind, Notice, Problem};
use crate::endpoint::port::{PortInput, PortOutput};

impl Joined {
    /// A broker whose loop was suspended must prove that it still leads before it sends anything.
    pub(super) fn check_suspension(&mut self, turn: &mut Turn<'_>) {
        let ms = turn.now.ms_since(self.last_turn);
        if let Part::Broker(leadership) = &mut self.part
            && ms > 2 * self.settings.heartbeat_ms
        {
            let was_in_doubt = leadership.is_in_doubt();
            leadership.on_suspended(ms);
            if !leadership.is_in_doubt() {
                self.report_suspension(turn);
            } else if !was_in_doubt {
                turn.event(EventKind::Suspended { ms });
            }
        }
    }

    /// Tells the broker how long the tab was suspended. Keep-alive timeouts exclude that time.
    fn report_suspension(&mut self, turn: &mut Turn<'_>) {
        if let Part::Broker(leadership) = &mut self.part {
            let ms = leadership.take_suspended_ms();
            self.with_broker(turn, |hosted_broker, now, out| {
                hosted_broker.on_suspended(now, ms, out);
            });
        }
    }

    pub(super) fn hold_back(&mut self, input: Input, turn: &mut Turn<'_>) -> Option<Input> {
        // Foreign messages are counted, whichever tab leads.
        if let Input::Control(message) = &input
            && !self.is_plausible(message, turn.now)
        {
            return Some(input);
        }
        let bytes_max = self.settings.waiting_bytes_max;
        if let Part::Broker(leadership) = &mut self.part
            && leadership.is_overfull_with(&input, bytes_max)
        {
            return self.refuse_held(input, turn);
        }
        match &mut self.part {
            Part::Broker(leadership) => leadership.hold_back(input),
            Part::Waiting | Part::Client(_) | Part::Promoting(_) => Some(input),
        }
    }

    /// Refuses an input of the page, because the inputs that are held back fill their limit.
    fn refuse_held(&mut self, input: Input, turn: &mut Turn<'_>) -> Option<Input> {
        match input {
            Input::Command(Command::Client(no, ClientCommand::Publish(request, _))) => {
                let refused = ClientNotice::Refused(request, Problem::TooMuchWaiting);
                turn.notify(Notice::Client(no, refused));
                None
            }
            Input::Port(no, PortInput::Bytes(_)) => {
                // The port ends as if the page had closed it, after its earlier input was handled.
                if self.endpoints.end_port(no) {
                    let closed = PortOutput::Closed(Some(ReasonCode::QuotaExceeded));
                    turn.out.push(Output::Port(no, closed));
                    return self.hold_back(Input::Port(no, PortInput::Closed), turn);
                }
                None
            }
            other => Some(other),
        }
    }

    /// This tab has proved that it leads: handles the inputs that were held back.
    pub(super) fn resume_after_proof(&mut self, turn: &mut Turn<'_>) {
        let Part::Broker(leadership) = &mut self.part else {
            return;
        };
        let Some(held) = leadership.proved() else {
            return;
        };
        self.report_suspension(turn);
        for input in held {
            self.take(input, turn);
            self.run_steps(turn);
        }
    }
}

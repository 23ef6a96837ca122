//! Notices: when they leave for the page.

use broker::Time;
use broker::sorted::{Map, Set};

use crate::api::{ClientNo, ClientNotice, ClientStatus, Notice, Role};

/// How long (ms) notices that are not urgent may wait for others.
const GAP_MS: u64 = 100;

/// How long (ms) a client may have no broker before its page learns of it. A change of broker is no disconnection.
const CHANGE_MS: u64 = 5_000;

/// Notices on their way to the page. During a change of broker each tab gets several in a few milliseconds. Waking
/// pages for each of them would delay the new broker.
#[derive(Debug, Default)]
pub struct Notices {
    waiting: Vec<Notice>,
    due: Option<Time>,
    /// Whether the last role that the page knows is the broker's.
    is_broker: bool,
    /// The clients that are connected as far as the page knows.
    connected: Set<ClientNo>,
    /// Those of them that are not connected: since when, and the notices about it. The notices are dropped if the
    /// client reconnects in time.
    changing: Map<ClientNo, (Time, Vec<Notice>)>,
}

impl Notices {
    /// Adds the notices of one turn. Returns those to send now, in order.
    #[must_use]
    pub fn add(&mut self, now: Time, notices: Vec<Notice>) -> Vec<Notice> {
        let mut is_urgent = false;
        for notice in notices {
            is_urgent |= !self.can_wait(&notice);
            self.push(now, notice);
        }
        if is_urgent {
            return self.take();
        }
        if !self.waiting.is_empty() {
            self.due.get_or_insert(now.plus_ms(GAP_MS));
        }
        self.take_due(now)
    }

    fn push(&mut self, now: Time, notice: Notice) {
        let Notice::Client(no, ClientNotice::Status(status)) = &notice else {
            return self.waiting.push(notice);
        };
        let no = *no;
        match status {
            ClientStatus::Waiting | ClientStatus::Connecting if self.connected.contains(&no) => {
                let changing = self.changing.get_or_insert_with(no, || (now, Vec::new()));
                return changing.1.push(notice);
            }
            ClientStatus::Waiting | ClientStatus::Connecting => {}
            ClientStatus::Connected {
                session_present, ..
            } => {
                let changed = self.changing.remove(&no);
                // The page must learn of another session.
                let unsent = changed.filter(|_| !session_present);
                self.waiting.extend(unsent.into_iter().flat_map(|it| it.1));
                self.connected.insert(no);
            }
            ClientStatus::Disconnected(_) => self.report_disconnection(no),
        }
        self.waiting.push(notice);
    }

    /// Sends the notices about a lost connection.
    fn report_disconnection(&mut self, no: ClientNo) {
        if let Some((_, notices)) = self.changing.remove(&no) {
            self.waiting.extend(notices);
        }
        self.connected.remove(&no);
    }

    /// Returns the notices that have waited long enough.
    #[must_use]
    pub fn take_due(&mut self, now: Time) -> Vec<Notice> {
        let is_over = |since: Time| since.plus_ms(CHANGE_MS) <= now;
        let over = self
            .changing
            .iter()
            .filter(|(_, (since, _))| is_over(*since));
        let over: Vec<ClientNo> = over.map(|(no, _)| *no).collect();
        for no in &over {
            self.report_disconnection(*no);
        }
        match self.due {
            Some(due) if due <= now => self.take(),
            _ if !over.is_empty() => self.take(),
            _ => Vec::new(),
        }
    }

    /// Returns all notices, so that they precede the effects of a command.
    #[must_use]
    pub fn take(&mut self) -> Vec<Notice> {
        self.due = None;
        for notice in &self.waiting {
            if let Notice::Role(role) = notice {
                self.is_broker = matches!(role, Role::Broker { .. });
            }
        }
        core::mem::take(&mut self.waiting)
    }

    /// When [`Notices::take_due`] returns notices.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        let changes = self.changing.values();
        let changes = changes.map(|(since, _)| since.plus_ms(CHANGE_MS));
        self.due.into_iter().chain(changes).min()
    }

    /// Whether a notice is not urgent. Becoming the broker, or stopping to be it, is urgent.
    fn can_wait(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Client(no, ClientNotice::Status(status)) => match status {
                ClientStatus::Waiting | ClientStatus::Connecting => true,
                // Nothing has changed as far as the page knows.
                ClientStatus::Connected {
                    session_present, ..
                } => *session_present && self.connected.contains(no),
                ClientStatus::Disconnected(_) => false,
            },
            Notice::Role(role) => !self.is_broker && !matches!(role, Role::Broker { .. }),
            Notice::Members(_)
            | Notice::Event(_)
            | Notice::Stats(_)
            | Notice::CreditCheckpoint(_)
            | Notice::Log { .. } => true,
            Notice::Client(..)
            | Notice::Opened { .. }
            | Notice::Refused(_)
            | Notice::Answer(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ClientNo, Problem, Term};

    const WAITING: Notice =
        Notice::Client(ClientNo(1), ClientNotice::Status(ClientStatus::Waiting));
    const REFUSED: Notice = Notice::Refused(Problem::NotOpen);

    fn at(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    #[test]
    fn an_urgent_notice_takes_waiting_ones_along_before_it() {
        let mut notices = Notices::default();
        assert_eq!(notices.add(at(0), vec![WAITING]), []);
        assert_eq!(notices.due(), Some(at(100)));
        let sent = notices.add(at(10), vec![Notice::Members(Vec::new()), REFUSED]);
        assert_eq!(sent, [WAITING, Notice::Members(Vec::new()), REFUSED]);
        assert_eq!(notices.due(), None);
        assert_eq!(notices.take_due(at(1_000)), []);
    }

    #[test]
    fn later_notices_do_not_delay_the_first() {
        let mut notices = Notices::default();
        assert_eq!(notices.add(at(0), Vec::new()), []);
        assert_eq!(notices.due(), None);
        assert_eq!(notices.add(at(0), vec![WAITING]), []);
        assert_eq!(notices.add(at(60), vec![WAITING]), []);
        assert_eq!(notices.take_due(at(99)), []);
        assert_eq!(notices.take_due(at(100)), [WAITING, WAITING]);
        assert_eq!(notices.add(at(120), vec![WAITING]), []);
        assert_eq!(notices.due(), Some(at(220)));
        assert_eq!(notices.take(), [WAITING]);
    }

    fn connected(session_present: bool) -> Notice {
        let status = ClientStatus::Connected {
            client_id: "c".to_owned(),
            session_present,
            term: Term(1),
        };
        Notice::Client(ClientNo(1), ClientNotice::Status(status))
    }

    #[test]
    fn a_connected_client_is_reported_at_once() {
        let mut notices = Notices::default();
        assert_eq!(notices.add(at(0), vec![WAITING]), []);
        let sent = notices.add(at(1), vec![connected(true)]);
        assert_eq!(sent, [WAITING, connected(true)]);
    }

    #[test]
    fn a_change_of_broker_that_is_over_soon_is_no_disconnection() {
        let mut notices = Notices::default();
        let sent = notices.add(at(0), vec![connected(false)]);
        assert_eq!(sent, [connected(false)]);
        assert_eq!(notices.add(at(100), vec![WAITING]), []);
        // Other notices do not change that.
        assert_eq!(notices.add(at(200), vec![REFUSED]), [REFUSED]);
        assert_eq!(notices.take(), []);
        assert_eq!(notices.take_due(at(5_099)), []);
        assert_eq!(notices.add(at(5_099), vec![connected(true)]), []);
        assert_eq!(notices.take_due(at(5_199)), [connected(true)]);
        assert_eq!(notices.due(), None);
    }

    #[test]
    fn a_long_absence_of_a_broker_and_a_lost_session_are_reported() {
        let mut notices = Notices::default();
        let _ = notices.add(at(0), vec![connected(false)]);
        assert_eq!(notices.add(at(100), vec![WAITING]), []);
        assert_eq!(notices.due(), Some(at(5_100)));
        assert_eq!(notices.take_due(at(5_100)), [WAITING]);
        let sent = notices.add(at(6_000), vec![connected(true)]);
        assert_eq!(sent, [connected(true)], "at once");

        assert_eq!(notices.add(at(7_000), vec![WAITING]), []);
        let sent = notices.add(at(7_001), vec![connected(false)]);
        assert_eq!(sent, [WAITING, connected(false)]);

        let cause = crate::api::DisconnectCause::Requested;
        let ended = ClientNotice::Status(ClientStatus::Disconnected(cause));
        let ended = || Notice::Client(ClientNo(1), ended.clone());
        assert_eq!(notices.add(at(8_000), vec![WAITING]), []);
        assert_eq!(notices.add(at(8_001), vec![ended()]), [WAITING, ended()]);
        assert_eq!(notices.due(), None);
    }

    #[test]
    fn becoming_and_ceasing_to_be_the_broker_is_reported_at_once() {
        let mut notices = Notices::default();
        let broker = || Notice::Role(Role::Broker { term: Term(1) });
        let waiting = || Notice::Role(Role::Waiting);
        assert_eq!(notices.add(at(0), vec![waiting()]), []);
        assert_eq!(notices.add(at(1), vec![broker()]), [waiting(), broker()]);
        assert_eq!(notices.add(at(2), vec![waiting()]), [waiting()]);
        assert_eq!(notices.add(at(3), vec![waiting()]), []);
    }
}

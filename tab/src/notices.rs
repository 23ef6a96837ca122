//! When the page is told what.

use broker::Time;
use broker::sorted::Set;

use crate::api::{ClientNo, ClientNotice, ClientStatus, Notice, Role};

/// Milliseconds for which notices on which nobody waits may wait for others.
const GAP_MS: u64 = 100;

/// Notices on their way to the page. While the broker changes, each tab has several in a few milliseconds; pages that are
/// woken for each of them would take the time from the new broker.
#[derive(Debug, Default)]
pub struct Notices {
    waiting: Vec<Notice>,
    due: Option<Time>,
    /// Whether the last part that the page was told of is the broker's.
    is_broker: bool,
    /// The clients that the page takes for connected.
    connected: Set<ClientNo>,
}

impl Notices {
    /// Adds those of one turn; returns what is to be told now, in order.
    #[must_use]
    pub fn add(&mut self, now: Time, notices: Vec<Notice>) -> Vec<Notice> {
        let is_urgent = !notices.iter().all(|notice| self.can_wait(notice));
        self.waiting.extend(notices);
        if is_urgent {
            return self.take();
        }
        if !self.waiting.is_empty() {
            self.due.get_or_insert(now.plus_ms(GAP_MS));
        }
        self.take_due(now)
    }

    /// What has waited for long enough.
    #[must_use]
    pub fn take_due(&mut self, now: Time) -> Vec<Notice> {
        match self.due {
            Some(due) if due <= now => self.take(),
            _ => Vec::new(),
        }
    }

    /// Everything: the page is told what was before it asked for something before what comes of that.
    #[must_use]
    pub fn take(&mut self) -> Vec<Notice> {
        self.due = None;
        for notice in &self.waiting {
            match notice {
                Notice::Role(role) => self.is_broker = matches!(role, Role::Broker { .. }),
                Notice::Client(no, ClientNotice::Status(status)) => {
                    match status {
                        ClientStatus::Connected { .. } => self.connected.insert(*no),
                        _ => self.connected.remove(no),
                    };
                }
                _ => {}
            }
        }
        core::mem::take(&mut self.waiting)
    }

    /// When [`Notices::take_due`] has something.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.due
    }

    /// Whether a notice is about how this tab is getting on. That it is the broker, or is not any more, is told at once.
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
            Notice::Roster(_)
            | Notice::Event(_)
            | Notice::Stats(_)
            | Notice::Mark(_)
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
    fn what_can_wait_is_told_with_what_cannot_and_before_it() {
        let mut notices = Notices::default();
        assert_eq!(notices.add(at(0), vec![WAITING]), []);
        assert_eq!(notices.due(), Some(at(100)));
        let told = notices.add(at(10), vec![Notice::Roster(Vec::new()), REFUSED]);
        assert_eq!(told, [WAITING, Notice::Roster(Vec::new()), REFUSED]);
        assert_eq!(notices.due(), None);
        assert_eq!(notices.take_due(at(1_000)), []);
    }

    #[test]
    fn nothing_waits_for_longer_than_the_first() {
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

    #[test]
    fn that_a_client_is_connected_is_told_at_once_unless_the_page_never_heard_that_it_was_not() {
        let mut notices = Notices::default();
        let connected = |session_present| {
            let status = ClientStatus::Connected {
                client_id: "c".to_owned(),
                session_present,
                term: Term(1),
            };
            Notice::Client(ClientNo(1), ClientNotice::Status(status))
        };
        assert_eq!(notices.add(at(0), vec![WAITING]), []);
        let told = notices.add(at(1), vec![connected(true)]);
        assert_eq!(told, [WAITING, connected(true)]);

        assert_eq!(notices.add(at(2), vec![WAITING]), []);
        assert_eq!(notices.add(at(3), vec![connected(true)]), []);
        assert_eq!(notices.take_due(at(102)), [WAITING, connected(true)]);

        assert_eq!(notices.add(at(200), vec![WAITING]), []);
        assert_eq!(notices.take_due(at(300)), [WAITING]);
        assert_eq!(
            notices.add(at(301), vec![connected(true)]),
            [connected(true)]
        );
        // Its session is gone, which the page has to know.
        assert_eq!(
            notices.add(at(302), vec![connected(false)]),
            [connected(false)]
        );
    }

    #[test]
    fn that_a_tab_is_or_was_the_broker_is_told_at_once() {
        let mut notices = Notices::default();
        let broker = || Notice::Role(Role::Broker { term: Term(1) });
        let waiting = || Notice::Role(Role::Waiting);
        assert_eq!(notices.add(at(0), vec![waiting()]), []);
        assert_eq!(notices.add(at(1), vec![broker()]), [waiting(), broker()]);
        assert_eq!(notices.add(at(2), vec![waiting()]), [waiting()]);
        assert_eq!(notices.add(at(3), vec![waiting()]), []);
    }
}

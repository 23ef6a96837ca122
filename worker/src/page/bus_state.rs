//! State of this tab on its channel.

use std::rc::Rc;

use tab::TabId;
use tab::api::{Notice, Problem, Role, TabInfo};

/// State of the worker of this page.
///
/// ```no_run
/// # use tabmq_worker::{BusHandle, BusStatus};
/// # fn example(bus: &BusHandle) -> String {
/// match bus.status() {
///     BusStatus::Starting => "Joining.".to_owned(),
///     BusStatus::Open(tab_id) => format!("Joined as tab {tab_id}."),
///     BusStatus::Refused(problem) => problem.to_string(),
///     BusStatus::Failed(why) => why,
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BusStatus {
    /// The worker has not joined yet, or it ended because the page was left or frozen. Another one starts when the page returns.
    #[default]
    Starting,
    /// The worker is on the channel, as this tab.
    Open(TabId),
    /// The worker runs, but is not on the channel, because the channel's name is invalid.
    Refused(Problem),
    /// The worker did not load, or it crashed; a sentence for people.
    Failed(String),
}

/// The last notices about this tab.
#[derive(Debug)]
pub(crate) struct BusState {
    pub(crate) status: BusStatus,
    pub(crate) role: Role,
    pub(crate) members: Rc<[TabInfo]>,
}

impl Default for BusState {
    fn default() -> Self {
        Self::new(BusStatus::Starting)
    }
}

impl BusState {
    fn new(status: BusStatus) -> Self {
        Self {
            status,
            role: Role::Waiting,
            members: Rc::new([]),
        }
    }

    pub(crate) fn on_notice(&mut self, notice: &Notice) {
        match notice {
            // A new worker is a new tab, so the members of the previous one are out of date.
            Notice::Opened { tab_id, build: _ } => *self = Self::new(BusStatus::Open(*tab_id)),
            Notice::Role(role) => self.role = *role,
            Notice::Members(members) => self.members = members.as_slice().into(),
            Notice::Refused(problem @ Problem::Channel(_)) => {
                self.status = BusStatus::Refused(problem.clone());
            }
            Notice::Refused(_)
            | Notice::Client(..)
            | Notice::Event(_)
            | Notice::Stats(_)
            | Notice::Answer(..)
            | Notice::CreditCheckpoint(_)
            | Notice::Log { .. } => {}
        }
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn fail(&mut self, why: &str) {
        *self = Self::new(BusStatus::Failed(why.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use tab::api::Term;

    use super::*;

    fn opened(tab: u64) -> Notice {
        Notice::Opened {
            tab_id: TabId::from_entropy(tab),
            build: String::new(),
        }
    }

    #[test]
    fn a_new_stopped_or_failed_worker_knows_no_role() {
        let mut state = BusState::default();
        assert_eq!(state.status, BusStatus::Starting);
        state.on_notice(&opened(1));
        state.on_notice(&Notice::Role(Role::Broker { term: Term(1) }));
        assert_eq!(state.role, Role::Broker { term: Term(1) });

        state.on_notice(&opened(2));
        assert_eq!(state.status, BusStatus::Open(TabId::from_entropy(2)));
        assert_eq!(state.role, Role::Waiting);

        state.on_notice(&Notice::Role(Role::Broker { term: Term(2) }));
        state.stop();
        assert_eq!(state.status, BusStatus::Starting);
        assert_eq!(state.role, Role::Waiting);

        state.on_notice(&opened(3));
        state.on_notice(&Notice::Role(Role::Broker { term: Term(2) }));
        state.fail("It crashed.");
        assert_eq!(state.status, BusStatus::Failed("It crashed.".to_owned()));
        assert_eq!(state.role, Role::Waiting);
    }

    #[test]
    fn only_a_refused_channel_keeps_a_tab_off_it() {
        let mut state = BusState::default();
        state.on_notice(&opened(1));
        state.on_notice(&Notice::Refused(Problem::AlreadyOpen));
        assert_eq!(state.status, BusStatus::Open(TabId::from_entropy(1)));
        let error = tab::ChannelName::parse("a/b").unwrap_err();
        state.on_notice(&Notice::Refused(Problem::Channel(error.clone())));
        assert_eq!(state.status, BusStatus::Refused(Problem::Channel(error)));
    }
}

//! Invariants of the recovery phase, in which no faults happen.

use tab::api::{QoS, Role, Term};
use tab::{TabId, Time};

use super::{Oracle, retained};
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::scenario::Fault;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;
use crate::workload::page::TOPICS;

impl Oracle {
    /// There is one broker, all tabs follow it, all clients are connected, and every request is answered.
    pub(crate) fn check_settled(&self, now: Time) -> Result<(), Violation> {
        let brokers: Vec<TabId> = self
            .tabs
            .iter()
            .filter(|(_, view)| matches!(view.role, Role::Broker { .. }))
            .map(|(tab, _)| *tab)
            .collect();
        let (&[_], Some((broker, term))) = (&brokers[..], self.broker) else {
            return Err(Violation::WrongBrokerCount { brokers });
        };
        for (tab, view) in &self.tabs {
            let tab = *tab;
            if view.role != (Role::Client { broker, term }) && tab != broker {
                return Err(Violation::NotFollowingBroker { tab, broker });
            }
            for (no, client) in &view.clients {
                if client.is_wanted && client.connection != Some(term) {
                    let client = ClientKey { tab, no: *no };
                    return Err(Violation::ClientNotConnected { client });
                }
            }
            if let Some((no, request)) = view.requests.keys().next() {
                return Err(Violation::RequestUnanswered {
                    client: ClientKey { tab, no: *no },
                    request: *request,
                });
            }
        }
        self.check_questions(now)?;
        self.check_ports()
    }

    /// The only tab that considers itself the broker, if another one wrote a fence and ended unnoticed. Without locks
    /// only the log tells that, when the broker stores something. Requests that need no storage are safe with this
    /// broker.
    pub(crate) fn unaware_replaced_broker(&self) -> Option<TabId> {
        let mut brokers = self.brokers.keys();
        let only = brokers.next().filter(|_| brokers.next().is_none());
        only.filter(|_| !self.plan.has_web_locks && self.broker.is_none())
            .copied()
    }

    /// Each subscribed client got these messages exactly once.
    pub(crate) fn check_probes(&mut self, probes: &[MessageId]) -> Result<(), Violation> {
        // With small windows, brokers drop QoS 0.
        let least = match self.plan.is_narrow() {
            true => QoS::AtLeastOnce,
            false => QoS::AtMostOnce,
        };
        for message in probes {
            let Some(published) = self.messages.get(message) else {
                continue;
            };
            for (tab, view) in &self.tabs {
                for (no, client) in &view.clients {
                    let key = ClientKey { tab: *tab, no: *no };
                    let copies = client.copies(*message);
                    // A broker with a disk may resume an older session than that of a broker without one.
                    let must_come = self.plan.disk.unavailable_per_mille == 0
                        && client.is_subscribed(key, published, least)
                        && !self.has_several_holders(client.client_id.as_deref());
                    if copies > 1 || copies == 0 && must_come {
                        return Err(Violation::WrongProbeCount {
                            client: key,
                            message: *message,
                            copies,
                        });
                    }
                    self.tally.probes_delivered += u64::from(copies);
                }
            }
        }
        Ok(())
    }

    /// A new subscriber to all topics got the retained messages that the broker of this term must have.
    pub(crate) fn check_retained(&mut self, now: Time, key: ClientKey) -> Result<(), Violation> {
        let now = self.moment(now);
        let term = match self.plan.guarantee {
            Guarantee::Memory => self.term(),
            Guarantee::Durable => None,
            // The state of a broker without a disk may or may not be gone, so that it cannot be checked.
            Guarantee::Recovery => return Ok(()),
        };
        let Some(client) = self.client(key) else {
            return Ok(());
        };
        let found: Vec<MessageId> = client.retained().collect();
        self.retained = Some(found.len());
        for topic in TOPICS {
            let candidates = retained::candidates(&self.messages, topic, term, now);
            let of_topic = |id: &&MessageId| {
                let published = self.messages.get(id);
                published.is_some_and(|published| published.publication.topic == topic)
            };
            let mut found = found.iter().filter(of_topic).copied();
            let (first, second) = (found.next(), found.next());
            let is_expected = match first {
                Some(first) => candidates.messages.contains(&first) && second.is_none(),
                None => candidates.may_be_none,
            };
            if !is_expected {
                return Err(Violation::WrongRetained {
                    topic: topic.to_owned(),
                    found: second.or(first),
                    expected: candidates.messages,
                });
            }
            match first {
                Some(_) => self.tally.retained_found += 1,
                None => self.tally.retained_absent += 1,
            }
        }
        Ok(())
    }

    /// Every tab lists the same members: the living tabs, one broker, and the clients that their pages want.
    pub(crate) fn check_members(&mut self) -> Result<(), Violation> {
        // If the log is gone and the clock was set back, a new broker cannot know the highest term.
        let may_fall = self.plan.has(Fault::Clear) && self.plan.has(Fault::Clock);
        let row = |tab: TabId, is_broker, term: Option<Term>, clients, visibility| {
            let term = term.filter(|_| !may_fall);
            format!(
                "{}:{is_broker}:{term:?}:{clients}:{visibility:?}",
                tab.short()
            )
        };
        let expected = self.tabs.iter().map(|(tab, view)| {
            let clients = view.clients.values().filter(|it| it.is_wanted).count();
            let ports = view.ports.values().filter(|it| it.is_wanted()).count();
            let clients = (clients + ports) as u64;
            let is_broker = self.broker() == Some(*tab);
            row(*tab, is_broker, self.term(), clients, view.visibility)
        });
        let expected: Vec<String> = expected.collect();
        for (tab, view) in &self.tabs {
            let shown: Vec<String> = view
                .members
                .iter()
                .map(|it| {
                    let clients = u64::from(it.clients);
                    row(it.tab_id, it.is_broker, it.term, clients, it.visibility)
                })
                .collect();
            let knows_itself = view
                .members
                .iter()
                .all(|it| it.is_self == (it.tab_id == *tab));
            if shown != expected || !knows_itself {
                return Err(Violation::WrongMembers {
                    tab: *tab,
                    shown: shown.join(", "),
                    expected: expected.join(", "),
                });
            }
            self.tally.member_lists_checked += 1;
        }
        Ok(())
    }

    /// Every tab has counted its foreign inputs.
    pub(crate) fn check_garbage(&mut self) -> Result<(), Violation> {
        for (tab, view) in &self.tabs {
            let counted = view.stats.foreign;
            if counted != view.garbage {
                return Err(Violation::GarbageNotCounted {
                    tab: *tab,
                    sent: view.garbage,
                    counted,
                });
            }
            self.tally.garbage_counted += counted;
            self.tally.lane_resets += view.stats.lane_resets;
        }
        Ok(())
    }
}

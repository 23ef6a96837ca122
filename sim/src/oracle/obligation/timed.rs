//! Deliveries that are due within a time, where the broker's state is in memory.

use tab::api::{QoS, Term};
use tab::{TabId, Time};

use crate::client_key::ClientKey;
use crate::oracle::Oracle;
use crate::oracle::message::Moment;
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

/// A client that got an older message within this time is still being sent its queue.
const PROGRESS_MS: u64 = 1_000;

/// An acknowledged message that must reach a client while the client's session and the broker live.
#[derive(Debug)]
pub(in crate::oracle) struct TimedObligation {
    /// When the broker had certainly received it.
    since: Moment,
    due: Time,
    client: ClientKey,
    session: u32,
    message: MessageId,
    term: Term,
    /// Of a will: when its client was lost. It is published later, for the subscribers of that time.
    lost: Option<Moment>,
}

/// The state of an obligation.
enum Fate {
    Met,
    Void,
    Waiting,
    Broken,
}

impl Oracle {
    /// The broker of this term has a message, which must reach all subscribers.
    pub(in crate::oracle) fn add_timed_obligations(
        &mut self,
        now: Moment,
        message: MessageId,
        term: Term,
        lost: Option<Moment>,
    ) {
        let Some(published) = self.messages.get(&message) else {
            return;
        };
        let since = lost.unwrap_or(published.since);
        for (tab, view) in &self.tabs {
            for (no, client) in &view.clients {
                let key = ClientKey { tab: *tab, no: *no };
                if client.must_get(key, published, since, term) {
                    self.timed_obligations.push_back(TimedObligation {
                        since: now,
                        due: now.at.plus_ms(self.plan.delivery_ms),
                        client: key,
                        session: client.session,
                        message,
                        term,
                        lost,
                    });
                }
            }
        }
    }

    /// A tab is lost. The broker must notice that, and publish the wills of its clients.
    pub(in crate::oracle) fn add_will_obligations(&mut self, now: Moment, tab: TabId) {
        match self.plan.guarantee {
            Guarantee::Memory => {}
            Guarantee::Durable => return self.add_durable_will_obligations(now, tab),
            Guarantee::Recovery => return,
        }
        let Some(((_, term), view)) = self.broker.zip(self.tabs.get(&tab)) else {
            return;
        };
        // If its lane broke just before, its wills may have been published then.
        if now.at <= view.disrupted_until {
            return;
        }
        let clients = view.clients.values();
        let wills = clients.filter_map(|client| client.certain_will(term));
        let wills: Vec<MessageId> = wills.collect();
        for will in wills {
            let published = self.messages.get(&will);
            if published.is_some_and(|it| it.publication.qos != QoS::AtMostOnce) {
                self.tally.wills_due += 1;
                self.add_timed_obligations(now, will, term, Some(now));
            }
        }
    }

    /// Each delivery that is due now has happened.
    pub(crate) fn check_due(&mut self, now: Time) -> Result<(), Violation> {
        while self
            .timed_obligations
            .front()
            .is_some_and(|it| it.due <= now)
            && let Some(due) = self.timed_obligations.pop_front()
        {
            match self.fate(now, &due) {
                Fate::Met => self.tally.timed_obligations_met += 1,
                Fate::Void => self.tally.timed_obligations_void += 1,
                Fate::Waiting => self.timed_obligations.push_back(TimedObligation {
                    due: now.plus_ms(self.plan.delivery_ms),
                    ..due
                }),
                Fate::Broken => {
                    return Err(Violation::MessageLost {
                        client: due.client,
                        message: due.message,
                        term: due.term,
                    });
                }
            }
        }
        Ok(())
    }

    fn fate(&self, now: Time, due: &TimedObligation) -> Fate {
        let ClientKey { tab, no } = due.client;
        let client = self.tabs.get(&tab).and_then(|view| view.clients.get(&no));
        let (Some(client), Some(published)) = (client, self.messages.get(&due.message)) else {
            return Fate::Void;
        };
        let was_subscribed = due
            .lost
            .is_none_or(|lost| client.must_get(due.client, published, lost, due.term));
        if client.session != due.session || self.term() != Some(due.term) {
            Fate::Void
        } else if client.copies(due.message) > 0 {
            Fate::Met
        } else if client.had_no_listener {
            // Messages that have waited for a listener come first.
            Fate::Void
        } else if client.connection.is_none() {
            // Its lane is being set up, and the client will be connected again.
            Fate::Waiting
        } else if client.gets_older(now, due.since, PROGRESS_MS) {
            // With a small receive maximum, a long queue takes long.
            Fate::Waiting
        } else if was_subscribed {
            Fate::Broken
        } else {
            Fate::Void
        }
    }
}

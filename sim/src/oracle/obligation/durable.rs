//! Deliveries that must happen at some time, where the broker's state is on the disk.

use tab::TabId;
use tab::api::QoS;

use crate::client_key::ClientKey;
use crate::oracle::Oracle;
use crate::oracle::message::Moment;
use crate::oracle::session::Session;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

/// An acknowledged message that must reach a session at some time.
#[derive(Debug)]
pub(in crate::oracle) struct DurableObligation {
    pub(in crate::oracle) client_id: String,
    pub(in crate::oracle) generation: u32,
    pub(in crate::oracle) message: MessageId,
    /// Of a will: client id of the lost client, unless a client has connected with it since.
    pub(in crate::oracle) lost: Option<String>,
}

impl Oracle {
    /// A message was acknowledged. It must be stored, and reach every subscribed session.
    pub(in crate::oracle) fn add_durable_obligations(
        &mut self,
        now: Moment,
        id: MessageId,
    ) -> Result<(), Violation> {
        let Some(published) = self.messages.get(&id) else {
            return Ok(());
        };
        if published.is_exempt {
            return Ok(());
        }
        let since = published.since;
        let publisher = published.publisher;
        let client_ids = self.obligated_sessions(now, id, publisher, since);
        if !client_ids.is_empty() && !self.is_stored(id) {
            return Err(Violation::AcknowledgedUnstored {
                client: publisher,
                message: id,
            });
        }
        self.push_durable_obligations(client_ids, id, None);
        Ok(())
    }

    /// A tab is lost. Its clients' wills are published, at the latest when no broker expects the clients any more.
    pub(in crate::oracle) fn add_durable_will_obligations(&mut self, now: Moment, tab: TabId) {
        let Some(view) = self.tabs.get(&tab) else {
            return;
        };
        if now.at <= view.disrupted_until || view.health.was_impaired {
            return;
        }
        let wills: Vec<(MessageId, String)> = view
            .clients
            .values()
            .filter(|client| client.is_wanted && client.connection.is_some())
            .filter(|client| client.is_will_prompt && !client.is_will_unstored)
            .filter_map(|client| client.will.zip(client.client_id.clone()))
            .collect();
        for (will, client_id) in wills {
            let Some(published) = self.messages.get(&will) else {
                continue;
            };
            let is_contested = self
                .sessions
                .get(&client_id)
                .is_none_or(|session| session.is_contested(now));
            if published.publication.qos == QoS::AtMostOnce || is_contested {
                continue;
            }
            self.tally.wills_due += 1;
            let publisher = published.publisher;
            let client_ids = self.obligated_sessions(now, will, publisher, now);
            let client_ids = client_ids.into_iter().filter(|it| {
                // A session that ends with the tab cannot get the wills of that tab.
                let session = self.sessions.get(it);
                session.is_some_and(|it| it.holders.iter().all(|key| key.tab != tab))
            });
            let client_ids: Vec<String> = client_ids.collect();
            self.push_durable_obligations(client_ids, will, Some(client_id));
        }
    }

    /// The sessions that must get a message published after `since`.
    fn obligated_sessions(
        &self,
        now: Moment,
        id: MessageId,
        publisher: ClientKey,
        since: Moment,
    ) -> Vec<String> {
        let Some(published) = self.messages.get(&id) else {
            return Vec::new();
        };
        let publisher = self.tabs.get(&publisher.tab).and_then(|view| {
            let client = view.clients.get(&publisher.no)?;
            client.client_id.as_deref()
        });
        self.sessions
            .iter()
            .filter(|(client_id, session)| {
                session.must_get(now, client_id, publisher, published, since)
            })
            .map(|(client_id, _)| client_id.clone())
            .collect()
    }

    fn push_durable_obligations(
        &mut self,
        client_ids: Vec<String>,
        message: MessageId,
        lost: Option<String>,
    ) {
        for client_id in client_ids {
            let generation = self.sessions.get(&client_id).map_or(0, |it| it.generation);
            self.durable_obligations.push(DurableObligation {
                client_id,
                generation,
                message,
                lost: lost.clone(),
            });
        }
    }

    fn obligated_session(&self, obligation: &DurableObligation) -> Option<&Session> {
        let session = self.sessions.get(&obligation.client_id);
        session.filter(|it| it.generation == obligation.generation)
    }

    /// The sessions that still have to get messages, and whose clients are away.
    pub(crate) fn sessions_away(&self) -> Vec<String> {
        let mut away: Vec<String> = self
            .durable_obligations
            .iter()
            .filter(|obligation| {
                self.obligated_session(obligation).is_some_and(|session| {
                    session.holders.is_empty() && !session.has_got(obligation.message)
                })
            })
            .map(|obligation| obligation.client_id.clone())
            .collect();
        away.sort();
        away.dedup();
        away
    }

    /// Number of messages that sessions still have to get.
    pub(crate) fn durable_obligations_left(&self) -> usize {
        let left = self.durable_obligations.iter().filter(|obligation| {
            self.obligated_session(obligation)
                .is_some_and(|session| !session.has_got(obligation.message))
        });
        left.count()
    }

    /// Each durable obligation is met or void.
    pub(crate) fn check_durable_obligations(&mut self) -> Result<(), Violation> {
        for obligation in core::mem::take(&mut self.durable_obligations) {
            match self.obligated_session(&obligation) {
                None => self.tally.durable_obligations_void += 1,
                Some(session) if session.has_got(obligation.message) => {
                    self.tally.durable_obligations_met += 1
                }
                Some(_) => {
                    return Err(Violation::DurableMessageLost {
                        client_id: obligation.client_id,
                        message: obligation.message,
                    });
                }
            }
        }
        Ok(())
    }
}

//! Checks which listeners and readers of a page get a message.

use std::collections::VecDeque;

use tab::api::{Audience, ClientCommand, ClientNo, Message, QoS, ReaderNo};
use tab::{TabId, Time};

use super::{Oracle, topic};
use crate::client_key::ClientKey;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

/// Messages that were sent to the page and are not acknowledged yet. If the page ends before, no listener got them.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged(VecDeque<(Option<u64>, String, MessageId)>);

impl Unacknowledged {
    fn reach(&mut self, checkpoint: u64) {
        for (open, ..) in self.0.iter_mut().rev().take_while(|it| it.0.is_none()) {
            *open = Some(checkpoint);
        }
    }

    fn pop(&mut self, checkpoint: u64) -> Option<(String, MessageId)> {
        let has_listener = |at: Option<u64>| at.is_some_and(|at| at <= checkpoint);
        self.0.front().filter(|it| has_listener(it.0))?;
        let (_, session, message) = self.0.pop_front()?;
        Some((session, message))
    }
}

impl Oracle {
    /// The page will report when it has processed all notices up to this checkpoint.
    pub(super) fn on_checkpoint(&mut self, tab: TabId, checkpoint: u64) {
        if let Some(view) = self.tabs.get_mut(&tab) {
            view.unacknowledged.reach(checkpoint);
        }
    }

    /// The page has processed all notices up to this checkpoint.
    pub(crate) fn on_credit(&mut self, tab: TabId, checkpoint: u64) {
        while let Some((session, message)) = self
            .tabs
            .get_mut(&tab)
            .and_then(|view| view.unacknowledged.pop(checkpoint))
        {
            self.got(&session, message);
        }
    }

    /// A message is sent to the page. It reaches a listener when the page processes it.
    pub(super) fn deliver_to_page(&mut self, key: ClientKey, id: MessageId, qos: QoS) {
        let session = self.client(key).and_then(|it| it.client_id.clone());
        let Some(session) = session else {
            return;
        };
        if qos == QoS::AtMostOnce {
            return self.got(&session, id);
        }
        if let Some(view) = self.tabs.get_mut(&key.tab) {
            view.unacknowledged.0.push_back((None, session, id));
        }
    }

    fn got(&mut self, session: &str, message: MessageId) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.got(message);
        }
    }

    pub(crate) fn readers(&self, tab: TabId, no: ClientNo) -> Vec<ReaderNo> {
        let client = self.tabs.get(&tab).and_then(|view| view.clients.get(&no));
        client.map_or_else(Vec::new, |it| it.readers.keys().copied().collect())
    }

    pub(crate) fn has_listener(&self, tab: TabId, no: ClientNo) -> bool {
        let client = self.tabs.get(&tab).and_then(|view| view.clients.get(&no));
        client.is_none_or(|it| !it.has_no_listener)
    }

    /// The clients without a listener.
    pub(crate) fn clients_without_listener(&self, tab: TabId) -> Vec<ClientNo> {
        let clients = self
            .tabs
            .get(&tab)
            .into_iter()
            .flat_map(|view| &view.clients);
        clients
            .filter(|(_, it)| it.has_no_listener)
            .map(|(no, _)| *no)
            .collect()
    }

    pub(crate) fn on_reader_command(
        &mut self,
        now: Time,
        tab: TabId,
        no: ClientNo,
        command: &ClientCommand,
    ) {
        let now = self.moment(now);
        let Some(view) = self.tabs.get_mut(&tab) else {
            return;
        };
        let client = view.clients.entry(no).or_default();
        match command {
            ClientCommand::Listen(has_listener) => {
                client.has_no_listener = !has_listener;
                client.had_no_listener |= client.has_no_listener;
                self.tally.listeners_changed += 1;
            }
            ClientCommand::Read(reader, wanted) if client.is_wanted => {
                client.readers.insert(*reader, wanted.topic_filter.clone());
                // Messages that the reader wants may arrive from now on, but need not.
                let has_own = client.has_own(&wanted.topic_filter);
                client.read(now, wanted);
                let session = client.client_id.clone().filter(|_| !has_own);
                if let Some(session) = session.and_then(|id| self.sessions.get_mut(&id)) {
                    session.read(&wanted.topic_filter);
                }
                let wanted = core::slice::from_ref(wanted);
                self.share_with_siblings(ClientKey { tab, no }, now, wanted, true);
                self.tally.readers += 1;
            }
            ClientCommand::Release(_, reader) => {
                client.readers.remove(reader);
            }
            _ => {}
        }
    }

    /// Every recipient of a message listens or reads, and wants it.
    pub(super) fn check_audience(
        &mut self,
        key: ClientKey,
        id: MessageId,
        message: &Message,
        audience: &Audience,
    ) -> Result<(), Violation> {
        // A broker that verifies its leadership handles its page's wishes after that.
        let is_broker = self.brokers.contains_key(&key.tab);
        let Some(client) = self.client(key) else {
            return Ok(());
        };
        let wants = |reader: &ReaderNo| {
            let topic_filter = client.readers.get(reader);
            topic_filter.is_some_and(|it| topic::matches(it, &message.topic))
        };
        // Messages of an earlier connection may still be reported.
        if client.is_connection_uncertain {
            return Ok(());
        }
        let is_for_somebody = audience.is_own || !audience.readers.is_empty();
        let has_listener = !(audience.is_own && client.has_no_listener) || is_broker;
        let is_wanted = is_broker || audience.readers.iter().all(wants);
        if is_for_somebody && has_listener && is_wanted {
            self.tally.messages_read += audience.readers.len() as u64;
            return Ok(());
        }
        Err(Violation::NoRecipient {
            client: key,
            message: id,
            audience: audience.clone(),
        })
    }
}

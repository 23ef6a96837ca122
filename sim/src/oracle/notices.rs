//! Observes the notices that tabs send to their pages.

use tab::api::{
    Audience, ClientNo, ClientNotice, ClientStatus, DisconnectCause, EventKind, Message, Notice,
    Problem, QoS, RequestId, Role, Term,
};
use tab::{TabId, Time};

use super::message::{Kind, Moment};
use super::{NO_SUBSCRIPTION_EXISTED, Oracle, QUOTA_EXCEEDED, RequestKind};
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;
use crate::workload::page::READER_REQUESTS;

impl Oracle {
    /// Returns the client, if it was rightly disconnected for good.
    pub(crate) fn on_notice(
        &mut self,
        now: Time,
        tab: TabId,
        notice: Notice,
    ) -> Result<Option<ClientNo>, Violation> {
        let now = self.moment(now);
        match notice {
            Notice::Client(no, notice) => {
                let key = ClientKey { tab, no };
                let is_end = matches!(
                    &notice,
                    ClientNotice::Status(ClientStatus::Disconnected(cause))
                        if *cause != DisconnectCause::Requested
                );
                self.on_client_notice(now, key, notice)?;
                return Ok(is_end.then_some(no));
            }
            Notice::Members(members) => {
                if let Some(view) = self.tabs.get_mut(&tab) {
                    view.members = members;
                }
            }
            Notice::Stats(stats) => {
                if let Some(view) = self.tabs.get_mut(&tab) {
                    view.stats = stats;
                }
            }
            Notice::Refused(problem) => return Err(Violation::CommandRefused { tab, problem }),
            Notice::Event(event) => {
                if let EventKind::SteppedDown { .. } = event.kind
                    && let Some(view) = self.tabs.get_mut(&tab)
                {
                    view.claims_leadership = false;
                }
            }
            Notice::Answer(no, answer) => {
                self.on_question_answered(now.at, tab, no, answer)?;
            }
            Notice::Role(role) => {
                if let Some(view) = self.tabs.get_mut(&tab) {
                    view.notified_term = match role {
                        Role::Waiting => None,
                        Role::Client { term, .. } | Role::Broker { term } => Some(term),
                    };
                }
            }
            Notice::CreditCheckpoint(checkpoint) => self.on_checkpoint(tab, checkpoint),
            Notice::Opened { .. } | Notice::Log { .. } => {}
        }
        Ok(None)
    }

    /// A request may be refused because the connection ended, if a notice reports that end, too.
    pub(crate) fn check_refusals(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(view) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        for (no, client) in &mut view.clients {
            if let Some((request, problem)) = client.refused.take() {
                return Err(Violation::RequestRefused {
                    client: ClientKey { tab, no: *no },
                    request,
                    problem,
                });
            }
        }
        Ok(())
    }

    fn on_client_notice(
        &mut self,
        now: Moment,
        client: ClientKey,
        notice: ClientNotice,
    ) -> Result<(), Violation> {
        // Readers have requests of their own.
        if let ClientNotice::Unsubscribed(request, _) | ClientNotice::Refused(request, _) = &notice
            && request.0 > READER_REQUESTS
        {
            return Ok(());
        }
        match notice {
            ClientNotice::Status(status) => self.on_status(now, client, status),
            ClientNotice::Subscribed(request, codes) => {
                self.on_subscribed(now, client, request, codes)
            }
            ClientNotice::Unsubscribed(request, codes) => {
                self.on_unsubscribed(now, client, request, codes)
            }
            ClientNotice::Published(request, code) => self.on_published(now, client, request, code),
            ClientNotice::Refused(request, problem) => {
                let asked = self.answered(client, request)?;
                let current = self.client(client).filter(|it| it.is_wanted);
                let is_current = current.is_some_and(|it| it.epoch == asked.epoch);
                if asked.is_valid && is_current {
                    if problem != Problem::NotConnected {
                        return Err(Violation::RequestRefused {
                            client,
                            request,
                            problem,
                        });
                    }
                    if let Some(client) = self.client(client) {
                        client.refused = Some((request, problem));
                    }
                }
                if asked.is_valid {
                    self.tally.requests_ended_by_page += 1;
                } else {
                    self.tally.invalid_requests_refused += 1;
                }
                if let RequestKind::Publish(Some(id)) = asked.kind
                    && let Some(published) = self.messages.get_mut(&id)
                {
                    published.abandon(now);
                }
                Ok(())
            }
            ClientNotice::Granted(reader, code) => {
                if code >= 0x80
                    && let Some(client) = self.client(client)
                {
                    client.readers.remove(&reader);
                }
                Ok(())
            }
            ClientNotice::ReaderRefused(reader, _) => {
                if let Some(client) = self.client(client) {
                    client.readers.remove(&reader);
                }
                Ok(())
            }
            ClientNotice::Unheard => Ok(()),
            ClientNotice::Message(message, audience) => {
                self.on_message(now.at, client, &message, &audience)
            }
        }
    }

    fn on_status(
        &mut self,
        now: Moment,
        key: ClientKey,
        status: ClientStatus,
    ) -> Result<(), Violation> {
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return Ok(());
        };
        let client = view.clients.entry(key.no).or_default();
        match status {
            ClientStatus::Waiting => client.lost(),
            ClientStatus::Connecting => {
                let is_retry = client.connecting(view.notified_term);
                // A CONNECT whose session got no CONNACK is followed by one that begins another session.
                let may_end_one = client.is_clean_start && !client.was_connected();
                let will = client.will.and_then(|id| self.messages.get_mut(&id));
                will.into_iter()
                    .for_each(|will| will.sent_with_connect(may_end_one));
                if is_retry {
                    self.lose_connection(key);
                }
            }
            ClientStatus::Connected {
                session_present,
                term,
                ..
            } => return self.on_connected(now, key, session_present, term),
            ClientStatus::Disconnected(DisconnectCause::Requested) => client.disconnected(),
            ClientStatus::Disconnected(cause) => {
                if !self.may_end(now, key, &cause) {
                    return Err(Violation::UnrequestedDisconnect { client: key, cause });
                }
                self.tally.connections_ended += 1;
                self.leave_session(now, key);
                if let Some(client) = self.client(key) {
                    client.is_wanted = false;
                    client.refused = None;
                    client.disconnected();
                }
                self.may_publish_wills(key.tab);
            }
        }
        Ok(())
    }

    fn on_connected(
        &mut self,
        now: Moment,
        key: ClientKey,
        session_present: bool,
        term: Term,
    ) -> Result<(), Violation> {
        if !self.leaders.contains_key(&term) {
            return Err(Violation::UnknownTerm { client: key, term });
        }
        let guarantee = self.plan.guarantee;
        let Some(client) = self.client(key) else {
            return Ok(());
        };
        let has_moved = client.last_term() != Some(term);
        let is_kept = match guarantee {
            Guarantee::Memory => session_present || !client.must_resume(term),
            Guarantee::Durable => self.check_session(now, key, term, session_present),
            Guarantee::Recovery => true,
        };
        if !is_kept {
            return Err(Violation::SessionLost { client: key });
        }
        let may_be_full = self.may_be_full(now);
        // If the disk is full and there is no lock to lose, a broker learns late that it was replaced. Until
        // then it promises nothing, and resumes sessions that later brokers have ended.
        let is_replaced = may_be_full && self.is_fenced(term);
        // A broker without storage begins all sessions anew, and the next with storage resumes the old ones.
        let may_have_been_away = self.plan.guarantee == Guarantee::Recovery;
        let is_older = may_have_been_away && has_moved;
        let is_outdated = is_replaced || self.may_hold_stale_state || is_older;
        // Changes by other clients to a session that several clients have in turn.
        let client_id = self.client(key).and_then(|client| client.client_id.clone());
        let inherited = client_id
            .filter(|_| session_present && (is_outdated || self.was_shared(key)))
            .map(|client_id| self.inherited(key, &client_id))
            .unwrap_or_default();
        let may_outlive_broker = self.may_outlive_brokers();
        let Some(client) = self.client(key) else {
            return Ok(());
        };
        client.is_will_unstored = may_be_full;
        // Another client with this id may still report messages from before this one began anew.
        let dropped = client.client_id.clone().filter(|_| !session_present);
        let dropped = dropped.map(|id| (id, client.of_earlier_epochs()));
        let is_resumed = client.connected(
            now,
            term,
            session_present,
            may_outlive_broker,
            may_have_been_away,
            may_be_full,
        );
        client.inherit(inherited);
        if let Some((client_id, dropped)) = dropped
            && may_outlive_broker
        {
            self.ended_subscriptions
                .entry(client_id)
                .or_default()
                .extend(dropped);
        }
        if is_resumed {
            self.tally.sessions_resumed += 1;
        } else {
            self.tally.sessions_begun += 1;
        }
        let is_publisher_unknown = self.may_lose_publisher(Some(term));
        for published in self.messages.values_mut() {
            if published.publisher == key && published.is_pending() {
                published.is_publisher_unknown |= is_publisher_unknown;
                published.reconnected(term, is_resumed);
            }
        }
        Ok(())
    }

    fn on_subscribed(
        &mut self,
        now: Moment,
        key: ClientKey,
        request: RequestId,
        codes: Vec<u8>,
    ) -> Result<(), Violation> {
        let asked = self.granted(key, request)?;
        let is_of_this_session = !self.was_shared(key) || self.is_current(&asked);
        let Some(client) = self.client(key) else {
            return Ok(());
        };
        let requested: Vec<u8> = client.requested(request).map(|qos| qos as u8).collect();
        let answers = codes.iter().zip(&requested);
        let refusals = answers.filter_map(|(code, qos)| (code != qos).then_some(*code));
        if self.may_be_refused(now, key, refusals) {
            return Ok(());
        }
        if codes != requested {
            return Err(Violation::WrongReasonCodes {
                client: key,
                request,
                codes,
            });
        }
        // Another client may have taken over the session, and the answer is about the earlier one.
        if is_of_this_session && let Some(client) = self.client(key) {
            client.subscribed(now, request);
        }
        self.tally.subscriptions_answered += 1;
        self.on_answered(now, &asked);
        Ok(())
    }

    fn on_unsubscribed(
        &mut self,
        now: Moment,
        key: ClientKey,
        request: RequestId,
        codes: Vec<u8>,
    ) -> Result<(), Violation> {
        let asked = self.granted(key, request)?;
        let is_expected = |code: &u8| matches!(*code, 0 | NO_SUBSCRIPTION_EXISTED);
        let refusals = codes.iter().copied().filter(|code| !is_expected(code));
        let may_be_refused = self.may_be_refused(now, key, refusals);
        let (Some(client), RequestKind::Unsubscribe(topic_filters)) =
            (self.client(key), &asked.kind)
        else {
            return Ok(());
        };
        if may_be_refused {
            return Ok(());
        }
        if !codes.iter().all(is_expected) || codes.len() != topic_filters.len() {
            return Err(Violation::WrongReasonCodes {
                client: key,
                request,
                codes,
            });
        }
        client.unsubscribed(now, asked.asked, topic_filters);
        self.tally.subscriptions_answered += 1;
        self.on_answered(now, &asked);
        Ok(())
    }

    fn on_published(
        &mut self,
        now: Moment,
        key: ClientKey,
        request: RequestId,
        code: u8,
    ) -> Result<(), Violation> {
        const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
        let asked = self.granted(key, request)?;
        if self.may_be_refused(now, key, [code]) {
            if let RequestKind::Publish(Some(id)) = asked.kind
                && let Some(published) = self.messages.get_mut(&id)
            {
                published.abandon(now);
            }
            self.tally.publications_without_room += u64::from(code == QUOTA_EXCEEDED);
            return Ok(());
        }
        if !matches!(code, 0 | NO_MATCHING_SUBSCRIBERS) {
            return Err(Violation::WrongReasonCodes {
                client: key,
                request,
                codes: vec![code],
            });
        }
        let connection = self.client(key).and_then(|client| client.connection);
        let RequestKind::Publish(Some(id)) = asked.kind else {
            return Ok(());
        };
        let Some(published) = self.messages.get_mut(&id) else {
            return Ok(());
        };
        published.acknowledge(now, connection);
        if published.publication.qos == QoS::AtMostOnce {
            return Ok(());
        }
        self.tally.publications_acknowledged += 1;
        let of_this_broker = self.broker.filter(|(_, term)| published.is_of(*term));
        self.add_port_obligations(id);
        match self.plan.guarantee {
            Guarantee::Memory => {}
            Guarantee::Durable => return self.add_durable_obligations(now, id),
            Guarantee::Recovery => return Ok(()),
        }
        let Some((_, term)) = of_this_broker else {
            return Ok(());
        };
        self.add_timed_obligations(now, id, term, None);
        Ok(())
    }

    fn on_message(
        &mut self,
        now: Time,
        key: ClientKey,
        message: &Message,
        audience: &Audience,
    ) -> Result<(), Violation> {
        let published = MessageId::of(message).and_then(|id| Some((id, self.messages.get(&id)?)));
        let Some((id, published)) = published else {
            return Err(Violation::UnknownMessage {
                client: key,
                topic: message.topic.clone(),
            });
        };
        // If some brokers have no disk, one with a disk may list clients as connected that have left since.
        let is_lost = published.kind != (Kind::Will { is_due: false });
        if !is_lost && self.plan.guarantee != Guarantee::Recovery {
            return Err(Violation::UnexpectedWill {
                client: key,
                message: id,
            });
        }
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return Ok(());
        };
        let client = view.clients.entry(key.no).or_default();
        // A message reaches readers at once, and the client itself later, when it has a listener.
        if !audience.is_own && client.had_no_listener {
            self.deliver_to_page(key, id, message.qos);
            return self.check_audience(key, id, message, audience);
        }
        let guarantee = self.plan.guarantee;
        client.deliver(key, id, published, message, guarantee, &mut self.tally)?;
        client.progress(now, id, published.since);
        self.deliver_to_page(key, id, message.qos);
        self.check_audience(key, id, message, audience)
    }
}

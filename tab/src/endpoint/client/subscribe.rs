//! Subscriptions of a client and of its readers, and the requests that change them.

use broker::packet::suback::SubAckPacket;
use broker::packet::unsuback::UnsubAckPacket;
use broker::sorted::Map;
use broker::{Packet, ReasonCode, Time, TopicFilter, topic_matches};

use super::readers::{Added, For, Removed, granted};
use super::{Client, State, refuse};
use crate::api::{ClientNotice, Problem, ReaderNo, RequestId, RetainHandling, Subscription};
use crate::endpoint::EndpointOutput;
use crate::endpoint::packets;

/// A request to the broker that has an answer.
#[derive(Debug)]
pub(super) enum Request {
    /// The client subscribes.
    Subscribe {
        asked: Asked,
        subscriptions: Vec<Subscription>,
        /// Its identifier, if the filter has readers: then there is one shared subscription.
        shared_by: Option<u32>,
    },
    /// Renews the client's own subscriptions. The page does not wait for the answer.
    Renew(Vec<Subscription>),
    /// The client unsubscribes.
    Unsubscribe {
        asked: Asked,
        topic_filters: Vec<String>,
    },
    /// The client unsubscribes from a filter with readers: the subscription keeps only the readers' options.
    Leave {
        asked: Asked,
        topic_filter: String,
        identifier: u32,
    },
    /// Readers subscribe to a filter, with this identifier.
    Read {
        topic_filter: String,
        identifier: u32,
    },
    /// The last reader of a filter was removed.
    Release(RequestId, String),
}

/// A request of the page, and the positions of its topic filters in this part; `None`: all of them.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    request: RequestId,
    positions: Option<Vec<usize>>,
}

/// A divided request.
struct Parts<T> {
    /// Topic filters with readers, each a part of its own.
    shared: Vec<(Asked, T)>,
    /// The client's own topic filters.
    alone: Option<(Asked, Vec<T>)>,
}

// Requests of the page.

impl Client {
    pub(super) fn on_subscribe(
        &mut self,
        now: Time,
        request: RequestId,
        subscriptions: Vec<Subscription>,
        out: &mut Vec<EndpointOutput>,
    ) {
        if let Err(problem) = self.check_subscriptions(&subscriptions) {
            return refuse(request, problem, out);
        }
        let subscribe = Request::Subscribe {
            asked: Asked {
                request,
                positions: None,
            },
            subscriptions,
            shared_by: None,
        };
        self.request(now, subscribe, out);
    }

    fn check_subscriptions(&self, subscriptions: &[Subscription]) -> Result<(), Problem> {
        for subscription in subscriptions {
            TopicFilter::parse(&subscription.topic_filter)
                .map_err(|error| Problem::TopicFilter(error.to_string()))?;
        }
        let first = subscriptions.first().ok_or(Problem::NoTopicFilter)?;
        let mut all = subscriptions.iter();
        if all.any(|it| it.identifier != first.identifier) {
            let why = "the subscriptions of one request share one identifier".to_owned();
            return Err(Problem::NotEncodable(why));
        }
        let probe = packets::subscribe(1, first.identifier, subscriptions);
        self.check(&Packet::Subscribe(probe))
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        now: Time,
        request: RequestId,
        topic_filters: Vec<String>,
        out: &mut Vec<EndpointOutput>,
    ) {
        let problem = topic_filters
            .iter()
            .find_map(|filter| TopicFilter::parse(filter).err());
        if let Some(error) = problem {
            return refuse(request, Problem::TopicFilter(error.to_string()), out);
        }
        if topic_filters.is_empty() {
            return refuse(request, Problem::NoTopicFilter, out);
        }
        let probe = Packet::Unsubscribe(packets::unsubscribe(1, &topic_filters));
        if let Err(problem) = self.check(&probe) {
            return refuse(request, problem, out);
        }
        let unsubscribe = Request::Unsubscribe {
            asked: Asked {
                request,
                positions: None,
            },
            topic_filters,
        };
        self.request(now, unsubscribe, out);
    }

    pub(super) fn on_read(
        &mut self,
        now: Time,
        no: ReaderNo,
        wanted: Subscription,
        out: &mut Vec<EndpointOutput>,
    ) {
        let problem = match self.check_subscriptions(core::slice::from_ref(&wanted)) {
            _ if self.wanted.is_none() => Some(Problem::NotConnected),
            // The readers' current options are sent.
            _ if self.readers.is_there(no) => Some(Problem::Replaced),
            checked => checked.err(),
        };
        if let Some(problem) = problem {
            return notify(ClientNotice::ReaderRefused(no, problem), out);
        }
        self.inbox.expect_reader();
        let topic_filter = wanted.topic_filter.clone();
        self.keep_subscribed(&topic_filter, out);
        let own = self.own(&topic_filter).cloned();
        let added = self.readers.add(no, wanted, own.as_ref());
        match added {
            // It is sent as soon as there is a connection.
            Added::Ask(_) if !matches!(self.state, State::Connected(_)) => {
                self.readers.be_due(&topic_filter);
            }
            Added::Ask(handling) => {
                self.ask_for(now, &topic_filter, handling, For::Reader(no), out);
            }
            Added::Wait => {}
            Added::Granted(qos) => notify(ClientNotice::Granted(no, qos), out),
        }
    }

    pub(super) fn on_release(
        &mut self,
        now: Time,
        request: RequestId,
        no: ReaderNo,
        out: &mut Vec<EndpointOutput>,
    ) {
        let (topic_filter, is_last) = match self.readers.remove(no) {
            Removed::Nobody => return unsubscribed(request, out),
            Removed::Shared(topic_filter) => (topic_filter, false),
            Removed::Last(topic_filter, may_be_there) => {
                if may_be_there && self.own(&topic_filter).is_none() {
                    return self.request(now, Request::Release(request, topic_filter), out);
                }
                (topic_filter, may_be_there)
            }
        };
        self.restore(now, &topic_filter, is_last, out);
        unsubscribed(request, out);
    }

    /// The remaining readers need fewer options.
    fn restore(
        &mut self,
        now: Time,
        topic_filter: &str,
        is_last: bool,
        out: &mut Vec<EndpointOutput>,
    ) {
        let own = self.own(topic_filter).cloned();
        if is_last {
            if let Some(own) = own {
                let renewed = Subscription {
                    retain_handling: RetainHandling::DoNotSend,
                    ..own
                };
                self.request(now, Request::Renew(vec![renewed]), out);
            }
        } else if !self.readers.is_asked(topic_filter, own.as_ref()) {
            if matches!(self.state, State::Connected(_)) {
                let handling = RetainHandling::DoNotSend;
                self.ask_for(now, topic_filter, handling, For::Nobody, out);
            } else {
                self.readers.be_due(topic_filter);
            }
        }
    }

    /// The client's own subscription to this filter, as it will be after all pending answers.
    fn own(&self, topic_filter: &str) -> Option<&Subscription> {
        let change = self.change(topic_filter);
        change.unwrap_or_else(|| self.subscriptions.get(topic_filter))
    }

    /// The client's own subscription to this filter after the pending requests, if one of them changes it.
    fn change(&self, topic_filter: &str) -> Option<Option<&Subscription>> {
        let sent = self.requests.iter().map(|(_, request)| request);
        sent.chain(&self.waiting_requests)
            .rev()
            .find_map(|it| it.changes(topic_filter))
    }

    /// Whether a pending request subscribes to a filter that matches this topic.
    pub(super) fn is_subscribing(&self, topic: &str) -> bool {
        let sent = self.requests.iter().map(|(_, request)| request);
        let mut asked = sent
            .chain(&self.waiting_requests)
            .filter_map(|it| match it {
                Request::Subscribe { subscriptions, .. } => Some(subscriptions),
                _ => None,
            });
        asked.any(|it| it.iter().any(|it| topic_matches(&it.topic_filter, topic)))
    }

    /// A new reader precedes the UNSUBSCRIBE.
    fn keep_subscribed(&mut self, topic_filter: &str, out: &mut Vec<EndpointOutput>) {
        self.waiting_requests.retain(|request| match request {
            Request::Release(request, released) if released == topic_filter => {
                unsubscribed(*request, out);
                false
            }
            _ => true,
        });
    }
}

// To the broker.

impl Client {
    pub(super) fn request(&mut self, now: Time, request: Request, out: &mut Vec<EndpointOutput>) {
        match &self.state {
            State::Connected(_) => self.send_request(now, request, out),
            _ if self.wanted.is_none() => {
                self.refuse_request(request, &Problem::NotConnected, out);
            }
            State::Offline | State::Pausing(_) | State::Connecting(..) => {
                self.waiting_requests.push(request);
            }
        }
    }

    /// Subscribes to a filter with the options of its readers and the client itself.
    pub(super) fn ask_for(
        &mut self,
        now: Time,
        topic_filter: &str,
        handling: RetainHandling,
        whom: For,
        out: &mut Vec<EndpointOutput>,
    ) {
        let own = self.own(topic_filter).cloned();
        let asked = self.readers.ask(topic_filter, own.as_ref(), handling, whom);
        if let Some((first, second)) = asked {
            self.send_read(now, Some(first), out);
            self.send_read(now, second, out);
        }
    }

    fn send_read(&mut self, now: Time, asked: Option<Subscription>, out: &mut Vec<EndpointOutput>) {
        if let Some(asked) = asked {
            let request = Request::Read {
                topic_filter: asked.topic_filter.clone(),
                identifier: asked.identifier.unwrap_or_default(),
            };
            self.send_subscribe(now, request, &[asked], out);
        }
    }

    pub(super) fn send_request(
        &mut self,
        now: Time,
        request: Request,
        out: &mut Vec<EndpointOutput>,
    ) {
        match request {
            Request::Subscribe {
                asked,
                subscriptions,
                ..
            } => self.send_subscriptions(now, asked, subscriptions, out),
            Request::Renew(subscriptions) => {
                let packet = subscriptions.clone();
                self.send_subscribe(now, Request::Renew(subscriptions), &packet, out);
            }
            Request::Unsubscribe {
                asked,
                topic_filters,
            } => self.send_unsubscribe(now, asked, topic_filters, out),
            Request::Leave {
                asked,
                topic_filter,
                ..
            } => self.send_unsubscribe(now, asked, vec![topic_filter], out),
            Request::Release(_, ref topic_filter) => {
                let topic_filters = [topic_filter.clone()];
                let packet = |id| Packet::Unsubscribe(packets::unsubscribe(id, &topic_filters));
                self.send_numbered(now, request, packet, out);
            }
            Request::Read { topic_filter, .. } => {
                self.ask_for(
                    now,
                    &topic_filter,
                    RetainHandling::DoNotSend,
                    For::Nobody,
                    out,
                );
            }
        }
    }

    /// Subscribes: to the client's own filters in one SUBSCRIBE, and to each filter with readers in one of its own.
    fn send_subscriptions(
        &mut self,
        now: Time,
        asked: Asked,
        subscriptions: Vec<Subscription>,
        out: &mut Vec<EndpointOutput>,
    ) {
        let parts = self.split(asked, subscriptions, |it| &it.topic_filter);
        for (asked, subscription) in parts.shared {
            self.send_shared(now, asked, subscription, out);
        }
        if let Some((asked, subscriptions)) = parts.alone {
            let packet = subscriptions.clone();
            let request = Request::Subscribe {
                asked,
                subscriptions,
                shared_by: None,
            };
            self.send_subscribe(now, request, &packet, out);
        }
    }

    /// Separates filters with readers from the client's own. The answers to several parts are gathered.
    fn split<T>(
        &mut self,
        asked: Asked,
        all: Vec<T>,
        topic_filter: impl Fn(&T) -> &String,
    ) -> Parts<T> {
        let is_shared = |it: &T| self.readers.has(topic_filter(it));
        let mut parts = Parts {
            shared: Vec::new(),
            alone: None,
        };
        if all.len() == 1 || !all.iter().any(is_shared) {
            if all.first().is_some_and(is_shared) {
                parts
                    .shared
                    .extend(all.into_iter().map(|it| (asked.clone(), it)));
            } else {
                parts.alone = Some((asked, all));
            }
            return parts;
        }
        if asked.positions.is_none() {
            self.gathered.insert(asked.request, vec![None; all.len()]);
        }
        let part = |positions| Asked {
            request: asked.request,
            positions: Some(positions),
        };
        let mut alone = (Vec::new(), Vec::new());
        for (index, it) in all.into_iter().enumerate() {
            let position = asked.position(index);
            if self.readers.has(topic_filter(&it)) {
                parts.shared.push((part(vec![position]), it));
            } else {
                alone.0.push(position);
                alone.1.push(it);
            }
        }
        parts.alone = (!alone.1.is_empty()).then(|| (part(alone.0), alone.1));
        parts
    }

    fn send_shared(
        &mut self,
        now: Time,
        asked: Asked,
        subscription: Subscription,
        out: &mut Vec<EndpointOutput>,
    ) {
        let handling = subscription.retain_handling;
        let topic_filter = &subscription.topic_filter;
        let own = Some(&subscription);
        let Some((packet, second)) = self.readers.ask(topic_filter, own, handling, For::Own) else {
            return;
        };
        let request = Request::Subscribe {
            asked,
            subscriptions: vec![subscription],
            shared_by: packet.identifier,
        };
        self.send_subscribe(now, request, &[packet], out);
        self.send_read(now, second, out);
    }

    fn send_subscribe(
        &mut self,
        now: Time,
        request: Request,
        subscriptions: &[Subscription],
        out: &mut Vec<EndpointOutput>,
    ) {
        let identifier = subscriptions.first().and_then(|it| it.identifier);
        let packet = |id| Packet::Subscribe(packets::subscribe(id, identifier, subscriptions));
        self.send_numbered(now, request, packet, out);
    }

    /// Unsubscribes. Filters with readers keep the readers' options.
    fn send_unsubscribe(
        &mut self,
        now: Time,
        asked: Asked,
        topic_filters: Vec<String>,
        out: &mut Vec<EndpointOutput>,
    ) {
        let parts = self.split(asked, topic_filters, |it| it);
        for (asked, topic_filter) in parts.shared {
            self.send_leave(now, asked, topic_filter, out);
        }
        if let Some((asked, topic_filters)) = parts.alone {
            let filters = topic_filters.clone();
            let unsubscribe = Request::Unsubscribe {
                asked,
                topic_filters,
            };
            let packet = |id| Packet::Unsubscribe(packets::unsubscribe(id, &filters));
            self.send_numbered(now, unsubscribe, packet, out);
        }
    }

    fn send_leave(
        &mut self,
        now: Time,
        asked: Asked,
        topic_filter: String,
        out: &mut Vec<EndpointOutput>,
    ) {
        let handling = RetainHandling::DoNotSend;
        let read = self.readers.ask(&topic_filter, None, handling, For::Nobody);
        if let Some((read, _)) = read {
            let leave = Request::Leave {
                asked,
                topic_filter,
                identifier: read.identifier.unwrap_or_default(),
            };
            self.send_subscribe(now, leave, &[read], out);
        }
    }

    /// Renews refused subscriptions, if that is due and the client still has them with the same options.
    pub(super) fn renew_refused(&mut self, now: Time, out: &mut Vec<EndpointOutput>) {
        let is_connected = matches!(self.state, State::Connected(_));
        if !is_connected || self.renewing_at.is_none_or(|at| at > now) {
            return;
        }
        self.renewing_at = None;
        for refused in core::mem::take(&mut self.refused) {
            // The broker may refuse the change, too. Then the client keeps the granted subscription.
            if self.change(&refused.topic_filter).is_some() {
                self.put_off(now, [refused]);
                continue;
            }
            let is_same = |own: &Subscription| {
                let retain_handling = own.retain_handling;
                let refused = Subscription {
                    retain_handling,
                    ..refused.clone()
                };
                *own == refused
            };
            let own = self.subscriptions.get(&refused.topic_filter);
            if own.is_some_and(is_same) && !self.readers.has(&refused.topic_filter) {
                self.send_request(now, Request::Renew(vec![refused]), out);
            }
        }
    }

    /// Renews refused subscriptions later.
    fn put_off(&mut self, now: Time, refused: impl IntoIterator<Item = Subscription>) {
        self.refused.extend(refused);
        let pause_ms = self.settings.storage_full_retry_ms;
        self.renewing_at = (!self.refused.is_empty()).then(|| now.plus_ms(pause_ms));
    }

    fn send_numbered(
        &mut self,
        now: Time,
        request: Request,
        packet: impl FnOnce(u16) -> Packet,
        out: &mut Vec<EndpointOutput>,
    ) {
        let Some(packet_id) = self.next_packet_id() else {
            return self.refuse_request(request, &Problem::TooManyInFlight, out);
        };
        let packet = packet(packet_id);
        if let Err(problem) = self.check_size(&packet) {
            self.packet_ids.remove(&packet_id);
            return self.refuse_request(request, &problem, out);
        }
        self.requests.push_back((packet_id, request));
        self.send(now, packet, out);
    }

    /// Removes the unanswered requests and frees their packet identifiers.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        let requests = core::mem::take(&mut self.requests);
        for (packet_id, _) in &requests {
            self.packet_ids.remove(packet_id);
        }
        requests.into_iter().map(|(_, request)| request).collect()
    }

    /// The client's own subscriptions, in batches that share an identifier and fit into one packet, with the retained
    /// messages that `at_most` allows.
    pub(super) fn renewals(&self, at_most: RetainHandling) -> Vec<Vec<Subscription>> {
        const FILTERS_MAX: usize = 64;
        let mut batches: Map<Option<u32>, Vec<Vec<Subscription>>> = Map::new();
        for (topic_filter, subscription) in self.subscriptions.iter() {
            if self.readers.has(topic_filter) {
                continue;
            }
            let mut subscription = subscription.clone();
            if subscription.retain_handling == RetainHandling::SendAtSubscribe {
                subscription.retain_handling = at_most;
            }
            let batches = batches.get_or_insert_with(subscription.identifier, Vec::new);
            match batches.last_mut() {
                Some(batch) if batch.len() < FILTERS_MAX => batch.push(subscription),
                _ => batches.push(vec![subscription]),
            }
        }
        batches.into_values().flatten().collect()
    }
}

// From the broker.

impl Client {
    pub(super) fn on_suback(
        &mut self,
        now: Time,
        packet: SubAckPacket,
        out: &mut Vec<EndpointOutput>,
    ) {
        let mut codes: Vec<u8> = packet.reason_codes.iter().map(|code| *code as u8).collect();
        match self.answered(packet.packet_id) {
            Some(Request::Subscribe {
                asked,
                subscriptions,
                shared_by,
            }) => {
                for (subscription, code) in subscriptions.into_iter().zip(&mut codes) {
                    let topic_filter = subscription.topic_filter.clone();
                    if let Some(identifier) = shared_by {
                        self.notify_readers(&topic_filter, identifier, *code, out);
                        *code = granted(*code, &subscription);
                    }
                    if *code < 0x80 {
                        self.subscriptions.insert(topic_filter, subscription);
                    }
                }
                self.gather(asked, codes, ClientNotice::Subscribed, out);
            }
            // A broker that refuses the renewal may still have the subscription. It may lack room.
            Some(Request::Renew(subscriptions)) => {
                let refused = subscriptions.into_iter().zip(&codes);
                let refused = refused.filter(|(_, code)| **code >= 0x80);
                self.put_off(now, refused.map(|(it, _)| it));
            }
            Some(Request::Leave {
                asked,
                topic_filter,
                identifier,
            }) => {
                let code = codes.first().copied().unwrap_or(0x80);
                self.notify_readers(&topic_filter, identifier, code, out);
                // A broker that refuses it keeps the existing subscription.
                let code = if code < 0x80 { 0 } else { code };
                if code == 0 {
                    self.subscriptions.remove(&topic_filter);
                }
                self.gather(asked, vec![code], ClientNotice::Unsubscribed, out);
            }
            Some(Request::Read {
                topic_filter,
                identifier,
            }) => {
                let code = codes.first().copied().unwrap_or(0x80);
                self.notify_readers(&topic_filter, identifier, code, out);
            }
            Some(Request::Unsubscribe { .. } | Request::Release(..)) | None => {
                self.fail(ReasonCode::ProtocolError, out);
            }
        }
    }

    pub(super) fn on_unsuback(&mut self, packet: UnsubAckPacket, out: &mut Vec<EndpointOutput>) {
        let codes: Vec<u8> = packet.reason_codes.iter().map(|code| *code as u8).collect();
        match self.answered(packet.packet_id) {
            Some(Request::Unsubscribe {
                asked,
                topic_filters,
            }) => {
                for (topic_filter, code) in topic_filters.iter().zip(&codes) {
                    if *code < 0x80 {
                        self.subscriptions.remove(topic_filter);
                    }
                }
                self.gather(asked, codes, ClientNotice::Unsubscribed, out);
            }
            Some(Request::Release(request, _)) => unsubscribed_from(request, codes, out),
            Some(
                Request::Subscribe { .. }
                | Request::Renew(_)
                | Request::Read { .. }
                | Request::Leave { .. },
            )
            | None => {
                self.fail(ReasonCode::ProtocolError, out);
            }
        }
    }

    fn notify_readers(
        &mut self,
        topic_filter: &str,
        identifier: u32,
        code: u8,
        out: &mut Vec<EndpointOutput>,
    ) {
        for (no, code) in self.readers.answer(topic_filter, identifier, code) {
            notify(ClientNotice::Granted(no, code), out);
        }
    }

    /// Answers the page once all parts of its request are answered.
    fn gather(
        &mut self,
        asked: Asked,
        codes: Vec<u8>,
        answer: impl FnOnce(RequestId, Vec<u8>) -> ClientNotice,
        out: &mut Vec<EndpointOutput>,
    ) {
        let Asked { request, positions } = asked;
        let Some(positions) = positions else {
            return notify(answer(request, codes), out);
        };
        let Some(gathered) = self.gathered.get_mut(&request) else {
            return;
        };
        for (position, code) in positions.into_iter().zip(codes) {
            if let Some(gathered) = gathered.get_mut(position) {
                *gathered = Some(code);
            }
        }
        if let Some(codes) = gathered.iter().copied().collect() {
            self.gathered.remove(&request);
            notify(answer(request, codes), out);
        }
    }

    fn answered(&mut self, packet_id: u16) -> Option<Request> {
        let index = self.requests.iter().position(|(id, _)| *id == packet_id)?;
        let (_, request) = self.requests.remove(index)?;
        self.packet_ids.remove(&packet_id);
        Some(request)
    }

    /// A request was refused.
    pub(super) fn refuse_request(
        &mut self,
        request: Request,
        problem: &Problem,
        out: &mut Vec<EndpointOutput>,
    ) {
        match request {
            Request::Subscribe {
                asked,
                subscriptions,
                shared_by,
            } => {
                self.refuse_part(&asked, problem, out);
                if let (Some(identifier), Some(shared)) = (shared_by, subscriptions.first()) {
                    self.refuse_readers(&shared.topic_filter, identifier, problem, out);
                }
            }
            Request::Unsubscribe { asked, .. } => self.refuse_part(&asked, problem, out),
            Request::Leave {
                asked,
                topic_filter,
                identifier,
            } => {
                self.refuse_part(&asked, problem, out);
                self.refuse_readers(&topic_filter, identifier, problem, out);
            }
            Request::Release(request, _) => refuse(request, problem.clone(), out),
            Request::Read {
                topic_filter,
                identifier,
            } => self.refuse_readers(&topic_filter, identifier, problem, out),
            // It renews the client's own subscriptions, and the page does not wait for it.
            Request::Renew(_) => {}
        }
    }

    /// Refuses a request of the page, unless another part of it was refused before.
    fn refuse_part(&mut self, asked: &Asked, problem: &Problem, out: &mut Vec<EndpointOutput>) {
        if asked.positions.is_none() || self.gathered.remove(&asked.request).is_some() {
            refuse(asked.request, problem.clone(), out);
        }
    }

    fn refuse_readers(
        &mut self,
        topic_filter: &str,
        identifier: u32,
        problem: &Problem,
        out: &mut Vec<EndpointOutput>,
    ) {
        for (no, _) in self.readers.answer(topic_filter, identifier, 0x80) {
            notify(ClientNotice::ReaderRefused(no, problem.clone()), out);
        }
    }
}

impl Asked {
    /// Position of a topic filter in the page's request.
    fn position(&self, index: usize) -> usize {
        match &self.positions {
            Some(positions) => positions.get(index).copied().unwrap_or_default(),
            None => index,
        }
    }
}

impl Request {
    /// The client's own subscription to this filter after the request, if the request changes it.
    fn changes(&self, topic_filter: &str) -> Option<Option<&Subscription>> {
        match self {
            Self::Subscribe { subscriptions, .. } => {
                let mut all = subscriptions.iter().rev();
                all.find(|it| it.topic_filter == topic_filter).map(Some)
            }
            Self::Leave {
                topic_filter: left, ..
            } => (left == topic_filter).then_some(None),
            Self::Unsubscribe { topic_filters, .. } => topic_filters
                .iter()
                .any(|it| it == topic_filter)
                .then_some(None),
            Self::Renew(_) | Self::Read { .. } | Self::Release(..) => None,
        }
    }
}

fn notify(notice: ClientNotice, out: &mut Vec<EndpointOutput>) {
    out.push(EndpointOutput::Notify(notice));
}

/// There was nothing to send to the broker.
fn unsubscribed(request: RequestId, out: &mut Vec<EndpointOutput>) {
    unsubscribed_from(request, vec![0], out);
}

fn unsubscribed_from(request: RequestId, codes: Vec<u8>, out: &mut Vec<EndpointOutput>) {
    notify(ClientNotice::Unsubscribed(request, codes), out);
}

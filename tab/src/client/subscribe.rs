//! Subscriptions of a client, and the requests that change them.

use broker::packet::suback::SubAckPacket;
use broker::packet::unsuback::UnsubAckPacket;
use broker::sorted::Map;
use broker::{Packet, ReasonCode, Time, TopicFilter};

use super::{Client, ClientOutput, Request, State, refuse};
use crate::api::{ClientNotice, Problem, RequestId, RetainHandling, Subscription};
use crate::packets;

impl Client {
    pub(super) fn on_subscribe(
        &mut self,
        now: Time,
        request: RequestId,
        subscriptions: Vec<Subscription>,
        out: &mut Vec<ClientOutput>,
    ) {
        let problem = subscriptions
            .iter()
            .find_map(|s| TopicFilter::parse(&s.topic_filter).err());
        if let Some(error) = problem {
            return refuse(request, Problem::TopicFilter(error.to_string()), out);
        }
        let Some(first) = subscriptions.first() else {
            return refuse(request, Problem::NoTopicFilter, out);
        };
        if subscriptions
            .iter()
            .any(|s| s.identifier != first.identifier)
        {
            let why = "the subscriptions of one request share one identifier".to_owned();
            return refuse(request, Problem::NotEncodable(why), out);
        }
        let probe = packets::subscribe(1, first.identifier, &subscriptions);
        let probe = Packet::Subscribe(probe);
        if let Err(problem) = self.check(&probe) {
            return refuse(request, problem, out);
        }
        self.request(now, Request::Subscribe(Some(request), subscriptions), out);
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        now: Time,
        request: RequestId,
        topic_filters: Vec<String>,
        out: &mut Vec<ClientOutput>,
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
        self.request(now, Request::Unsubscribe(request, topic_filters), out);
    }

    pub(super) fn request(&mut self, now: Time, request: Request, out: &mut Vec<ClientOutput>) {
        match &self.state {
            State::Connected(_) => self.send_request(now, request, out),
            _ if self.wanted.is_none() => request.refuse(&Problem::NotConnected, out),
            State::Offline | State::Pausing(_) | State::Connecting(..) => {
                self.waiting_requests.push(request);
            }
        }
    }

    pub(super) fn send_request(
        &mut self,
        now: Time,
        request: Request,
        out: &mut Vec<ClientOutput>,
    ) {
        let Some(packet_id) = self.next_packet_id() else {
            return request.refuse(&Problem::TooManyInFlight, out);
        };
        let packet = match &request {
            Request::Subscribe(_, subscriptions) => {
                let identifier = subscriptions.first().and_then(|s| s.identifier);
                Packet::Subscribe(packets::subscribe(packet_id, identifier, subscriptions))
            }
            Request::Unsubscribe(_, topic_filters) => {
                Packet::Unsubscribe(packets::unsubscribe(packet_id, topic_filters))
            }
        };
        if let Err(problem) = self.check_size(&packet) {
            self.packet_ids.remove(&packet_id);
            return request.refuse(&problem, out);
        }
        self.requests.push_back((packet_id, request));
        self.send(now, packet, out);
    }

    /// The unanswered requests; their packet identifiers are free again.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        let requests = core::mem::take(&mut self.requests);
        for (packet_id, _) in &requests {
            self.packet_ids.remove(packet_id);
        }
        requests.into_iter().map(|(_, request)| request).collect()
    }

    /// The subscriptions, in batches that share an identifier and fit into one packet, with no more retained messages
    /// than `at_most` brings.
    pub(super) fn renewals(&self, at_most: RetainHandling) -> Vec<Vec<Subscription>> {
        const FILTERS_MAX: usize = 64;
        let mut batches: Map<Option<u32>, Vec<Vec<Subscription>>> = Map::new();
        for subscription in self.subscriptions.values() {
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

    pub(super) fn on_suback(&mut self, packet: SubAckPacket, out: &mut Vec<ClientOutput>) {
        let codes: Vec<u8> = packet.reason_codes.iter().map(|code| *code as u8).collect();
        match self.answered(packet.packet_id) {
            Some(Request::Subscribe(request, subscriptions)) => {
                for (subscription, code) in subscriptions.into_iter().zip(&codes) {
                    let filter = subscription.topic_filter.clone();
                    if *code < 0x80 {
                        // A renewal changes nothing that the page asked for.
                        if request.is_some() {
                            self.subscriptions.insert(filter, subscription);
                        }
                    } else if request.is_none() {
                        self.subscriptions.remove(&filter);
                    }
                }
                if let Some(request) = request {
                    let notice = ClientNotice::Subscribed(request, codes);
                    out.push(ClientOutput::Notify(notice));
                }
            }
            Some(Request::Unsubscribe(..)) | None => self.fail(ReasonCode::ProtocolError, out),
        }
    }

    pub(super) fn on_unsuback(&mut self, packet: UnsubAckPacket, out: &mut Vec<ClientOutput>) {
        let codes: Vec<u8> = packet.reason_codes.iter().map(|code| *code as u8).collect();
        match self.answered(packet.packet_id) {
            Some(Request::Unsubscribe(request, topic_filters)) => {
                for (filter, code) in topic_filters.iter().zip(&codes) {
                    if *code < 0x80 {
                        self.subscriptions.remove(filter);
                    }
                }
                let notice = ClientNotice::Unsubscribed(request, codes);
                out.push(ClientOutput::Notify(notice));
            }
            Some(Request::Subscribe(..)) | None => self.fail(ReasonCode::ProtocolError, out),
        }
    }

    fn answered(&mut self, packet_id: u16) -> Option<Request> {
        let index = self.requests.iter().position(|(id, _)| *id == packet_id)?;
        let (_, request) = self.requests.remove(index)?;
        self.packet_ids.remove(&packet_id);
        Some(request)
    }
}

impl Request {
    pub(super) fn refuse(&self, problem: &Problem, out: &mut Vec<ClientOutput>) {
        match self {
            Self::Subscribe(Some(request), _) | Self::Unsubscribe(request, _) => {
                refuse(*request, problem.clone(), out);
            }
            // A renewal is the client's own; nobody waits for it.
            Self::Subscribe(None, _) => {}
        }
    }
}

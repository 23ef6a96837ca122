//! What one client of the page has asked for, over all the workers that it lives through.

use std::collections::BTreeMap;
use std::rc::Rc;

use tab::api::{
    ClientCommand, ClientNotice, ClientStatus, ConnectOptions, DisconnectCause, Message, Problem,
    Publication, QoS, RequestId, Subscription,
};

use super::error::RequestError;
use super::filters::{Filters, SubscriberId, SubscriptionStatus};
use super::reason::Reason;

/// How a request ended.
pub(crate) type Answer = Result<Reason, RequestError>;

/// What a session wants done.
#[allow(
    clippy::large_enum_variant,
    reason = "they live for one turn, and commands are moved out of them"
)]
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    Send(ClientCommand),
    Answer(RequestId, Answer),
    /// For those subscribers, and for who wants all messages.
    Message(Rc<Message>, Vec<SubscriberId>),
    Subscription(SubscriberId, SubscriptionStatus),
    Status(ClientStatus),
}

/// One client. It connects and subscribes when a worker opens, every time, as long as the app wants it connected.
#[derive(Debug)]
pub(crate) struct Session {
    options: ConnectOptions,
    wants_connection: bool,
    worker: Worker,
    status: ClientStatus,
    filters: Filters,
    requests: BTreeMap<RequestId, Request>,
    /// Published before there was a worker to publish with.
    waiting: Vec<(RequestId, Publication)>,
    last_request: u64,
    last_subscriber: u64,
}

#[derive(Debug)]
enum Worker {
    Starting,
    Open,
    /// And why.
    Gone(RequestError),
}

/// What was asked for and has no answer.
#[derive(Debug)]
enum Request {
    Subscribe {
        topic_filter: String,
        identifier: u32,
    },
    Unsubscribe,
    Publish,
}

impl Session {
    pub(crate) fn new(options: ConnectOptions) -> Self {
        Self {
            options,
            wants_connection: true,
            worker: Worker::Starting,
            status: ClientStatus::Waiting,
            filters: Filters::default(),
            requests: BTreeMap::new(),
            waiting: Vec::new(),
            last_request: 0,
            last_subscriber: 0,
        }
    }

    pub(crate) fn status(&self) -> &ClientStatus {
        &self.status
    }

    /// Whether a worker has a client that would go on by itself.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.worker, Worker::Open) && !matches!(self.status, ClientStatus::Disconnected(_))
    }

    /// There is a worker on the channel that knows nothing of this client.
    pub(crate) fn open(&mut self, out: &mut Vec<Effect>) {
        self.worker = Worker::Open;
        self.lose_requests(out);
        if self.wants_connection {
            self.start(out);
        }
    }

    /// There is no worker, and there will be none by itself.
    pub(crate) fn close(&mut self, why: RequestError, out: &mut Vec<Effect>) {
        self.worker = Worker::Gone(why.clone());
        self.lose_requests(out);
        self.end_waiting(&why, out);
        if self.wants_connection {
            self.set_status(ClientStatus::Waiting, out);
        }
    }

    pub(crate) fn connect(&mut self, options: ConnectOptions, out: &mut Vec<Effect>) {
        self.options = options;
        self.wants_connection = true;
        self.lose_requests(out);
        if matches!(self.worker, Worker::Open) {
            self.start(out);
        } else {
            self.set_status(ClientStatus::Waiting, out);
        }
    }

    pub(crate) fn disconnect(&mut self, with_will: bool, out: &mut Vec<Effect>) {
        if matches!(self.worker, Worker::Open) {
            out.push(Effect::Send(ClientCommand::Disconnect { with_will }));
        }
        self.wants_connection = false;
        self.lose_requests(out);
        self.end_waiting(&RequestError::Closed, out);
        self.set_status(ClientStatus::Disconnected(DisconnectCause::Requested), out);
    }

    pub(crate) fn publish(&mut self, publication: Publication, out: &mut Vec<Effect>) -> RequestId {
        let id = self.next_request();
        let refused = match &self.worker {
            _ if matches!(self.status, ClientStatus::Disconnected(_)) => {
                Some(RequestError::Problem(Problem::NotConnected))
            }
            Worker::Gone(why) => Some(why.clone()),
            Worker::Starting | Worker::Open => None,
        };
        if let Some(error) = refused {
            out.push(Effect::Answer(id, Err(error)));
        } else if self.is_alive() {
            self.send_publish(id, publication, out);
        } else {
            self.waiting.push((id, publication));
        }
        id
    }

    /// Subscribes, in the place of one that is not wanted any more, if there was one.
    pub(crate) fn subscribe(
        &mut self,
        subscription: Subscription,
        replaced: Option<SubscriberId>,
        out: &mut Vec<Effect>,
    ) -> SubscriberId {
        self.last_subscriber += 1;
        let id = SubscriberId(self.last_subscriber);
        let is_alive = self.is_alive();
        if let Some(asked) = self.filters.add(id, replaced, subscription, is_alive) {
            self.send_subscribe(asked, out);
        }
        self.tell(self.filters.sharers(id), out);
        if let Some(replaced) = replaced {
            self.unsubscribe(replaced, out);
        }
        id
    }

    /// One subscriber is no more.
    pub(crate) fn unsubscribe(&mut self, id: SubscriberId, out: &mut Vec<Effect>) -> RequestId {
        let request = self.next_request();
        match self.filters.remove(id) {
            Some(topic_filter) if self.is_alive() => {
                self.requests.insert(request, Request::Unsubscribe);
                out.push(Effect::Send(ClientCommand::Unsubscribe(
                    request,
                    vec![topic_filter],
                )));
            }
            // Others still want it, or the broker was never asked.
            Some(_) | None => out.push(Effect::Answer(request, Ok(Reason(0)))),
        }
        request
    }

    pub(crate) fn hear(&mut self, notice: ClientNotice, out: &mut Vec<Effect>) {
        match notice {
            // Echo of a Disconnect that a Connect has followed since.
            ClientNotice::Status(ClientStatus::Disconnected(DisconnectCause::Requested))
                if self.wants_connection => {}
            ClientNotice::Status(status) => self.hear_status(status, out),
            // Both were asked for one topic filter, so there is one reason code.
            ClientNotice::Subscribed(id, reason_codes)
            | ClientNotice::Unsubscribed(id, reason_codes) => {
                let reason_code = reason_codes.first().copied().unwrap_or(0x80);
                self.answer(id, RequestError::check(reason_code), out);
            }
            ClientNotice::Published(id, reason_code) => {
                self.answer(id, RequestError::check(reason_code), out);
            }
            ClientNotice::Refused(id, problem) => {
                self.answer(id, Err(RequestError::Problem(problem)), out);
            }
            ClientNotice::Message(mut message) => {
                let route = self.filters.route(&message);
                // Ours are nobody's business.
                message.subscription_identifiers = route.identifiers;
                out.push(Effect::Message(Rc::new(message), route.subscribers));
            }
        }
    }

    fn hear_status(&mut self, status: ClientStatus, out: &mut Vec<Effect>) {
        match &status {
            ClientStatus::Disconnected(_) => self.lose_requests(out),
            ClientStatus::Connected {
                session_present: false,
                ..
            } => self.filters.start_over(),
            ClientStatus::Waiting | ClientStatus::Connecting | ClientStatus::Connected { .. } => {}
        }
        self.set_status(status, out);
    }

    fn answer(&mut self, id: RequestId, answer: Answer, out: &mut Vec<Effect>) {
        // Not there: it was given up when the connection ended.
        let Some(request) = self.requests.remove(&id) else {
            return;
        };
        match request {
            Request::Subscribe {
                topic_filter,
                identifier,
            } => {
                let status = match answer {
                    Ok(Reason(0)) => SubscriptionStatus::Granted(QoS::AtMostOnce),
                    Ok(Reason(1)) => SubscriptionStatus::Granted(QoS::AtLeastOnce),
                    Ok(_) => SubscriptionStatus::Granted(QoS::ExactlyOnce),
                    Err(error) => SubscriptionStatus::Refused(error),
                };
                let told = self
                    .filters
                    .answer(&topic_filter, identifier, status.clone());
                out.extend(
                    told.into_iter()
                        .map(|id| Effect::Subscription(id, status.clone())),
                );
            }
            Request::Unsubscribe | Request::Publish => out.push(Effect::Answer(id, answer)),
        }
    }

    /// Connects and asks for everything.
    fn start(&mut self, out: &mut Vec<Effect>) {
        self.set_status(ClientStatus::Waiting, out);
        let connect = ClientCommand::Connect(self.options.clone());
        out.push(Effect::Send(connect));
        for asked in self.filters.ask_all() {
            self.send_subscribe(asked, out);
        }
        self.tell(self.filters.subscribers(), out);
        for (id, publication) in core::mem::take(&mut self.waiting) {
            self.send_publish(id, publication, out);
        }
    }

    /// One SUBSCRIBE for each topic filter, so that each has its own Subscription Identifier and its own answer.
    fn send_subscribe(&mut self, asked: Subscription, out: &mut Vec<Effect>) {
        let id = self.next_request();
        let request = Request::Subscribe {
            topic_filter: asked.topic_filter.clone(),
            identifier: asked.identifier.unwrap_or_default(),
        };
        self.requests.insert(id, request);
        out.push(Effect::Send(ClientCommand::Subscribe(id, vec![asked])));
    }

    fn send_publish(&mut self, id: RequestId, publication: Publication, out: &mut Vec<Effect>) {
        self.requests.insert(id, Request::Publish);
        out.push(Effect::Send(ClientCommand::Publish(id, publication)));
    }

    /// Nothing that was asked for will be answered, and nothing is granted any more.
    fn lose_requests(&mut self, out: &mut Vec<Effect>) {
        for (id, request) in core::mem::take(&mut self.requests) {
            match request {
                Request::Publish | Request::Unsubscribe => {
                    out.push(Effect::Answer(id, Err(RequestError::Closed)));
                }
                Request::Subscribe { .. } => {}
            }
        }
        self.filters.suspend();
        self.tell(self.filters.subscribers(), out);
    }

    fn end_waiting(&mut self, error: &RequestError, out: &mut Vec<Effect>) {
        let waiting = core::mem::take(&mut self.waiting);
        out.extend(
            waiting
                .into_iter()
                .map(|(id, _)| Effect::Answer(id, Err(error.clone()))),
        );
    }

    fn tell(&self, subscribers: Vec<SubscriberId>, out: &mut Vec<Effect>) {
        for id in subscribers {
            out.push(Effect::Subscription(id, self.filters.status(id)));
        }
    }

    fn set_status(&mut self, status: ClientStatus, out: &mut Vec<Effect>) {
        self.status = status.clone();
        out.push(Effect::Status(status));
    }

    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }
}

#[cfg(test)]
mod tests;

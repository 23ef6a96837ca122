//! State of one client of the page, over all its workers.

use std::collections::BTreeMap;
use std::rc::Rc;

use tab::api::{
    ClientCommand, ClientNotice, ClientStatus, ConnectOptions, DisconnectCause, Message, Problem,
    Publication, QoS, ReaderNo, RequestId, Subscription,
};

use super::error::RequestError;
use super::reason::Reason;
use super::subscribers::{Answered, Left, Release, SubscriberId, Subscribers, SubscriptionStatus};

/// Maximum bytes of messages that wait for a worker. A worker has the same bound for messages that wait for a broker.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Outcome of a request.
pub(crate) type Answer = Result<Reason, RequestError>;

/// An effect that the client carries out.
#[allow(
    clippy::large_enum_variant,
    reason = "they live for one turn, and commands are moved out of them"
)]
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    Send(ClientCommand),
    Answer(RequestId, Answer),
    /// A message for these subscribers and for the listeners of all messages.
    Message(Rc<Message>, Vec<SubscriberId>),
    Subscription(SubscriberId, SubscriptionStatus),
    Status(ClientStatus),
    /// Messages without a receiver block the client.
    Unheard,
}

/// State of one client. It connects and subscribes each time a worker opens, as long as the app wants it connected.
#[derive(Debug)]
pub(crate) struct ClientState {
    options: ConnectOptions,
    /// The client id that the broker assigned, if the app gave none.
    assigned_id: Option<String>,
    /// Whether it was connected since the last `connect` of the app, so that there may be a session to resume.
    was_connected: bool,
    wants_connection: bool,
    worker: Worker,
    status: ClientStatus,
    /// Whether the app listens for all messages.
    is_listening: bool,
    subscribers: Subscribers,
    requests: BTreeMap<RequestId, Request>,
    /// Messages that wait for a worker, in this order.
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    last_request: u64,
}

#[derive(Debug)]
enum Worker {
    /// The worker is about to open.
    Starting,
    Open,
    /// There is no worker, for this reason.
    Gone(RequestError),
}

/// A request without an answer.
#[derive(Debug)]
enum Request {
    Release(Release),
    /// With the publication if another worker may publish it once more (QoS 1).
    Publish(Option<Publication>),
}

#[derive(Debug)]
struct Waiting {
    id: RequestId,
    publication: Publication,
    /// Whether a worker that has ended may have published it.
    was_sent: bool,
}

impl ClientState {
    pub(crate) fn new(options: ConnectOptions) -> Self {
        Self {
            options,
            assigned_id: None,
            was_connected: false,
            wants_connection: true,
            worker: Worker::Starting,
            status: ClientStatus::Waiting,
            is_listening: false,
            subscribers: Subscribers::default(),
            requests: BTreeMap::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            last_request: 0,
        }
    }

    pub(crate) fn status(&self) -> &ClientStatus {
        &self.status
    }

    /// Whether the worker has a client that has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.worker, Worker::Open) && !matches!(self.status, ClientStatus::Disconnected(_))
    }

    /// A new worker has joined the channel. It does not know this client.
    pub(crate) fn open(&mut self, out: &mut Vec<Effect>) {
        self.lose_requests(out);
        self.worker = Worker::Open;
        if self.wants_connection {
            self.start(out);
        }
    }

    /// The worker has ended. Another one will open.
    pub(crate) fn suspend(&mut self, out: &mut Vec<Effect>) {
        self.worker = Worker::Starting;
        self.carry_over();
        self.lose_requests(out);
        if self.wants_connection {
            self.set_status(ClientStatus::Waiting, out);
        }
    }

    /// The worker has failed. No other one will open by itself.
    pub(crate) fn close(&mut self, why: RequestError, out: &mut Vec<Effect>) {
        self.worker = Worker::Gone(why.clone());
        self.lose_requests(out);
        self.end_waiting(&why, out);
        if self.wants_connection {
            self.set_status(ClientStatus::Waiting, out);
        }
    }

    pub(crate) fn connect(&mut self, options: ConnectOptions, out: &mut Vec<Effect>) {
        self.lose_requests(out);
        if self.options.client_id != options.client_id {
            self.subscribers.forget_departed();
        }
        self.options = options;
        self.was_connected = false;
        self.wants_connection = true;
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
        self.end_waiting(&RequestError::Problem(Problem::NotConnected), out);
        self.set_status(ClientStatus::Disconnected(DisconnectCause::Requested), out);
    }

    pub(crate) fn publish(&mut self, publication: Publication, out: &mut Vec<Effect>) -> RequestId {
        let id = self.next_request();
        let bytes = cost(&publication);
        let refused = match &self.worker {
            _ if matches!(self.status, ClientStatus::Disconnected(_)) => {
                Some(RequestError::Problem(Problem::NotConnected))
            }
            Worker::Gone(why) => Some(why.clone()),
            Worker::Starting
                if self.waiting_bytes + bytes > WAITING_BYTES_MAX && !self.waiting.is_empty() =>
            {
                Some(RequestError::Problem(Problem::TooMuchWaiting))
            }
            Worker::Starting | Worker::Open => None,
        };
        if let Some(error) = refused {
            out.push(Effect::Answer(id, Err(error)));
        } else if self.is_alive() {
            self.send_publish(id, publication, out);
        } else {
            self.waiting_bytes += bytes;
            self.waiting.push(Waiting {
                id,
                publication,
                was_sent: false,
            });
        }
        id
    }

    /// Sets whether the app listens for all messages.
    pub(crate) fn listen(&mut self, is_listening: bool, out: &mut Vec<Effect>) {
        let has_changed = core::mem::replace(&mut self.is_listening, is_listening) != is_listening;
        if has_changed && self.is_alive() {
            out.push(Effect::Send(ClientCommand::Listen(is_listening)));
        }
    }

    pub(crate) fn subscribe(
        &mut self,
        subscription: Subscription,
        out: &mut Vec<Effect>,
    ) -> SubscriberId {
        let id = self.subscribers.add(subscription);
        self.read(id, out);
        id
    }

    /// Changes the subscription of a subscriber. The old one ends after the new one begins, so that no message of both is missed.
    pub(crate) fn change(
        &mut self,
        id: SubscriberId,
        subscription: Subscription,
        out: &mut Vec<Effect>,
    ) {
        let left = self.subscribers.change(id, subscription);
        self.read(id, out);
        let request = self.next_request();
        self.leave(request, left, out);
    }

    /// Removes a subscriber.
    pub(crate) fn unsubscribe(&mut self, id: SubscriberId, out: &mut Vec<Effect>) -> RequestId {
        let request = self.next_request();
        let left = self.subscribers.remove(id);
        self.leave(request, left, out);
        request
    }

    pub(crate) fn on_notice(&mut self, notice: ClientNotice, out: &mut Vec<Effect>) {
        // A notice of an ended worker is void. The broker has no acknowledgement for its messages.
        if !matches!(self.worker, Worker::Open) {
            return;
        }
        match notice {
            // This answers a Disconnect that was followed by a Connect.
            ClientNotice::Status(ClientStatus::Disconnected(DisconnectCause::Requested))
                if self.wants_connection => {}
            ClientNotice::Status(status) => self.on_status(status, out),
            ClientNotice::Published(id, reason_code) => {
                self.answer(id, RequestError::check(reason_code), out);
            }
            // The request had one topic filter, so there is one reason code.
            ClientNotice::Unsubscribed(id, reason_codes) => {
                let reason_code = reason_codes.first().copied().unwrap_or(0x80);
                self.answer(id, RequestError::check(reason_code), out);
            }
            ClientNotice::Refused(id, problem) => {
                self.answer(id, Err(RequestError::Problem(problem)), out);
            }
            ClientNotice::Granted(no, code) => {
                let status = match RequestError::check(code) {
                    Ok(Reason(0)) => SubscriptionStatus::Granted(QoS::AtMostOnce),
                    Ok(Reason(1)) => SubscriptionStatus::Granted(QoS::AtLeastOnce),
                    Ok(_) => SubscriptionStatus::Granted(QoS::ExactlyOnce),
                    Err(error) => SubscriptionStatus::Refused(error),
                };
                self.answer_reader(no, status, out);
            }
            ClientNotice::ReaderRefused(no, problem) => {
                let refused = SubscriptionStatus::Refused(RequestError::Problem(problem));
                self.answer_reader(no, refused, out);
            }
            ClientNotice::Message(message, audience) => {
                let subscribers = self.subscribers.route(&message, &audience.readers);
                out.push(Effect::Message(Rc::new(message), subscribers));
            }
            ClientNotice::Unheard => out.push(Effect::Unheard),
            // The page only uses readers.
            ClientNotice::Subscribed(..) => {}
        }
    }

    fn on_status(&mut self, status: ClientStatus, out: &mut Vec<Effect>) {
        match &status {
            ClientStatus::Disconnected(_) => self.lose_requests(out),
            ClientStatus::Connected { client_id, .. } => {
                self.was_connected = true;
                if self.options.client_id.is_empty() {
                    self.assigned_id = Some(client_id.clone());
                }
            }
            ClientStatus::Waiting | ClientStatus::Connecting => {}
        }
        self.set_status(status, out);
    }

    fn answer(&mut self, id: RequestId, answer: Answer, out: &mut Vec<Effect>) {
        // A missing request ended with an earlier connection.
        let Some(request) = self.requests.remove(&id) else {
            return;
        };
        if let Request::Release(Release { no, .. }) = request {
            self.subscribers.released(no);
        }
        out.push(Effect::Answer(id, answer));
    }

    fn answer_reader(&mut self, no: ReaderNo, status: SubscriptionStatus, out: &mut Vec<Effect>) {
        match self.subscribers.answer(no, status) {
            Answered::Notify(id) => self.notify(id, out),
            Answered::Release(release) => {
                let request = self.next_request();
                self.release(request, release, out);
            }
            Answered::Nobody => {}
        }
    }

    /// Connects, and sends all subscriptions and waiting messages.
    fn start(&mut self, out: &mut Vec<Effect>) {
        self.set_status(ClientStatus::Waiting, out);
        let options = self.connect_options();
        if options.clean_start {
            self.subscribers.forget_departed();
        }
        out.push(Effect::Send(ClientCommand::Connect(options)));
        out.push(Effect::Send(ClientCommand::Listen(self.is_listening)));
        for id in self.subscribers.ids() {
            self.read(id, out);
        }
        let departed = self.subscribers.read_departed();
        out.extend(departed.into_iter().map(Effect::Send));
        self.waiting_bytes = 0;
        for waiting in core::mem::take(&mut self.waiting) {
            self.send_publish(waiting.id, waiting.publication, out);
        }
    }

    /// The options of the app, changed so that the session continues.
    fn connect_options(&self) -> ConnectOptions {
        let mut options = self.options.clone();
        if let Some(assigned) = &self.assigned_id
            && options.client_id.is_empty()
        {
            options.client_id.clone_from(assigned);
        }
        options.clean_start &= !(self.was_connected && options.session_expiry_interval > 0);
        options
    }

    /// Sends the subscription of a subscriber, if there is a worker.
    fn read(&mut self, id: SubscriberId, out: &mut Vec<Effect>) {
        if self.is_alive() {
            let read = self.subscribers.read(id);
            out.extend(read.map(Effect::Send));
        }
        self.notify(id, out);
    }

    fn leave(&mut self, request: RequestId, left: Left, out: &mut Vec<Effect>) {
        match left {
            Left::Reader(release) => return self.release(request, release, out),
            Left::Filter(topic_filter) => self.subscribers.depart(topic_filter),
            Left::Nothing => {}
        }
        out.push(Effect::Answer(request, Ok(Reason(0))));
    }

    fn release(&mut self, request: RequestId, release: Release, out: &mut Vec<Effect>) {
        let command = ClientCommand::Release(request, release.no);
        self.requests.insert(request, Request::Release(release));
        out.push(Effect::Send(command));
    }

    fn send_publish(&mut self, id: RequestId, publication: Publication, out: &mut Vec<Effect>) {
        let again = (publication.qos == QoS::AtLeastOnce).then(|| publication.clone());
        self.requests.insert(id, Request::Publish(again));
        out.push(Effect::Send(ClientCommand::Publish(id, publication)));
    }

    /// Moves unanswered messages with QoS 1 before the waiting ones, for the next worker.
    fn carry_over(&mut self) {
        let mut waiting = Vec::new();
        for (id, request) in core::mem::take(&mut self.requests) {
            match request {
                Request::Publish(Some(publication)) => waiting.push(Waiting {
                    id,
                    publication,
                    was_sent: true,
                }),
                other => drop(self.requests.insert(id, other)),
            }
        }
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
        self.waiting_bytes = self.waiting.iter().map(|it| cost(&it.publication)).sum();
    }

    /// Ends all requests, and suspends all subscriptions.
    fn lose_requests(&mut self, out: &mut Vec<Effect>) {
        for (id, request) in core::mem::take(&mut self.requests) {
            out.push(Effect::Answer(id, Err(RequestError::Closed)));
            if let Request::Release(release) = request {
                self.subscribers.depart(release.topic_filter);
            }
        }
        self.subscribers.suspend();
        for id in self.subscribers.ids() {
            self.notify(id, out);
        }
    }

    fn end_waiting(&mut self, error: &RequestError, out: &mut Vec<Effect>) {
        self.waiting_bytes = 0;
        for waiting in core::mem::take(&mut self.waiting) {
            let error = match waiting.was_sent {
                true => RequestError::Closed,
                false => error.clone(),
            };
            out.push(Effect::Answer(waiting.id, Err(error)));
        }
    }

    fn notify(&self, id: SubscriberId, out: &mut Vec<Effect>) {
        out.push(Effect::Subscription(id, self.subscribers.status(id)));
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

fn cost(publication: &Publication) -> usize {
    publication.payload.len() + publication.topic.len()
}

#[cfg(test)]
mod tests;

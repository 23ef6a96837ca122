//! One MQTT client of a page.

use core::fmt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tab::api::{
    ClientCommand, ClientNo, ClientNotice, ClientStatus, ConnectOptions, Message, Publication,
    RequestId, Subscription,
};

use super::bus_handle::BusHandle;
use super::client_state::{Answer, ClientState, Effect};
use super::error::RequestError;
use super::listeners::{Listeners, Listening};
use super::messages::Messages;
use super::request::Request;
use super::subscriber::{Slot, Subscriber};
use super::subscribers::SubscriberId;

/// One MQTT client of this page. Clones share it. When the last clone and the last [`Subscriber`] are dropped, it disconnects without
/// its will.
///
/// It connects by itself, and stays connected over changes of broker and worker. When the broker moves, the session continues. A new
/// *worker* follows when the page was frozen or in the back/forward cache. The client then connects with the same client id and
/// subscribes again; the session continues if it has a Session Expiry Interval. Messages published meanwhile wait. An unacknowledged
/// message with QoS 1 is published again, so it may arrive twice; with QoS 0 or 2 it ends with [`RequestError::Closed`].
///
/// A resumed session may bring messages before the page subscribes. They wait, unacknowledged, for a
/// [`subscribe`](Self::subscribe) or [`on_message`](Self::on_message) that receives them.
///
/// ```no_run
/// use tabmq_worker::api::{ConnectOptions, Publication, QoS, Subscription};
/// use tabmq_worker::{BusHandle, BusOptions, RequestError};
///
/// # async fn example() -> Result<(), RequestError> {
/// let client = BusHandle::open(BusOptions::new("kitchen")).client(ConnectOptions::default());
/// let wanted = Subscription { topic_filter: "oven/+".into(), ..Default::default() };
/// let subscriber = client.subscribe(wanted, |message| {
///     // `message.topic`, `message.payload`
/// });
/// assert_eq!(subscriber.granted().await?, QoS::AtMostOnce);
/// let message = Publication {
///     topic: "oven/door".into(),
///     payload: b"open".into(),
///     qos: QoS::AtLeastOnce,
///     ..Default::default()
/// };
/// // The reason code of the PUBACK: 0x00, or 0x10 if it has no receiver.
/// let reason = client.publish(message).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Rc<Core>);

type Waiting = Box<dyn FnOnce(Answer)>;

const UNHEARD: &str = "TabMQ: nothing more comes for a client, because too many messages of its session wait that no \
    subscriber of the page wants. Subscribe to them, or listen with on_message.";

/// The state that the handles share. The bus passes it the notices.
pub(crate) struct Core {
    bus: BusHandle,
    no: ClientNo,
    state: RefCell<ClientState>,
    answers: RefCell<BTreeMap<RequestId, Waiting>>,
    subscribers: RefCell<BTreeMap<SubscriberId, Rc<Slot>>>,
    on_status: Listeners<ClientStatus>,
    on_message: Listeners<Rc<Message>>,
    on_unheard: Listeners<()>,
}

impl Client {
    pub(crate) fn new(bus: BusHandle, no: ClientNo, options: ConnectOptions) -> Self {
        Self(Rc::new(Core {
            bus,
            no,
            state: RefCell::new(ClientState::new(options)),
            answers: RefCell::default(),
            subscribers: RefCell::default(),
            on_status: Listeners::default(),
            on_message: Listeners::default(),
            on_unheard: Listeners::default(),
        }))
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.0
    }

    /// The bus it belongs to.
    #[must_use]
    pub fn bus(&self) -> &BusHandle {
        &self.0.bus
    }

    /// State of the connection (MQTT 5.0, 3.1 and 3.2).
    #[must_use]
    pub fn status(&self) -> ClientStatus {
        self.0.state.borrow().status().clone()
    }

    /// Calls back at every change of the connection.
    pub fn on_status(&self, callback: impl Fn(&ClientStatus) + 'static) -> Listening {
        self.0.on_status.add(callback)
    }

    /// Connects again, with other options. The earlier connection ends, and with it its unanswered requests. The client subscribes
    /// again to all filters. Without a client id in the options it keeps its current one.
    pub fn connect(&self, options: ConnectOptions) {
        self.0.act(|state, out| state.connect(options, out));
    }

    /// Disconnects until [`connect`](Self::connect). With its will (DISCONNECT with reason code 0x04, MQTT 5.0, 3.14.2.1)
    /// or without.
    pub fn disconnect(&self, with_will: bool) {
        self.0.act(|state, out| state.disconnect(with_will, out));
    }

    /// Publishes (MQTT 5.0, 3.3). The message waits while there is no broker or no worker. All messages of a client leave in order.
    /// A message with QoS 1 is sent again if the worker ends before the answer, and may arrive twice.
    ///
    /// # Errors
    /// The request ends at once for QoS 0, and for QoS 1 and 2 with the reason code of PUBACK or PUBREC. It fails with a
    /// [`Problem`](crate::api::Problem) if the client is disconnected or MQTT cannot carry the message, with a reason
    /// code from 0x80 if the broker refuses it (0x97: the storage is full), and see [`RequestError::Closed`].
    pub fn publish(&self, publication: Publication) -> Request {
        let (request, answer) = Request::new();
        self.publish_then(publication, answer);
        request
    }

    pub(crate) fn publish_then(
        &self,
        publication: Publication,
        answer: impl FnOnce(Answer) + 'static,
    ) {
        self.0
            .request(answer, |state, out| state.publish(publication, out));
    }

    /// Subscribes (MQTT 5.0, 3.8), as long as the subscriber is kept. `on_message` gets each matching message once for this
    /// filter, also where filters overlap.
    ///
    /// All subscribers of a filter share one subscription, with the highest QoS of all. No Local holds only if all subscribers want
    /// it, Retain As Published if one does. A later subscriber gets the retained messages, and the others do not get them again,
    /// except with Retain As Published. The Subscription Identifiers on the wire are this client's; messages carry the identifiers
    /// of the app.
    pub fn subscribe(
        &self,
        subscription: Subscription,
        on_message: impl Fn(Rc<Message>) + 'static,
    ) -> Subscriber {
        let slot = Rc::new(Slot::new(on_message));
        let id = self.0.subscribe(subscription, Rc::clone(&slot));
        Subscriber::new(self.clone(), id, slot)
    }

    /// Subscribes, and keeps the newest messages, at most `capacity`, until the app takes them.
    #[must_use]
    pub fn messages(&self, subscription: Subscription, capacity: usize) -> Messages {
        Messages::new(self, subscription, capacity)
    }

    /// Calls back once for every message of this client, before its subscribers.
    ///
    /// This includes messages that no subscriber of the page wants, such as those of a subscription from an earlier page of the
    /// session. Without such a listener, they wait for a subscriber.
    pub fn on_message(&self, callback: impl Fn(&Rc<Message>) + 'static) -> Listening {
        let listening = self.0.on_message.add(callback);
        self.0.listen();
        let core = Rc::downgrade(&self.0);
        listening.and_then(move || {
            if let Some(core) = core.upgrade() {
                core.listen();
            }
        })
    }

    /// Calls back when messages without a receiver use all places for messages in flight, which blocks the client: see
    /// [`on_message`](Self::on_message). Without such a listener, the console shows a warning.
    pub fn on_unheard(&self, callback: impl Fn() + 'static) -> Listening {
        self.0.on_unheard.add(move |()| callback())
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.no).finish()
    }
}

impl Core {
    pub(crate) fn open(&self) {
        self.act(ClientState::open);
    }

    pub(crate) fn suspend(&self) {
        self.act(ClientState::suspend);
    }

    pub(crate) fn close(&self, why: &RequestError) {
        self.act(|state, out| state.close(why.clone(), out));
    }

    pub(crate) fn on_notice(&self, notice: ClientNotice) {
        self.act(|state, out| state.on_notice(notice, out));
    }

    fn subscribe(&self, subscription: Subscription, slot: Rc<Slot>) -> SubscriberId {
        let mut effects = Vec::new();
        let id = self
            .state
            .borrow_mut()
            .subscribe(subscription, &mut effects);
        self.subscribers.borrow_mut().insert(id, slot);
        self.carry_out(effects);
        id
    }

    /// Changes the subscription of a subscriber.
    pub(crate) fn change(&self, id: SubscriberId, subscription: Subscription) {
        self.act(|state, out| state.change(id, subscription, out));
    }

    pub(crate) fn unsubscribe(&self, id: SubscriberId, answer: impl FnOnce(Answer) + 'static) {
        let slot = self.subscribers.borrow_mut().remove(&id);
        self.request(answer, |state, out| state.unsubscribe(id, out));
        // Dropped last, when nothing is borrowed, because values of its callback may use the client.
        drop(slot);
    }

    fn listen(&self) {
        let is_listening = !self.on_message.is_empty();
        self.act(|state, out| state.listen(is_listening, out));
    }

    /// Makes a request that gets an answer.
    fn request(
        &self,
        answer: impl FnOnce(Answer) + 'static,
        ask: impl FnOnce(&mut ClientState, &mut Vec<Effect>) -> RequestId,
    ) {
        let mut effects = Vec::new();
        let id = ask(&mut self.state.borrow_mut(), &mut effects);
        self.answers.borrow_mut().insert(id, Box::new(answer));
        self.carry_out(effects);
    }

    fn act(&self, act: impl FnOnce(&mut ClientState, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        act(&mut self.state.borrow_mut(), &mut effects);
        self.carry_out(effects);
    }

    /// Sends the commands first, because a callback may send later ones.
    fn carry_out(&self, effects: Vec<Effect>) {
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send(command) => self.bus.send(self.no, command),
                other => rest.push(other),
            }
        }
        for effect in rest {
            match effect {
                Effect::Send(command) => self.bus.send(self.no, command),
                Effect::Answer(id, answer) => {
                    let waiting = self.answers.borrow_mut().remove(&id);
                    if let Some(waiting) = waiting {
                        waiting(answer);
                    }
                }
                Effect::Message(message, subscribers) => {
                    self.on_message.notify(&message);
                    for id in subscribers {
                        if let Some(slot) = self.slot(id) {
                            slot.on_message(&message);
                        }
                    }
                }
                Effect::Subscription(id, status) => {
                    if let Some(slot) = self.slot(id) {
                        slot.set_status(status);
                    }
                }
                Effect::Status(status) => self.on_status.notify(&status),
                Effect::Unheard if self.on_unheard.is_empty() => {
                    web_sys::console::warn_1(&UNHEARD.into());
                }
                Effect::Unheard => self.on_unheard.notify(&()),
            }
        }
    }

    /// The callbacks of a subscriber; `None` if it has left meanwhile.
    fn slot(&self, id: SubscriberId) -> Option<Rc<Slot>> {
        self.subscribers.borrow().get(&id).cloned()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.bus.forget(self.no);
        if self.state.get_mut().is_alive() {
            let goodbye = ClientCommand::Disconnect { with_will: false };
            self.bus.send(self.no, goodbye);
        }
    }
}

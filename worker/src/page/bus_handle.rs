//! The bus, for apps.

use core::fmt;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use futures_channel::oneshot;
use wasm_bindgen_futures::spawn_local;

use tab::TabId;
use tab::api::{
    Answer, Candidacy, ClientCommand, ClientNo, Command, ConnectOptions, Durability, Notice,
    Problem, Question, RequestId, Role, TabInfo,
};

use super::bus::{Bus, BusOptions, Fault, Persist, Signal};
use super::bus_state::{BusState, BusStatus};
use super::client::{Client, Core};
use super::error::RequestError;
use super::listeners::{Listeners, Listening};
use super::persistence::{self, StorageStatus};

thread_local! {
    static OPEN: RefCell<BTreeMap<String, Weak<Inner>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A page's connection to a channel, for apps of any framework. All handles of one channel share it. The worker ends with the last
/// handle and the last client.
///
/// It outlives workers. When the page returns from the back/forward cache or is resumed, a new worker starts, and every
/// [`Client`] connects and subscribes again by itself.
///
/// ```no_run
/// use tabmq_worker::api::{ConnectOptions, Notice, Publication, Role};
/// use tabmq_worker::{BusHandle, BusOptions};
///
/// let bus = BusHandle::open(BusOptions::new("kitchen"));
/// let listening = bus.on_notice(|notice| match notice {
///     Notice::Role(Role::Broker { term }) => { /* this tab is the broker now */ }
///     Notice::Event(event) => { /* `event.kind` displays as a sentence */ }
///     _ => {}
/// });
/// let client = bus.client(ConnectOptions::default());
/// client.publish(Publication { topic: "oven".into(), payload: b"on".into(), ..Default::default() });
/// ```
#[derive(Clone)]
pub struct BusHandle(Rc<Inner>);

struct Inner {
    channel: String,
    /// Empty while the bus opens, and for a handle without a bus.
    bus: OnceCell<Bus>,
    state: RefCell<BusState>,
    clients: RefCell<BTreeMap<ClientNo, Weak<Core>>>,
    /// Numbers are not reused, so that no notice for an earlier client reaches a later one.
    next_client: Cell<u32>,
    /// Questions without an answer. The end of the worker drops those that it has.
    asked: RefCell<BTreeMap<RequestId, Asked>>,
    next_question: Cell<u64>,
    on_notice: Listeners<Notice>,
    on_failure: Listeners<str>,
    /// The browser's report on this site's data. The state of the broker's storage comes from the members.
    persistence: Cell<StorageStatus>,
    on_storage: Listeners<StorageStatus>,
}

struct Asked {
    /// The question, until it is sent to a worker.
    question: Option<Question>,
    answer: oneshot::Sender<Answer>,
}

impl BusOptions {
    /// Joins this channel, with a loader beside the page and relaxed durability.
    #[must_use]
    pub fn new(channel: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            worker_url: None,
            durability: Durability::default(),
            candidacy: Candidacy::default(),
            persist: Persist::default(),
        }
    }
}

impl BusHandle {
    /// Joins the channel. If this page has joined it already, the handles share it, and the other options have no effect.
    ///
    /// Failures are reported by [`status`](Self::status) and [`on_failure`](Self::on_failure).
    #[must_use]
    pub fn open(options: BusOptions) -> Self {
        let channel = options.channel.clone();
        let shared = OPEN.with_borrow(|open| open.get(&channel).and_then(Weak::upgrade));
        if let Some(shared) = shared {
            return Self(shared);
        }
        let inner = Rc::new(Inner::new(channel.clone()));
        OPEN.with_borrow_mut(|open| open.insert(channel, Rc::downgrade(&inner)));
        Inner::look_at_storage(&inner, options.clone());
        let receiving = Rc::downgrade(&inner);
        let bus = Bus::open(options, move |signal| {
            if let Some(inner) = receiving.upgrade() {
                inner.on_signal(signal);
            }
        });
        // The cell is empty: this is the only place that fills it.
        let _ = inner.bus.set(bus);
        Self(inner)
    }

    /// A bus that has failed at its start.
    #[cfg(feature = "yew")]
    pub(crate) fn failed(why: &str) -> Self {
        let inner = Inner::new(String::new());
        inner.state.borrow_mut().fail(why);
        Self(Rc::new(inner))
    }

    /// Creates a client, which connects by itself; see [`Client`].
    #[must_use]
    pub fn client(&self, options: ConnectOptions) -> Client {
        let no = ClientNo(self.0.next_client.get());
        self.0.next_client.set(no.0.wrapping_add(1));
        let client = Client::new(self.clone(), no, options);
        let mut clients = self.0.clients.borrow_mut();
        clients.insert(no, Rc::downgrade(client.core()));
        drop(clients);
        match self.status() {
            BusStatus::Starting => {}
            BusStatus::Open(_) => client.core().open(),
            BusStatus::Refused(problem) => client.core().close(&RequestError::Problem(problem)),
            BusStatus::Failed(_) => client.core().close(&RequestError::Closed),
        }
        client
    }

    /// Name of the channel.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.0.channel
    }

    /// State of the worker.
    #[must_use]
    pub fn status(&self) -> BusStatus {
        self.0.state.borrow().status.clone()
    }

    /// The id of this tab, once it is on the channel. Each worker has another one.
    #[must_use]
    pub fn tab_id(&self) -> Option<TabId> {
        match self.0.state.borrow().status {
            BusStatus::Open(tab_id) => Some(tab_id),
            BusStatus::Starting | BusStatus::Refused(_) | BusStatus::Failed(_) => None,
        }
    }

    /// Role of this tab on the channel.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.state.borrow().role
    }

    /// The tabs on the channel, including this one, ordered by id. The list changes at most ten times a second.
    #[must_use]
    pub fn members(&self) -> Rc<[TabInfo]> {
        Rc::clone(&self.0.state.borrow().members)
    }

    /// Calls back for each notice about this tab and its channel, in order and after it has taken effect here: role, members,
    /// events, refused commands, counters. Notices about a client go to that client.
    pub fn on_notice(&self, callback: impl Fn(&Notice) + 'static) -> Listening {
        self.0.on_notice.add(callback)
    }

    /// State of the broker's storage, and of this site's storage in the browser.
    #[must_use]
    pub fn storage(&self) -> StorageStatus {
        self.0.storage()
    }

    /// Calls back once the browser has reported on this site's data. Changes of the broker's storage arrive by
    /// [`on_notice`](Self::on_notice): in its own tab by [`Notice::Event`], see
    /// [`EventKind::is_of_storage`](tab::api::EventKind::is_of_storage), in the others by [`TabInfo::storage`].
    pub fn on_storage(&self, callback: impl Fn(&StorageStatus) + 'static) -> Listening {
        self.0.on_storage.add(callback)
    }

    /// Calls back if the worker did not load or has crashed, with a sentence for people.
    pub fn on_failure(&self, callback: impl Fn(&str) + 'static) -> Listening {
        self.0.on_failure.add(callback)
    }

    /// Asks the broker, in any tab. Dropping the future drops the question.
    ///
    /// ```no_run
    /// # use tabmq_worker::api::{Answer, Question};
    /// # use tabmq_worker::{BusHandle, RequestError};
    /// # async fn example(bus: BusHandle) -> Result<(), RequestError> {
    /// let topic = "oven/door".to_owned();
    /// if let Answer::Receivers { receivers, .. } = bus.ask(Question::Receivers { topic }).await? {
    ///     // `receivers[0].client_id`
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Problem::NoBroker`] if no broker answers; [`Problem::Channel`] if the channel's name is invalid;
    /// [`RequestError::Closed`] if the worker has ended.
    pub fn ask(
        &self,
        question: Question,
    ) -> impl Future<Output = Result<Answer, RequestError>> + use<> {
        let (answer, answered) = oneshot::channel();
        let no = RequestId(self.0.next_question.get());
        self.0.next_question.set(no.0 + 1);
        match (self.status(), self.0.bus.get()) {
            (BusStatus::Starting, Some(_)) => {
                let question = Some(question);
                let asked = Asked { question, answer };
                self.0.asked.borrow_mut().insert(no, asked);
            }
            (BusStatus::Open(_), Some(bus)) => {
                let asked = Asked {
                    question: None,
                    answer,
                };
                self.0.asked.borrow_mut().insert(no, asked);
                bus.send(Command::Ask(no, question));
            }
            (BusStatus::Refused(problem), _) => {
                // The receiver still exists.
                let _ = answer.send(Answer::Refused(problem));
            }
            (BusStatus::Failed(_), _) | (_, None) => {}
        }
        async move {
            match answered.await {
                Ok(Answer::Refused(problem)) => Err(RequestError::Problem(problem)),
                Ok(answer) => Ok(answer),
                Err(_) => Err(RequestError::Closed),
            }
        }
    }

    /// Injects a fault into this page's worker, to observe the other tabs.
    pub fn cause(&self, fault: Fault) {
        if let Some(bus) = self.0.bus.get() {
            bus.cause(fault);
        }
    }

    pub(crate) fn send(&self, no: ClientNo, command: ClientCommand) {
        if let Some(bus) = self.0.bus.get() {
            bus.send(Command::Client(no, command));
        }
    }

    pub(crate) fn forget(&self, no: ClientNo) {
        self.0.clients.borrow_mut().remove(&no);
    }
}

impl PartialEq for BusHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for BusHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BusHandle").field(&self.0.channel).finish()
    }
}

impl Inner {
    fn new(channel: String) -> Self {
        Self {
            channel,
            bus: OnceCell::new(),
            state: RefCell::default(),
            clients: RefCell::default(),
            next_client: Cell::new(0),
            asked: RefCell::default(),
            next_question: Cell::new(0),
            on_notice: Listeners::default(),
            on_failure: Listeners::default(),
            persistence: Cell::default(),
            on_storage: Listeners::default(),
        }
    }

    fn storage(&self) -> StorageStatus {
        let members = Rc::clone(&self.state.borrow().members);
        let broker = members.iter().find(|tab| tab.is_broker);
        StorageStatus {
            state: broker.map(|tab| tab.storage).unwrap_or_default(),
            ..self.persistence.get()
        }
    }

    fn look_at_storage(this: &Rc<Self>, options: BusOptions) {
        let this = Rc::downgrade(this);
        spawn_local(async move {
            if let Some(found) = persistence::look(&options).await
                && let Some(this) = this.upgrade()
            {
                this.persistence.set(found);
                this.on_storage.notify(&this.storage());
            }
        });
    }

    fn on_signal(&self, signal: Signal) {
        match signal {
            Signal::Notices(notices) => {
                for notice in notices {
                    self.deliver_notice(notice);
                }
            }
            Signal::Failed(why) => {
                self.state.borrow_mut().fail(&why);
                drop(self.asked.take());
                for client in self.clients() {
                    client.close(&RequestError::Closed);
                }
                self.on_failure.notify(&why);
            }
            Signal::Stopped => {
                self.state.borrow_mut().stop();
                // Questions that no worker has wait for the next one.
                self.asked
                    .borrow_mut()
                    .retain(|_, asked| asked.question.is_some());
                self.clients().iter().for_each(|client| client.suspend());
            }
        }
    }

    fn deliver_notice(&self, notice: Notice) {
        self.state.borrow_mut().on_notice(&notice);
        match &notice {
            Notice::Client(no, _) => {
                let client = self.clients.borrow().get(no).and_then(Weak::upgrade);
                if let (Some(client), Notice::Client(_, notice)) = (client, notice) {
                    client.on_notice(notice);
                }
                return;
            }
            Notice::Opened { .. } => {
                self.clients().iter().for_each(|client| client.open());
                self.ask_waiting();
            }
            Notice::Answer(no, answer) => {
                let asked = self.asked.borrow_mut().remove(no);
                if let Some(asked) = asked {
                    // The caller may have dropped the future.
                    let _ = asked.answer.send(answer.clone());
                }
                return;
            }
            Notice::Refused(problem @ Problem::Channel(_)) => {
                let error = RequestError::Problem(problem.clone());
                self.clients().iter().for_each(|it| it.close(&error));
                for (_, asked) in self.asked.take() {
                    let _ = asked.answer.send(Answer::Refused(problem.clone()));
                }
            }
            Notice::Role(_)
            | Notice::Members(_)
            | Notice::Event(_)
            | Notice::Refused(_)
            | Notice::Stats(_)
            | Notice::CreditCheckpoint(_)
            | Notice::Log { .. } => {}
        }
        self.on_notice.notify(&notice);
    }

    /// Sends the questions from before there was a worker.
    fn ask_waiting(&self) {
        let Some(bus) = self.bus.get() else { return };
        for (no, asked) in &mut *self.asked.borrow_mut() {
            if let Some(question) = asked.question.take() {
                bus.send(Command::Ask(*no, question));
            }
        }
    }

    fn clients(&self) -> Vec<Rc<Core>> {
        let clients = self.clients.borrow();
        clients.values().filter_map(Weak::upgrade).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A new handle of the channel may have replaced the entry.
        OPEN.with_borrow_mut(|open| {
            if open
                .get(&self.channel)
                .is_some_and(|it| it.strong_count() == 0)
            {
                open.remove(&self.channel);
            }
        });
    }
}

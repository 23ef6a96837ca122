//! The bus, as an app holds it.

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

/// A page's part in a channel: what an app of any framework holds. Clones share it, and so do all that are opened on
/// one channel; the worker ends with the last of them and of their clients.
///
/// It outlives workers. When the page comes back out of the back/forward cache or from being frozen, a new worker
/// starts, and every [`Client`] connects and subscribes again by itself.
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
    /// Empty while it is opened, and where there is none.
    bus: OnceCell<Bus>,
    state: RefCell<BusState>,
    clients: RefCell<BTreeMap<ClientNo, Weak<Core>>>,
    /// Numbers are not given twice, so that nothing of an earlier client reaches a later one.
    next_client: Cell<u32>,
    /// Questions without an answer; those of a worker that has ended go unanswered.
    asked: RefCell<BTreeMap<RequestId, Asked>>,
    next_question: Cell<u64>,
    on_notice: Listeners<Notice>,
    on_failure: Listeners<str>,
    /// What the browser says of this site's data; the rest the members tells.
    persistence: Cell<StorageStatus>,
    on_storage: Listeners<StorageStatus>,
}

struct Asked {
    /// Until there is a worker to ask.
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
    /// Joins the channel. If this page has joined it already, that is shared and the other options stay as they are.
    ///
    /// It cannot fail here; what goes wrong is told by [`status`](Self::status) and [`on_failure`](Self::on_failure).
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
        let hearing = Rc::downgrade(&inner);
        let bus = Bus::open(options, move |signal| {
            if let Some(inner) = hearing.upgrade() {
                inner.on_signal(signal);
            }
        });
        // The cell is empty: this is the only place that fills it.
        let _ = inner.bus.set(bus);
        Self(inner)
    }

    /// A bus that has failed from the beginning.
    #[cfg(feature = "yew")]
    pub(crate) fn failed(why: &str) -> Self {
        let inner = Inner::new(String::new());
        inner.state.borrow_mut().fail(why);
        Self(Rc::new(inner))
    }

    /// A client of its own, which connects by itself; see [`Client`].
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

    /// What has become of the worker.
    #[must_use]
    pub fn status(&self) -> BusStatus {
        self.0.state.borrow().status.clone()
    }

    /// The id of this tab, once it is on the channel; another one for each worker.
    #[must_use]
    pub fn tab_id(&self) -> Option<TabId> {
        match self.0.state.borrow().status {
            BusStatus::Open(tab_id) => Some(tab_id),
            BusStatus::Starting | BusStatus::Refused(_) | BusStatus::Failed(_) => None,
        }
    }

    /// This tab's part on the channel.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.state.borrow().role
    }

    /// The tabs on the channel, this one included, ordered by id; at most ten times a second another one.
    #[must_use]
    pub fn members(&self) -> Rc<[TabInfo]> {
        Rc::clone(&self.0.state.borrow().members)
    }

    /// Tells whatever is heard of this tab and its channel, in order and after it has taken effect here: role, members,
    /// events, refused commands, counters. What is about a client the client tells.
    pub fn on_notice(&self, callback: impl Fn(&Notice) + 'static) -> Listening {
        self.0.on_notice.add(callback)
    }

    /// What is known of the storage: of the broker's, and of this site's in the browser.
    #[must_use]
    pub fn storage(&self) -> StorageStatus {
        self.0.storage()
    }

    /// Tells what the browser says of this site's data, once it is known. What happens to the broker's storage is told by
    /// [`on_notice`](Self::on_notice): to its own tab by [`Notice::Event`], see
    /// [`EventKind::is_of_storage`](tab::api::EventKind::is_of_storage), to the others by [`TabInfo::storage`].
    pub fn on_storage(&self, callback: impl Fn(&StorageStatus) + 'static) -> Listening {
        self.0.on_storage.add(callback)
    }

    /// Tells that the worker could not be loaded or has crashed, in a sentence for people.
    pub fn on_failure(&self, callback: impl Fn(&str) + 'static) -> Listening {
        self.0.on_failure.add(callback)
    }

    /// Asks the broker, in whichever tab it is. Dropping the future forgets the question.
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
    /// [`Problem::NoBroker`] if there is none, or none that answers; [`Problem::Channel`] if the channel's name is none;
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
                // Whoever asks holds the other end still.
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

    /// Makes something bad happen to this page's worker, for trying what the other tabs do then.
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
                this.on_storage.tell(&this.storage());
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
                self.on_failure.tell(&why);
            }
            Signal::Stopped => {
                self.state.borrow_mut().stop();
                // What was not asked yet waits for the next worker.
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
                    // Whoever asked may have gone.
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
            | Notice::Roster(_)
            | Notice::Event(_)
            | Notice::Refused(_)
            | Notice::Stats(_)
            | Notice::Mark(_)
            | Notice::Log { .. } => {}
        }
        self.on_notice.tell(&notice);
    }

    /// Asks what was asked before there was a worker.
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
        // Unless another one has been opened since.
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

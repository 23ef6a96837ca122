//! The page's connection to its worker.

use core::fmt;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_worker::WorkerBridge;
use tab::api::{Candidacy, Command, Durability, Notice, OpenOptions, Visibility};
use tab::control::ControlMessage;
use tab::{ChannelName, TabId};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BroadcastChannel, ErrorEvent, Event, PageTransitionEvent, Url, VisibilityState};

use super::persistence;
use super::spawn;
use crate::BUILD;
use crate::browser::control;
use crate::browser::error::describe;
use crate::browser::events::Listener;
use crate::runtime::TabWorker;

/// The loader that trunk puts beside the page.
const LOADER: &str = "worker-loader.js";

/// How a page joins a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusOptions {
    /// Name of the channel: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub channel: String,
    /// URL of the worker's loader; `None`: `worker-loader.js` beside the page's base URI.
    pub worker_url: Option<String>,
    /// Durability of the broker's state while the broker is in this page's tab.
    pub durability: Durability,
    /// Whether the broker may be in this page's tab.
    pub candidacy: Candidacy,
    /// Whether a [`BusHandle`](crate::BusHandle) asks the browser to keep this site's data.
    pub persist: Persist,
}

/// Whether a page asks the browser, once, to keep this site's data even when space runs low
/// (`navigator.storage.persist()`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persist {
    /// Only in browsers that decide without a question.
    #[default]
    Auto,
    /// Also in Firefox, which asks the person.
    Ask,
    /// Does not ask.
    Never,
}

/// A message of the bus to its page.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// Notices of one turn of the worker's loop, in order.
    Notices(Vec<Notice>),
    /// The worker has ended, because the page is left or frozen. Another one starts if the page returns.
    Stopped,
    /// The worker could not be loaded, or it crashed; a sentence for people.
    Failed(String),
}

/// A fault to inject into this page's worker, to observe the other tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The worker ends at once and without a goodbye, as in a crash of its process.
    Crash,
    /// The worker hangs.
    Hang {
        /// Duration in milliseconds, at most 60,000.
        ms: u32,
    },
}

/// Owns the worker of a page. Clones share it; the worker ends with the last clone.
///
/// The worker also ends when the page is left or frozen. Another one starts when the page returns from the back/forward cache
/// or is resumed. The other tabs see each worker as a new tab. Connect and subscribe at every [`Notice::Opened`].
#[derive(Clone)]
pub struct Bus(Rc<Inner>);

struct Inner {
    options: BusOptions,
    on_signal: Box<dyn Fn(Signal)>,
    worker: RefCell<Option<Running>>,
    outbox: RefCell<Vec<Command>>,
    /// Whether the page is handling notices. Commands that it sends meanwhile leave right after.
    is_delivering: Cell<bool>,
    listeners: RefCell<Vec<Listener>>,
}

struct Running {
    bridge: WorkerBridge<TabWorker>,
    native: web_sys::Worker,
    _error: Listener,
    /// For the goodbye; `None` if the name is invalid, which the worker reports.
    channel: Option<ChannelName>,
    tab_id: Cell<Option<TabId>>,
}

impl Bus {
    /// Starts the worker and joins the channel. `on_signal` gets the outcome and everything later.
    pub fn open(options: BusOptions, on_signal: impl Fn(Signal) + 'static) -> Self {
        let inner = Rc::new(Inner {
            options,
            on_signal: Box::new(on_signal),
            worker: RefCell::new(None),
            outbox: RefCell::new(Vec::new()),
            is_delivering: Cell::new(false),
            listeners: RefCell::new(Vec::new()),
        });
        if let Err(error) = Inner::listen(&inner) {
            inner.failed(&error);
        }
        Inner::start(&inner);
        Self(inner)
    }

    /// Sends a command. All commands of one turn of the event loop, or of one batch of notices, go in one message.
    pub fn send(&self, command: Command) {
        Inner::send(&self.0, command);
    }

    /// Injects a fault into the worker, if it runs. A crash also gives [`Signal::Failed`].
    pub fn cause(&self, fault: Fault) {
        match fault {
            Fault::Crash => self.0.crash(),
            Fault::Hang { ms } => self.send(Command::Hang { ms }),
        }
    }

    /// Name of the build of the page and its worker.
    #[must_use]
    pub fn build() -> &'static str {
        BUILD
    }
}

impl PartialEq for Bus {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bus").field(&self.0.options).finish()
    }
}

impl Inner {
    /// Listens for the page's lifecycle events.
    fn listen(this: &Rc<Self>) -> Result<(), JsValue> {
        let window = gloo_utils::window();
        let document = gloo_utils::document();
        let on = |act: fn(&Rc<Self>, Event)| {
            let this = Rc::downgrade(this);
            move |event: Event| {
                if let Some(this) = Weak::upgrade(&this) {
                    act(&this, event);
                }
            }
        };
        let listeners = [
            // A suspended worker must hold no lock, so the page ends it and says goodbye itself: see `end`. A page that
            // enters the back/forward cache may get both events.
            Listener::new(&window, "pagehide", on(|this, _| this.leave()))?,
            Listener::new(&window, "pageshow", on(Self::on_page_show))?,
            Listener::new(&document, "freeze", on(|this, _| this.leave()))?,
            Listener::new(&document, "resume", on(|this, _| Self::start(this)))?,
            Listener::new(&document, "visibilitychange", on(Self::on_visibility))?,
        ];
        this.listeners.borrow_mut().extend(listeners);
        Ok(())
    }

    fn on_page_show(this: &Rc<Self>, event: Event) {
        let event: PageTransitionEvent = event.unchecked_into();
        if event.persisted() {
            Self::start(this);
        }
    }

    fn on_visibility(this: &Rc<Self>, _event: Event) {
        Self::send(this, Command::Visibility(visibility()));
    }

    /// Starts the worker, unless it runs.
    fn start(this: &Rc<Self>) {
        if this.worker.borrow().is_some() {
            return;
        }
        match Self::spawn(this) {
            Ok(running) => {
                this.worker.replace(Some(running));
                let open = OpenOptions {
                    channel: this.options.channel.clone(),
                    visibility: visibility(),
                    durability: this.options.durability,
                    candidacy: this.options.candidacy,
                    known_log: persistence::known_log(&this.options.channel),
                };
                // This must be first, because a tab without a channel refuses all other commands.
                this.outbox.replace(vec![Command::Open(open)]);
                Self::flush_soon(this);
            }
            Err(error) => this.failed(&error),
        }
    }

    fn spawn(this: &Rc<Self>) -> Result<Running, JsValue> {
        let url = this.worker_url()?;
        let receiving = Rc::downgrade(this);
        let (bridge, native) = spawn::spawn(url, move |notices| {
            if let Some(this) = receiving.upgrade() {
                Self::on_notices(&this, notices);
            }
        })?;
        let failed = Rc::downgrade(this);
        let on_error = move |event: Event| {
            if let Some(this) = failed.upgrade() {
                this.on_error(event);
            }
        };
        let error = Listener::new(&native, "error", on_error)?;
        Ok(Running {
            bridge,
            native,
            _error: error,
            channel: ChannelName::parse(&this.options.channel).ok(),
            tab_id: Cell::new(None),
        })
    }

    fn worker_url(&self) -> Result<String, JsValue> {
        let base = gloo_utils::document().base_uri()?.unwrap_or_default();
        let loader = self.options.worker_url.as_deref().unwrap_or(LOADER);
        let url = Url::new_with_base(loader, &base)?;
        url.search_params().set("v", BUILD);
        Ok(url.href())
    }

    /// Ends the worker of a page that is left or frozen.
    fn leave(&self) {
        if self.end() {
            (self.on_signal)(Signal::Stopped);
        }
    }

    /// Ends the worker at once, if it runs, and says goodbye. Asking the worker to end itself is not enough, because a hidden page
    /// is often stopped before its worker has released the locks.
    fn end(&self) -> bool {
        let running = self.worker.take();
        if let Some(running) = &running {
            running.native.terminate();
            running.say_goodbye();
        }
        running.is_some()
    }

    /// Ends the worker, and informs only this page.
    fn crash(&self) {
        if let Some(running) = self.worker.take() {
            running.native.terminate();
            let why = "The worker was made to crash.".to_owned();
            (self.on_signal)(Signal::Failed(why));
        }
    }

    fn send(this: &Rc<Self>, command: Command) {
        let is_first = this.outbox.borrow().is_empty();
        this.outbox.borrow_mut().push(command);
        if is_first && !this.is_delivering.get() {
            Self::flush_soon(this);
        }
    }

    fn flush_soon(this: &Rc<Self>) {
        let this = Rc::downgrade(this);
        spawn_local(async move {
            if let Some(this) = this.upgrade() {
                this.flush();
            }
        });
    }

    fn flush(&self) {
        let commands = self.outbox.take();
        if let Some(running) = &*self.worker.borrow()
            && !commands.is_empty()
        {
            running.bridge.send(commands);
        }
    }

    fn on_notices(this: &Rc<Self>, mut notices: Vec<Notice>) {
        let mut mark = None;
        notices.retain(|notice| match notice {
            Notice::CreditCheckpoint(latest) => {
                mark = Some(*latest);
                false
            }
            _ => true,
        });
        this.is_delivering.set(true);
        this.deliver(notices);
        this.is_delivering.set(false);
        let has_answered = !this.outbox.borrow().is_empty();
        // The page has now handled all notices before the mark.
        if let Some(mark) = mark {
            Self::send(this, Command::Acknowledge(mark));
        }
        // The page may send further commands in microtasks. A mark without other commands waits for them.
        if has_answered {
            this.flush();
        }
    }

    fn deliver(&self, notices: Vec<Notice>) {
        for notice in &notices {
            if let Notice::Log { identity } = notice {
                persistence::keep_log(&self.options.channel, *identity);
            }
            if let (Notice::Opened { tab_id, .. }, Some(running)) = (notice, &*self.worker.borrow())
            {
                running.tab_id.set(Some(*tab_id));
            }
        }
        (self.on_signal)(Signal::Notices(notices));
    }

    fn on_error(&self, event: Event) {
        // Chromium reports a script that could not be fetched with a plain Event.
        let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message);
        let message = message.filter(|message| !message.is_empty());
        let what = message.unwrap_or_else(|| {
            let url = self.worker_url().unwrap_or_default();
            format!("The worker could not be loaded from {url}. Check that the file is there.")
        });
        // After an exception the state of the worker is unknown, and it holds locks that another tab needs.
        if let Some(running) = self.worker.take() {
            running.native.terminate();
        }
        (self.on_signal)(Signal::Failed(what));
    }

    fn failed(&self, error: &JsValue) {
        let what = format!("The worker could not be started: {}", describe(error));
        (self.on_signal)(Signal::Failed(what));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

impl Running {
    /// Posts the goodbye on a BroadcastChannel of the page, because a message that a worker posts right before its end may be lost.
    /// The channel is opened only now. Otherwise every control message would wake this page.
    fn say_goodbye(&self) {
        let (Some(channel), Some(tab_id)) = (&self.channel, self.tab_id.get()) else {
            return;
        };
        // Without a goodbye, the other tabs learn of the end from the lock, a little later.
        let _ = BroadcastChannel::new(&channel.control()).and_then(|control| {
            control.post_message(&control::to_js(&ControlMessage::Goodbye {
                tab_id,
                is_lost: false,
            })?)?;
            control.close();
            Ok(())
        });
    }
}

fn visibility() -> Visibility {
    match gloo_utils::document().visibility_state() {
        VisibilityState::Visible => Visibility::Visible,
        _ => Visibility::Hidden,
    }
}

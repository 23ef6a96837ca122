//! The page's side.

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
    /// Where the worker's loader is; `None`: `worker-loader.js` beside the page's base URI.
    pub worker_url: Option<String>,
    /// How the broker keeps its state while it is in this page's tab.
    pub durability: Durability,
    /// Whether the broker may be in this page's tab at all.
    pub candidacy: Candidacy,
    /// Whether a [`BusHandle`](crate::BusHandle) asks the browser to keep this site's data.
    pub persist: Persist,
}

/// Whether a page asks the browser, once, to keep this site's data even when space runs low
/// (`navigator.storage.persist()`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persist {
    /// Where the browser decides by itself.
    #[default]
    Auto,
    /// Also in Firefox, which shows a question.
    Ask,
    /// The app does it, or nobody.
    Never,
}

/// What a page is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// From the worker: what one turn of its loop brought, in order.
    Notices(Vec<Notice>),
    /// The worker has ended, because the page is left or frozen. Another one starts if the page comes back.
    Stopped,
    /// The worker could not be loaded, or it crashed; a sentence for people.
    Failed(String),
}

/// Something bad that can be made to happen to this page's worker, for trying what the other tabs do then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends at once and without a goodbye, as when its process crashes.
    Crash,
    /// It does nothing for so many milliseconds, 60,000 at most, as when it hangs.
    Hang {
        /// For how long.
        ms: u32,
    },
}

/// One page's hold on its tab's worker. Clones share it; the worker ends with the last of them.
///
/// The worker also ends when the page is left or frozen, and another one starts when the page comes back out of the
/// back/forward cache or is resumed. Each start is a new tab to the others and is heard as [`Notice::Opened`]: connect and
/// subscribe *then*, every time, and the page works again.
#[derive(Clone)]
pub struct Bus(Rc<Inner>);

struct Inner {
    options: BusOptions,
    on_signal: Box<dyn Fn(Signal)>,
    worker: RefCell<Option<Running>>,
    outbox: RefCell<Vec<Command>>,
    /// Whether notices are being heard: what the page sends meanwhile goes as soon as it has heard them.
    is_delivering: Cell<bool>,
    listeners: RefCell<Vec<Listener>>,
}

struct Running {
    bridge: WorkerBridge<TabWorker>,
    native: web_sys::Worker,
    _error: Listener,
    /// Where the last word is said; `None` if the worker refuses the name, in words.
    channel: Option<ChannelName>,
    tab_id: Cell<Option<TabId>>,
}

impl Bus {
    /// Starts the worker and joins the channel. `on_signal` hears how that goes, and everything after it.
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

    /// Sends a command. All that are sent in one turn of the loop, or while a batch of notices is heard, cross in one message.
    pub fn send(&self, command: Command) {
        Inner::send(&self.0, command);
    }

    /// Makes something bad happen to the worker, if it runs. A crash is heard as [`Signal::Failed`].
    pub fn cause(&self, fault: Fault) {
        match fault {
            Fault::Crash => self.0.crash(),
            Fault::Hang { ms } => self.send(Command::Hang { ms }),
        }
    }

    /// Name of the build that the page and its worker are of.
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
    /// Follows the page's life.
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
            // A page whose worker may stand still must hold no lock, and says so itself: see `end`. One that is frozen
            // on its way into the back/forward cache hears of both.
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
                // First, whatever else waits: a tab that is on no channel refuses everything.
                this.outbox.replace(vec![Command::Open(open)]);
                Self::flush_soon(this);
            }
            Err(error) => this.failed(&error),
        }
    }

    fn spawn(this: &Rc<Self>) -> Result<Running, JsValue> {
        let url = this.worker_url()?;
        let heard = Rc::downgrade(this);
        let (bridge, native) = spawn::spawn(url, move |notices| {
            if let Some(this) = heard.upgrade() {
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

    /// The page is left or frozen.
    fn leave(&self) {
        if self.end() {
            (self.on_signal)(Signal::Stopped);
        }
    }

    /// Says goodbye and ends the worker at once, if it runs. Asking the worker to end itself is not enough: a hidden page is often
    /// stopped before its worker has let go of the locks.
    fn end(&self) -> bool {
        let running = self.worker.take();
        if let Some(running) = &running {
            running.native.terminate();
            running.say_goodbye();
        }
        running.is_some()
    }

    /// Ends the worker without a word to anybody but this page.
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
            Notice::Mark(latest) => {
                mark = Some(*latest);
                false
            }
            _ => true,
        });
        this.is_delivering.set(true);
        this.deliver(notices);
        this.is_delivering.set(false);
        let has_answered = !this.outbox.borrow().is_empty();
        // Once all before it has been heard.
        if let Some(mark) = mark {
            Self::send(this, Command::Heard(mark));
        }
        // What else the page has to say it says in microtasks, and a mark alone waits for that.
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
        // After an exception it may do anything or nothing, and it holds locks: another tab, or another worker, does better.
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
    /// Says it on a BroadcastChannel of the page: what a worker posts right before its end may be lost. It is opened no
    /// sooner, because every message would wake this page then, and each change of the broker has many.
    fn say_goodbye(&self) {
        let (Some(channel), Some(tab_id)) = (&self.channel, self.tab_id.get()) else {
            return;
        };
        // Without it the others learn of the end from the lock, a little later.
        let _ = BroadcastChannel::new(&channel.control()).and_then(|control| {
            control.post_message(&control::to_js(&ControlMessage::Goodbye { tab_id })?)?;
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

//! Connects state, bus and view: an action changes the state at once, the view is redrawn at most once per animation frame.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use tabmq_worker::api::Notice;
use tabmq_worker::hooks::use_client;
use tabmq_worker::{AnimationFrame, Client, Listening};
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::app::remote_commands;
use crate::browser::time;
use crate::state::share_url::ShareUrl;
use crate::state::{Action, State};

/// The state of the page. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Rc<Shared>);

struct Shared {
    state: RefCell<Rc<State>>,
    frame: AnimationFrame,
    view: RefCell<Option<Box<dyn Fn()>>>,
    /// Listeners for every event and every message, in order: a log omits nothing.
    listening: OnceCell<[Listening; 3]>,
    /// When the page was last drawn, in [`time::now_ms`].
    drawn_at: Cell<f64>,
    /// Messages that arrived since the last drawing.
    undrawn: Cell<u32>,
    /// Something other than messages has changed since.
    is_urgent: Cell<bool>,
    /// Milliseconds for which this page's own code has run.
    worked_ms: Cell<f64>,
    /// The worker's last report.
    worker: Cell<Option<WorkerReport>>,
}

/// A worker's report on its running time, received at a time of [`time::now_ms`].
#[derive(Clone, Copy, Debug)]
struct WorkerReport {
    at: f64,
    worked_us: u64,
    /// Share of the time since the report before, in percent.
    busy_percent: Option<f64>,
}

/// Messages between two drawings that count as a flood, because they are too many to read.
const FLOOD: u32 = 10;

/// Interval between drawings of a flood. More drawings would show no more of it, and the browser's layout and painting would
/// overload a machine with few cores.
const FLOOD_INTERVAL_MS: f64 = 100.0;

/// How long a report is valid. Workers report every 5 s.
const REPORT_MS: f64 = 12_000.0;

impl Store {
    fn new(share_url: &ShareUrl, client: &Client) -> Self {
        let store = Self(Rc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                state: RefCell::new(Rc::new(State::new(share_url))),
                frame: AnimationFrame::new(move || {
                    if let Some(shared) = weak.upgrade() {
                        Self(shared).draw();
                    }
                }),
                view: RefCell::new(None),
                listening: OnceCell::new(),
                drawn_at: Cell::default(),
                undrawn: Cell::default(),
                is_urgent: Cell::default(),
                worked_ms: Cell::default(),
                worker: Cell::default(),
            }
        }));
        let dispatch = |weak: &Weak<Shared>, action| {
            if let Some(shared) = weak.upgrade() {
                Self(shared).dispatch(action);
            }
        };
        let (noticed, received) = (Rc::downgrade(&store.0), Rc::downgrade(&store.0));
        let changed = Rc::downgrade(&store.0);
        let bus = client.bus().clone();
        let listening = [
            client.bus().on_notice(move |notice| match notice {
                Notice::Event(event) => {
                    dispatch(&noticed, Action::Event(event.clone(), bus.tab_id()));
                }
                Notice::Refused(problem) => dispatch(&noticed, Action::Refused(problem.clone())),
                Notice::Stats(stats) => {
                    if let Some(shared) = noticed.upgrade() {
                        shared.on_worker_report(stats.worked_us);
                    }
                    dispatch(&noticed, Action::Resent(stats.resent));
                }
                Notice::Opened { .. }
                | Notice::Role(_)
                | Notice::Members(_)
                | Notice::Client(..)
                | Notice::Answer(..)
                | Notice::CreditCheckpoint(_)
                | Notice::Log { .. } => {}
            }),
            client.on_message(move |message| {
                if !remote_commands::is_own(&message.topic) {
                    dispatch(&received, Action::Message(Rc::clone(message)));
                }
            }),
            client.on_status(move |status| {
                dispatch(&changed, Action::Status(status.clone(), time::unix_ms()));
            }),
        ];
        // The cell is empty: this is the only place that fills it.
        let _ = store.0.listening.set(listening);
        store
    }

    pub(crate) fn dispatch(&self, action: Action) {
        let began = time::now_ms();
        match action {
            Action::Message(_) => self.0.undrawn.set(self.0.undrawn.get() + 1),
            _ => self.0.is_urgent.set(true),
        }
        Rc::make_mut(&mut self.0.state.borrow_mut()).reduce(action);
        self.0.frame.ask();
        self.0.worked(began);
    }

    fn draw(&self) {
        let began = time::now_ms();
        let is_flood = self.0.undrawn.get() >= FLOOD && !self.0.is_urgent.get();
        if is_flood && began - self.0.drawn_at.get() < FLOOD_INTERVAL_MS {
            return self.0.frame.ask();
        }
        self.0.drawn_at.set(began);
        self.0.undrawn.set(0);
        self.0.is_urgent.set(false);
        if let Some(view) = &*self.0.view.borrow() {
            view();
        }
        let shared = Rc::clone(&self.0);
        // Yew draws in a microtask that it has just queued; this task runs after it.
        spawn_local(async move { shared.worked(began) });
    }

    /// Messages that have arrived since the page was opened.
    pub(crate) fn received(&self) -> u64 {
        self.0.state.borrow().messages.received()
    }

    /// Milliseconds for which this page's own code has run since the page was opened.
    pub(crate) fn worked_ms(&self) -> f64 {
        self.0.worked_ms.get()
    }

    /// The worker's load at its last report, in percent; `None`: no valid report.
    pub(crate) fn worker_busy(&self) -> Option<f64> {
        let report = self.0.worker.get();
        let report = report.filter(|it| it.at + REPORT_MS > time::now_ms());
        report.and_then(|it| it.busy_percent)
    }
}

impl Shared {
    fn worked(&self, began: f64) {
        let worked = time::now_ms() - began;
        self.worked_ms.set(self.worked_ms.get() + worked);
    }

    fn on_worker_report(&self, worked_us: u64) {
        let at = time::now_ms();
        let before = self.worker.get();
        // A new worker counts from zero, and two reports at once say nothing about the time between them.
        let since = before.filter(|it| it.worked_us <= worked_us && at - it.at > 500.0);
        let busy = |it: WorkerReport| (worked_us - it.worked_us) as f64 / 10.0 / (at - it.at);
        let is_too_soon = before.is_some_and(|it| it.worked_us <= worked_us) && since.is_none();
        if !is_too_soon {
            self.worker.set(Some(WorkerReport {
                at,
                worked_us,
                busy_percent: since.map(|it| busy(it).min(100.0)),
            }));
        }
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// The store of the page, with the settings of its URL. It receives everything from the first drawing on.
#[hook]
pub(crate) fn use_store(share_url: &ShareUrl) -> Store {
    let client = use_client();
    let store = use_memo(client, |client| Store::new(share_url, client));
    (*store).clone()
}

/// The state. A change redraws the component, at most once per animation frame.
#[hook]
pub(crate) fn use_state_of(store: &Store) -> Rc<State> {
    let update = use_force_update();
    use_effect_with(store.clone(), move |store| {
        *store.0.view.borrow_mut() = Some(Box::new(move || update.force_update()));
        // A change between the first drawing and this moment has not asked for a frame.
        store.0.frame.ask();
    });
    let state = store.0.state.borrow();
    Rc::clone(&state)
}

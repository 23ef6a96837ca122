//! Joins state, bus and view: actions change the state at once, the view is redrawn once per animation frame.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};

use tabmq_worker::api::Notice;
use tabmq_worker::hooks::use_client;
use tabmq_worker::{Client, Frame, Listening};
use yew::prelude::*;

use crate::link::Link;
use crate::state::{Action, State};

/// The state of the page. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Rc<Shared>);

struct Shared {
    state: RefCell<Rc<State>>,
    frame: Frame,
    view: RefCell<Option<Box<dyn Fn()>>>,
    /// To every event and every message, in their order: a log leaves nothing out.
    listening: OnceCell<[Listening; 2]>,
}

impl Store {
    fn new(link: &Link, client: &Client) -> Self {
        let store = Self(Rc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                state: RefCell::new(Rc::new(State::new(link))),
                frame: Frame::new(move || {
                    if let Some(shared) = weak.upgrade()
                        && let Some(view) = &*shared.view.borrow()
                    {
                        view();
                    }
                }),
                view: RefCell::new(None),
                listening: OnceCell::new(),
            }
        }));
        let dispatch = |weak: &Weak<Shared>, action| {
            if let Some(shared) = weak.upgrade() {
                Self(shared).dispatch(action);
            }
        };
        let (noticed, received) = (Rc::downgrade(&store.0), Rc::downgrade(&store.0));
        let listening = [
            client.bus().on_notice(move |notice| match notice {
                Notice::Event(event) => dispatch(&noticed, Action::Event(event.clone())),
                Notice::Refused(problem) => dispatch(&noticed, Action::Refused(problem.clone())),
                Notice::Opened { .. }
                | Notice::Role(_)
                | Notice::Roster(_)
                | Notice::Client(..)
                | Notice::Stats(_) => {}
            }),
            client.on_message(move |message| {
                dispatch(&received, Action::Message(Rc::clone(message)));
            }),
        ];
        // The cell is empty: this is the only place that fills it.
        let _ = store.0.listening.set(listening);
        store
    }

    pub(crate) fn dispatch(&self, action: Action) {
        Rc::make_mut(&mut self.0.state.borrow_mut()).reduce(action);
        self.0.frame.ask();
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// The store of a page that is about to do what its link says. It hears everything from its first drawing on.
#[hook]
pub(crate) fn use_store(link: &Link) -> Store {
    let client = use_client();
    let store = use_memo(client, |client| Store::new(link, client));
    (*store).clone()
}

/// The state; the component is drawn again, at most once per animation frame, when it changed.
#[hook]
pub(crate) fn use_state_of(store: &Store) -> Rc<State> {
    let update = use_force_update();
    use_effect_with(store.clone(), move |store| {
        *store.0.view.borrow_mut() = Some(Box::new(move || update.force_update()));
        // What came between the first drawing and now was announced to nobody.
        store.0.frame.ask();
    });
    let state = store.0.state.borrow();
    Rc::clone(&state)
}

//! Joins state, bus and view: actions change the state at once, the view is redrawn once per animation frame.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use tabmq_worker::{Bus, BusOptions};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use yew::prelude::*;

use crate::link::Link;
use crate::state::{Action, State};

/// A hidden page gets no animation frames, but its title and icon must still tell its role.
const REDRAW_LATEST_MS: i32 = 250;

/// The state of the page and the bus that feeds it. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Rc<Shared>);

struct Shared {
    state: RefCell<Rc<State>>,
    bus: OnceCell<Bus>,
    view: RefCell<Option<Box<dyn Fn()>>>,
    redraw: Closure<dyn FnMut()>,
    redraw_due: Cell<Option<Redraw>>,
}

/// A redraw that was asked for: by an animation frame or by a timer, whichever comes first.
#[derive(Clone, Copy)]
struct Redraw {
    frame: Option<i32>,
    timer: Option<i32>,
}

impl Store {
    /// Joins the channel of this link.
    pub(crate) fn open(link: Link) -> Self {
        let options = BusOptions {
            channel: link.channel.clone(),
            worker_url: None,
            durability: link.durability,
        };
        let store = Self(Rc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                state: RefCell::new(Rc::new(State::new(link))),
                bus: OnceCell::new(),
                view: RefCell::new(None),
                redraw: Closure::new(move || {
                    if let Some(shared) = weak.upgrade() {
                        shared.redraw();
                    }
                }),
                redraw_due: Cell::new(None),
            }
        }));
        let weak = Rc::downgrade(&store.0);
        let bus = Bus::open(options, move |signal| {
            if let Some(shared) = weak.upgrade() {
                Self(shared).dispatch(Action::Heard(signal));
            }
        });
        // The cell is empty: this is the only place that fills it.
        let _ = store.0.bus.set(bus);
        store
    }

    pub(crate) fn dispatch(&self, action: Action) {
        let mut commands = Vec::new();
        Rc::make_mut(&mut self.0.state.borrow_mut()).reduce(action, &mut commands);
        if let Some(bus) = self.0.bus.get() {
            for command in commands {
                bus.send(command);
            }
        }
        self.0.ask_for_redraw();
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Shared {
    fn ask_for_redraw(&self) {
        if self.redraw_due.get().is_some() {
            return;
        }
        let Some(window) = web_sys::window() else {
            return;
        };
        let redraw = self.redraw.as_ref().unchecked_ref();
        self.redraw_due.set(Some(Redraw {
            frame: window.request_animation_frame(redraw).ok(),
            timer: window
                .set_timeout_with_callback_and_timeout_and_arguments_0(redraw, REDRAW_LATEST_MS)
                .ok(),
        }));
    }

    fn redraw(&self) {
        if let (Some(due), Some(window)) = (self.redraw_due.take(), web_sys::window()) {
            if let Some(frame) = due.frame {
                // Fails only for a number that was never given out.
                let _ = window.cancel_animation_frame(frame);
            }
            if let Some(timer) = due.timer {
                window.clear_timeout_with_handle(timer);
            }
        }
        if let Some(view) = &*self.view.borrow() {
            view();
        }
    }
}

/// The state; the component is drawn again, at most once per animation frame, when it changed.
#[hook]
pub(crate) fn use_state_of(store: &Store) -> Rc<State> {
    let update = use_force_update();
    use_effect_with(store.clone(), move |store| {
        *store.0.view.borrow_mut() = Some(Box::new(move || update.force_update()));
        // What came between the first drawing and now was announced to nobody.
        store.0.ask_for_redraw();
    });
    let state = store.0.state.borrow();
    Rc::clone(&state)
}

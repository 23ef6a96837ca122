//! Helpers for tests in a browser.

use core::fmt::Debug;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::Event;

use crate::browser::clock::pause;
use crate::browser::events::Listener;
use crate::browser::indexeddb::{self, Database};

const POLL_MS: i32 = 2;
const DEADLINE_MS: i32 = 10_000;
/// Time to wait for an event that must not happen.
const QUIET_MS: i32 = 100;

/// Received values, in order.
#[derive(Debug)]
pub(crate) struct Received<T>(Rc<RefCell<VecDeque<T>>>);

impl<T> Clone for Received<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: Debug + 'static> Received<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    /// A callback that appends to the values.
    pub(crate) fn sink(&self) -> impl Fn(T) + Clone + use<T> {
        let received = self.clone();
        move |it| received.0.borrow_mut().push_back(it)
    }

    /// Waits for the next value.
    pub(crate) async fn next(&self) -> T {
        for _ in 0..DEADLINE_MS / POLL_MS {
            if let Some(next) = self.0.borrow_mut().pop_front() {
                return next;
            }
            pause(POLL_MS).await;
        }
        panic!("no value within {DEADLINE_MS} ms");
    }

    /// Whether a value is waiting.
    pub(crate) fn has_more(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// Asserts that no value arrives for some time.
    pub(crate) async fn nothing(&self) {
        self.nothing_for(QUIET_MS).await;
    }

    pub(crate) async fn nothing_for(&self, ms: i32) {
        pause(ms).await;
        assert_eq!(self.0.borrow().len(), 0, "{:?}", self.0.borrow());
    }
}

/// An open database that delays its deletion, and the requests for deletion that it received.
pub(crate) async fn held_open(name: &str) -> (Database, Received<()>, Listener) {
    let opened = indexeddb::open(name, Some(1.0), |_| Ok(())).await;
    let database = opened.unwrap().database;
    let received = Received::new();
    let send = received.sink();
    let listener = Listener::new(&database, "versionchange", move |_: Event| send(()));
    (database, received, listener.unwrap())
}

/// Hides a property of the browser until it is dropped.
pub(crate) struct Lacking {
    object: Object,
    property: JsValue,
    /// The own property of the object, if it had one.
    descriptor: JsValue,
}

impl Lacking {
    pub(crate) fn new(object: impl AsRef<Object>, property: &str) -> Self {
        Self::instead(object, property, &JsValue::UNDEFINED)
    }

    /// Replaces a property instead.
    pub(crate) fn instead(object: impl AsRef<Object>, property: &str, value: &JsValue) -> Self {
        let object = object.as_ref().clone();
        let property = JsValue::from_str(property);
        let descriptor = Reflect::get_own_property_descriptor(&object, &property).unwrap();
        let nothing = Object::new();
        Reflect::set(&nothing, &"value".into(), value).unwrap();
        Reflect::set(&nothing, &"configurable".into(), &JsValue::TRUE).unwrap();
        assert!(Reflect::define_property(&object, &property, &nothing).unwrap());
        assert_eq!(&Reflect::get(&object, &property).unwrap(), value);
        Self {
            object,
            property,
            descriptor,
        }
    }
}

impl Drop for Lacking {
    fn drop(&mut self) {
        match self.descriptor.dyn_ref::<Object>() {
            Some(own) => Reflect::define_property(&self.object, &self.property, own),
            None => Reflect::delete_property(&self.object, &self.property),
        }
        .unwrap();
    }
}

//! Commands to a browser and its pages, and their answers and events.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::protocol::{DevTools, Event, Failure, Ticket};
use crate::wait::DEADLINE;

/// A connection with a longest time for each answer.
#[derive(Debug)]
pub(crate) struct Connection {
    devtools: DevTools,
    longest: Cell<Duration>,
    /// The sessions of the attached pages.
    pages: RefCell<Vec<String>>,
}

impl Connection {
    pub(crate) fn new(
        writer: impl Write + Send + 'static,
        reader: impl Read + Send + 'static,
    ) -> Self {
        Self {
            devtools: DevTools::new(writer, reader),
            longest: Cell::new(DEADLINE),
            pages: RefCell::default(),
        }
    }

    /// Sets the longest time for the following answers and events.
    pub(crate) fn wait_at_most(&self, longest: Duration) {
        self.longest.set(longest);
    }

    /// Sends a command to the browser itself, and waits for the answer.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        self.command("", method, &params)
    }

    #[track_caller]
    pub(crate) fn command(&self, session: &str, method: &str, params: &Value) -> Value {
        match self.try_command(session, method, params) {
            Ok(value) => value,
            Err(error) => panic!("{method} failed: {error}"),
        }
    }

    pub(crate) fn try_command(
        &self,
        session: &str,
        method: &str,
        params: &Value,
    ) -> Result<Value, Failure> {
        let ticket = self.devtools.send(session, method, params);
        self.devtools.wait(ticket, self.longest.get())
    }

    pub(crate) fn begin(&self, session: &str, method: &str, params: &Value) -> Ticket {
        self.devtools.send(session, method, params)
    }

    pub(crate) fn end(&self, ticket: Ticket) -> Result<Value, Failure> {
        self.devtools.wait(ticket, self.longest.get())
    }

    /// Waits for an event.
    #[track_caller]
    pub(crate) fn event<T>(&self, what: &str, is_wanted: impl FnMut(&Event) -> Option<T>) -> T {
        match self.devtools.event(self.longest.get(), is_wanted) {
            Ok(value) => value,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    pub(crate) fn events<T>(&self, is_wanted: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        self.devtools.events(is_wanted)
    }

    pub(crate) fn note_page(&self, session: &str) {
        self.pages.borrow_mut().push(session.to_owned());
    }

    /// The sessions of the attached pages.
    pub(crate) fn pages(&self) -> Vec<String> {
        self.pages.borrow().clone()
    }

    /// The processes of pages, each with its processor time in seconds.
    #[track_caller]
    pub(crate) fn renderers(&self) -> Vec<(u32, f64)> {
        let answer = self.call("SystemInfo.getProcessInfo", json!({}));
        let processes = answer["processInfo"].as_array().into_iter().flatten();
        processes
            .filter(|process| process["type"] == "renderer")
            .filter_map(|process| {
                let id = u32::try_from(process["id"].as_u64()?).ok()?;
                Some((id, process["cpuTime"].as_f64()?))
            })
            .collect()
    }
}

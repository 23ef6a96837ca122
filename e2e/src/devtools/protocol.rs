//! The DevTools protocol over a pair of pipes: JSON with a NUL after each message.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A connection to a browser. Several commands may be in flight; a [`Ticket`] identifies each answer.
pub(crate) struct DevTools {
    writer: Mutex<Box<dyn Write + Send>>,
    received: Arc<Received>,
    last_id: AtomicU64,
}

/// A command whose answer was not read yet.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    id: u64,
    what: String,
}

/// An event of the browser or of one of its pages.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The session of the page; empty for the browser itself.
    pub(crate) session: String,
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The browser's error message.
    #[error("{0}")]
    Refused(String),
    /// There was no answer in this time.
    #[error("no answer in {0:?}")]
    Late(Duration),
    /// The browser has ended.
    #[error("the browser has ended")]
    Ended,
}

#[derive(Default)]
struct Received {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<u64, Value>,
    events: Vec<Event>,
    is_over: bool,
}

impl DevTools {
    pub(crate) fn new(
        writer: impl Write + Send + 'static,
        reader: impl Read + Send + 'static,
    ) -> Self {
        let received = Arc::new(Received::default());
        let receiving = Arc::clone(&received);
        thread::spawn(move || {
            for message in BufReader::new(reader).split(0).map_while(Result::ok) {
                match serde_json::from_slice(&message) {
                    Ok(message) => receiving.take(message),
                    Err(error) => eprintln!("not DevTools protocol: {error}"),
                }
            }
            receiving.lock().is_over = true;
            receiving.changed.notify_all();
        });
        Self {
            writer: Mutex::new(Box::new(writer)),
            received,
            last_id: AtomicU64::new(0),
        }
    }

    /// Sends a command to the browser, or to the page or worker of this session.
    pub(crate) fn send(&self, session: &str, method: &str, params: &Value) -> Ticket {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // If the browser has ended, `wait` reports that.
        let _: io::Result<()> = writer.write_all(&bytes).and_then(|()| writer.flush());
        let what = method.to_owned();
        Ticket { id, what }
    }

    /// Waits for an answer.
    pub(crate) fn wait(&self, ticket: Ticket, longest: Duration) -> Result<Value, Failure> {
        let answer = self
            .received
            .until(longest, |state| state.answers.remove(&ticket.id))?;
        match answer.get("error") {
            None => Ok(answer.get("result").cloned().unwrap_or_default()),
            Some(error) => {
                let why = error["message"].as_str().unwrap_or("no reason given");
                Err(Failure::Refused(format!("{}: {why}", ticket.what)))
            }
        }
    }

    /// Waits for an event for which `is_wanted` returns a value. Earlier events count, too.
    pub(crate) fn event<T>(
        &self,
        longest: Duration,
        mut is_wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, Failure> {
        self.received.until(longest, |state| {
            state.events.iter().rev().find_map(&mut is_wanted)
        })
    }

    /// The values that `is_wanted` returns for all events so far.
    pub(crate) fn events<T>(&self, is_wanted: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        let state = self.received.lock();
        state.events.iter().filter_map(is_wanted).collect()
    }
}

impl fmt::Debug for DevTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevTools").finish_non_exhaustive()
    }
}

impl Received {
    fn take(&self, mut message: Value) {
        let mut state = self.lock();
        match message["id"].as_u64() {
            Some(id) => {
                state.answers.insert(id, message);
            }
            None => {
                let event = Event {
                    session: word(&message["sessionId"]),
                    method: word(&message["method"]),
                    params: message["params"].take(),
                };
                state.events.push(event);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until `find` returns a value.
    fn until<T>(
        &self,
        longest: Duration,
        mut find: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + longest;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&mut state) {
                return Ok(found);
            }
            if state.is_over {
                return Err(Failure::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Late(longest));
            }
            let waited = self.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The state is consistent between any two statements, so a poisoned lock can be used.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

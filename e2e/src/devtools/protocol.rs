//! The DevTools protocol over a pair of pipes: JSON, a NUL behind each message.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A connection to a browser. Commands may be under way at once; each answer finds its own [`Ticket`].
pub(crate) struct DevTools {
    writer: Mutex<Box<dyn Write + Send>>,
    heard: Arc<Heard>,
    last_id: AtomicU64,
}

/// A command whose answer has not been taken yet.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    id: u64,
    what: String,
}

/// Something that happened in the browser or in one of its pages.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Empty: the browser's.
    pub(crate) session: String,
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// Why there is no answer, or not the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The browser refused, in its words.
    #[error("{0}")]
    Refused(String),
    /// It took longer than this.
    #[error("no answer in {0:?}")]
    Late(Duration),
    /// The browser is gone.
    #[error("the browser has ended")]
    Ended,
}

#[derive(Default)]
struct Heard {
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
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        thread::spawn(move || {
            for message in BufReader::new(reader).split(0).map_while(Result::ok) {
                match serde_json::from_slice(&message) {
                    Ok(message) => hearing.take(message),
                    Err(error) => eprintln!("not DevTools protocol: {error}"),
                }
            }
            hearing.lock().is_over = true;
            hearing.changed.notify_all();
        });
        Self {
            writer: Mutex::new(Box::new(writer)),
            heard,
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
        // A browser that is gone gives no answer, and that is told.
        let _: io::Result<()> = writer.write_all(&bytes).and_then(|()| writer.flush());
        let what = method.to_owned();
        Ticket { id, what }
    }

    /// Waits for an answer.
    pub(crate) fn wait(&self, ticket: Ticket, longest: Duration) -> Result<Value, Failure> {
        let answer = self
            .heard
            .until(longest, |state| state.answers.remove(&ticket.id))?;
        match answer.get("error") {
            None => Ok(answer.get("result").cloned().unwrap_or_default()),
            Some(error) => {
                let why = error["message"].as_str().unwrap_or("no reason given");
                Err(Failure::Refused(format!("{}: {why}", ticket.what)))
            }
        }
    }

    /// Waits for an event that is wanted, which may have come before.
    pub(crate) fn event<T>(
        &self,
        longest: Duration,
        mut is_wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, Failure> {
        self.heard.until(longest, |state| {
            state.events.iter().rev().find_map(&mut is_wanted)
        })
    }

    /// Every event so far that is wanted.
    pub(crate) fn events<T>(&self, is_wanted: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        let state = self.heard.lock();
        state.events.iter().filter_map(is_wanted).collect()
    }
}

impl fmt::Debug for DevTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevTools").finish_non_exhaustive()
    }
}

impl Heard {
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

    /// Waits until there is what `find` looks for.
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

    /// What it holds is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

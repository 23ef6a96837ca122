//! A page without a view: one tab's [`Bus`], which tests and benchmarks drive by the DevTools protocol.
//!
//! [`Driver`] passes commands to the bus, and its notices to `driver.js`, which has the promises. Messages and
//! acknowledgements of a load are counted here, because there are thousands of them.

mod load;
mod tally;
mod traffic;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use serde::Serialize as _;
use serde_wasm_bindgen::Serializer;
use tabmq_worker::api::{
    Candidacy, ClientCommand, ClientNo, ClientNotice, Command, Durability, EventKind, Notice,
    Question, RequestId,
};
use tabmq_worker::{Bus, BusOptions, Signal};
use wasm_bindgen::prelude::*;

use load::{Load, Plan};
use tally::Tally;
use traffic::Traffic;

/// The page's interface to its tab.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Driver(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Empty until the bus is open.
    bus: OnceCell<Bus>,
    book: RefCell<Book>,
}

/// The loads, and the counts of received messages.
#[derive(Debug, Default)]
struct Book {
    load: Option<Load>,
    tally: Tally,
    traffic: Traffic,
}

#[wasm_bindgen]
impl Driver {
    /// Joins a channel. `on_notice(at, notice)` gets every notice except those that are counted here.
    ///
    /// # Errors
    /// `durability` or `candidacy` is invalid.
    #[wasm_bindgen(constructor)]
    pub fn open(
        channel: String,
        durability: JsValue,
        candidacy: JsValue,
        on_notice: js_sys::Function,
    ) -> Result<Self, JsValue> {
        let durability: Durability = serde_wasm_bindgen::from_value(durability)?;
        let candidacy: Candidacy = serde_wasm_bindgen::from_value(candidacy)?;
        let options = BusOptions {
            durability,
            candidacy,
            ..BusOptions::new(channel)
        };
        let inner = Rc::new(Inner::default());
        let weak = Rc::downgrade(&inner);
        let bus = Bus::open(options, move |signal| {
            let now = now();
            match signal {
                Signal::Notices(notices) => {
                    let Some(inner) = weak.upgrade() else {
                        return;
                    };
                    for notice in notices {
                        let rest = inner.book.borrow_mut().take(now, notice);
                        if let Some(notice) = rest {
                            notify(&on_notice, now, &notice);
                        }
                    }
                    inner.publish(now);
                }
                // A notice announces the next worker, and the tests connect again themselves.
                Signal::Stopped => {}
                Signal::Failed(why) => {
                    let failed = js_sys::Object::new();
                    set(&failed, "Failed", &why.into());
                    call(&on_notice, now, &failed);
                }
            }
        });
        // It is set only here.
        let _ = inner.bus.set(bus);
        Ok(Self(inner))
    }

    /// Sends a command for a client, in the shape of [`ClientCommand`].
    ///
    /// # Errors
    /// It has another shape.
    pub fn command(&self, client: u32, command: JsValue) -> Result<(), JsValue> {
        let command: ClientCommand = serde_wasm_bindgen::from_value(command)?;
        self.0.send(Command::Client(ClientNo(client), command));
        Ok(())
    }

    /// Asks the broker, in the shape of [`Question`].
    ///
    /// # Errors
    /// It has another shape.
    pub fn ask(&self, request: u32, question: JsValue) -> Result<(), JsValue> {
        let question: Question = serde_wasm_bindgen::from_value(question)?;
        self.0
            .send(Command::Ask(RequestId(request.into()), question));
        Ok(())
    }

    /// Begins to publish by the plan. The earlier load must be over.
    ///
    /// # Errors
    /// The plan has another shape.
    pub fn start(&self, plan: JsValue) -> Result<(), JsValue> {
        let plan: Plan = serde_wasm_bindgen::from_value(plan)?;
        let now = now();
        self.0.book.borrow_mut().load = Some(Load::new(plan, now));
        self.0.publish(now);
        Ok(())
    }

    /// Publishes the messages that are due.
    pub fn tick(&self) {
        self.0.publish(now());
    }

    /// Stops publishing.
    pub fn stop(&self) {
        if let Some(load) = &mut self.0.book.borrow_mut().load {
            load.stop();
        }
    }

    /// Whether the load has ended, and all its messages are acknowledged.
    #[wasm_bindgen(js_name = isDone)]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.book.borrow().load.as_ref().is_none_or(Load::is_done)
    }

    /// The results of the load so far: the fields of `load::Report`.
    ///
    /// # Errors
    /// Never.
    pub fn report(&self) -> Result<JsValue, JsValue> {
        let book = self.0.book.borrow();
        let report = book.load.as_ref().map(Load::report);
        Ok(report.serialize(&Serializer::json_compatible())?)
    }

    /// How often each number of a load arrived, ordered by number.
    #[must_use]
    pub fn counts(&self, topic: &str) -> Vec<u32> {
        self.0.book.borrow().tally.counts(topic)
    }

    /// Number of received messages of loads, including copies.
    #[wasm_bindgen(js_name = countAll)]
    #[must_use]
    pub fn count_all(&self) -> f64 {
        self.0.book.borrow().tally.all()
    }

    // The traffic of load tests.

    /// Begins to publish by the fields of `traffic::Plan`. Earlier traffic must be over.
    ///
    /// # Errors
    /// The plan has another shape.
    #[wasm_bindgen(js_name = startTraffic)]
    pub fn start_traffic(&self, plan: JsValue) -> Result<(), JsValue> {
        let plan: traffic::Plan = serde_wasm_bindgen::from_value(plan)?;
        let now = now();
        self.0.book.borrow_mut().traffic.start(plan, now);
        self.0.publish(now);
        Ok(())
    }

    /// Stops publishing.
    #[wasm_bindgen(js_name = stopTraffic)]
    pub fn stop_traffic(&self) {
        self.0.book.borrow_mut().traffic.stop();
    }

    /// Whether publishing has ended, and all messages are answered.
    #[wasm_bindgen(js_name = isTrafficDone)]
    #[must_use]
    pub fn is_traffic_done(&self) -> bool {
        self.0.book.borrow().traffic.is_done()
    }

    /// Counts so far: the fields of `traffic::Sample`.
    ///
    /// # Errors
    /// Never.
    #[wasm_bindgen(js_name = trafficSample)]
    pub fn traffic_sample(&self) -> Result<JsValue, JsValue> {
        let sample = self.0.book.borrow_mut().traffic.sample(now());
        Ok(sample.serialize(&Serializer::json_compatible())?)
    }

    /// The acknowledged and the received messages: the fields of `traffic::Outcome`.
    ///
    /// # Errors
    /// Never.
    #[wasm_bindgen(js_name = trafficOutcome)]
    pub fn traffic_outcome(&self) -> Result<JsValue, JsValue> {
        let book = self.0.book.borrow();
        Ok(book
            .traffic
            .outcome()
            .serialize(&Serializer::json_compatible())?)
    }

    /// Resets the counts of received messages.
    #[wasm_bindgen(js_name = forgetCounts)]
    pub fn forget_counts(&self) {
        self.0.book.borrow_mut().tally = Tally::default();
    }
}

impl Inner {
    fn send(&self, command: Command) {
        if let Some(bus) = self.bus.get() {
            bus.send(command);
        }
    }

    fn publish(&self, now: f64) {
        let book = &mut *self.book.borrow_mut();
        if let Some(load) = &mut book.load {
            load.publish(now, &mut |command| self.send(command));
        }
        book.traffic.publish(now, &mut |command| self.send(command));
    }
}

impl Book {
    /// Counts a notice of a load; returns any other notice.
    fn take(&mut self, now: f64, notice: Notice) -> Option<Notice> {
        match notice {
            Notice::Client(_, ClientNotice::Published(request, reason_code))
                if traffic::is_of_traffic(request) =>
            {
                self.traffic.on_answer(now, request, Some(reason_code));
                None
            }
            Notice::Client(_, ClientNotice::Refused(request, _))
                if traffic::is_of_traffic(request) =>
            {
                self.traffic.on_answer(now, request, None);
                None
            }
            Notice::Client(_, ClientNotice::Published(request, reason_code))
                if load::is_of_load(request) =>
            {
                if let Some(load) = &mut self.load {
                    load.on_acknowledged(now, request, reason_code);
                }
                None
            }
            Notice::Client(client, ClientNotice::Message(message, audience)) => {
                if self.traffic.take(now, &message) || self.tally.take(&message) {
                    return None;
                }
                let notice = ClientNotice::Message(message, audience);
                Some(Notice::Client(client, notice))
            }
            other => Some(other),
        }
    }
}

/// Milliseconds since the epoch, with fractions.
fn now() -> f64 {
    thread_local! {
        // A call of the window each time would add to the measured time.
        static PERFORMANCE: Option<web_sys::Performance> =
            web_sys::window().and_then(|window| window.performance());
    }
    PERFORMANCE.with(|performance| match performance {
        Some(performance) => performance.time_origin() + performance.now(),
        None => js_sys::Date::now(),
    })
}

fn notify(on_notice: &js_sys::Function, now: f64, notice: &Notice) {
    let Ok(value) = notice.serialize(&Serializer::json_compatible()) else {
        return;
    };
    if let Notice::Event(event) = notice {
        set(&value, "kind", &kind(&event.kind).into());
        set(&value, "words", &event.kind.to_string().into());
    }
    call(on_notice, now, &value);
}

/// The name of an event's variant.
fn kind(kind: &EventKind) -> String {
    let debug = format!("{kind:?}");
    let end = debug.find(|c: char| !c.is_ascii_alphanumeric());
    debug
        .get(..end.unwrap_or(debug.len()))
        .unwrap_or_default()
        .to_owned()
}

fn set(object: &JsValue, field: &str, value: &JsValue) {
    // It fails only for frozen objects.
    let _ = js_sys::Reflect::set(object, &field.into(), value);
}

fn call(on_notice: &js_sys::Function, now: f64, value: &JsValue) {
    // The console shows its errors.
    let _ = on_notice.call2(&JsValue::UNDEFINED, &now.into(), value);
}

/// Requests with this number or a higher one belong to loads, lower ones to `driver.js`.
const LOADS: RequestId = RequestId(1 << 40);

//! The load generator: publishes by a plan, and tracks each message.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use tabmq_worker::api::{Message, Publication, QoS, Subscription};
use tabmq_worker::{AnimationFrame, Client, Subscriber};
use yew::platform::spawn_local;

use crate::browser::time;
use crate::state::load_run::{Plan, Run};
use crate::state::numbered_stream::{Latency, Totals};

/// Publishes and receives numbered messages with a page's client. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub(crate) struct LoadGenerator(Rc<Inner>);

struct Inner {
    client: Client,
    /// First level of its topics.
    name: &'static str,
    run: RefCell<Option<Run>>,
    /// Receives the messages while there is a run.
    subscriber: RefCell<Option<Subscriber>>,
    /// Unanswered publications of all runs.
    pending: Cell<usize>,
    runs: Cell<u32>,
    /// Messages that the broker had dropped for other clients when the run began.
    dropped_before: Cell<u64>,
    tick: AnimationFrame,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) plan: Plan,
    pub(crate) is_running: bool,
    pub(crate) seconds: f64,
    pub(crate) totals: Totals,
    pub(crate) in_transit: usize,
    /// Messages that the broker had dropped for other clients when the run began.
    pub(crate) dropped_before: u64,
}

impl LoadGenerator {
    /// Creates a generator that publishes below the topic `name`.
    pub(crate) fn new(client: Client, name: &'static str) -> Self {
        Self(Rc::new_cyclic(|weak: &Weak<Inner>| {
            let weak = weak.clone();
            Inner {
                client,
                name,
                run: RefCell::default(),
                subscriber: RefCell::default(),
                pending: Cell::default(),
                runs: Cell::default(),
                dropped_before: Cell::default(),
                tick: AnimationFrame::new(move || {
                    if let Some(inner) = weak.upgrade() {
                        inner.tick();
                    }
                }),
            }
        }))
    }

    /// Begins a run once the broker has granted the subscription, and ends an earlier run. `dropped_before`: messages that the
    /// broker has dropped for other clients so far.
    pub(crate) fn start(&self, plan: Plan, dropped_before: u64) {
        let inner = Rc::clone(&self.0);
        inner.dropped_before.set(dropped_before);
        inner.runs.set(inner.runs.get() + 1);
        let number = inner.runs.get();
        let topic_filter = format!("{}/#", inner.topic());
        let hearing = Rc::downgrade(&inner);
        let wanted = Subscription {
            topic_filter,
            qos: QoS::ExactlyOnce,
            ..Subscription::default()
        };
        let subscriber = inner.client.subscribe(wanted, move |message| {
            if let Some(inner) = hearing.upgrade() {
                inner.arrived(&message);
            }
        });
        let granted = subscriber.granted();
        // Dropped while nothing is borrowed, because its drop can call this generator.
        drop(inner.subscriber.replace(Some(subscriber)));
        drop(inner.run.take());
        spawn_local(async move {
            // The run starts even if refused: the numbers show which messages have not arrived.
            let _ = granted.await;
            if inner.runs.get() == number {
                inner
                    .run
                    .replace(Some(Run::begin(plan, number, time::now_ms())));
                inner.tick.ask();
            }
        });
    }

    pub(crate) fn stop(&self) {
        if let Some(run) = &mut *self.0.run.borrow_mut() {
            run.stop(time::now_ms());
        }
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        let run = self.0.run.borrow();
        run.as_ref().map(|run| Progress {
            plan: run.plan.clone(),
            is_running: run.is_running(),
            seconds: run.seconds(time::now_ms()),
            totals: run.stream.totals(),
            in_transit: run.stream.in_transit(),
            dropped_before: self.0.dropped_before.get(),
        })
    }

    /// Messages that were acknowledged and have not arrived.
    pub(crate) fn missing(&self) -> u64 {
        let run = self.0.run.borrow();
        run.as_ref().map_or(0, |run| run.stream.missing())
    }

    /// The latency of the messages that arrived since the last call.
    pub(crate) fn take_latency(&self) -> Option<Latency> {
        self.0.run.borrow_mut().as_mut()?.stream.take_latency()
    }
}

impl PartialEq for LoadGenerator {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Inner {
    /// The topic of this tab alone, so that each tab measures its own messages.
    fn topic(&self) -> String {
        let tab_id = self.client.bus().tab_id();
        format!(
            "{}/{}",
            self.name,
            tab_id.map_or("?".to_owned(), |it| it.short())
        )
    }

    fn tick(self: &Rc<Self>) {
        let now = time::now_ms();
        let topic = self.topic();
        let mut publications = Vec::new();
        let is_through = {
            let mut run = self.run.borrow_mut();
            let Some(run) = &mut *run else { return };
            for _ in 0..run.due(now, self.pending.get()) {
                let number = run.stream.send(now);
                let publication = Publication {
                    topic: format!("{topic}/{}", number % u64::from(run.plan.topics.max(1))),
                    payload: run.payload(number),
                    qos: run.plan.qos,
                    ..Publication::default()
                };
                publications.push((run.number, number, publication));
            }
            run.stream.settle(now);
            !run.is_running() && run.stream.in_transit() == 0
        };
        for (run, number, publication) in publications {
            self.publish(run, number, publication);
        }
        if !is_through {
            self.tick.ask();
        }
    }

    fn publish(self: &Rc<Self>, run: u32, number: u64, publication: Publication) {
        self.pending.set(self.pending.get() + 1);
        let request = self.client.publish(publication);
        let inner = Rc::downgrade(self);
        spawn_local(async move {
            let result = request.await;
            if let Some(inner) = inner.upgrade() {
                inner.pending.set(inner.pending.get() - 1);
                inner.answered(run, number, result.is_ok());
            }
        });
    }

    fn answered(&self, number_of_run: u32, number: u64, is_acknowledged: bool) {
        let mut run = self.run.borrow_mut();
        let Some(run) = run.as_mut().filter(|it| it.number == number_of_run) else {
            return;
        };
        if is_acknowledged {
            run.stream.acknowledge(time::now_ms(), number);
        } else {
            run.stream.fail(number);
        }
    }

    fn arrived(&self, message: &Message) {
        if let Some(run) = &mut *self.run.borrow_mut()
            && let Some(number) = run.number_of(&message.payload)
        {
            run.stream.arrive(time::now_ms(), number);
        }
    }
}

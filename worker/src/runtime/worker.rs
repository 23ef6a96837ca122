//! The worker: a loop around the tab's state machine.

use core::convert::Infallible;
use std::sync::Arc;

use gloo_worker::{HandlerId, Worker, WorkerScope};
use js_sys::{Reflect, Uint8Array};
use tab::access::AllowAll;
use tab::api::{Command, Durability, Notice, Source};
use tab::sorted::Map;
use tab::{ChannelName, Input, Lane, Notices, Output, PortInput, Settings, Tab, TabId, Time};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::event_queue::EventQueue;
use super::mqtt_ports::MqttPorts;
use super::page_channel::{PageChannel, PagePort};
use super::port_intake::{self, OfferedPort};
use crate::BUILD;
use crate::browser::broadcast_channel::Broadcast;
use crate::browser::clock::{self, Clock, Timer};
use crate::browser::control;
use crate::browser::entropy::Entropy;
use crate::browser::error::describe;
use crate::locks::Locks;
use crate::storage::Storage;

/// Delay (ms) from joining a channel to the warm-up of the broker's code. By then no caller waits for the tab to start.
const WARM_UP_MS: i32 = 1_000;

/// Maximum time (ms) for which a page may block its worker.
const HANG_MS_MAX: u32 = 60_000;

/// The dedicated worker of one tab. Commands and notices cross between page and worker in batches, one for each turn.
#[derive(Debug)]
pub struct TabWorker {
    queue: EventQueue<WorkerEvent>,
}

/// An event of the worker, handled in a turn of its own.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the large variant"
)]
enum WorkerEvent {
    /// An input for the state machine.
    Input(Input),
    /// Commands of the page.
    Commands(Vec<Command>),
    /// The page has connected.
    Page(PageChannel),
    /// The page has attached a port.
    Attached(OfferedPort),
}

/// Queues inputs for the state machine.
#[derive(Clone, Debug)]
struct Reporter(EventQueue<WorkerEvent>);

/// The state machine and its browser resources.
struct RunLoop {
    tab: Tab,
    clock: Clock,
    timer: Timer,
    page: Option<PageChannel>,
    ports: MqttPorts,
    notices: Notices,
    /// Notices from before the page connected.
    undelivered: Vec<Notice>,
    joined: Option<JoinedChannel>,
    report: Reporter,
}

/// The browser resources of a tab on a channel.
#[derive(Debug)]
struct JoinedChannel {
    channel: ChannelName,
    control: Broadcast,
    /// The loopback probe: receives the messages that `control` receives, and those that `control` posts.
    loopback: Option<Broadcast>,
    lanes: Map<Lane, Broadcast>,
    locks: Locks,
    storage: Storage,
}

impl Worker for TabWorker {
    // There are none, because gloo would delay each by a microtask. See `EventQueue`.
    type Message = Infallible;
    type Input = Vec<Command>;
    type Output = Vec<Notice>;

    fn create(_scope: &WorkerScope<Self>) -> Self {
        let queue = EventQueue::new();
        let mut run_loop = RunLoop::new(Reporter(queue.clone()));
        queue.start(move |event| run_loop.on_event(event));
        let attached = queue.clone();
        port_intake::deliver_to(move |it| attached.push(WorkerEvent::Attached(it)));
        Self { queue }
    }

    fn connected(&mut self, scope: &WorkerScope<Self>, id: HandlerId) {
        let page = PageChannel::Bridge(scope.clone(), id);
        self.queue.push(WorkerEvent::Page(page));
    }

    fn update(&mut self, _scope: &WorkerScope<Self>, message: Infallible) {
        match message {}
    }

    fn received(&mut self, _scope: &WorkerScope<Self>, commands: Vec<Command>, _id: HandlerId) {
        self.queue.push(WorkerEvent::Commands(commands));
    }
}

impl Drop for TabWorker {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

impl RunLoop {
    fn new(report: Reporter) -> Self {
        let entropy = Entropy::draw().unwrap_or_else(|error| {
            // Browsers with workers have `crypto`. If one does not, the tab reports it.
            report.trouble("The browser gives no random numbers", &error);
            Entropy::default()
        });
        let settings = Settings {
            seed: entropy.seed,
            ..Settings::default()
        };
        let on_timer = report.clone();
        Self {
            tab: Tab::new(
                entropy.tab_id(),
                BUILD.to_owned(),
                settings,
                Arc::new(AllowAll),
            ),
            clock: Clock::new(),
            timer: Timer::new(move || on_timer.input(Input::Timeout)),
            page: None,
            ports: MqttPorts::default(),
            notices: Notices::default(),
            undelivered: Vec::new(),
            joined: None,
            report,
        }
    }

    fn on_event(&mut self, event: WorkerEvent) {
        match event {
            WorkerEvent::Input(input) => self.on_input(input),
            WorkerEvent::Commands(commands) => self.on_commands(commands),
            WorkerEvent::Page(page) => self.set_page(page),
            WorkerEvent::Attached(attached) => self.on_attached(attached),
        }
    }

    fn set_page(&mut self, page: PageChannel) {
        self.page = Some(page);
        let undelivered = core::mem::take(&mut self.undelivered);
        self.post_notices(undelivered);
    }

    fn on_input(&mut self, input: Input) {
        match &input {
            Input::Timeout => self.timer.fired(),
            Input::Port(no, PortInput::Closed) => self.ports.forget(*no),
            // The lock may have been released and requested again between the event and its turn.
            Input::Lock(event) => {
                let mut joined = self.joined.as_mut();
                if joined
                    .as_mut()
                    .is_some_and(|it| !it.locks.is_current(*event))
                {
                    return;
                }
            }
            _ => {}
        }
        self.turn([input]);
    }

    fn on_commands(&mut self, commands: Vec<Command>) {
        let notices = self.notices.take();
        self.post_notices(notices);
        let mut hang_ms = 0;
        let mut commands = commands;
        commands.retain_mut(|command| match command {
            Command::Hang { ms } => {
                hang_ms = hang_ms.max(*ms);
                false
            }
            // In such a browser, `strict` acts as `relaxed`, and the members see `relaxed`.
            Command::Open(options)
                if options.durability == Durability::Strict && !knows_durability() =>
            {
                options.durability = Durability::Relaxed;
                true
            }
            _ => true,
        });
        self.turn(commands.into_iter().map(Input::Command));
        if hang_ms > 0 {
            clock::stand_still(hang_ms.min(HANG_MS_MAX));
        }
    }

    fn on_attached(&mut self, attached: OfferedPort) {
        let report = self.report.clone();
        let done = match attached {
            OfferedPort::Page(port) => {
                let page = PagePort::open(port, move |commands| match commands {
                    Some(commands) => report.0.push(WorkerEvent::Commands(commands)),
                    None => {
                        let why = JsValue::from_str("they are not of this build");
                        report.trouble("The page's commands cannot be read", &why);
                    }
                });
                page.map(|page| self.set_page(PageChannel::Port(page)))
            }
            OfferedPort::Mqtt { port, wants_credit } => {
                let opened = self.ports.open(port, wants_credit, move |no, input| {
                    report.input(Input::Port(no, input));
                });
                opened.map(|no| self.turn([Input::Port(no, PortInput::Opened)]))
            }
            OfferedPort::Unknown => Err(JsValue::from_str("it is neither \"page\" nor \"mqtt\"")),
        };
        if let Err(error) = done {
            self.report
                .trouble("The page attached nothing of use", &error);
        }
    }

    fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let began = clock::monotonic_ms();
        let now = self.clock.at(began);
        let mut outputs = Vec::new();
        for input in inputs {
            self.tab.handle(now, input, &mut outputs);
        }
        self.tab.flush(now, &mut outputs);
        let notices = self.notices.take_due(now);
        self.post_notices(notices);
        for output in outputs {
            self.carry_out(now, output);
        }
        if !self.tab.is_behind() || self.timer.set_soon().is_err() {
            let due = self.tab.next_timeout().into_iter();
            self.timer.set(now, due.chain(self.notices.due()).min());
        }
        let worked_us = (clock::monotonic_ms() - began) * 1e3;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the clock never goes back, and no turn takes centuries"
        )]
        self.tab.worked(worked_us as u64);
    }

    fn post_notices(&mut self, notices: Vec<Notice>) {
        match &self.page {
            _ if notices.is_empty() => {}
            Some(page) => {
                if let Err(error) = page.post(notices) {
                    self.report
                        .trouble("Events could not be sent to the page", &error);
                }
            }
            None => self.undelivered.extend(notices),
        }
    }

    fn carry_out(&mut self, now: Time, output: Output) {
        let done = match output {
            Output::Join(channel) => {
                spawn_local(async move {
                    clock::pause(WARM_UP_MS).await;
                    // The browser compiles code when it runs first, which would delay a failover.
                    let _ = tab::warm_up(now);
                });
                let joined = JoinedChannel::new(channel, self.tab.tab_id(), &self.report);
                joined.map(|it| self.joined = Some(it))
            }
            Output::Notify(notices) => {
                let notices = self.notices.add(now, notices);
                self.post_notices(notices);
                Ok(())
            }
            Output::Port(no, output) => self.ports.carry_out(no, &output),
            output => match &mut self.joined {
                Some(joined) => joined.carry_out(output, &self.report),
                None => Ok(()),
            },
        };
        if let Err(error) = done {
            self.report.trouble("The browser refused", &error);
        }
    }
}

/// Whether this browser supports the durability of IndexedDB transactions.
fn knows_durability() -> bool {
    let get = |of: JsValue, name: &str| Reflect::get(&of, &JsValue::from_str(name));
    let transaction = get(js_sys::global().into(), "IDBTransaction");
    let prototype = transaction.and_then(|it| get(it, "prototype"));
    prototype
        .and_then(|it| Reflect::has(&it, &JsValue::from_str("durability")))
        .unwrap_or_default()
}

impl JoinedChannel {
    fn new(channel: ChannelName, tab_id: TabId, report: &Reporter) -> Result<Self, JsValue> {
        let of_control = report.clone();
        let control = Broadcast::open(&channel.control(), move |message| {
            let message = message.as_ref().and_then(control::from_js);
            of_control.input(message.map_or(Input::Foreign(Source::Control), Input::Control));
        })?;
        let of_locks = report.clone();
        let of_storage = report.clone();
        Ok(Self {
            control,
            loopback: None,
            lanes: Map::new(),
            locks: Locks::new(channel.clone(), tab_id, move |event| {
                of_locks.input(Input::Lock(event));
            }),
            storage: Storage::new(channel.database(), move |event| {
                of_storage.input(Input::Storage(event));
            }),
            channel,
        })
    }

    fn carry_out(&mut self, output: Output, report: &Reporter) -> Result<(), JsValue> {
        match output {
            Output::Control(message) => self.control.post(&control::to_js(&message)?),
            Output::OpenLane(lane) => self.open_lane(lane, report),
            Output::Post(lane, frame) => match self.lanes.get(&lane) {
                Some(channel) => channel.post(&Uint8Array::from(frame.as_slice())),
                None => Err(JsValue::from_str("a post on a lane that is not open")),
            },
            Output::CloseLane(lane) => {
                self.lanes.remove(&lane);
                Ok(())
            }
            Output::Lock(request) => self.locks.handle(request),
            Output::Storage(request) => {
                self.storage.handle(request);
                Ok(())
            }
            Output::LoopbackProbe(true) => self.open_loopback(report),
            Output::LoopbackProbe(false) => {
                self.loopback = None;
                Ok(())
            }
            // The run loop carries these out.
            Output::Join(_) | Output::Notify(_) | Output::Port(..) => Ok(()),
        }
    }

    fn open_lane(&mut self, lane: Lane, report: &Reporter) -> Result<(), JsValue> {
        if self.lanes.contains_key(&lane) {
            return Ok(());
        }
        let report = report.clone();
        let channel = Broadcast::open(&self.channel.lane(lane), move |message| {
            let bytes = message.and_then(|message| message.dyn_into::<Uint8Array>().ok());
            report.input(match bytes {
                Some(bytes) => Input::Frame(lane, bytes.to_vec()),
                None => Input::Foreign(Source::Lane),
            });
        })?;
        self.lanes.insert(lane, channel);
        Ok(())
    }

    fn open_loopback(&mut self, report: &Reporter) -> Result<(), JsValue> {
        if self.loopback.is_none() {
            let report = report.clone();
            self.loopback = Some(Broadcast::open(&self.channel.control(), move |message| {
                // `control` has reported foreign messages already.
                if let Some(message) = message.as_ref().and_then(control::from_js) {
                    report.input(Input::Loopback(message));
                }
            })?);
        }
        Ok(())
    }
}

impl Reporter {
    fn input(&self, input: Input) {
        self.0.push(WorkerEvent::Input(input));
    }

    fn trouble(&self, what: &str, error: &JsValue) {
        self.input(Input::Trouble(format!("{what}: {}", describe(error))));
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use tab::control::ControlMessage;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::BroadcastChannel;

    use super::*;
    use crate::browser::testing::Received;

    #[wasm_bindgen_test]
    async fn the_loopback_probe_receives_posts_of_this_tab_and_nothing_foreign() {
        let received = Received::new();
        let (queue, send) = (EventQueue::new(), received.sink());
        queue.start(move |it| match it {
            WorkerEvent::Input(input) => send(input),
            _ => panic!("only inputs are reported"),
        });
        let report = Reporter(queue);
        let channel = ChannelName::parse("test-loopback").unwrap();
        let mut joined = JoinedChannel::new(channel, TabId::from_entropy(1), &report).unwrap();
        let probe = ControlMessage::Probe {
            tab_id: TabId::from_entropy(1),
            number: 1,
        };
        for _ in 0..2 {
            joined
                .carry_out(Output::LoopbackProbe(true), &report)
                .unwrap();
        }
        joined
            .carry_out(Output::Control(probe.clone()), &report)
            .unwrap();
        match received.next().await {
            Input::Loopback(heard) => assert_eq!(heard, probe),
            other => panic!("{other:?}"),
        }
        let stranger = BroadcastChannel::new("test-loopback-control").unwrap();
        stranger.post_message(&JsValue::from_str("boo")).unwrap();
        match received.next().await {
            Input::Foreign(Source::Control) => {}
            other => panic!("{other:?}"),
        }
        joined
            .carry_out(Output::LoopbackProbe(false), &report)
            .unwrap();
        joined.carry_out(Output::Control(probe), &report).unwrap();
        received.nothing().await;
        stranger.close();
    }
}

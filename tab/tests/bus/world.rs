//! A few tabs on one channel, connected without delays. Time passes only in [`World::pass`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tab::access::{AccessPolicy, AllowAll};
use tab::api::{
    Candidacy, ClientCommand, ClientNo, ClientNotice, ClientStatus, Command, ConnectOptions,
    Durability, EventKind, Message, Notice, OpenOptions, Publication, QoS, RequestId, Role,
    StorageState, Subscription, TabInfo, TabStats, Term, Visibility, Will,
};
use tab::control::{Announcement, ControlMessage};
use tab::storage::{StorageEvent, StorageOperation, StorageRequest};
use tab::{
    Input, Lane, Lock, LockEvent, LockRequest, Output, PortNo, PortOutput, Settings, Tab, TabId,
    Time,
};

use crate::disk::Disk;

pub(crate) const CLIENT: ClientNo = ClientNo(0);

/// A tab that is not idle after this many timeouts at one moment never will be.
const ROUNDS_MAX: usize = 10;

pub(crate) struct World {
    pub(crate) now: Time,
    tabs: BTreeMap<TabId, Node>,
    /// Each lock's holder, and the queue behind it.
    locks: BTreeMap<Lock, VecDeque<TabId>>,
    arriving: VecDeque<(TabId, Input)>,
    /// All posts on the control channel, with their times.
    pub(crate) control: Vec<(Time, ControlMessage)>,
    pub(crate) frames_to_lose: usize,
    /// Lost frames.
    pub(crate) lost: Vec<(Lane, Vec<u8>)>,
    /// Requests of the tabs to the database.
    durability: Durability,
    pub(crate) disk: Disk,
    /// The settings of tabs that open from now on.
    pub(crate) settings: Settings,
    /// Tabs whose database does not answer.
    pub(crate) stuck: BTreeSet<TabId>,
    /// Tabs whose connection to the database fails, until they open a new one.
    pub(crate) dead: BTreeSet<TabId>,
    /// Tabs whose database fails, whatever they ask of it.
    pub(crate) down: BTreeSet<TabId>,
    /// Tabs whose database opens, and then fails all requests.
    pub(crate) aborting: BTreeSet<TabId>,
    /// How often tabs have opened the database.
    pub(crate) opened: usize,
    /// The log identity that pages remember from an earlier visit.
    pub(crate) known_log: Option<u64>,
    /// Frozen tabs, which get no inputs.
    frozen: BTreeMap<TabId, Vec<Input>>,
    /// Tabs whose pages acknowledge no checkpoints.
    pub(crate) silent_pages: BTreeSet<TabId>,
    /// Tabs whose timer runs after each of their turns.
    pub(crate) restless: BTreeSet<TabId>,
    /// There are no Web Locks, but a substitute.
    pub(crate) has_no_locks: bool,
    /// There is no substitute for Web Locks either.
    pub(crate) has_no_mutex: bool,
    /// The rules of tabs that start from now on.
    pub(crate) access: Arc<dyn AccessPolicy>,
    requests: u64,
}

struct Node {
    tab: Tab,
    lanes: BTreeSet<Lane>,
    notices: Vec<Notice>,
    /// Outputs to ports.
    ports: Vec<(PortNo, PortOutput)>,
    has_ear: bool,
    /// Pending requests to the database.
    asked: Vec<StorageRequest>,
}

/// The holders among those that requested a lock, in this order. All tabs that queue for another tab's lock share it.
fn holders(lock: Lock, queue: &VecDeque<TabId>) -> Vec<TabId> {
    let is_shared = |tab: &TabId| matches!(lock, Lock::Tab(own) if own != *tab);
    match queue.front() {
        Some(first) if !is_shared(first) => vec![*first],
        _ => queue.iter().copied().take_while(is_shared).collect(),
    }
}

pub(crate) fn id(number: u64) -> TabId {
    TabId::from_entropy(number)
}

/// The announcement of a tab that is not the broker.
pub(crate) fn announcement(tab_id: TabId) -> Announcement {
    Announcement {
        tab_id,
        is_broker: false,
        timestamp: 0,
        term: None,
        since: 0,
        build: String::new(),
        protocol: (1, 1),
        clients: 0,
        visibility: Visibility::Visible,
        durability: Durability::Relaxed,
        lanes: Vec::new(),
        leadership: None,
        log: None,
        storage: StorageState::Ok,
    }
}

/// The announcement of a broker.
pub(crate) fn claim(tab_id: TabId, term: Term) -> Announcement {
    Announcement {
        is_broker: true,
        term: Some(term),
        ..announcement(tab_id)
    }
}

impl World {
    /// This many tabs with ids from 1, opened one after the other. The first is the broker, with its state in memory.
    pub(crate) fn with_tabs(count: u64) -> Self {
        Self::with(count, Durability::Memory)
    }

    /// The same with a log.
    pub(crate) fn durable(count: u64) -> Self {
        Self::with(count, Durability::Relaxed)
    }

    /// As [`Self::with_tabs`], with a client in each tab.
    pub(crate) fn connected(count: u64) -> Self {
        let mut world = Self::with_tabs(count);
        world.connect_all(count);
        world
    }

    /// As [`Self::durable`], with a client in each tab, after the storing of that state.
    pub(crate) fn durable_connected(count: u64) -> Self {
        let mut world = Self::durable(count);
        world.connect_all(count);
        world.pass(1_000);
        world
    }

    fn connect_all(&mut self, count: u64) {
        for number in 1..=count {
            self.connect(id(number));
        }
    }

    fn with(count: u64, durability: Durability) -> Self {
        let mut world = Self {
            now: Time::from_ms(1_700_000_000_000),
            tabs: BTreeMap::new(),
            locks: BTreeMap::new(),
            arriving: VecDeque::new(),
            control: Vec::new(),
            frames_to_lose: 0,
            lost: Vec::new(),
            durability,
            disk: Disk::default(),
            settings: Settings::default(),
            stuck: BTreeSet::new(),
            dead: BTreeSet::new(),
            down: BTreeSet::new(),
            aborting: BTreeSet::new(),
            opened: 0,
            known_log: None,
            frozen: BTreeMap::new(),
            silent_pages: BTreeSet::new(),
            restless: BTreeSet::new(),
            has_no_locks: false,
            has_no_mutex: false,
            access: Arc::new(AllowAll),
            requests: 0,
        };
        for number in 1..=count {
            world.open(id(number));
            // The broker's answer may wait for the gap between two announcements.
            world.pass(Settings::default().announce_gap_ms);
        }
        world
    }

    pub(crate) fn start(&mut self, tab_id: TabId) {
        let node = Node {
            tab: Tab::new(
                tab_id,
                "test".to_owned(),
                self.settings.clone(),
                Arc::clone(&self.access),
            ),
            lanes: BTreeSet::new(),
            notices: Vec::new(),
            ports: Vec::new(),
            has_ear: false,
            asked: Vec::new(),
        };
        self.tabs.insert(tab_id, node);
    }

    pub(crate) fn open(&mut self, tab_id: TabId) {
        self.open_as(tab_id, Candidacy::Auto);
    }

    pub(crate) fn open_as(&mut self, tab_id: TabId, candidacy: Candidacy) {
        self.start(tab_id);
        let options = OpenOptions {
            channel: "test".to_owned(),
            visibility: Visibility::Visible,
            durability: self.durability,
            candidacy,
            known_log: self.known_log,
        };
        self.command(tab_id, Command::Open(options));
    }

    /// Suspends the tab: it keeps its locks and gets no input.
    pub(crate) fn freeze(&mut self, tab_id: TabId) {
        self.frozen.insert(tab_id, Vec::new());
    }

    /// Resumes the tab, which gets its delayed inputs.
    pub(crate) fn thaw(&mut self, tab_id: TabId) {
        for input in self.frozen.remove(&tab_id).unwrap_or_default() {
            self.arriving.push_back((tab_id, input));
        }
        self.run();
    }

    /// The database answers again.
    pub(crate) fn unstick(&mut self, tab_id: TabId) {
        self.stuck.remove(&tab_id);
        let node = self.tabs.get_mut(&tab_id);
        let asked = node.map(|node| core::mem::take(&mut node.asked));
        for request in asked.into_iter().flatten() {
            self.ask(tab_id, request);
        }
        self.run();
    }

    /// Whether this tab's unanswered request is a checkpoint.
    pub(crate) fn is_asked_for_checkpoint(&self, tab_id: TabId) -> bool {
        let asked = self.tabs.get(&tab_id).map(|node| &node.asked);
        let asked = asked.into_iter().flatten();
        asked
            .into_iter()
            .any(|it| matches!(it.operation, StorageOperation::Checkpoint(_)))
    }

    /// Whether this tab's unanswered request is one for a page behind the first.
    pub(crate) fn is_asked_for_later_page(&self, tab_id: TabId) -> bool {
        let asked = self.tabs.get(&tab_id).map(|node| &node.asked);
        asked
            .into_iter()
            .flatten()
            .any(|it| matches!(it.operation, StorageOperation::Read(Some(_), _)))
    }

    /// Answers one request of this tab, although the database hangs.
    pub(crate) fn answer_one(&mut self, tab_id: TabId) {
        let asked = self.tabs.get_mut(&tab_id);
        let request = asked.map(|node| node.asked.remove(0));
        self.stuck.remove(&tab_id);
        if let Some(request) = request {
            self.ask(tab_id, request);
        }
        self.stuck.insert(tab_id);
        self.run();
    }

    /// Ends the tab. The other tabs have not noticed yet.
    pub(crate) fn vanish(&mut self, tab_id: TabId) {
        self.tabs.remove(&tab_id);
    }

    /// A foreign script takes a free lock.
    pub(crate) fn hold(&mut self, stranger: TabId, lock: Lock) {
        let queue = self.locks.entry(lock).or_default();
        assert!(queue.is_empty(), "{lock:?} is not free");
        queue.push_back(stranger);
    }

    /// The holder of a lock, and the queue.
    pub(crate) fn queue(&self, lock: Lock) -> Vec<TabId> {
        self.locks
            .get(&lock)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The browser notices the end of the tab.
    pub(crate) fn free_locks(&mut self, tab_id: TabId) {
        let locks: Vec<Lock> = self.locks.keys().copied().collect();
        for lock in locks {
            self.release(tab_id, lock);
        }
        self.run();
    }

    pub(crate) fn crash(&mut self, tab_id: TabId) {
        self.vanish(tab_id);
        self.free_locks(tab_id);
    }

    /// The page says goodbye, and the tab ends.
    pub(crate) fn close(&mut self, tab_id: TabId) {
        self.vanish(tab_id);
        self.post(ControlMessage::Goodbye {
            tab_id,
            is_lost: false,
        });
        self.free_locks(tab_id);
    }

    /// A foreign script posts on the control channel.
    pub(crate) fn post(&mut self, message: ControlMessage) {
        for tab in self.tabs.keys() {
            let input = Input::Control(message.clone());
            self.arriving.push_back((*tab, input));
        }
        self.run();
    }

    pub(crate) fn input(&mut self, tab_id: TabId, input: Input) {
        self.arriving.push_back((tab_id, input));
        self.run();
    }

    pub(crate) fn command(&mut self, tab_id: TabId, command: Command) {
        self.input(tab_id, Input::Command(command));
    }

    pub(crate) fn client(&mut self, tab_id: TabId, command: ClientCommand) {
        self.command(tab_id, Command::Client(CLIENT, command));
    }

    pub(crate) fn connect(&mut self, tab_id: TabId) {
        self.client(tab_id, ClientCommand::Connect(ConnectOptions::default()));
    }

    /// Connects with a will that is not delayed.
    pub(crate) fn connect_with_will(&mut self, tab_id: TabId, topic: &str, payload: &str) {
        let publication = Publication {
            topic: topic.to_owned(),
            payload: payload.into(),
            ..Publication::default()
        };
        let will = Will {
            publication,
            delay_interval: 0,
        };
        let options = ConnectOptions {
            will: Some(will),
            ..ConnectOptions::default()
        };
        self.client(tab_id, ClientCommand::Connect(options));
    }

    pub(crate) fn subscribe(&mut self, tab_id: TabId, topic_filter: &str) -> RequestId {
        let subscription = Subscription {
            topic_filter: topic_filter.to_owned(),
            qos: QoS::ExactlyOnce,
            ..Subscription::default()
        };
        let request = self.next_request();
        self.client(
            tab_id,
            ClientCommand::Subscribe(request, vec![subscription]),
        );
        request
    }

    pub(crate) fn publish(
        &mut self,
        tab_id: TabId,
        topic: &str,
        payload: &str,
        qos: QoS,
    ) -> RequestId {
        let publication = Publication {
            topic: topic.to_owned(),
            payload: payload.into(),
            qos,
            ..Publication::default()
        };
        self.request_publish(tab_id, publication)
    }

    /// Publishes a retained message with QoS 1.
    pub(crate) fn retain(&mut self, tab_id: TabId, topic: &str, payload: &str) -> RequestId {
        let publication = Publication {
            topic: topic.to_owned(),
            payload: payload.into(),
            qos: QoS::AtLeastOnce,
            retain: true,
            ..Publication::default()
        };
        self.request_publish(tab_id, publication)
    }

    fn request_publish(&mut self, tab_id: TabId, publication: Publication) -> RequestId {
        let request = self.next_request();
        self.client(tab_id, ClientCommand::Publish(request, publication));
        request
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Lets time pass. Each tab gets its timeouts on time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        let mut rounds = 0;
        while let Some((due, tab_id)) = self
            .tabs
            .iter()
            .filter(|(tab_id, _)| !self.frozen.contains_key(tab_id))
            .filter_map(|(tab_id, node)| Some((node.tab.next_timeout()?, *tab_id)))
            .min()
            .filter(|(due, _)| *due <= end)
        {
            rounds = if due > self.now { 0 } else { rounds + 1 };
            assert!(
                rounds <= ROUNDS_MAX * self.tabs.len(),
                "{tab_id} does not settle"
            );
            self.now = self.now.max(due);
            self.input(tab_id, Input::Timeout);
        }
        self.now = end;
    }

    fn run(&mut self) {
        while let Some((tab_id, input)) = self.next_input() {
            if let Some(held) = self.frozen.get_mut(&tab_id) {
                held.push(input);
                continue;
            }
            let Some(node) = self.tabs.get_mut(&tab_id) else {
                continue;
            };
            let mut outputs = Vec::new();
            node.tab.handle(self.now, input, &mut outputs);
            node.tab.flush(self.now, &mut outputs);
            if self.restless.contains(&tab_id) {
                node.tab.handle(self.now, Input::Timeout, &mut outputs);
                node.tab.flush(self.now, &mut outputs);
            }
            for output in outputs {
                self.carry_out(tab_id, output);
            }
        }
    }

    /// The next input. Without one, a tab that is behind continues.
    fn next_input(&mut self) -> Option<(TabId, Input)> {
        self.arriving.pop_front().or_else(|| {
            let mut tabs = self.tabs.iter();
            let is_behind = |(id, node): &(&TabId, &Node)| {
                node.tab.is_behind() && !self.frozen.contains_key(*id)
            };
            let (id, _) = tabs.find(is_behind)?;
            Some((*id, Input::Timeout))
        })
    }

    fn carry_out(&mut self, from: TabId, output: Output) {
        let Some(node) = self.tabs.get_mut(&from) else {
            return;
        };
        match output {
            Output::Join(channel) => assert_eq!(channel.as_str(), "test"),
            Output::Notify(notices) => {
                node.notices.extend(notices);
                if !self.silent_pages.contains(&from) {
                    self.acknowledge_last_checkpoint(from);
                }
            }
            Output::Port(no, output) => node.ports.push((no, output)),
            Output::OpenLane(lane) => {
                node.lanes.insert(lane);
            }
            Output::CloseLane(lane) => assert!(node.lanes.remove(&lane), "{lane:?} is not open"),
            Output::Lock(LockRequest::Acquire(lock)) => self.acquire(from, lock),
            Output::Lock(LockRequest::Release(lock)) => self.release(from, lock),
            Output::Lock(LockRequest::AcquireIfFree(lock)) => self.acquire_if_free(from, lock),
            Output::Lock(LockRequest::Steal(lock)) => self.steal(from, lock),
            Output::Storage(request) => self.ask(from, request),
            Output::LoopbackProbe(is_wanted) => node.has_ear = is_wanted,
            Output::Control(message) => {
                if node.has_ear {
                    let acknowledgement = Input::Loopback(message.clone());
                    self.arriving.push_back((from, acknowledgement));
                }
                self.control.push((self.now, message.clone()));
                for tab in self.tabs.keys().filter(|tab| **tab != from) {
                    let input = Input::Control(message.clone());
                    self.arriving.push_back((*tab, input));
                }
            }
            Output::Post(lane, bytes) => {
                assert!(node.lanes.contains(&lane), "{lane:?} is not open");
                if self.frames_to_lose > 0 {
                    self.frames_to_lose -= 1;
                    return self.lost.push((lane, bytes));
                }
                for (tab, node) in &self.tabs {
                    if *tab != from && node.lanes.contains(&lane) {
                        let input = Input::Frame(lane, bytes.clone());
                        self.arriving.push_back((*tab, input));
                    }
                }
            }
        }
    }

    /// The page acknowledges its checkpoint.
    fn acknowledge_last_checkpoint(&mut self, tab_id: TabId) {
        let checkpoints = self.notices(tab_id).filter_map(|it| match it {
            Notice::CreditCheckpoint(checkpoint) => Some(*checkpoint),
            _ => None,
        });
        if let Some(checkpoint) = checkpoints.last() {
            let acknowledgement = Input::Command(Command::Acknowledge(checkpoint));
            self.arriving.push_back((tab_id, acknowledgement));
        }
    }

    /// A page that acknowledged nothing does so from now on.
    pub(crate) fn acknowledge_checkpoints(&mut self, tab_id: TabId) {
        self.silent_pages.remove(&tab_id);
        self.acknowledge_last_checkpoint(tab_id);
        self.run();
    }

    /// Bytes of delayed frames for a frozen tab.
    pub(crate) fn held_bytes(&self, tab_id: TabId) -> usize {
        let held = self.frozen.get(&tab_id).into_iter().flatten();
        let bytes = held.map(|input| match input {
            Input::Frame(_, bytes) => bytes.len(),
            _ => 0,
        });
        bytes.sum()
    }

    fn acquire(&mut self, tab_id: TabId, lock: Lock) {
        if self.has_no_mutex {
            let event = LockEvent::NotSupported(lock);
            return self.arriving.push_back((tab_id, Input::Lock(event)));
        }
        let queue = self.locks.entry(lock).or_default();
        if !queue.contains(&tab_id) {
            queue.push_back(tab_id);
            if holders(lock, queue).contains(&tab_id) {
                self.grant(tab_id, lock);
            }
        }
    }

    fn acquire_if_free(&mut self, tab_id: TabId, lock: Lock) {
        let queue = self.locks.entry(lock).or_default();
        let event = if self.has_no_locks {
            LockEvent::NotSupported(lock)
        } else if queue.is_empty() {
            queue.push_back(tab_id);
            LockEvent::Granted(lock)
        } else {
            LockEvent::NotFree(lock)
        };
        self.arriving.push_back((tab_id, Input::Lock(event)));
    }

    fn steal(&mut self, tab_id: TabId, lock: Lock) {
        assert!(!self.has_no_locks);
        let queue = self.locks.entry(lock).or_default();
        queue.retain(|waiting| *waiting != tab_id);
        let holder = queue.pop_front();
        queue.push_front(tab_id);
        if let Some(holder) = holder {
            let lost = Input::Lock(LockEvent::Lost(lock));
            self.arriving.push_back((holder, lost));
        }
        self.grant(tab_id, lock);
    }

    fn ask(&mut self, tab_id: TabId, request: StorageRequest) {
        if self.stuck.contains(&tab_id) {
            if let Some(node) = self.tabs.get_mut(&tab_id) {
                node.asked.push(request);
            }
            return;
        }
        let StorageRequest { id, operation } = request;
        if let StorageOperation::Open(_) = operation {
            self.opened += 1;
            self.dead.remove(&tab_id);
        }
        let is_down = self.disk.is_down;
        let is_opening = matches!(operation, StorageOperation::Open(_));
        self.disk.is_down |= self.dead.contains(&tab_id)
            || self.down.contains(&tab_id)
            || self.aborting.contains(&tab_id) && !is_opening;
        let answer = self.disk.answer(operation);
        self.disk.is_down = is_down;
        let answer =
            answer.map(|answer| (tab_id, Input::Storage(StorageEvent::Answer(id, answer))));
        self.arriving.extend(answer);
    }

    fn release(&mut self, tab_id: TabId, lock: Lock) {
        let Some(queue) = self.locks.get_mut(&lock) else {
            return;
        };
        let before = holders(lock, queue);
        queue.retain(|waiting| *waiting != tab_id);
        for next in holders(lock, queue) {
            if !before.contains(&next) {
                self.grant(next, lock);
            }
        }
    }

    fn grant(&mut self, tab_id: TabId, lock: Lock) {
        let granted = Input::Lock(LockEvent::Granted(lock));
        self.arriving.push_back((tab_id, granted));
    }

    // Received notices of the pages.

    /// The notices of a tab since the last call.
    pub(crate) fn take_notices(&mut self, tab_id: TabId) -> Vec<Notice> {
        let node = self.tabs.get_mut(&tab_id);
        node.map(|node| core::mem::take(&mut node.notices))
            .unwrap_or_default()
    }

    /// Outputs to a port since the last call.
    pub(crate) fn port_outputs(&mut self, tab_id: TabId, no: PortNo) -> Vec<PortOutput> {
        let node = self.tabs.get_mut(&tab_id);
        let ports = node.map(|node| &mut node.ports);
        let of_this = ports.map(|it| it.extract_if(.., |(port, _)| *port == no).collect());
        let of_this: Vec<_> = of_this.unwrap_or_default();
        of_this.into_iter().map(|(_, output)| output).collect()
    }

    pub(crate) fn has(&self, tab_id: TabId) -> bool {
        self.tabs.contains_key(&tab_id)
    }

    pub(crate) fn role(&self, tab_id: TabId) -> Role {
        self.tabs[&tab_id].tab.role()
    }

    /// The tabs among these that are the broker.
    pub(crate) fn brokers(&self, tabs: impl IntoIterator<Item = u64>) -> Vec<TabId> {
        let tabs = tabs.into_iter().map(id);
        tabs.filter(|tab| matches!(self.role(*tab), Role::Broker { .. }))
            .collect()
    }

    pub(crate) fn notices(&self, tab_id: TabId) -> impl Iterator<Item = &Notice> {
        self.tabs[&tab_id].notices.iter()
    }

    pub(crate) fn client_notices(&self, tab_id: TabId) -> impl Iterator<Item = &ClientNotice> {
        self.notices(tab_id).filter_map(|notice| match notice {
            Notice::Client(CLIENT, notice) => Some(notice),
            _ => None,
        })
    }

    pub(crate) fn messages(&self, tab_id: TabId) -> Vec<&Message> {
        let messages = self
            .client_notices(tab_id)
            .filter_map(|notice| match notice {
                ClientNotice::Message(message, _) => Some(message),
                _ => None,
            });
        messages.collect()
    }

    pub(crate) fn payloads(&self, tab_id: TabId) -> Vec<String> {
        let messages = self.messages(tab_id).into_iter();
        let text = |message: &Message| String::from_utf8_lossy(&message.payload).into_owned();
        messages.map(text).collect()
    }

    pub(crate) fn published(&self, tab_id: TabId) -> Vec<(RequestId, u8)> {
        let published = self
            .client_notices(tab_id)
            .filter_map(|notice| match notice {
                ClientNotice::Published(request, code) => Some((*request, *code)),
                _ => None,
            });
        published.collect()
    }

    /// The reason code of a publication's acknowledgement.
    pub(crate) fn reason_code(&self, tab_id: TabId, request: RequestId) -> Option<u8> {
        let published = self.published(tab_id);
        let found = published.into_iter().find(|(it, _)| *it == request);
        found.map(|(_, code)| code)
    }

    pub(crate) fn statuses(&self, tab_id: TabId) -> Vec<&ClientStatus> {
        let statuses = self
            .client_notices(tab_id)
            .filter_map(|notice| match notice {
                ClientNotice::Status(status) => Some(status),
                _ => None,
            });
        statuses.collect()
    }

    pub(crate) fn is_connected(&self, tab_id: TabId) -> bool {
        let statuses = self.statuses(tab_id);
        matches!(statuses.last(), Some(ClientStatus::Connected { .. }))
    }

    pub(crate) fn events(&self, tab_id: TabId) -> Vec<&EventKind> {
        let events = self.notices(tab_id).filter_map(|notice| match notice {
            Notice::Event(event) => Some(&event.kind),
            _ => None,
        });
        events.collect()
    }

    pub(crate) fn members(&self, tab_id: TabId) -> &[TabInfo] {
        let member_lists = self.notices(tab_id).filter_map(|notice| match notice {
            Notice::Members(members) => Some(&members[..]),
            _ => None,
        });
        member_lists.last().unwrap_or_default()
    }

    pub(crate) fn stats(&self, tab_id: TabId) -> Option<&TabStats> {
        let stats = self.notices(tab_id).filter_map(|notice| match notice {
            Notice::Stats(stats) => Some(stats),
            _ => None,
        });
        stats.last()
    }

    /// The announcements of a tab, with their times.
    pub(crate) fn announcements(&self, tab: TabId) -> Vec<(Time, &Announcement)> {
        let announcements = self
            .control
            .iter()
            .filter_map(|(at, message)| match message {
                ControlMessage::Announce(it) if it.tab_id == tab => Some((*at, it)),
                _ => None,
            });
        announcements.collect()
    }

    /// The term that a tab knows; 0 while it waits.
    pub(crate) fn term(&self, tab_id: TabId) -> Term {
        match self.role(tab_id) {
            Role::Broker { term } | Role::Client { term, .. } => term,
            Role::Waiting => Term(0),
        }
    }
}

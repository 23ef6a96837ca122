//! Everything the page knows, and what changes it. No browser in here: the view draws it, the store feeds it.

pub(crate) mod events;
pub(crate) mod messages;
pub(crate) mod publishing;
pub(crate) mod subscriptions;

use std::collections::BTreeMap;
use std::rc::Rc;

use tabmq_worker::api::{
    ClientCommand, ClientNo, ClientNotice, ClientStatus, Command, ConnectOptions, DisconnectCause,
    Durability, Notice, Problem, Publication, QoS, RequestId, Role, Subscription, TabInfo,
};
use tabmq_worker::{Signal, TabId};

use crate::link::Link;
use events::EventLog;
use messages::MessageLog;
use publishing::{Outcome, Publishing};
use subscriptions::{Grant, Subscriptions};
use tabmq_worker::Reason;

/// The one client of this page.
const CLIENT: ClientNo = ClientNo(0);

/// Everything the page knows. The parts that grow are shared, so that a clone for drawing is cheap.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) channel: String,
    /// How the broker keeps its state while it is in this tab.
    durability: Durability,
    pub(crate) connect_options: ConnectOptions,
    /// Whether a person wants to be connected; the client keeps up with that whatever happens to tabs and workers.
    wants_connection: bool,
    pub(crate) worker: Worker,
    pub(crate) role: Role,
    pub(crate) roster: Rc<Vec<TabInfo>>,
    /// Whether there ever was a second tab.
    pub(crate) met_another_tab: bool,
    pub(crate) status: ClientStatus,
    pub(crate) subscriptions: Rc<Subscriptions>,
    pub(crate) publishing: Publishing,
    pub(crate) messages: Rc<MessageLog>,
    pub(crate) events: Rc<EventLog>,
    /// What could not be carried out, in words, until someone dismisses it.
    pub(crate) refusal: Option<String>,
    requests: BTreeMap<RequestId, Request>,
    last_request: u64,
}

/// The worker of this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Not heard of yet.
    Starting,
    /// On the channel, as this tab.
    Running(TabId),
    /// There, but the channel's name is not one.
    OnNoChannel,
    /// Gone, and why in words.
    Failed(String),
}

/// What the page asked for and has no answer to.
#[derive(Clone, Debug)]
enum Request {
    Subscribe(String),
    Unsubscribe(String),
    Publish { number: u64, qos: QoS },
}

/// What changes the state.
pub(crate) enum Action {
    Heard(Signal),
    Connect(ConnectOptions),
    Disconnect { with_will: bool },
    Subscribe(Subscription),
    Unsubscribe(String),
    Publish(Publication),
    ClearMessages,
    DismissRefusal,
}

impl State {
    /// A page that is about to do what its link says.
    pub(crate) fn new(link: Link) -> Self {
        let mut subscriptions = Subscriptions::default();
        for topic_filter in link.topic_filters {
            subscriptions.want(Subscription {
                topic_filter,
                // The most, so that every message arrives with the QoS it was published with.
                qos: QoS::ExactlyOnce,
                ..Subscription::default()
            });
        }
        Self {
            channel: link.channel,
            durability: link.durability,
            connect_options: ConnectOptions {
                client_id: link.client_id,
                clean_start: link.clean_start,
                session_expiry_interval: link.session_expiry_interval,
                keep_alive: link.keep_alive,
                ..ConnectOptions::default()
            },
            wants_connection: true,
            worker: Worker::Starting,
            role: Role::Waiting,
            roster: Rc::default(),
            met_another_tab: false,
            status: ClientStatus::Waiting,
            subscriptions: Rc::new(subscriptions),
            publishing: Publishing::default(),
            messages: Rc::default(),
            events: Rc::default(),
            refusal: None,
            requests: BTreeMap::new(),
            last_request: 0,
        }
    }

    /// What of this a link can carry.
    pub(crate) fn link(&self) -> Link {
        Link {
            channel: self.channel.clone(),
            durability: self.durability,
            client_id: self.connect_options.client_id.clone(),
            clean_start: self.connect_options.clean_start,
            session_expiry_interval: self.connect_options.session_expiry_interval,
            keep_alive: self.connect_options.keep_alive,
            topic_filters: self
                .subscriptions
                .iter()
                .map(|s| s.subscription.topic_filter.clone())
                .collect(),
        }
    }

    /// Applies one action. What the worker is to do about it is appended to `out`, in order.
    pub(crate) fn reduce(&mut self, action: Action, out: &mut Vec<Command>) {
        match action {
            Action::Heard(Signal::Notices(notices)) => {
                for notice in notices {
                    self.hear(notice, out);
                }
            }
            Action::Heard(Signal::Failed(why)) => {
                self.lose_tab();
                self.worker = Worker::Failed(why);
            }
            Action::Connect(options) => {
                self.connect_options = options;
                self.wants_connection = true;
                self.lose_connection();
                if let Worker::Running(_) = self.worker {
                    self.connect(out);
                }
            }
            Action::Disconnect { with_will } => {
                self.wants_connection = false;
                self.lose_connection();
                self.status = ClientStatus::Disconnected(DisconnectCause::Requested);
                out.push(command(ClientCommand::Disconnect { with_will }));
            }
            Action::Subscribe(subscription) => {
                Rc::make_mut(&mut self.subscriptions).want(subscription.clone());
                if self.is_client_alive() {
                    self.subscribe(subscription, out);
                }
            }
            Action::Unsubscribe(topic_filter) => {
                Rc::make_mut(&mut self.subscriptions).remove(&topic_filter);
                if self.is_client_alive() {
                    let id = self.request(Request::Unsubscribe(topic_filter.clone()));
                    out.push(command(ClientCommand::Unsubscribe(id, vec![topic_filter])));
                }
            }
            Action::Publish(publication) => {
                let number = self.publishing.begin();
                if self.is_client_alive() {
                    let qos = publication.qos;
                    let id = self.request(Request::Publish { number, qos });
                    out.push(command(ClientCommand::Publish(id, publication)));
                } else {
                    let why = Problem::NotConnected.to_string();
                    self.publishing.end(number, Outcome::Refused(why));
                }
            }
            Action::ClearMessages => Rc::make_mut(&mut self.messages).clear(),
            Action::DismissRefusal => self.refusal = None,
        }
    }

    /// How the broker keeps its state, if there is one.
    pub(crate) fn kept(&self) -> Option<Durability> {
        let broker = self.roster.iter().find(|tab| tab.is_broker);
        broker.map(|tab| tab.durability)
    }

    fn hear(&mut self, notice: Notice, out: &mut Vec<Command>) {
        match notice {
            Notice::Opened { tab_id, build: _ } => {
                // Also after the page came back from the back/forward cache: the new worker knows nothing of us.
                self.lose_tab();
                self.worker = Worker::Running(tab_id);
                if self.wants_connection {
                    self.connect(out);
                }
            }
            Notice::Role(role) => self.role = role,
            Notice::Roster(roster) => {
                self.met_another_tab |= roster.len() > 1;
                self.roster = Rc::new(roster);
            }
            Notice::Client(CLIENT, notice) => self.hear_client(notice),
            Notice::Client(_, _) => {}
            Notice::Event(event) => Rc::make_mut(&mut self.events).push(event),
            Notice::Refused(problem @ Problem::Channel(_)) => {
                self.worker = Worker::OnNoChannel;
                self.refusal = Some(format!("{problem} Join another one under “Connection”."));
            }
            Notice::Refused(problem) => self.refusal = Some(problem.to_string()),
            Notice::Stats(_) => {}
        }
    }

    fn hear_client(&mut self, notice: ClientNotice) {
        match notice {
            // Echo of a Disconnect that a Connect has followed since.
            ClientNotice::Status(ClientStatus::Disconnected(DisconnectCause::Requested))
                if self.wants_connection => {}
            ClientNotice::Status(status) => {
                if matches!(status, ClientStatus::Disconnected(_)) {
                    self.lose_connection();
                }
                self.status = status;
            }
            // Both were asked for one topic filter, so there is one reason code.
            ClientNotice::Subscribed(id, reason_codes)
            | ClientNotice::Unsubscribed(id, reason_codes) => {
                self.answer(
                    id,
                    Ok(Reason(reason_codes.first().copied().unwrap_or(0x80))),
                );
            }
            ClientNotice::Published(id, reason_code) => self.answer(id, Ok(Reason(reason_code))),
            ClientNotice::Refused(id, problem) => self.answer(id, Err(problem)),
            ClientNotice::Message(message) => {
                let colours = Rc::make_mut(&mut self.subscriptions).count(&message.topic);
                Rc::make_mut(&mut self.messages).push(message, colours);
            }
        }
    }

    fn answer(&mut self, id: RequestId, answer: Result<Reason, Problem>) {
        // Not there: it was given up when the connection ended.
        let Some(request) = self.requests.remove(&id) else {
            return;
        };
        match request {
            Request::Subscribe(topic_filter) => {
                let grant = match answer {
                    Ok(reason) => Grant::of(reason),
                    Err(problem) => Grant::Refused(problem.to_string()),
                };
                Rc::make_mut(&mut self.subscriptions).answer(&topic_filter, grant);
            }
            Request::Unsubscribe(topic_filter) => {
                let why = match answer {
                    Ok(reason) if reason.is_failure() => reason.to_string(),
                    Ok(_) => return,
                    Err(problem) => problem.to_string(),
                };
                self.refusal = Some(format!("Still subscribed to {topic_filter}: {why}"));
            }
            Request::Publish { number, qos } => {
                let outcome = match (answer, qos) {
                    (Ok(_), QoS::AtMostOnce) => Outcome::Sent,
                    (Ok(reason), QoS::AtLeastOnce | QoS::ExactlyOnce) => Outcome::Answered(reason),
                    (Err(problem), _) => Outcome::Refused(problem.to_string()),
                };
                self.publishing.end(number, outcome);
            }
        }
    }

    fn connect(&mut self, out: &mut Vec<Command>) {
        self.status = ClientStatus::Waiting;
        out.push(command(ClientCommand::Connect(
            self.connect_options.clone(),
        )));
        let wanted: Vec<_> = self
            .subscriptions
            .iter()
            .map(|s| s.subscription.clone())
            .collect();
        for subscription in wanted {
            self.subscribe(subscription, out);
        }
    }

    /// One SUBSCRIBE for each topic filter, so that each can have its own Subscription Identifier and its own answer.
    fn subscribe(&mut self, subscription: Subscription, out: &mut Vec<Command>) {
        let topic_filter = subscription.topic_filter.clone();
        Rc::make_mut(&mut self.subscriptions).answer(&topic_filter, Grant::Requested);
        let id = self.request(Request::Subscribe(topic_filter));
        out.push(command(ClientCommand::Subscribe(id, vec![subscription])));
    }

    fn request(&mut self, request: Request) -> RequestId {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.requests.insert(id, request);
        id
    }

    /// Whether the worker has a client that keeps what it is asked for until there is a broker.
    fn is_client_alive(&self) -> bool {
        matches!(self.worker, Worker::Running(_))
            && !matches!(self.status, ClientStatus::Disconnected(_))
    }

    fn lose_connection(&mut self) {
        self.requests.clear();
        self.publishing.lose_pending();
        Rc::make_mut(&mut self.subscriptions).suspend();
    }

    fn lose_tab(&mut self) {
        self.lose_connection();
        self.role = Role::Waiting;
        self.roster = Rc::default();
        if self.wants_connection {
            self.status = ClientStatus::Waiting;
        }
    }
}

fn command(command: ClientCommand) -> Command {
    Command::Client(CLIENT, command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::api::{Message, MessageProperties, Term, Visibility};

    /// A page with the link `?subscribe=a,b/%23`, and what it told its worker.
    struct Page {
        state: State,
        commands: Vec<Command>,
    }

    impl Page {
        fn new() -> Self {
            Self {
                state: State::new(Link::parse("?subscribe=a,b/%23")),
                commands: Vec::new(),
            }
        }

        fn connected() -> Self {
            let mut page = Self::new();
            page.hear(opened(1));
            page.hear_client(ClientNotice::Status(connected()));
            page
        }

        fn act(&mut self, action: Action) -> Vec<Command> {
            self.state.reduce(action, &mut self.commands);
            std::mem::take(&mut self.commands)
        }

        fn hear(&mut self, notice: Notice) -> Vec<Command> {
            self.act(Action::Heard(Signal::Notices(vec![notice])))
        }

        fn hear_client(&mut self, notice: ClientNotice) {
            assert_eq!(self.hear(Notice::Client(CLIENT, notice)), []);
        }

        fn publish(&mut self) -> RequestId {
            let publication = Publication {
                qos: QoS::AtLeastOnce,
                ..Publication::default()
            };
            match self.act(Action::Publish(publication)).as_slice() {
                [Command::Client(CLIENT, ClientCommand::Publish(id, _))] => *id,
                other => panic!("{other:?}"),
            }
        }

        fn grants(&self) -> Vec<Grant> {
            self.state
                .subscriptions
                .iter()
                .map(|s| s.grant.clone())
                .collect()
        }
    }

    fn opened(tab: u64) -> Notice {
        Notice::Opened {
            tab_id: TabId::from_entropy(tab),
            build: String::new(),
        }
    }

    fn connected() -> ClientStatus {
        ClientStatus::Connected {
            client_id: "me".to_owned(),
            session_present: false,
            term: Term(1),
        }
    }

    fn tab(tab: u64) -> TabInfo {
        TabInfo {
            tab_id: TabId::from_entropy(tab),
            is_self: tab == 1,
            is_broker: tab == 1,
            term: None,
            since: Default::default(),
            last_seen: Default::default(),
            visibility: Visibility::Visible,
            clients: 1,
            build: String::new(),
            durability: Durability::Strict,
        }
    }

    /// The commands in short: `connect`, and the topic filters.
    fn told(commands: &[Command]) -> Vec<&str> {
        commands
            .iter()
            .map(|command| match command {
                Command::Client(CLIENT, ClientCommand::Connect(_)) => "connect",
                Command::Client(CLIENT, ClientCommand::Disconnect { .. }) => "disconnect",
                Command::Client(CLIENT, ClientCommand::Subscribe(_, wanted)) => {
                    &wanted[0].topic_filter
                }
                Command::Client(CLIENT, ClientCommand::Unsubscribe(_, filters)) => &filters[0],
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn every_start_of_a_worker_connects_and_subscribes() {
        let mut page = Page::new();
        assert_eq!(told(&page.hear(opened(1))), ["connect", "a", "b/#"]);
        page.hear_client(ClientNotice::Status(connected()));
        page.hear_client(ClientNotice::Subscribed(RequestId(1), vec![0]));

        assert_eq!(told(&page.hear(opened(2))), ["connect", "a", "b/#"]);
        assert_eq!(page.state.worker, Worker::Running(TabId::from_entropy(2)));
        assert_eq!(page.state.status, ClientStatus::Waiting);
        assert_eq!(page.grants(), [Grant::Requested, Grant::Requested]);
    }

    #[test]
    fn a_new_worker_leaves_a_person_who_disconnected_alone() {
        let mut page = Page::connected();
        assert_eq!(
            told(&page.act(Action::Disconnect { with_will: false })),
            ["disconnect"]
        );
        assert_eq!(page.hear(opened(2)), []);
        assert_eq!(
            page.state.status,
            ClientStatus::Disconnected(DisconnectCause::Requested)
        );
    }

    #[test]
    fn connecting_again_subscribes_again_whenever_the_disconnection_is_heard() {
        let mut page = Page::connected();
        page.act(Action::Disconnect { with_will: false });
        let commands = page.act(Action::Connect(ConnectOptions::default()));
        assert_eq!(told(&commands), ["connect", "a", "b/#"]);

        page.hear_client(ClientNotice::Status(ClientStatus::Disconnected(
            DisconnectCause::Requested,
        )));
        assert_eq!(page.state.status, ClientStatus::Waiting);
        assert_eq!(page.grants(), [Grant::Requested, Grant::Requested]);
    }

    #[test]
    fn a_subscription_says_what_was_granted_and_what_refused() {
        let mut page = Page::connected();
        page.hear_client(ClientNotice::Subscribed(RequestId(1), vec![1]));
        page.hear_client(ClientNotice::Subscribed(RequestId(2), vec![0x87]));
        assert_eq!(
            page.grants(),
            [
                Grant::Granted(QoS::AtLeastOnce),
                Grant::Refused("Not authorized (0x87)".to_owned())
            ]
        );
        page.hear_client(ClientNotice::Status(ClientStatus::Disconnected(
            DisconnectCause::ByBroker(0x8E),
        )));
        assert_eq!(page.grants(), [Grant::Suspended, Grant::Suspended]);
    }

    #[test]
    fn without_a_connection_subscriptions_are_only_remembered() {
        let mut page = Page::connected();
        page.act(Action::Disconnect { with_will: false });
        assert_eq!(page.act(Action::Unsubscribe("a".to_owned())), []);
        let c = Subscription {
            topic_filter: "c".to_owned(),
            ..Subscription::default()
        };
        assert_eq!(page.act(Action::Subscribe(c)), []);
        assert_eq!(page.state.link().topic_filters, ["b/#", "c"]);
    }

    #[test]
    fn a_failed_unsubscribe_is_told() {
        let mut page = Page::connected();
        assert_eq!(told(&page.act(Action::Unsubscribe("a".to_owned()))), ["a"]);
        page.hear_client(ClientNotice::Unsubscribed(RequestId(3), vec![0x83]));
        let refusal = page.state.refusal.unwrap_or_default();
        assert!(refusal.contains("0x83"), "{refusal}");
    }

    #[test]
    fn publishes_are_counted_when_they_are_answered() {
        let mut page = Page::connected();
        let [first, second, third] = [page.publish(), page.publish(), page.publish()];
        assert_eq!(page.state.publishing.pending(), 3);

        page.hear_client(ClientNotice::Published(first, 0x10));
        page.hear_client(ClientNotice::Published(second, 0x97));
        assert_eq!(page.state.publishing.acknowledged(), 1);
        page.hear_client(ClientNotice::Refused(third, Problem::TooManyInFlight));
        assert_eq!(
            page.state.publishing.last(),
            Some(&(3, Outcome::Refused(Problem::TooManyInFlight.to_string())))
        );
        assert_eq!(page.state.publishing.pending(), 0);
    }

    #[test]
    fn without_a_connection_nothing_is_published_and_it_says_so() {
        let mut page = Page::connected();
        page.act(Action::Disconnect { with_will: false });
        assert_eq!(page.act(Action::Publish(Publication::default())), []);
        let why = Problem::NotConnected.to_string();
        let last = page.state.publishing.last();
        assert_eq!(last, Some(&(1, Outcome::Refused(why))));
    }

    #[test]
    fn a_publish_without_an_answer_is_lost_with_its_worker() {
        let mut page = Page::connected();
        let id = page.publish();
        page.hear(opened(2));
        assert_eq!(page.state.publishing.last(), Some(&(1, Outcome::Lost)));
        page.hear_client(ClientNotice::Published(id, 0));
        assert_eq!(page.state.publishing.acknowledged(), 0);
    }

    #[test]
    fn a_message_is_logged_and_counted_where_it_matches() {
        let mut page = Page::connected();
        page.hear_client(ClientNotice::Message(Message {
            topic: "b/c".to_owned(),
            payload: Vec::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Default::default(),
        }));
        let counts: Vec<_> = page
            .state
            .subscriptions
            .iter()
            .map(|s| s.messages)
            .collect();
        assert_eq!(counts, [0, 1]);
        assert_eq!(page.state.messages.received(), 1);
    }

    #[test]
    fn how_the_state_is_kept_the_broker_tells() {
        let mut page = Page::connected();
        assert_eq!(page.state.kept(), None);
        page.hear(Notice::Roster(vec![
            tab(1),
            TabInfo {
                durability: Durability::Memory,
                ..tab(2)
            },
        ]));
        assert_eq!(page.state.kept(), Some(Durability::Strict));
    }

    #[test]
    fn having_met_another_tab_is_remembered() {
        let mut page = Page::connected();
        page.hear(Notice::Roster(vec![tab(1)]));
        assert!(!page.state.met_another_tab);
        page.hear(Notice::Roster(vec![tab(1), tab(2)]));
        page.hear(Notice::Roster(vec![tab(1)]));
        assert!(page.state.met_another_tab);
    }

    #[test]
    fn a_failed_worker_takes_everything_it_knew_with_it() {
        let mut page = Page::connected();
        page.hear(Notice::Roster(vec![tab(1), tab(2)]));
        page.hear(Notice::Role(Role::Broker { term: Term(1) }));
        page.act(Action::Heard(Signal::Failed("It crashed.".to_owned())));
        assert_eq!(page.state.worker, Worker::Failed("It crashed.".to_owned()));
        assert_eq!(page.state.role, Role::Waiting);
        assert!(page.state.roster.is_empty());
    }
}

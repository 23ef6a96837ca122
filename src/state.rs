//! What a person wants and has seen, and what changes it. No browser in here: the view draws it, the store feeds it. What
//! the bus itself knows, the components read with hooks.

pub(crate) mod events;
pub(crate) mod failover;
pub(crate) mod load;
pub(crate) mod messages;
pub(crate) mod numbers;
pub(crate) mod samples;
pub(crate) mod search;
pub(crate) mod stream;
pub(crate) mod subscriptions;
pub(crate) mod topics;

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use tabmq_worker::api::{
    ClientStatus, ConnectOptions, Durability, Event, Message, Problem, QoS, Subscription,
};
use tabmq_worker::{RequestError, TabId};

use crate::link::{Link, View};
use events::EventLog;
use failover::{Failovers, Sign, StreamFigures};
use messages::MessageLog;
use numbers::SharedCharts;
use samples::{Sample, Samples};
use subscriptions::Subscriptions;
use topics::{NodeId, Topics};

/// The parts that grow are shared, so that a clone for drawing is cheap.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) channel: String,
    /// How the broker keeps its state while it is in this tab.
    durability: Durability,
    pub(crate) view: View,
    pub(crate) connect_options: ConnectOptions,
    pub(crate) subscriptions: Rc<Subscriptions>,
    pub(crate) messages: Rc<MessageLog>,
    /// The topic filter of the messages that are shown; empty: all.
    pub(crate) topic_filter: String,
    pub(crate) topics: SharedTopics,
    pub(crate) charts: SharedCharts,
    pub(crate) events: Rc<EventLog>,
    pub(crate) failovers: Rc<Failovers>,
    pub(crate) samples: Rc<Samples>,
    /// What could not be carried out, in words, until someone dismisses it.
    pub(crate) refusal: Option<String>,
}

/// The tree of topics, as it is now and not as it was when it was drawn: a copy of it would cost too much.
#[derive(Clone, Default)]
pub(crate) struct SharedTopics {
    topics: Rc<RefCell<Topics>>,
    /// How often it has changed.
    version: u64,
}

/// What changes the state.
pub(crate) enum Action {
    /// An event, heard by a tab.
    Event(Event, Option<TabId>),
    Message(Rc<Message>),
    Refused(Problem),
    /// The client's connection has changed, at this time in Unix milliseconds.
    Status(ClientStatus, f64),
    /// So many packets were sent again by this tab's clients.
    Resent(u64),
    /// A stream of numbered messages ran from this time on, in Unix milliseconds.
    Streamed(f64, StreamFigures),
    Sample(Sample),
    Show(View),
    Connect(ConnectOptions),
    Subscribe(Subscription),
    Unsubscribe(String),
    /// The broker did not unsubscribe from this topic filter.
    StillSubscribed(String, RequestError),
    FilterMessages(String),
    ClearMessages,
    OpenTopic(NodeId, bool),
    OpenAllTopics(bool),
    /// Shows or hides one of the numbers of a topic in its chart.
    ShowField {
        topic: String,
        field: usize,
        is_shown: bool,
    },
    /// Something could not be done; a sentence.
    Problem(String),
    DismissRefusal,
}

impl State {
    /// A page that is about to do what its link says.
    pub(crate) fn new(link: &Link) -> Self {
        let mut subscriptions = Subscriptions::default();
        for topic_filter in &link.topic_filters {
            subscriptions.want(Subscription {
                topic_filter: topic_filter.clone(),
                // The most, so that every message arrives with the QoS it was published with.
                qos: QoS::ExactlyOnce,
                // So that the tree of topics knows what is retained.
                retain_as_published: true,
                ..Subscription::default()
            });
        }
        Self {
            channel: link.channel.clone(),
            durability: link.durability,
            view: link.view,
            connect_options: link.connect_options(),
            subscriptions: Rc::new(subscriptions),
            messages: Rc::default(),
            topic_filter: String::new(),
            topics: SharedTopics::default(),
            charts: SharedCharts::default(),
            events: Rc::default(),
            failovers: Rc::default(),
            samples: Rc::default(),
            refusal: None,
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
            view: self.view,
        }
    }

    /// Applies one action.
    pub(crate) fn reduce(&mut self, action: Action) {
        match action {
            Action::Event(event, own) => {
                let at = event.at.as_ms() as f64;
                self.sign(at, &Sign::Event(&event.kind, own));
                Rc::make_mut(&mut self.events).push(event);
            }
            Action::Message(message) => {
                let colours = self.subscriptions.colours_of(&message.topic);
                self.topics.change(|topics| topics.push(&message));
                self.charts.change(|charts| charts.push(&message));
                Rc::make_mut(&mut self.messages).push(message, colours);
            }
            Action::Refused(problem @ Problem::Channel(_)) => {
                self.refusal = Some(format!("{problem} Join another one under “Connection”."));
            }
            Action::Refused(problem) => self.refusal = Some(problem.to_string()),
            Action::Status(ClientStatus::Connected { .. }, at) => self.sign(at, &Sign::Connected),
            Action::Status(..) => {}
            Action::Resent(total) => self.sign(0.0, &Sign::Resent(total)),
            Action::Streamed(since, figures) => {
                Rc::make_mut(&mut self.failovers).streamed(since, figures);
            }
            Action::Sample(sample) => Rc::make_mut(&mut self.samples).push(sample),
            Action::Show(view) => self.view = view,
            Action::Connect(options) => self.connect_options = options,
            Action::Subscribe(subscription) => {
                Rc::make_mut(&mut self.subscriptions).want(subscription);
            }
            Action::Unsubscribe(topic_filter) => {
                Rc::make_mut(&mut self.subscriptions).remove(&topic_filter);
            }
            Action::StillSubscribed(topic_filter, why) => {
                self.refusal = Some(format!("Still subscribed to {topic_filter}: {why}"));
            }
            Action::FilterMessages(topic_filter) => self.topic_filter = topic_filter,
            Action::ClearMessages => Rc::make_mut(&mut self.messages).clear(),
            Action::OpenTopic(node, is_open) => {
                self.topics.change(|topics| topics.set_open(node, is_open));
            }
            Action::OpenAllTopics(is_open) => {
                self.topics.change(|topics| topics.set_all_open(is_open));
            }
            Action::ShowField {
                topic,
                field,
                is_shown,
            } => self
                .charts
                .change(|charts| charts.show(&topic, field, is_shown)),
            Action::Problem(why) => self.refusal = Some(why),
            Action::DismissRefusal => self.refusal = None,
        }
    }

    fn sign(&mut self, at: f64, sign: &Sign<'_>) {
        Rc::make_mut(&mut self.failovers).hear(at, sign);
    }
}

impl SharedTopics {
    pub(crate) fn get(&self) -> Ref<'_, Topics> {
        self.topics.borrow()
    }

    fn change(&mut self, change: impl FnOnce(&mut Topics)) {
        change(&mut self.topics.borrow_mut());
        self.version += 1;
    }
}

impl PartialEq for SharedTopics {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.topics, &other.topics) && self.version == other.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::Reason;
    use tabmq_worker::api::MessageProperties;

    /// A page with the link `?subscribe=a,b/%23`.
    fn page() -> State {
        State::new(&Link::parse("?subscribe=a,b/%23"))
    }

    #[test]
    fn what_is_subscribed_to_is_in_the_link() {
        let mut page = page();
        page.reduce(Action::Unsubscribe("a".to_owned()));
        page.reduce(Action::Subscribe(Subscription {
            topic_filter: "c".to_owned(),
            ..Subscription::default()
        }));
        assert_eq!(page.link().topic_filters, ["b/#", "c"]);
    }

    #[test]
    fn a_failed_unsubscribe_is_told() {
        let mut page = page();
        let why = RequestError::Reason(Reason(0x83));
        page.reduce(Action::StillSubscribed("a".to_owned(), why));
        let refusal = page.refusal.unwrap_or_default();
        assert!(refusal.contains("0x83"), "{refusal}");
    }

    #[test]
    fn a_message_is_logged_with_the_colours_of_what_it_matches() {
        let mut page = page();
        page.reduce(Action::Message(Rc::new(Message {
            topic: "b/c".to_owned(),
            payload: Vec::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Default::default(),
        })));
        let logged = page.messages.get(1).unwrap();
        let second = page.subscriptions.iter().nth(1).unwrap();
        assert_eq!(logged.colours, [second.colour]);
        assert!(page.topics.get().find("b/c").is_some());
    }
}

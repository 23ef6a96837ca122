//! What a person wants and has seen, and what changes it. No browser in here: the view draws it, the store feeds it. What
//! the bus itself knows, the components read with hooks.

pub(crate) mod events;
pub(crate) mod messages;
pub(crate) mod subscriptions;

use std::rc::Rc;

use tabmq_worker::RequestError;
use tabmq_worker::api::{ConnectOptions, Durability, Event, Message, Problem, QoS, Subscription};

use crate::link::Link;
use events::EventLog;
use messages::MessageLog;
use subscriptions::Subscriptions;

/// The parts that grow are shared, so that a clone for drawing is cheap.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) channel: String,
    /// How the broker keeps its state while it is in this tab.
    durability: Durability,
    pub(crate) connect_options: ConnectOptions,
    pub(crate) subscriptions: Rc<Subscriptions>,
    pub(crate) messages: Rc<MessageLog>,
    pub(crate) events: Rc<EventLog>,
    /// What could not be carried out, in words, until someone dismisses it.
    pub(crate) refusal: Option<String>,
}

/// What changes the state.
pub(crate) enum Action {
    Event(Event),
    Message(Rc<Message>),
    Refused(Problem),
    Connect(ConnectOptions),
    Subscribe(Subscription),
    Unsubscribe(String),
    /// The broker did not unsubscribe from this topic filter.
    StillSubscribed(String, RequestError),
    ClearMessages,
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
                ..Subscription::default()
            });
        }
        Self {
            channel: link.channel.clone(),
            durability: link.durability,
            connect_options: link.connect_options(),
            subscriptions: Rc::new(subscriptions),
            messages: Rc::default(),
            events: Rc::default(),
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
        }
    }

    /// Applies one action.
    pub(crate) fn reduce(&mut self, action: Action) {
        match action {
            Action::Event(event) => Rc::make_mut(&mut self.events).push(event),
            Action::Message(message) => {
                let colours = self.subscriptions.colours_of(&message.topic);
                Rc::make_mut(&mut self.messages).push(message, colours);
            }
            Action::Refused(problem @ Problem::Channel(_)) => {
                self.refusal = Some(format!("{problem} Join another one under “Connection”."));
            }
            Action::Refused(problem) => self.refusal = Some(problem.to_string()),
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
            Action::ClearMessages => Rc::make_mut(&mut self.messages).clear(),
            Action::DismissRefusal => self.refusal = None,
        }
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
        let logged = page.messages.newest_first().next().unwrap();
        let second = page.subscriptions.iter().nth(1).unwrap();
        assert_eq!(logged.colours, [second.colour]);
    }
}

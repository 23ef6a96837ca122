//! The last message of each topic.

use core::fmt;
use std::collections::BTreeMap;
use std::rc::Rc;

use tab::api::{Message, QoS, Subscription};
use yew::prelude::*;

use super::inbox::{Inbox, Store, use_inbox};
use crate::page::SubscriptionStatus;

/// Options of a component that follows topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedOptions {
    /// Maximum QoS.
    pub qos: QoS,
    /// Maximum number of topics. The topic with the oldest message is dropped first.
    pub topics: usize,
}

impl Default for RetainedOptions {
    fn default() -> Self {
        Self {
            qos: QoS::ExactlyOnce,
            topics: 1_000,
        }
    }
}

/// The last message of each topic at the time when the component was drawn. Clones are equal.
#[derive(Clone)]
pub struct RetainedHandle {
    topics: Rc<Topics>,
    status: SubscriptionStatus,
    inbox: Rc<Inbox<Topics>>,
}

#[derive(Clone, Debug)]
struct Topics {
    messages: BTreeMap<String, (u64, Rc<Message>)>,
    /// Numbers messages in their order.
    last: u64,
    topics_max: usize,
}

impl RetainedHandle {
    /// The last message of this topic.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&Rc<Message>> {
        self.topics.messages.get(topic).map(|(_, message)| message)
    }

    /// The newest message of all topics; for a filter without wildcards the only one.
    #[must_use]
    pub fn latest(&self) -> Option<&Rc<Message>> {
        let newest = self.topics.messages.values().max_by_key(|(at, _)| *at);
        newest.map(|(_, message)| message)
    }

    /// The last message of each topic, ordered by topic.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Rc<Message>> + ExactSizeIterator {
        self.topics.messages.values().map(|(_, message)| message)
    }

    /// State of the subscription.
    #[must_use]
    pub fn status(&self) -> &SubscriptionStatus {
        &self.status
    }
}

impl PartialEq for RetainedHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.topics, &other.topics)
            && self.status == other.status
            && Rc::ptr_eq(&self.inbox, &other.inbox)
    }
}

impl fmt::Debug for RetainedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedHandle")
            .field("topics", &self.topics.messages.len())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Topics {
    fn new(topics_max: usize) -> Self {
        Self {
            messages: BTreeMap::new(),
            last: 0,
            topics_max,
        }
    }

    fn set_max(&mut self, topics_max: usize) {
        self.topics_max = topics_max;
        while self.messages.len() > topics_max {
            let oldest = self.messages.iter().min_by_key(|(_, (at, _))| *at);
            let Some(topic) = oldest.map(|(topic, _)| topic.clone()) else {
                return;
            };
            self.messages.remove(&topic);
        }
    }
}

impl Store for Topics {
    fn keep(&mut self, message: Rc<Message>) {
        // An empty payload deletes the retained message of its topic [MQTT-3.3.1-6].
        if message.payload.is_empty() {
            self.messages.remove(&message.topic);
            return;
        }
        self.last += 1;
        let topic = message.topic.clone();
        self.messages.insert(topic, (self.last, message));
        self.set_max(self.topics_max);
    }

    fn clear(&mut self) {
        self.messages.clear();
    }
}

/// The last message of each matching topic, retained or new, while the component is mounted, with the default [`RetainedOptions`].
/// A topic whose last message has no payload is left out.
///
/// ```no_run
/// # use tabmq_worker::hooks::use_retained;
/// # use yew::prelude::*;
/// #[component]
/// fn Lamp() -> Html {
///     let lamp = use_retained("home/lamp");
///     let is_on = lamp.latest().is_some_and(|message| message.payload == b"on");
///     html! { { if is_on { "💡" } else { "🌑" } } }
/// }
/// ```
#[hook]
pub fn use_retained(topic_filter: &str) -> RetainedHandle {
    use_retained_with_options(topic_filter, RetainedOptions::default())
}

/// The last message of each matching topic, retained or new, while the component is mounted. A topic whose last message has no
/// payload is left out.
///
/// ```no_run
/// # use tabmq_worker::api::QoS;
/// # use tabmq_worker::hooks::{RetainedOptions, use_retained_with_options};
/// # use yew::prelude::*;
/// #[component]
/// fn Rooms() -> Html {
///     let options = RetainedOptions { qos: QoS::AtMostOnce, topics: 50 };
///     let rooms = use_retained_with_options("home/+/temperature", options);
///     rooms.messages().map(|room| html! { <p>{ &room.topic }</p> }).collect()
/// }
/// ```
#[hook]
pub fn use_retained_with_options(topic_filter: &str, options: RetainedOptions) -> RetainedHandle {
    let RetainedOptions { qos, topics } = options;
    let subscription = Subscription {
        topic_filter: topic_filter.to_owned(),
        qos,
        ..Subscription::default()
    };
    let inbox = use_inbox(subscription, move || Topics::new(topics));
    {
        let inbox = Rc::clone(&inbox);
        use_effect_with(topics, move |topics| {
            if inbox.store().topics_max != *topics {
                inbox.change(|store| store.set_max(*topics));
            }
        });
    }
    RetainedHandle {
        topics: inbox.store(),
        status: inbox.status(),
        inbox,
    }
}

#[cfg(test)]
mod tests {
    use tab::api::MessageProperties;

    use super::*;

    fn message(topic: &str, payload: &str) -> Rc<Message> {
        Rc::new(Message {
            topic: topic.to_owned(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Default::default(),
        })
    }

    fn kept(topics: &Topics) -> Vec<(&str, &[u8])> {
        let messages = topics.messages.values();
        messages
            .map(|(_, it)| (it.topic.as_str(), it.payload.as_slice()))
            .collect()
    }

    #[test]
    fn the_last_message_of_each_topic_is_kept_and_an_empty_one_deletes_it() {
        let mut topics = Topics::new(10);
        for (topic, payload) in [("b", "1"), ("a", "1"), ("b", "2"), ("a", "")] {
            topics.keep(message(topic, payload));
        }
        assert_eq!(kept(&topics), [("b", &b"2"[..])]);
    }

    #[test]
    fn the_topic_with_the_oldest_message_is_dropped_first() {
        let mut topics = Topics::new(2);
        for topic in ["a", "b", "a", "c"] {
            topics.keep(message(topic, "1"));
        }
        assert_eq!(kept(&topics), [("a", &b"1"[..]), ("c", b"1")]);
        topics.set_max(1);
        assert_eq!(kept(&topics), [("c", &b"1"[..])]);
    }
}

//! A component's subscription.

use core::fmt;
use std::rc::Rc;

use tab::api::{Message, QoS, RetainHandling, Subscription};
use yew::prelude::*;

use super::inbox::{Inbox, Store, use_inbox};
use crate::page::{Request, RingBuffer, SubscriptionStatus};

/// Options of a component's subscription (MQTT 5.0, 3.8.3.1), and the size of its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Maximum QoS; by default the highest, so that messages keep the QoS of their publisher.
    pub qos: QoS,
    /// Excludes messages that the shared client publishes.
    pub no_local: bool,
    /// Keeps the RETAIN flag of the publisher.
    pub retain_as_published: bool,
    /// Selects when the broker sends retained messages.
    pub retain_handling: RetainHandling,
    /// Subscription Identifier, 1 to 268,435,455, that messages carry.
    pub identifier: Option<u32>,
    /// Maximum number of kept messages. The oldest are dropped first. With 0 they are only counted.
    pub buffer: usize,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self {
            qos: QoS::ExactlyOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::default(),
            identifier: None,
            buffer: 100,
        }
    }
}

/// The received messages of a component at the time when it was drawn. Clones are equal.
#[derive(Clone)]
pub struct SubscriptionHandle {
    messages: Rc<RingBuffer<Rc<Message>>>,
    status: SubscriptionStatus,
    inbox: Rc<Inbox<RingBuffer<Rc<Message>>>>,
}

impl SubscriptionHandle {
    /// The kept messages, newest last.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Rc<Message>> + ExactSizeIterator {
        self.messages.iter()
    }

    /// The newest message.
    #[must_use]
    pub fn latest(&self) -> Option<&Rc<Message>> {
        self.messages.latest()
    }

    /// Number of messages since the component subscribed to this filter.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.messages.received()
    }

    /// Number of messages that newer ones have displaced.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.messages.dropped()
    }

    /// State of the subscription.
    #[must_use]
    pub fn status(&self) -> &SubscriptionStatus {
        &self.status
    }

    /// Subscribes again with the same options. The broker sends the retained messages again if the options say so.
    pub fn renew(&self) {
        self.inbox.renew();
    }

    /// Unsubscribes now, before the component is unmounted, and returns the outcome.
    pub fn unsubscribe(&self) -> Request {
        self.inbox.close().unwrap_or_else(Request::done)
    }

    /// Removes the messages, and draws the component again.
    pub fn clear(&self) {
        self.inbox.clear();
    }
}

impl PartialEq for SubscriptionHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.messages, &other.messages)
            && self.status == other.status
            && Rc::ptr_eq(&self.inbox, &other.inbox)
    }
}

impl fmt::Debug for SubscriptionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionHandle")
            .field("received", &self.received())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Store for RingBuffer<Rc<Message>> {
    fn keep(&mut self, message: Rc<Message>) {
        self.push(message);
    }

    fn clear(&mut self) {
        self.clear();
    }
}

/// Subscribes to a topic filter while the component is mounted, with the default [`SubscriptionOptions`].
///
/// Components with the same filter share one subscription. A change of the filter empties the buffer.
///
/// ```no_run
/// # use tabmq_worker::hooks::use_subscription;
/// # use yew::prelude::*;
/// #[derive(PartialEq, Properties)]
/// struct LogProps {
///     topic_filter: AttrValue,
/// }
///
/// #[component]
/// fn Log(props: &LogProps) -> Html {
///     let log = use_subscription(&props.topic_filter);
///     let clear = {
///         let log = log.clone();
///         move |_: MouseEvent| log.clear()
///     };
///     html! {
///         <>
///             <button onclick={clear}>{ log.received() }</button>
///             { for log.messages().map(|message| html! { <p>{ &message.topic }</p> }) }
///         </>
///     }
/// }
/// ```
#[hook]
pub fn use_subscription(topic_filter: &str) -> SubscriptionHandle {
    use_subscription_with_options(topic_filter, SubscriptionOptions::default())
}

/// Subscribes to a topic filter while the component is mounted. A change of the options subscribes again.
///
/// ```no_run
/// # use tabmq_worker::SubscriptionStatus;
/// # use tabmq_worker::hooks::{SubscriptionOptions, use_subscription_with_options};
/// # use yew::prelude::*;
/// #[component]
/// fn Alarms() -> Html {
///     let options = SubscriptionOptions { no_local: true, buffer: 10, ..Default::default() };
///     let alarms = use_subscription_with_options("alarms/#", options);
///     match alarms.status() {
///         SubscriptionStatus::Refused(error) => html! { <p role="alert">{ error.to_string() }</p> },
///         _ => alarms.messages().map(|alarm| html! { <p>{ &alarm.topic }</p> }).collect(),
///     }
/// }
/// ```
#[hook]
pub fn use_subscription_with_options(
    topic_filter: &str,
    options: SubscriptionOptions,
) -> SubscriptionHandle {
    let SubscriptionOptions {
        qos,
        no_local,
        retain_as_published,
        retain_handling,
        identifier,
        buffer,
    } = options;
    let subscription = Subscription {
        topic_filter: topic_filter.to_owned(),
        qos,
        no_local,
        retain_as_published,
        retain_handling,
        identifier,
    };
    let inbox = use_inbox(subscription, move || RingBuffer::new(buffer));
    {
        let inbox = Rc::clone(&inbox);
        use_effect_with(buffer, move |buffer| {
            if inbox.store().capacity() != *buffer {
                inbox.change(|messages| messages.set_capacity(*buffer));
            }
        });
    }
    SubscriptionHandle {
        messages: inbox.store(),
        status: inbox.status(),
        inbox,
    }
}

//! The subscriptions a person wants, and what the broker said about each.

use tabmq_worker::api::{QoS, Subscription};
use tabmq_worker::{Reason, topic_matches};

/// Colours to tell subscriptions apart; the style sheet has as many.
const COLOURS: u8 = 8;

/// A subscription's colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8);

/// The wanted subscriptions in the order they were added. One for each topic filter, as in MQTT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions(Vec<Wanted>);

/// One wanted subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) subscription: Subscription,
    pub(crate) colour: Colour,
    pub(crate) grant: Grant,
    /// Messages that arrived and match the topic filter.
    pub(crate) messages: u64,
}

/// What the broker said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Not asked: there is no connection.
    Suspended,
    /// Asked.
    Requested,
    /// Yes, with this maximum QoS.
    Granted(QoS),
    /// No, and why in words.
    Refused(String),
}

impl Grant {
    /// The grant in a SUBACK.
    pub(crate) fn of(reason: Reason) -> Self {
        match reason.0 {
            0x00 => Self::Granted(QoS::AtMostOnce),
            0x01 => Self::Granted(QoS::AtLeastOnce),
            0x02 => Self::Granted(QoS::ExactlyOnce),
            _ => Self::Refused(reason.to_string()),
        }
    }
}

impl Subscriptions {
    /// Adds a subscription, or gives an existing one new options.
    pub(crate) fn want(&mut self, subscription: Subscription) {
        match self.find(&subscription.topic_filter) {
            Some(wanted) => wanted.subscription = subscription,
            None => {
                let colour = self.free_colour();
                self.0.push(Wanted {
                    subscription,
                    colour,
                    grant: Grant::Suspended,
                    messages: 0,
                });
            }
        }
    }

    pub(crate) fn remove(&mut self, topic_filter: &str) {
        self.0
            .retain(|w| w.subscription.topic_filter != topic_filter);
    }

    pub(crate) fn answer(&mut self, topic_filter: &str, grant: Grant) {
        if let Some(wanted) = self.find(topic_filter) {
            wanted.grant = grant;
        }
    }

    /// The connection ended: nothing is granted any more.
    pub(crate) fn suspend(&mut self) {
        for wanted in &mut self.0 {
            wanted.grant = Grant::Suspended;
        }
    }

    /// Counts a message for every subscription it matches; their colours.
    pub(crate) fn count(&mut self, topic: &str) -> Vec<Colour> {
        let matching = self
            .0
            .iter_mut()
            .filter(|w| topic_matches(&w.subscription.topic_filter, topic));
        matching
            .map(|wanted| {
                wanted.messages += 1;
                wanted.colour
            })
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Wanted> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&mut self, topic_filter: &str) -> Option<&mut Wanted> {
        self.0
            .iter_mut()
            .find(|w| w.subscription.topic_filter == topic_filter)
    }

    /// The colour that is used least.
    fn free_colour(&self) -> Colour {
        let uses = |colour: &Colour| self.0.iter().filter(|w| w.colour == *colour).count();
        (0..COLOURS)
            .map(Colour)
            .min_by_key(uses)
            .unwrap_or(Colour(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(topic_filter: &str) -> Subscription {
        Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        }
    }

    #[test]
    fn a_filter_that_is_wanted_again_keeps_its_colour_and_count() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.want(to("a"));
        subscriptions.want(to("b"));
        assert_eq!(subscriptions.count("b"), [Colour(1)]);
        subscriptions.want(Subscription {
            no_local: true,
            ..to("b")
        });
        let b = subscriptions.iter().nth(1).unwrap();
        assert_eq!((b.colour, b.messages), (Colour(1), 1));
        assert!(b.subscription.no_local);
    }

    #[test]
    fn the_colour_of_a_removed_subscription_is_free_again() {
        let mut subscriptions = Subscriptions::default();
        for filter in ["a", "b", "c"] {
            subscriptions.want(to(filter));
        }
        subscriptions.remove("b");
        subscriptions.want(to("d"));
        assert_eq!(subscriptions.count("d"), [Colour(1)]);
    }
}

//! The subscriptions that the person wants.

use tabmq_worker::api::Subscription;
use tabmq_worker::topic_matches;

use super::share_url::is_grantable;

/// Colours of subscriptions. The style sheet has as many.
const COLOURS: u8 = 8;

/// A subscription's colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8);

/// The wanted subscriptions in the order they were added. One for each topic filter, as in MQTT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions(Vec<WantedSubscription>);

/// One wanted subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedSubscription {
    pub(crate) subscription: Subscription,
    pub(crate) colour: Colour,
    /// How often the same subscription was submitted again.
    pub(crate) renewals: u32,
}

impl Subscriptions {
    /// Adds a subscription, or gives an existing one new options.
    pub(crate) fn want(&mut self, subscription: Subscription) {
        let topic_filter = &subscription.topic_filter;
        let mut all = self.0.iter_mut();
        match all.find(|w| w.subscription.topic_filter == *topic_filter) {
            Some(wanted) if wanted.subscription == subscription => wanted.renewals += 1,
            Some(wanted) => wanted.subscription = subscription,
            None => {
                let colour = self.free_colour();
                self.0.push(WantedSubscription {
                    subscription,
                    colour,
                    renewals: 0,
                });
            }
        }
    }

    pub(crate) fn remove(&mut self, topic_filter: &str) {
        self.0
            .retain(|w| w.subscription.topic_filter != topic_filter);
    }

    /// Number of subscriptions that a broker can grant.
    pub(crate) fn grantable(&self) -> usize {
        self.0
            .iter()
            .filter(|w| is_grantable(&w.subscription))
            .count()
    }

    /// The colours of all subscriptions that match a topic. A filter that the broker refuses matches none.
    pub(crate) fn colours_of(&self, topic: &str) -> Vec<Colour> {
        let matching = self.0.iter();
        matching
            .filter(|w| is_grantable(&w.subscription))
            .filter(|w| topic_matches(&w.subscription.topic_filter, topic))
            .map(|w| w.colour)
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &WantedSubscription> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The least used colour.
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
    fn a_filter_that_is_submitted_again_keeps_its_colour() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.want(to("a"));
        subscriptions.want(to("b"));
        subscriptions.want(to("b"));
        let other = Subscription {
            no_local: true,
            ..to("b")
        };
        subscriptions.want(other.clone());
        assert_eq!(subscriptions.colours_of("b"), [Colour(1)]);
        let b = subscriptions.iter().nth(1).unwrap();
        assert_eq!((&b.subscription, b.renewals), (&other, 1));
    }

    #[test]
    fn a_filter_that_no_broker_grants_matches_nothing_and_is_not_counted() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.want(to("#"));
        subscriptions.want(to("#/a"));
        assert_eq!(subscriptions.colours_of("x/a"), [Colour(0)]);
        assert_eq!(subscriptions.grantable(), 1);
    }

    #[test]
    fn the_colour_of_a_removed_subscription_is_free_again() {
        let mut subscriptions = Subscriptions::default();
        for filter in ["a", "b", "c"] {
            subscriptions.want(to(filter));
        }
        subscriptions.remove("b");
        subscriptions.want(to("d"));
        assert_eq!(subscriptions.colours_of("d"), [Colour(1)]);
    }
}

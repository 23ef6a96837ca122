//! The topic filters of one client, each shared by all who subscribe to it.

use std::collections::BTreeMap;

use tab::api::{Message, QoS, RetainHandling, Subscription};

use super::error::RequestError;
use tab::topic_matches;

/// Largest Subscription Identifier (MQTT 5.0, 3.8.2.1.2).
const IDENTIFIER_MAX: u32 = 268_435_455;

/// Earlier Subscription Identifiers of a filter that are remembered, for messages that were on their way.
const IDENTIFIERS_MAX: usize = 16;

/// One who subscribes; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SubscriberId(pub(crate) u64);

/// What the broker said about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// Not asked: there is no client to ask with. It is asked as soon as there is one.
    Suspended,
    /// Asked; the answer waits for a broker, if need be.
    Requested,
    /// Yes, with this maximum QoS.
    Granted(QoS),
    /// No.
    Refused(RequestError),
}

/// The filters that somebody wants.
///
/// MQTT has one subscription for each client and filter, so those who want the same filter share it with the sum of their
/// options. Who comes later and wants the retained messages makes it be asked for again, which is how MQTT sends them
/// (3.8.4); they carry a Subscription Identifier of their own then, and the others do not get them a second time.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    filters: BTreeMap<String, Filter>,
    subscribers: BTreeMap<SubscriberId, String>,
    last_identifier: u32,
}

#[derive(Debug)]
struct Filter {
    holders: BTreeMap<SubscriberId, Holder>,
    status: SubscriptionStatus,
    /// As it was asked for last; its identifier is ours.
    asked: Subscription,
    /// All that it was asked for with, the latest last.
    identifiers: Vec<u32>,
    /// Whether a retained message has come since it was asked for last: who comes now has missed it.
    has_retained: bool,
}

#[derive(Debug)]
struct Holder {
    wanted: Subscription,
    /// The identifier with which its retained messages come.
    retained_by: Option<u32>,
}

/// Who gets a message, and with which of the identifiers that the app has chosen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) subscribers: Vec<SubscriberId>,
    pub(crate) identifiers: Vec<u32>,
}

impl Filters {
    /// Somebody wants a filter, instead of what `replaced` wanted of the same filter. Returns what to ask the broker for.
    pub(crate) fn add(
        &mut self,
        id: SubscriberId,
        replaced: Option<SubscriberId>,
        wanted: Subscription,
        is_alive: bool,
    ) -> Option<Subscription> {
        let topic_filter = wanted.topic_filter.clone();
        self.subscribers.insert(id, topic_filter.clone());
        let handling = wanted.retain_handling;
        let filter = self.filters.entry(topic_filter.clone());
        let filter = filter.or_insert_with(|| Filter::new(wanted.clone()));
        if let Some(replaced) = replaced
            && filter.holders.remove(&replaced).is_some()
        {
            self.subscribers.remove(&replaced);
        }
        let retained_by = filter.identifiers.last().copied();
        let holder = Holder {
            wanted,
            retained_by: retained_by.filter(|_| handling != RetainHandling::DoNotSend),
        };
        filter.holders.insert(id, holder);
        if !is_alive {
            return None;
        }
        let wants_all = handling == RetainHandling::SendAtSubscribe;
        let misses_nothing = match filter.status {
            SubscriptionStatus::Requested => !wants_all || !filter.has_retained,
            SubscriptionStatus::Granted(_) => !wants_all,
            SubscriptionStatus::Suspended | SubscriptionStatus::Refused(_) => false,
        };
        if misses_nothing && filter.is_asked() {
            return None;
        }
        let handling = match (&filter.status, handling) {
            // The subscription is there: these are not for one that is new to a handle.
            (SubscriptionStatus::Granted(_), RetainHandling::SendIfNew) => {
                RetainHandling::DoNotSend
            }
            (_, handling) => handling,
        };
        let identifier = next_identifier(&mut self.last_identifier, &self.filters);
        let filter = self.filters.get_mut(&topic_filter)?;
        if let Some(holder) = filter.holders.get_mut(&id) {
            holder.retained_by = (handling != RetainHandling::DoNotSend).then_some(identifier);
        }
        Some(filter.ask(identifier, handling))
    }

    /// Somebody wants nothing more. Returns the filter if it was the last who wanted it.
    pub(crate) fn remove(&mut self, id: SubscriberId) -> Option<String> {
        let topic_filter = self.subscribers.remove(&id)?;
        let filter = self.filters.get_mut(&topic_filter)?;
        filter.holders.remove(&id);
        if !filter.holders.is_empty() {
            return None;
        }
        self.filters.remove(&topic_filter);
        Some(topic_filter)
    }

    /// There is a client to ask with, and it has asked for nothing yet. Returns all that is to be asked for.
    pub(crate) fn ask_all(&mut self) -> Vec<Subscription> {
        let topic_filters: Vec<_> = self.filters.keys().cloned().collect();
        let mut asked = Vec::new();
        for topic_filter in topic_filters {
            let identifier = next_identifier(&mut self.last_identifier, &self.filters);
            if let Some(filter) = self.filters.get_mut(&topic_filter) {
                let handling = filter.retain_handling();
                filter.let_all_have_retained(identifier);
                asked.push(filter.ask(identifier, handling));
            }
        }
        asked
    }

    /// There is nobody to ask any more.
    pub(crate) fn suspend(&mut self) {
        for filter in self.filters.values_mut() {
            filter.status = SubscriptionStatus::Suspended;
        }
    }

    /// The broker has lost the session, and gets all subscriptions once more, so that it sends retained messages as to
    /// new ones.
    pub(crate) fn start_over(&mut self) {
        for filter in self.filters.values_mut() {
            if let Some(&identifier) = filter.identifiers.last() {
                filter.let_all_have_retained(identifier);
            }
        }
    }

    /// The broker has answered what was asked with this identifier. Returns who wants to know.
    pub(crate) fn answer(
        &mut self,
        topic_filter: &str,
        identifier: u32,
        status: SubscriptionStatus,
    ) -> Vec<SubscriberId> {
        match self.filters.get_mut(topic_filter) {
            // Not what was asked last: that one's answer is on its way.
            Some(filter) if filter.identifiers.last() == Some(&identifier) => {
                filter.status = status;
                filter.holders.keys().copied().collect()
            }
            Some(_) | None => Vec::new(),
        }
    }

    pub(crate) fn status(&self, id: SubscriberId) -> SubscriptionStatus {
        let filter = self
            .subscribers
            .get(&id)
            .and_then(|it| self.filters.get(it));
        filter.map_or(SubscriptionStatus::Suspended, |filter| {
            filter.status.clone()
        })
    }

    /// Who shares this one's filter, itself included.
    pub(crate) fn sharers(&self, id: SubscriberId) -> Vec<SubscriberId> {
        let filter = self
            .subscribers
            .get(&id)
            .and_then(|it| self.filters.get(it));
        filter.map_or_else(Vec::new, |it| it.holders.keys().copied().collect())
    }

    pub(crate) fn subscribers(&self) -> Vec<SubscriberId> {
        self.subscribers.keys().copied().collect()
    }

    /// Who gets a message. Its Subscription Identifiers tell: with filters that overlap, matching by topic alone would give
    /// a copy for each of them to all. Only a message without one of ours is matched, as of an earlier page's session.
    pub(crate) fn route(&mut self, message: &Message) -> Route {
        let mut route = Route::default();
        for (topic_filter, filter) in &mut self.filters {
            let identifier = filter.identifier_in(message);
            if identifier.is_some() && topic_matches(topic_filter, &message.topic) {
                filter.route(message, identifier, &mut route);
            }
        }
        if route == Route::default() && !self.has_identifier_of(message) {
            for (topic_filter, filter) in &mut self.filters {
                if topic_matches(topic_filter, &message.topic) {
                    filter.route(message, None, &mut route);
                }
            }
        }
        route
    }

    /// Whether one of the filters that the message names is ours, and it is of that filter.
    fn has_identifier_of(&self, message: &Message) -> bool {
        self.filters.iter().any(|(topic_filter, filter)| {
            filter.identifier_in(message).is_some() && topic_matches(topic_filter, &message.topic)
        })
    }
}

impl Filter {
    fn new(asked: Subscription) -> Self {
        Self {
            holders: BTreeMap::new(),
            status: SubscriptionStatus::Suspended,
            asked,
            identifiers: Vec::new(),
            has_retained: false,
        }
    }

    /// Whether all that its holders want together has been asked for.
    fn is_asked(&self) -> bool {
        let wanted = self.wanted();
        self.asked.qos == wanted.qos
            && self.asked.no_local == wanted.no_local
            && self.asked.retain_as_published == wanted.retain_as_published
    }

    /// What its holders want together, so that none of them misses anything.
    fn wanted(&self) -> Subscription {
        let wanted = || self.holders.values().map(|holder| &holder.wanted);
        Subscription {
            topic_filter: self.asked.topic_filter.clone(),
            qos: wanted().map(|it| it.qos).max().unwrap_or_default(),
            no_local: wanted().all(|it| it.no_local),
            retain_as_published: wanted().any(|it| it.retain_as_published),
            retain_handling: RetainHandling::default(),
            identifier: None,
        }
    }

    fn retain_handling(&self) -> RetainHandling {
        let is_wanted = |handling| {
            let mut holders = self.holders.values();
            holders.any(|holder| holder.wanted.retain_handling == handling)
        };
        [RetainHandling::SendAtSubscribe, RetainHandling::SendIfNew]
            .into_iter()
            .find(|handling| is_wanted(*handling))
            .unwrap_or(RetainHandling::DoNotSend)
    }

    fn ask(&mut self, identifier: u32, retain_handling: RetainHandling) -> Subscription {
        self.asked = Subscription {
            identifier: Some(identifier),
            retain_handling,
            ..self.wanted()
        };
        self.status = SubscriptionStatus::Requested;
        self.has_retained = false;
        if self.identifiers.len() == IDENTIFIERS_MAX {
            self.identifiers.remove(0);
        }
        self.identifiers.push(identifier);
        self.asked.clone()
    }

    fn let_all_have_retained(&mut self, identifier: u32) {
        for holder in self.holders.values_mut() {
            let wants_none = holder.wanted.retain_handling == RetainHandling::DoNotSend;
            holder.retained_by = (!wants_none).then_some(identifier);
        }
    }

    fn identifier_in(&self, message: &Message) -> Option<u32> {
        let mut identifiers = self.identifiers.iter().rev();
        identifiers
            .find(|it| message.subscription_identifiers.contains(it))
            .copied()
    }

    fn route(&mut self, message: &Message, identifier: Option<u32>, route: &mut Route) {
        if message.retain && identifier == self.identifiers.last().copied() {
            self.has_retained = true;
        }
        // With Retain As Published the flag may be that of a message which is new to all.
        let is_stored = message.retain && !self.asked.retain_as_published;
        for (id, holder) in &self.holders {
            if !is_stored || identifier.is_none() || holder.retained_by == identifier {
                route.subscribers.push(*id);
            }
        }
        let chosen = self.holders.values().rev();
        let chosen = chosen.filter_map(|holder| holder.wanted.identifier).next();
        route.identifiers.extend(chosen);
    }
}

/// One that no filter has.
fn next_identifier(last: &mut u32, filters: &BTreeMap<String, Filter>) -> u32 {
    loop {
        *last = if *last < IDENTIFIER_MAX { *last + 1 } else { 1 };
        if !filters.values().any(|it| it.identifiers.contains(last)) {
            return *last;
        }
    }
}

#[cfg(test)]
mod tests {
    use tab::api::MessageProperties;

    use super::*;

    const A: SubscriberId = SubscriberId(1);
    const B: SubscriberId = SubscriberId(2);

    fn to(topic_filter: &str) -> Subscription {
        Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        }
    }

    fn unretained(topic_filter: &str) -> Subscription {
        Subscription {
            retain_handling: RetainHandling::DoNotSend,
            ..to(topic_filter)
        }
    }

    fn message(topic: &str, retain: bool, identifiers: &[u32]) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: Vec::new(),
            qos: QoS::AtMostOnce,
            retain,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: identifiers.to_vec(),
            received_at: Default::default(),
        }
    }

    fn granted() -> SubscriptionStatus {
        SubscriptionStatus::Granted(QoS::AtMostOnce)
    }

    impl Filters {
        /// Adds, and the broker grants what it is asked for; its identifier.
        fn grant(&mut self, id: SubscriberId, wanted: Subscription) -> Option<u32> {
            let asked = self.add(id, None, wanted, true)?;
            let identifier = asked.identifier.unwrap();
            assert!(
                self.answer(&asked.topic_filter, identifier, granted())
                    .contains(&id)
            );
            Some(identifier)
        }

        fn get(&mut self, message: &Message) -> Vec<SubscriberId> {
            self.route(message).subscribers
        }
    }

    #[test]
    fn two_share_one_subscribe_and_the_last_to_go_unsubscribes() {
        let mut filters = Filters::default();
        let asked = filters.add(A, None, to("a"), true).unwrap();
        assert_eq!(filters.add(B, None, to("a"), true), None);
        let told = filters.answer("a", asked.identifier.unwrap(), granted());
        assert_eq!(told, [A, B]);
        assert_eq!(filters.status(B), granted());

        assert_eq!(filters.get(&message("a", false, &[1])), [A, B]);
        assert_eq!(filters.remove(A), None);
        assert_eq!(filters.get(&message("a", false, &[1])), [B]);
        assert_eq!(filters.remove(B), Some("a".to_owned()));
        assert_eq!(filters.remove(B), None);
        assert_eq!(filters.get(&message("a", false, &[1])), []);
    }

    #[test]
    fn who_comes_late_gets_the_retained_messages_and_the_others_not_again() {
        let mut filters = Filters::default();
        let first = filters.grant(A, to("a")).unwrap();
        assert_eq!(filters.get(&message("a", true, &[first])), [A]);
        let second = filters.grant(B, to("a")).unwrap();
        assert_ne!(first, second);
        assert_eq!(filters.get(&message("a", true, &[second])), [B]);
        // New messages are for both, also those that were on their way before.
        assert_eq!(filters.get(&message("a", false, &[second])), [A, B]);
        assert_eq!(filters.get(&message("a", false, &[first])), [A, B]);
    }

    #[test]
    fn who_comes_while_the_retained_messages_arrive_gets_all_of_them() {
        let mut filters = Filters::default();
        let asked = filters.add(A, None, to("a"), true).unwrap();
        let first = asked.identifier.unwrap();
        filters.get(&message("a", true, &[first]));
        let again = filters.add(B, None, to("a"), true).unwrap();
        assert_eq!(again.retain_handling, RetainHandling::SendAtSubscribe);
        // The answer to the first is not what B waits for.
        assert_eq!(filters.answer("a", first, granted()), []);
        assert_eq!(filters.status(A), SubscriptionStatus::Requested);
    }

    #[test]
    fn who_wants_no_retained_messages_gets_none_and_asks_for_none() {
        let mut filters = Filters::default();
        let first = filters.grant(A, to("a")).unwrap();
        assert_eq!(filters.grant(B, unretained("a")), None);
        assert_eq!(filters.get(&message("a", true, &[first])), [A]);
        assert_eq!(filters.get(&message("a", false, &[first])), [A, B]);
    }

    #[test]
    fn options_add_up_and_what_is_new_is_asked_for() {
        let mut filters = Filters::default();
        let quiet = Subscription {
            no_local: true,
            ..unretained("a")
        };
        filters.grant(A, quiet.clone());
        let more = Subscription {
            qos: QoS::ExactlyOnce,
            ..unretained("a")
        };
        let asked = filters.add(B, None, more, true).unwrap();
        assert_eq!((asked.qos, asked.no_local), (QoS::ExactlyOnce, false));
        assert_eq!(asked.retain_handling, RetainHandling::DoNotSend);
        // Nothing is missed with more than is wanted.
        filters.remove(B);
        assert_eq!(filters.add(B, None, to("b"), false), None);
    }

    #[test]
    fn what_is_replaced_leaves_no_options_behind_and_no_gap() {
        let mut filters = Filters::default();
        let most = Subscription {
            qos: QoS::ExactlyOnce,
            ..to("a")
        };
        filters.grant(A, most);
        let asked = filters.add(B, Some(A), to("a"), true).unwrap();
        assert_eq!(asked.qos, QoS::AtMostOnce);
        assert_eq!(filters.remove(A), None);
        assert_eq!(filters.subscribers(), [B]);
    }

    #[test]
    fn filters_that_overlap_each_deliver_once() {
        let mut filters = Filters::default();
        let all = filters.grant(A, to("#")).unwrap();
        let one = filters.grant(B, to("a")).unwrap();
        // Whether the broker sends one copy or one for each.
        assert_eq!(filters.get(&message("a", false, &[all, one])), [A, B]);
        assert_eq!(filters.get(&message("a", false, &[all])), [A]);
        assert_eq!(filters.get(&message("a", true, &[one])), [B]);
    }

    #[test]
    fn a_message_of_an_earlier_pages_session_finds_its_way_by_its_topic() {
        let mut filters = Filters::default();
        let a = filters.grant(A, to("a")).unwrap();
        filters.grant(B, to("b"));
        for identifiers in [&[][..], &[a], &[77]] {
            assert_eq!(filters.get(&message("b", false, identifiers)), [B]);
        }
        assert_eq!(filters.get(&message("c", false, &[a])), []);
    }

    #[test]
    fn a_client_that_starts_anew_asks_for_everything_and_all_get_the_retained_messages() {
        let mut filters = Filters::default();
        filters.grant(A, to("a"));
        filters.grant(B, to("a"));
        filters.suspend();
        assert_eq!(filters.status(A), SubscriptionStatus::Suspended);
        let asked = filters.ask_all();
        assert_eq!(asked.len(), 1);
        let identifier = asked[0].identifier.unwrap();
        assert_eq!(filters.get(&message("a", true, &[identifier])), [A, B]);
    }

    #[test]
    fn a_broker_that_lost_the_session_sends_retained_messages_to_all() {
        let mut filters = Filters::default();
        filters.grant(A, to("a"));
        let second = filters.grant(B, to("a")).unwrap();
        filters.start_over();
        assert_eq!(filters.get(&message("a", true, &[second])), [A, B]);
    }

    #[test]
    fn messages_carry_the_identifiers_that_the_app_chose() {
        let mut filters = Filters::default();
        let chosen = Subscription {
            identifier: Some(42),
            ..to("a")
        };
        let ours = filters.grant(A, chosen).unwrap();
        let route = filters.route(&message("a", false, &[ours]));
        assert_eq!(route.identifiers, [42]);
    }

    #[test]
    fn a_refused_filter_is_asked_for_again_by_who_comes_next() {
        let mut filters = Filters::default();
        let asked = filters.add(A, None, unretained("a"), true).unwrap();
        let refused = SubscriptionStatus::Refused(RequestError::Closed);
        filters.answer("a", asked.identifier.unwrap(), refused);
        assert!(filters.add(B, None, unretained("a"), true).is_some());
    }

    #[test]
    fn only_so_many_identifiers_of_a_filter_are_remembered() {
        let mut filters = Filters::default();
        for number in 0..100 {
            filters.grant(SubscriberId(number), to("a"));
        }
        assert_eq!(filters.filters["a"].identifiers.len(), IDENTIFIERS_MAX);
    }
}

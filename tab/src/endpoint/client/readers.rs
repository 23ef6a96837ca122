//! Readers: parts of a page that read a topic filter.
//!
//! MQTT has one subscription for each client and filter. Readers of one filter share it, with the union of their
//! options and those of the client itself. If a later reader wants the retained messages, the client subscribes again,
//! which is how MQTT sends them (MQTT 5.0, 3.8.4). The other readers must not get them again, so these messages carry
//! the Subscription Identifier of that SUBSCRIBE. A second SUBSCRIBE follows at once, whose identifier new messages
//! carry. The RETAIN flag does not distinguish them: with Retain As Published new messages have it too, and one message
//! is sent once for all matching subscriptions.

use broker::sorted::Map;
use broker::topic_matches;

use crate::api::{Message, ReaderNo, RetainHandling, Subscription};

/// Smallest Subscription Identifier that the client assigns. Pages rarely choose ones as large.
pub(super) const IDENTIFIER_MIN: u32 = 1 << 27;
/// Largest Subscription Identifier (MQTT 5.0, 3.8.2.1.2).
const IDENTIFIER_MAX: u32 = (1 << 28) - 1;
/// Number of earlier Subscription Identifiers that are remembered for each filter, for messages in flight.
const IDENTIFIERS_MAX: usize = 16;

/// The readers of one client, by filter.
#[derive(Debug)]
pub(super) struct Readers {
    filters: Map<String, Filter>,
    readers: Map<ReaderNo, String>,
    /// The filter of each assigned identifier.
    identifiers: Map<u32, String>,
    last_identifier: u32,
}

#[derive(Debug, Default)]
struct Filter {
    holders: Map<ReaderNo, Holder>,
    state: State,
    /// The last granted QoS.
    granted: Option<u8>,
    /// The last SUBSCRIBE. Its identifier is assigned by the client.
    asked: Subscription,
    /// All identifiers of its SUBSCRIBEs, the latest last.
    identifiers: Vec<u32>,
    /// Those of them that only retained messages carry, with the readers that get them.
    stored: Vec<u32>,
    /// The last identifier with which retained messages were requested.
    retained: Option<u32>,
    /// Whether a retained message has arrived since. A new reader has missed it.
    has_retained: bool,
    /// The identifier of the retained messages that the client itself requested.
    own_retained_by: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// To be sent as soon as there is a connection.
    #[default]
    Due,
    /// Sent and not answered.
    Asked,
    Granted,
}

#[derive(Debug)]
struct Holder {
    wanted: Subscription,
    /// The identifier of its retained messages.
    retained_by: Option<u32>,
    /// Whether the broker has granted its filter.
    is_granted: bool,
}

/// The reason for a SUBSCRIBE: the receivers of its retained messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Reader(ReaderNo),
    /// Readers without a grant.
    New,
    /// The client itself.
    Own,
    All,
    Nobody,
}

/// The receivers of a message within its client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) readers: Vec<ReaderNo>,
    /// Whether it carries an identifier of a filter of readers.
    pub(super) is_known: bool,
    /// Whether the client itself receives it by such a filter.
    pub(super) is_own: bool,
    /// Whether another filter of the client itself may match: the message is new, and no copy for a shared
    /// subscription.
    pub(super) is_common: bool,
    /// The identifiers that these readers have chosen.
    pub(super) identifiers: Vec<u32>,
}

/// The effect of a new reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The filter has to be subscribed to.
    Ask(RetainHandling),
    /// The pending answer is its answer, too.
    Wait,
    /// The granted subscription is sufficient.
    Granted(u8),
}

/// The effect of a removed reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// There was no such reader.
    Nobody,
    /// The filter has other readers.
    Shared(String),
    /// It was the last one. Contains whether the broker may have the filter.
    Last(String, bool),
}

impl Readers {
    /// `seed` separates this client's identifiers from those of an earlier life of its session.
    pub(super) fn new(seed: u32) -> Self {
        Self {
            filters: Map::new(),
            readers: Map::new(),
            identifiers: Map::new(),
            last_identifier: IDENTIFIER_MIN | (seed & (IDENTIFIER_MIN - 1)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.filters.clear();
        self.readers.clear();
        self.identifiers.clear();
    }

    /// Whether this filter has a reader.
    pub(super) fn has(&self, topic_filter: &str) -> bool {
        self.filters.contains_key(topic_filter)
    }

    /// The readers whose filter matches this topic.
    pub(super) fn matching(&self, topic: &str) -> Vec<ReaderNo> {
        let readers = self.readers.iter();
        readers
            .filter(|(_, topic_filter)| topic_matches(topic_filter, topic))
            .map(|(no, _)| *no)
            .collect()
    }

    /// Adds a reader. The client itself may have subscribed to the same filter.
    pub(super) fn add(
        &mut self,
        no: ReaderNo,
        wanted: Subscription,
        own: Option<&Subscription>,
    ) -> Added {
        let handling = wanted.retain_handling;
        let topic_filter = wanted.topic_filter.clone();
        self.readers.insert(no, topic_filter.clone());
        let filter = self
            .filters
            .get_or_insert_with(topic_filter, Filter::default);
        let retained = filter.retained;
        let holder = Holder {
            wanted,
            retained_by: retained.filter(|_| handling != RetainHandling::DoNotSend),
            is_granted: false,
        };
        filter.holders.insert(no, holder);
        let wants_all = handling == RetainHandling::SendAtSubscribe;
        let misses_nothing = match filter.state {
            State::Asked => !wants_all || filter.retained.is_some() && !filter.has_retained,
            State::Granted => !wants_all,
            State::Due => false,
        };
        if misses_nothing && filter.is_asked(own) {
            let Some(granted) = filter.granted.filter(|_| filter.state == State::Granted) else {
                return Added::Wait;
            };
            let Some(holder) = filter.holders.get_mut(&no) else {
                return Added::Wait;
            };
            holder.is_granted = true;
            return Added::Granted(self::granted(granted, &holder.wanted));
        }
        // With "send if new", a new reader of an existing subscription gets no retained messages.
        let is_there = filter.state != State::Due || own.is_some();
        Added::Ask(match handling {
            RetainHandling::SendIfNew if is_there => RetainHandling::DoNotSend,
            handling => handling,
        })
    }

    /// Removes a reader.
    pub(super) fn remove(&mut self, no: ReaderNo) -> Removed {
        let Some(topic_filter) = self.readers.remove(&no) else {
            return Removed::Nobody;
        };
        let Some(filter) = self.filters.get_mut(&topic_filter) else {
            return Removed::Nobody;
        };
        filter.holders.remove(&no);
        if !filter.holders.is_empty() {
            return Removed::Shared(topic_filter);
        }
        let may_be_there = filter.state != State::Due || filter.granted.is_some();
        self.forget(&topic_filter);
        Removed::Last(topic_filter, may_be_there)
    }

    /// Whether the last SUBSCRIBE has exactly the needed options.
    pub(super) fn is_asked(&self, topic_filter: &str, own: Option<&Subscription>) -> bool {
        let filter = self.filters.get(topic_filter);
        filter.is_none_or(|filter| filter.state == State::Due || filter.is_asked(own))
    }

    /// Returns the SUBSCRIBE to send now, and the one to send right after it.
    pub(super) fn ask(
        &mut self,
        topic_filter: &str,
        own: Option<&Subscription>,
        retain_handling: RetainHandling,
        whom: For,
    ) -> Option<(Subscription, Option<Subscription>)> {
        let identifier = self.next_identifier(topic_filter)?;
        let filter = self.filters.get_mut(topic_filter)?;
        let first = Subscription {
            topic_filter: topic_filter.to_owned(),
            identifier: Some(identifier),
            retain_handling,
            ..filter.wanted(own)
        };
        filter.asked = first.clone();
        filter.state = State::Asked;
        if retain_handling == RetainHandling::DoNotSend {
            return Some((first, None));
        }
        filter.retained = Some(identifier);
        filter.has_retained = false;
        filter.let_have_retained(whom, own, identifier);
        filter.stored.push(identifier);
        let second = Subscription {
            identifier: self.next_identifier(topic_filter),
            retain_handling: RetainHandling::DoNotSend,
            ..first.clone()
        };
        Some((first, Some(second)))
    }

    /// Returns the filters to subscribe to, now that there is a connection, and with which retained messages.
    pub(super) fn due(&self) -> Vec<(String, RetainHandling)> {
        let filters = self.filters.iter();
        filters
            .filter(|(_, filter)| filter.state == State::Due)
            .map(|(topic_filter, filter)| (topic_filter.clone(), filter.retain_handling()))
            .collect()
    }

    /// Marks a filter to be subscribed to as soon as there is a connection.
    pub(super) fn be_due(&mut self, topic_filter: &str) {
        if let Some(filter) = self.filters.get_mut(topic_filter) {
            filter.state = State::Due;
        }
    }

    /// Whether this reader exists.
    pub(super) fn is_there(&self, no: ReaderNo) -> bool {
        self.readers.contains_key(&no)
    }

    /// The broker has no session of this client: all filters have to be subscribed to.
    pub(super) fn start_over(&mut self) {
        for filter in self.filters.values_mut() {
            filter.state = State::Due;
            filter.granted = None;
            for holder in filter.holders.values_mut() {
                holder.is_granted = false;
            }
        }
    }

    /// There was no connection: unanswered SUBSCRIBEs have to be repeated.
    pub(super) fn be_unanswered(&mut self) {
        for filter in self.filters.values_mut() {
            if filter.state == State::Asked {
                filter.state = State::Due;
            }
        }
    }

    /// Handles the broker's answer to the SUBSCRIBE with this identifier. Returns the readers to notify, with their
    /// codes. A reader gets no more than it requested. Refused readers are removed.
    pub(super) fn answer(
        &mut self,
        topic_filter: &str,
        identifier: u32,
        code: u8,
    ) -> Vec<(ReaderNo, u8)> {
        let Some(filter) = self.filters.get_mut(topic_filter) else {
            return Vec::new();
        };
        // A later SUBSCRIBE is unanswered, and its answer follows.
        if filter.identifiers.last() != Some(&identifier) {
            return Vec::new();
        }
        let new = filter.holders.iter().filter(|(_, it)| !it.is_granted);
        let new: Vec<(ReaderNo, u8)> = new
            .map(|(no, it)| (*no, granted(code, &it.wanted)))
            .collect();
        filter.state = State::Granted;
        if code < 0x80 {
            filter.granted = Some(code);
            for (no, _) in &new {
                if let Some(holder) = filter.holders.get_mut(no) {
                    holder.is_granted = true;
                }
            }
            return new;
        }
        for (no, _) in &new {
            filter.holders.remove(no);
            self.readers.remove(no);
        }
        if filter.holders.is_empty() {
            self.forget(topic_filter);
        }
        new
    }

    /// Returns the readers of a message by its Subscription Identifiers. With overlapping filters, matching by topic
    /// alone would give every reader a copy for each.
    ///
    /// `own` are the client's own subscriptions.
    pub(super) fn route(&mut self, message: &Message, own: &Map<String, Subscription>) -> Route {
        let mut route = Route::default();
        let mut seen: Vec<&str> = Vec::new();
        for identifier in &message.subscription_identifiers {
            let Some(topic_filter) = self.identifiers.get(identifier) else {
                continue;
            };
            if seen.contains(&topic_filter.as_str()) || !topic_matches(topic_filter, &message.topic)
            {
                continue;
            }
            seen.push(topic_filter);
            if let Some(filter) = self.filters.get_mut(topic_filter) {
                let own = own.get(topic_filter);
                filter.route(message, *identifier, own, &mut route);
            }
        }
        route
    }

    fn forget(&mut self, topic_filter: &str) {
        if let Some(filter) = self.filters.remove(topic_filter) {
            for identifier in &filter.identifiers {
                self.identifiers.remove(identifier);
            }
        }
    }

    /// An identifier that no filter of this reader has.
    fn next_identifier(&mut self, topic_filter: &str) -> Option<u32> {
        let filter = self.filters.get_mut(topic_filter)?;
        loop {
            self.last_identifier = match self.last_identifier {
                IDENTIFIER_MAX.. => IDENTIFIER_MIN,
                last => last + 1,
            };
            if !self.identifiers.contains_key(&self.last_identifier) {
                break;
            }
        }
        if filter.identifiers.len() == IDENTIFIERS_MAX {
            let oldest = filter.identifiers.remove(0);
            filter.stored.retain(|it| *it != oldest);
            self.identifiers.remove(&oldest);
        }
        filter.identifiers.push(self.last_identifier);
        let topic_filter = topic_filter.to_owned();
        self.identifiers.insert(self.last_identifier, topic_filter);
        Some(self.last_identifier)
    }
}

/// The QoS of a reader, when the broker grants the shared subscription.
pub(super) fn granted(code: u8, wanted: &Subscription) -> u8 {
    if code < 0x80 {
        code.min(wanted.qos as u8)
    } else {
        code
    }
}

impl Filter {
    /// Whether the last SUBSCRIBE has exactly the needed options.
    fn is_asked(&self, own: Option<&Subscription>) -> bool {
        let wanted = self.wanted(own);
        self.asked.qos == wanted.qos
            && self.asked.no_local == wanted.no_local
            && self.asked.retain_as_published == wanted.retain_as_published
    }

    /// The union of all readers' options, so that no reader misses a message.
    fn wanted(&self, own: Option<&Subscription>) -> Subscription {
        let wanted = || self.holders.values().map(|it| &it.wanted).chain(own);
        Subscription {
            qos: wanted().map(|it| it.qos).max().unwrap_or_default(),
            no_local: wanted().all(|it| it.no_local),
            retain_as_published: wanted().any(|it| it.retain_as_published),
            ..Subscription::default()
        }
    }

    /// The retained messages that readers without a grant need.
    fn retain_handling(&self) -> RetainHandling {
        let is_wanted = |handling| {
            let mut new = self.holders.values().filter(|it| !it.is_granted);
            new.any(|it| it.wanted.retain_handling == handling)
        };
        [RetainHandling::SendAtSubscribe, RetainHandling::SendIfNew]
            .into_iter()
            .find(|handling| is_wanted(*handling))
            .unwrap_or(RetainHandling::DoNotSend)
    }

    /// The readers of this SUBSCRIBE get the retained messages.
    fn let_have_retained(&mut self, whom: For, own: Option<&Subscription>, identifier: u32) {
        let wants = |it: &Subscription| it.retain_handling != RetainHandling::DoNotSend;
        self.holders.for_each_mut(|no, holder| {
            let is_meant = match whom {
                For::Reader(reader) => reader == *no,
                For::New => !holder.is_granted,
                For::All => true,
                For::Own | For::Nobody => false,
            };
            if is_meant && wants(&holder.wanted) {
                holder.retained_by = Some(identifier);
            }
        });
        if matches!(whom, For::Own | For::All) && own.is_some_and(wants) {
            self.own_retained_by = Some(identifier);
        }
    }

    fn route(
        &mut self,
        message: &Message,
        identifier: u32,
        own: Option<&Subscription>,
        route: &mut Route,
    ) {
        if message.retain && self.retained == Some(identifier) {
            self.has_retained = true;
        }
        let is_stored = message.retain && self.stored.contains(&identifier);
        let is_shared = self.asked.topic_filter.starts_with("$share/");
        route.is_known = true;
        route.is_common |= !is_stored && !is_shared;
        if let Some(own) = own
            && (!is_stored || self.own_retained_by == Some(identifier))
        {
            route.is_own = true;
            route.identifiers.extend(own.identifier);
        }
        for (no, holder) in self.holders.iter() {
            if !is_stored || holder.retained_by == Some(identifier) {
                route.readers.push(*no);
                route.identifiers.extend(holder.wanted.identifier);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_remembered_identifiers_is_bounded() {
        let mut readers = Readers::new(0);
        let wanted = || Subscription {
            topic_filter: "a".to_owned(),
            ..Subscription::default()
        };
        for number in 0..100 {
            let no = ReaderNo(number);
            let handling = RetainHandling::SendAtSubscribe;
            assert_eq!(readers.add(no, wanted(), None), Added::Ask(handling));
            let asked = readers.ask("a", None, handling, For::Reader(no));
            let identifier = asked.and_then(|(_, it)| it?.identifier).unwrap();
            assert_eq!(readers.answer("a", identifier, 0), [(no, 0)]);
        }
        let filter = readers.filters.get("a").unwrap();
        assert_eq!(filter.identifiers.len(), IDENTIFIERS_MAX);
        assert_eq!(readers.identifiers.len(), IDENTIFIERS_MAX);
    }
}

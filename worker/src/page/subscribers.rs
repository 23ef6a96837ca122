//! The subscribers of a client, and their readers in the worker.

use std::collections::{BTreeMap, BTreeSet};

use tab::api::{ClientCommand, Message, QoS, ReaderNo, RetainHandling, Subscription};
use tab::topic_matches;

use super::error::RequestError;

/// The id of a subscriber. Ids are not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SubscriberId(pub(crate) u64);

/// State of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// Not requested, because there is no connected client. It is requested as soon as there is one.
    Suspended,
    /// Requested. The answer may wait for a broker.
    Requested,
    /// Granted, with this maximum QoS.
    Granted(QoS),
    /// Refused. It is requested again when the client connects again.
    Refused(RequestError),
}

/// The subscribers of a client.
///
/// A reader belongs to one connection. Each time the client connects, its subscribers get readers with new numbers. So a notice for
/// an earlier connection reaches no subscriber.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    all: BTreeMap<SubscriberId, Subscribed>,
    readers: BTreeMap<ReaderNo, Reader>,
    /// Filters without a subscriber that the broker may still have in the session.
    departed: BTreeSet<String>,
    last_id: u64,
    last_no: u32,
}

#[derive(Debug)]
struct Subscribed {
    wanted: Subscription,
    /// Its current reader.
    no: Option<ReaderNo>,
    status: SubscriptionStatus,
    /// Whether the broker may have its filter.
    was_asked: bool,
}

#[derive(Debug)]
enum Reader {
    /// A reader of this subscriber, current or not released yet.
    Of(SubscriberId),
    /// Reads a filter without a subscriber, to unsubscribe from it.
    Departed(String),
}

/// A reader to release, and its filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) no: ReaderNo,
    pub(crate) topic_filter: String,
}

/// The remains of a subscription that was changed or removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// A reader.
    Reader(Release),
    /// A filter without a reader that the broker may have in the session.
    Filter(String),
    Nothing,
}

/// The consequence of the broker's answer for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The status of this subscriber has changed.
    Notify(SubscriberId),
    /// The filter has no subscriber. Release the reader to unsubscribe.
    Release(Release),
    /// The answer has no effect.
    Nobody,
}

impl Subscribers {
    pub(crate) fn add(&mut self, wanted: Subscription) -> SubscriberId {
        self.last_id += 1;
        let id = SubscriberId(self.last_id);
        self.departed.remove(&wanted.topic_filter);
        self.all.insert(id, Subscribed::new(wanted));
        id
    }

    /// Changes the subscription of a subscriber.
    pub(crate) fn change(&mut self, id: SubscriberId, wanted: Subscription) -> Left {
        self.departed.remove(&wanted.topic_filter);
        let changed = self.all.get_mut(&id).map(|subscribed| {
            let changed = Subscribed::new(wanted);
            core::mem::replace(subscribed, changed)
        });
        changed.map_or(Left::Nothing, Subscribed::leave)
    }

    /// Removes a subscriber.
    pub(crate) fn remove(&mut self, id: SubscriberId) -> Left {
        let removed = self.all.remove(&id);
        removed.map_or(Left::Nothing, Subscribed::leave)
    }

    /// The command that reads the filter of a subscriber.
    pub(crate) fn read(&mut self, id: SubscriberId) -> Option<ClientCommand> {
        let no = self.next_no();
        let subscribed = self.all.get_mut(&id)?;
        subscribed.no = Some(no);
        subscribed.was_asked = true;
        subscribed.status = SubscriptionStatus::Requested;
        self.readers.insert(no, Reader::Of(id));
        Some(ClientCommand::Read(no, subscribed.wanted.clone()))
    }

    /// The commands that read filters without a subscriber, to unsubscribe from them. A grant shows that the broker has the filter,
    /// and waiting messages of the filter go to the reader, which drops them.
    pub(crate) fn read_departed(&mut self) -> Vec<ClientCommand> {
        let departed = core::mem::take(&mut self.departed);
        let read = departed.into_iter().map(|topic_filter| {
            let no = self.next_no();
            let reader = Reader::Departed(topic_filter.clone());
            self.readers.insert(no, reader);
            let wanted = Subscription {
                topic_filter,
                retain_handling: RetainHandling::DoNotSend,
                ..Subscription::default()
            };
            ClientCommand::Read(no, wanted)
        });
        read.collect()
    }

    /// Notes a filter that the broker may have in the session, to unsubscribe from it unless it has a subscriber.
    pub(crate) fn depart(&mut self, topic_filter: String) {
        let mut all = self.all.values();
        if !all.any(|it| it.wanted.topic_filter == topic_filter) {
            self.departed.insert(topic_filter);
        }
    }

    /// The broker has no session with these filters.
    pub(crate) fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// Removes a reader that the worker has released.
    pub(crate) fn released(&mut self, no: ReaderNo) {
        self.readers.remove(&no);
    }

    /// The connection has ended, and all readers with it.
    pub(crate) fn suspend(&mut self) {
        for reader in core::mem::take(&mut self.readers).into_values() {
            if let Reader::Departed(topic_filter) = reader {
                self.depart(topic_filter);
            }
        }
        for subscribed in self.all.values_mut() {
            subscribed.no = None;
            subscribed.status = SubscriptionStatus::Suspended;
        }
    }

    /// Takes the answer of the broker or of the worker for a reader.
    pub(crate) fn answer(&mut self, no: ReaderNo, status: SubscriptionStatus) -> Answered {
        let is_refused = matches!(status, SubscriptionStatus::Refused(_));
        match self.readers.get(&no) {
            Some(Reader::Of(id)) => {
                let id = *id;
                let subscribed = self.all.get_mut(&id).filter(|it| it.no == Some(no));
                let has_changed = subscribed.map(|subscribed| {
                    subscribed.status = status;
                    if is_refused {
                        subscribed.no = None;
                        subscribed.was_asked = false;
                    }
                });
                if is_refused {
                    self.readers.remove(&no);
                }
                has_changed.map_or(Answered::Nobody, |()| Answered::Notify(id))
            }
            Some(Reader::Departed(_)) if is_refused => {
                self.readers.remove(&no);
                Answered::Nobody
            }
            Some(Reader::Departed(topic_filter)) => Answered::Release(Release {
                no,
                topic_filter: topic_filter.clone(),
            }),
            None => Answered::Nobody,
        }
    }

    /// The subscribers of these readers. A subscriber that has changed its filter gets a message of its old reader only if the new
    /// filter matches.
    pub(crate) fn route(&self, message: &Message, readers: &[ReaderNo]) -> Vec<SubscriberId> {
        let mut route = Vec::new();
        for no in readers {
            let Some(Reader::Of(id)) = self.readers.get(no) else {
                continue;
            };
            let subscribed = self.all.get(id);
            let is_for_it = subscribed.is_some_and(|it| {
                it.no == Some(*no) || topic_matches(&it.wanted.topic_filter, &message.topic)
            });
            if is_for_it && !route.contains(id) {
                route.push(*id);
            }
        }
        route
    }

    pub(crate) fn status(&self, id: SubscriberId) -> SubscriptionStatus {
        let subscribed = self.all.get(&id);
        subscribed.map_or(SubscriptionStatus::Suspended, |it| it.status.clone())
    }

    pub(crate) fn ids(&self) -> Vec<SubscriberId> {
        self.all.keys().copied().collect()
    }

    fn next_no(&mut self) -> ReaderNo {
        self.last_no = self.last_no.wrapping_add(1);
        ReaderNo(self.last_no)
    }
}

impl Subscribed {
    fn new(wanted: Subscription) -> Self {
        Self {
            wanted,
            no: None,
            status: SubscriptionStatus::Suspended,
            was_asked: false,
        }
    }

    fn leave(self) -> Left {
        let topic_filter = self.wanted.topic_filter;
        match self.no {
            Some(no) => Left::Reader(Release { no, topic_filter }),
            None if self.was_asked => Left::Filter(topic_filter),
            None => Left::Nothing,
        }
    }
}

//! Those of the page who subscribe, and the readers that the worker knows them as.

use std::collections::{BTreeMap, BTreeSet};

use tab::api::{ClientCommand, Message, QoS, ReaderNo, RetainHandling, Subscription};
use tab::topic_matches;

use super::error::RequestError;

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
    /// No. It is asked again when the client connects anew.
    Refused(RequestError),
}

/// Who subscribes.
///
/// A reader is known to one connection: each time the client connects anew, its subscribers are readers of other numbers. So what
/// is said of an earlier connection reaches nobody.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    all: BTreeMap<SubscriberId, Subscribed>,
    readers: BTreeMap<ReaderNo, Reader>,
    /// Filters that nobody wants any more, and that the broker may have in the session.
    departed: BTreeSet<String>,
    last_id: u64,
    last_no: u32,
}

#[derive(Debug)]
struct Subscribed {
    wanted: Subscription,
    /// As what it reads now.
    no: Option<ReaderNo>,
    status: SubscriptionStatus,
    /// Whether the broker may have its filter.
    was_asked: bool,
}

#[derive(Debug)]
enum Reader {
    /// Of this subscriber, now or until the worker has released it.
    Of(SubscriberId),
    /// It reads a filter that nobody wants, so that the filter can be unsubscribed from.
    Departed(String),
}

/// A reader that wants nothing more, and its filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) no: ReaderNo,
    pub(crate) topic_filter: String,
}

/// What one that wants nothing more, or something else, leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// A reader.
    Reader(Release),
    /// No reader, but a filter that the broker may have in the session.
    Filter(String),
    Nothing,
}

/// What comes of the broker's answer to a reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// This subscriber is to be told of its status.
    Tell(SubscriberId),
    /// There was nobody to tell, and the filter is there to be unsubscribed from.
    Release(Release),
    /// Nobody waits for it.
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

    /// It wants something else.
    pub(crate) fn change(&mut self, id: SubscriberId, wanted: Subscription) -> Left {
        self.departed.remove(&wanted.topic_filter);
        let changed = self.all.get_mut(&id).map(|subscribed| {
            let changed = Subscribed::new(wanted);
            core::mem::replace(subscribed, changed)
        });
        changed.map_or(Left::Nothing, Subscribed::leave)
    }

    /// It wants nothing more.
    pub(crate) fn remove(&mut self, id: SubscriberId) -> Left {
        let removed = self.all.remove(&id);
        removed.map_or(Left::Nothing, Subscribed::leave)
    }

    /// Has the worker read what a subscriber wants.
    pub(crate) fn read(&mut self, id: SubscriberId) -> Option<ClientCommand> {
        let no = self.next_no();
        let subscribed = self.all.get_mut(&id)?;
        subscribed.no = Some(no);
        subscribed.was_asked = true;
        subscribed.status = SubscriptionStatus::Requested;
        self.readers.insert(no, Reader::Of(id));
        Some(ClientCommand::Read(no, subscribed.wanted.clone()))
    }

    /// Has the worker read a filter that is to be unsubscribed from. There is no other way to know when the broker has it, and
    /// what waits of it is heard, by nobody, and waits no more.
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

    /// The broker may have this filter in the session, and is to be told, once it can be, that nobody wants it.
    pub(crate) fn depart(&mut self, topic_filter: String) {
        let mut all = self.all.values();
        if !all.any(|it| it.wanted.topic_filter == topic_filter) {
            self.departed.insert(topic_filter);
        }
    }

    /// There is no session in which the broker could have them.
    pub(crate) fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// The worker has released a reader.
    pub(crate) fn released(&mut self, no: ReaderNo) {
        self.readers.remove(&no);
    }

    /// Nobody reads any more.
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

    /// The broker has answered a reader, or the worker has for it.
    pub(crate) fn answer(&mut self, no: ReaderNo, status: SubscriptionStatus) -> Answered {
        let is_refused = matches!(status, SubscriptionStatus::Refused(_));
        match self.readers.get(&no) {
            Some(Reader::Of(id)) => {
                let id = *id;
                let subscribed = self.all.get_mut(&id).filter(|it| it.no == Some(no));
                let is_told = subscribed.map(|subscribed| {
                    subscribed.status = status;
                    if is_refused {
                        subscribed.no = None;
                        subscribed.was_asked = false;
                    }
                });
                if is_refused {
                    self.readers.remove(&no);
                }
                is_told.map_or(Answered::Nobody, |()| Answered::Tell(id))
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

    /// Who gets a message that is for these readers. Who wants another filter now gets what was on its way if that
    /// matches, too.
    pub(crate) fn route(&self, message: &Message, readers: &[ReaderNo]) -> Vec<SubscriberId> {
        let mut route = Vec::new();
        for no in readers {
            let Some(Reader::Of(id)) = self.readers.get(no) else {
                continue;
            };
            let subscribed = self.all.get(id);
            let hears = subscribed.is_some_and(|it| {
                it.no == Some(*no) || topic_matches(&it.wanted.topic_filter, &message.topic)
            });
            if hears && !route.contains(id) {
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

//! Checks the messages that a client gets: subscriptions, copies and order.

use tab::Time;
use tab::api::{Message, QoS, RetainHandling, Subscription};

use super::{Client, is_match};
use crate::client_key::ClientKey;
use crate::oracle::message::{Kind, Moment, Published};
use crate::oracle::topic;
use crate::plan::Guarantee;
use crate::tally::Tally;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copies {
    /// With RETAIN 0 and QoS 0, where QoS 0 does not wait for the disk.
    at_most_once: u32,
    /// All others with RETAIN 0.
    plain: u32,
    /// With RETAIN 1 and QoS 0, where QoS 0 does not wait for the disk.
    retained_at_most_once: u32,
    /// All others with RETAIN 1.
    retained: u32,
    /// Whether a copy arrived with QoS 1.
    is_at_least_once: bool,
}

/// Messages that stay in order: one publisher, one topic, one published and one delivered QoS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::oracle) struct Stream {
    pub(in crate::oracle) publisher: ClientKey,
    pub(in crate::oracle) topic: String,
    pub(in crate::oracle) published: QoS,
    pub(in crate::oracle) delivered: QoS,
}

impl Copies {
    fn all(self) -> u32 {
        self.at_most_once + self.plain + self.retained_at_most_once + self.retained
    }
}

impl Client {
    /// Checks a message that arrived.
    pub(crate) fn deliver(
        &mut self,
        key: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
        guarantee: Guarantee,
        tally: &mut Tally,
    ) -> Result<(), Violation> {
        let may_outlive_broker = guarantee != Guarantee::Memory;
        if !published.is_intact(message) {
            return Err(Violation::MessageAltered {
                client: key,
                message: id,
            });
        }
        if self.is_connection_uncertain && may_outlive_broker {
            return Ok(());
        }
        // A message that waited for a listener may be reported at any time.
        let term = self
            .connection
            .or(self.last_term.filter(|_| self.had_no_listener));
        let Some(term) = term else {
            let message = id;
            return Err(Violation::DeliveredWhileDisconnected {
                client: key,
                message,
            });
        };
        // A broker with a disk may find a session of which a broker without one did not know.
        if guarantee != Guarantee::Recovery {
            self.check_subscriptions(key, id, published, message)?;
        }
        let may_repeat = self.had_no_listener && guarantee == Guarantee::Recovery;
        let may = (may_outlive_broker, may_repeat);
        let is_first = self.check_copies(key, id, published, message, may, tally)?;
        // A client that subscribed in between gets the second copy of a message after the first copy of the next one.
        // With state in memory, only the same broker can send that, unless messages of two brokers waited for a
        // listener.
        let may_be_of_two = may_outlive_broker || self.had_no_listener;
        let is_resent = published.is_resent_in(term) || may_be_of_two && published.is_resent();
        // The reader that got it first got it in order. The client's own listener gets it when it is sent again.
        let is_late = self.had_no_listener && message.dup;
        let is_ordered = !(is_resent || is_late || may_repeat || message.retain);
        if is_first && is_ordered && published.kind == Kind::Publish {
            self.check_order(key, id, published, message, tally)?;
        }
        Ok(())
    }

    /// Notes the broker's progress in sending queued messages to the client.
    pub(in crate::oracle) fn progress(&mut self, now: Time, id: MessageId, since: Moment) {
        if self.copies(id) == 1 {
            self.newest = Some((now, since));
        }
    }

    /// Whether the client got a message published before `since` within the last `within_ms` milliseconds.
    pub(in crate::oracle) fn gets_older(&self, now: Time, since: Moment, within_ms: u64) -> bool {
        self.newest.is_some_and(|(came, published)| {
            published.step < since.step && came.plus_ms(within_ms) > now
        })
    }

    /// The message must match a subscription that the client has, or had when the message was published.
    fn check_subscriptions(
        &self,
        client: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
    ) -> Result<(), Violation> {
        let matching: Vec<&Subscription> = self
            .subscriptions
            .iter()
            .filter(|it| {
                it.until
                    .is_none_or(|until| published.since.step < until.step)
            })
            .filter(|it| {
                is_match(&it.options, client, published)
                    || self.is_shared(&it.options.topic_filter)
                        && topic::matches(&it.options.topic_filter, &message.topic)
            })
            .map(|it| &it.options)
            .collect();
        let granted = matching.iter().map(|options| options.qos).max();
        let Some(granted) = granted else {
            return Err(Violation::DeliveredWithoutSubscription {
                client,
                message: id,
                topic: message.topic.clone(),
            });
        };
        if message.qos > granted.min(published.publication.qos) {
            return Err(Violation::QoSTooHigh {
                client,
                message: id,
                qos: message.qos,
            });
        }
        let of_none = message
            .subscription_identifiers
            .iter()
            .find(|id| !matching.iter().any(|it| it.identifier == Some(**id)));
        if let Some(identifier) = of_none {
            return Err(Violation::WrongSubscriptionIdentifier {
                client,
                message: id,
                identifier: *identifier,
            });
        }
        Ok(())
    }

    /// Whether a reader shares the filter. Then the client gets the union of all wishes, including its own messages.
    fn is_shared(&self, topic_filter: &str) -> bool {
        let mut read = self.subscriptions.iter().filter(|it| it.is_of_reader);
        read.any(|it| it.options.topic_filter == topic_filter)
    }

    /// Checks the number of copies. Returns whether this one is the first.
    fn check_copies(
        &mut self,
        client: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
        (may_outlive_broker, may_repeat): (bool, bool),
        tally: &mut Tally,
    ) -> Result<bool, Violation> {
        let routed = published.copies_max(message.qos, may_outlive_broker);
        let retained = if published.publication.retain {
            self.retained_copies_max(client, published)
        } else {
            0
        };
        let copies = self.seen.entry(id).or_default();
        let is_first = copies.all() == 0;
        copies.is_at_least_once |= message.qos == QoS::AtLeastOnce;
        // A message that was not acknowledged before the connection broke is sent again with QoS 1.
        let sent = if copies.is_at_least_once {
            1 + self.resumes
        } else {
            1
        };
        let (copies, allowed) = if message.retain {
            if !published.publication.retain {
                return Err(Violation::WrongRetainFlag {
                    client,
                    message: id,
                });
            }
            let allowed = routed.saturating_add(retained);
            if message.qos == QoS::AtMostOnce && may_outlive_broker {
                copies.retained_at_most_once += 1;
                (copies.at_most_once + copies.retained_at_most_once, allowed)
            } else {
                copies.retained += 1;
                (copies.plain + copies.retained, allowed.saturating_mul(sent))
            }
        } else if message.qos == QoS::AtMostOnce && may_outlive_broker {
            copies.at_most_once += 1;
            (copies.at_most_once, routed)
        } else {
            copies.plain += 1;
            (copies.plain, routed.saturating_mul(sent))
        };
        // A message that waited for a listener may belong to a session of which a broker without a disk did not know.
        // It may arrive in that session again.
        if copies > allowed && !may_repeat {
            return Err(Violation::TooManyCopies {
                client,
                message: id,
                qos: message.qos,
                copies,
                allowed,
            });
        }
        match message.qos {
            QoS::AtMostOnce => tally.deliveries_qos0 += 1,
            QoS::AtLeastOnce => tally.deliveries_qos1 += 1,
            QoS::ExactlyOnce => tally.deliveries_qos2 += 1,
        }
        tally.deliveries_retained += u64::from(message.retain);
        tally.deliveries_repeated += u64::from(!is_first);
        tally.wills_delivered += u64::from(published.kind != Kind::Publish);
        Ok(is_first)
    }

    /// Upper bound of the copies of a retained message that are sent for new and renewed subscriptions.
    fn retained_copies_max(&self, client: ClientKey, published: &Published) -> u32 {
        let asks = self.subscriptions.iter().filter(|it| {
            it.options.retain_handling != RetainHandling::DoNotSend
                && (is_match(&it.options, client, published)
                    || self.is_shared(&it.options.topic_filter)
                        && topic::matches(&it.options.topic_filter, &published.publication.topic))
        });
        asks.map(|it| it.sent.max(1 + self.connects)).sum()
    }

    /// On one connection, first copies arrive in the order of publication.
    fn check_order(
        &mut self,
        client: ClientKey,
        id: MessageId,
        published: &Published,
        message: &Message,
        tally: &mut Tally,
    ) -> Result<(), Violation> {
        let stream = Stream {
            publisher: published.publisher,
            topic: message.topic.clone(),
            published: published.publication.qos,
            delivered: message.qos,
        };
        let Some(last) = self.order.insert(stream, id) else {
            return Ok(());
        };
        if last > id {
            return Err(Violation::OutOfOrder {
                client,
                message: id,
                after: last,
            });
        }
        tally.orders_compared += 1;
        Ok(())
    }

    pub(crate) fn copies(&self, id: MessageId) -> u32 {
        let copies = self.seen.get(&id).copied().unwrap_or_default();
        copies.all()
    }

    /// Messages that arrived with RETAIN 1.
    pub(crate) fn retained(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.seen
            .iter()
            .filter(|(_, copies)| copies.retained + copies.retained_at_most_once > 0)
            .map(|(id, _)| *id)
    }
}

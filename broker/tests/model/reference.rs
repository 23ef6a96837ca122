//! The reference: the specified behaviour of a broker in its simplest form, without regard to speed.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::{FOREVER, Options, Will};

/// A message as it was published. Times are in milliseconds.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) publisher: usize,
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) published: u64,
    pub(crate) expiry_interval_s: Option<u32>,
}

impl Message {
    fn expires(&self) -> Option<u64> {
        self.expiry_interval_s
            .map(|interval_s| self.published + u64::from(interval_s) * 1_000)
    }
}

/// A PUBLISH to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) expiry_interval_s: Option<u32>,
    /// In ascending order.
    pub(crate) subscription_ids: Vec<u32>,
}

/// Other packets to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    ConnAck { session_present: bool },
    PubAck { packet_id: u16, matched: bool },
    PubRec { packet_id: u16, matched: bool },
    PubRel { packet_id: u16 },
    PubComp { packet_id: u16 },
    SubAck { qos: u8 },
    UnsubAck { existed: bool },
    Disconnect(u8),
    Closed,
}

/// One message for one session.
#[derive(Debug)]
struct Copy {
    message: Rc<Message>,
    qos: u8,
    retain: bool,
    subscription_ids: Vec<u32>,
    /// Messages of one batch may arrive in any order.
    batch: u64,
}

impl Copy {
    fn received(&self, dup: bool, now: u64, in_311: bool) -> Received {
        let message = &self.message;
        if in_311 {
            return Received {
                topic: message.topic.clone(),
                payload: message.payload.clone(),
                qos: self.qos,
                retain: self.retain,
                dup,
                expiry_interval_s: None,
                subscription_ids: Vec::new(),
            };
        }
        let waited_s = u32::try_from((now - message.published) / 1_000).expect("short waits");
        Received {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            dup,
            expiry_interval_s: message
                .expiry_interval_s
                .map(|interval_s| interval_s.saturating_sub(waited_s)),
            subscription_ids: self.subscription_ids.clone(),
        }
    }
}

/// A message that was sent and is not acknowledged.
#[derive(Debug)]
pub(crate) struct InFlight {
    copy: Copy,
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    /// Whether the client has it, so only the release is missing.
    pub(crate) released: bool,
    /// Whether it was sent on this connection.
    pub(crate) sent: bool,
}

#[derive(Debug)]
struct Subscription {
    filter: String,
    options: Options,
}

#[derive(Debug, Default)]
pub(crate) struct Session {
    subscriptions: Vec<Subscription>,
    expiry_interval_s: u32,
    ends: Option<u64>,
    queue: VecDeque<Copy>,
    pub(crate) in_flight: Vec<InFlight>,
    /// QoS 2 messages from the client that it has not released.
    pub(crate) unreleased: VecDeque<(u16, Rc<Message>)>,
    will: Option<Will>,
    will_due: Option<u64>,
}

/// A connected client.
#[derive(Debug)]
struct Connection {
    /// Whether it is of MQTT 3.1.1, so its messages have no properties.
    in_311: bool,
    receive_maximum: u16,
    /// QoS 0 messages that it must get in this step.
    now: VecDeque<Copy>,
}

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) now: u64,
    sessions: BTreeMap<usize, Session>,
    connections: BTreeMap<usize, Connection>,
    retained: Vec<Rc<Message>>,
    batch: u64,
}

impl Reference {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now,
            ..Self::default()
        }
    }

    pub(crate) fn is_connected(&self, who: usize) -> bool {
        self.connections.contains_key(&who)
    }

    pub(crate) fn speaks_311(&self, who: usize) -> bool {
        self.connections
            .get(&who)
            .is_some_and(|connection| connection.in_311)
    }

    pub(crate) fn session(&mut self, who: usize) -> &mut Session {
        self.sessions.get_mut(&who).expect("a session")
    }

    /// Connections, sessions, subscriptions, retained messages.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let subscriptions = self.sessions.values().map(|s| s.subscriptions.len());
        [
            self.connections.len(),
            self.sessions.len(),
            subscriptions.sum(),
            self.retained.len(),
        ]
    }

    /// Lets time pass and handles everything that is due.
    pub(crate) fn advance(&mut self, now: u64) {
        self.now = now;
        self.batch += 1;
        self.retained
            .retain(|message| message.expires().is_none_or(|at| at > now));
        for who in self.sessions.keys().copied().collect::<Vec<_>>() {
            let session = &self.sessions[&who];
            if session.ends.is_some_and(|at| at <= now) {
                self.end_session(who);
            } else if session.will_due.is_some_and(|at| at <= now) {
                self.publish_will(who);
            }
        }
    }

    /// Connects a client. Returns whether it had a session.
    pub(crate) fn connect(
        &mut self,
        who: usize,
        in_311: bool,
        clean_start: bool,
        expiry_interval_s: u32,
        receive_maximum: u16,
        will: Option<Will>,
    ) -> Vec<Answer> {
        self.batch += 1;
        if self.is_connected(who) {
            self.disconnected(who);
        }
        if clean_start && self.sessions.contains_key(&who) {
            self.end_session(who);
        }
        let session_present = self.sessions.contains_key(&who);
        let session = self.sessions.entry(who).or_default();
        session.expiry_interval_s = expiry_interval_s;
        session.ends = None;
        session.will = will;
        session.will_due = None;
        for entry in &mut session.in_flight {
            entry.sent = false;
        }
        let now = VecDeque::new();
        self.connections.insert(
            who,
            Connection {
                in_311,
                receive_maximum,
                now,
            },
        );
        let released = session.in_flight.iter().filter(|entry| entry.released);
        let release = released.map(|entry| Answer::PubRel {
            packet_id: entry.packet_id,
        });
        let mut answers = vec![Answer::ConnAck { session_present }];
        answers.extend(release);
        answers
    }

    /// Handles DISCONNECT, unless it sets an expiry interval for a session that had none.
    pub(crate) fn disconnect(
        &mut self,
        who: usize,
        with_will: bool,
        expiry_interval_s: Option<u32>,
    ) -> Vec<Answer> {
        let session = self.session(who);
        if session.expiry_interval_s == 0 && expiry_interval_s.is_some_and(|s| s > 0) {
            self.disconnected(who);
            return vec![Answer::Disconnect(0x82), Answer::Closed];
        }
        if let Some(interval_s) = expiry_interval_s {
            session.expiry_interval_s = interval_s;
        }
        if !with_will {
            session.will = None;
        }
        self.disconnected(who);
        vec![Answer::Closed]
    }

    /// Ends a connection for any reason.
    pub(crate) fn disconnected(&mut self, who: usize) {
        self.connections.remove(&who);
        let now = self.now;
        let session = self.session(who);
        match session.expiry_interval_s {
            0 => return self.end_session(who),
            FOREVER => {}
            interval_s => session.ends = Some(now + u64::from(interval_s) * 1_000),
        }
        match &session.will {
            Some(will) if will.delay_s > 0 => {
                session.will_due = Some(now + u64::from(will.delay_s) * 1_000);
            }
            Some(_) => self.publish_will(who),
            None => {}
        }
    }

    fn end_session(&mut self, who: usize) {
        self.session(who).subscriptions.clear();
        self.publish_will(who);
        self.sessions.remove(&who);
    }

    fn publish_will(&mut self, who: usize) {
        let published = self.now;
        let session = self.session(who);
        session.will_due = None;
        if let Some(will) = session.will.take() {
            self.publish(Rc::new(Message {
                publisher: who,
                topic: format!("will/{who}"),
                payload: "will".into(),
                qos: will.qos,
                retain: will.retain,
                published,
                expiry_interval_s: None,
            }));
        }
    }

    pub(crate) fn subscribe(&mut self, who: usize, filter: &str, options: Options) -> Answer {
        self.batch += 1;
        let subscriptions = &mut self.session(who).subscriptions;
        let existed = subscriptions.iter().any(|known| known.filter == filter);
        subscriptions.retain(|known| known.filter != filter);
        subscriptions.push(Subscription {
            filter: filter.into(),
            options,
        });
        let wants_retained = match options.retain_handling {
            0 => true,
            1 => !existed,
            _ => false,
        };
        if wants_retained {
            for message in self.retained.clone() {
                let own = options.no_local && message.publisher == who;
                if !own && matches(filter, &message.topic) {
                    let copy = Copy {
                        qos: options.qos.min(message.qos),
                        message,
                        retain: true,
                        subscription_ids: options.id.into_iter().collect(),
                        batch: self.batch,
                    };
                    self.deliver(who, copy);
                }
            }
        }
        Answer::SubAck { qos: options.qos }
    }

    pub(crate) fn unsubscribe(&mut self, who: usize, filter: &str) -> Answer {
        let subscriptions = &mut self.session(who).subscriptions;
        let before = subscriptions.len();
        subscriptions.retain(|known| known.filter != filter);
        Answer::UnsubAck {
            existed: subscriptions.len() < before,
        }
    }

    /// Routes and retains a message. Returns whether it has a subscriber.
    pub(crate) fn publish(&mut self, message: Rc<Message>) -> bool {
        if message.retain {
            self.retained.retain(|known| known.topic != message.topic);
            if !message.payload.is_empty() {
                self.retained.push(Rc::clone(&message));
            }
        }
        let mut matched = false;
        for who in self.sessions.keys().copied().collect::<Vec<_>>() {
            let matching: Vec<Options> = self.sessions[&who]
                .subscriptions
                .iter()
                .filter(|subscription| matches(&subscription.filter, &message.topic))
                .map(|subscription| subscription.options)
                .filter(|options| !(options.no_local && message.publisher == who))
                .collect();
            let Some(qos) = matching.iter().map(|options| options.qos).max() else {
                continue;
            };
            matched = true;
            let mut subscription_ids: Vec<u32> = matching.iter().filter_map(|o| o.id).collect();
            subscription_ids.sort_unstable();
            let copy = Copy {
                message: Rc::clone(&message),
                qos: qos.min(message.qos),
                retain: message.retain && matching.iter().any(|o| o.retain_as_published),
                subscription_ids,
                batch: self.batch,
            };
            self.deliver(who, copy);
        }
        matched
    }

    /// Routes one message of a client, which belongs to no batch.
    pub(crate) fn publish_alone(&mut self, message: Rc<Message>) -> bool {
        self.batch += 1;
        self.publish(message)
    }

    fn deliver(&mut self, who: usize, copy: Copy) {
        if copy.qos > 0 {
            self.session(who).queue.push_back(copy);
        } else if let Some(connection) = self.connections.get_mut(&who) {
            connection.now.push_back(copy);
        }
    }

    /// Checks a PUBLISH to a client: it must be the next one, or one of the next batch.
    pub(crate) fn receive(&mut self, who: usize, packet_id: Option<u16>, received: &Received) {
        self.drop_expired(who);
        let now = self.now;
        let in_311 = self.speaks_311(who);
        let Some(packet_id) = packet_id else {
            let connection = self.connections.get_mut(&who).expect("a connected client");
            take(&mut connection.now, received, now, in_311);
            return;
        };
        assert!(
            self.may_send(who),
            "above the Receive Maximum: {received:?}"
        );
        let session = self.session(who);
        if let Some(entry) = session
            .in_flight
            .iter_mut()
            .find(|e| !e.sent && !e.released)
        {
            assert_eq!(
                entry.packet_id, packet_id,
                "sent again under another number"
            );
            assert_eq!(entry.copy.received(true, now, in_311), *received);
            entry.sent = true;
            return;
        }
        let known = session.in_flight.iter().any(|e| e.packet_id == packet_id);
        assert!(!known, "{packet_id} is in flight already");
        let copy = take(&mut session.queue, received, now, in_311);
        session.in_flight.push(InFlight {
            qos: copy.qos,
            copy,
            packet_id,
            released: false,
            sent: true,
        });
    }

    /// Checks that no message is left that could be sent.
    pub(crate) fn check_settled(&mut self) {
        for who in self.connections.keys().copied().collect::<Vec<_>>() {
            self.drop_expired(who);
            let connection = &self.connections[&who];
            assert!(
                connection.now.is_empty(),
                "{who} did not get {:?}",
                connection.now
            );
            if self.may_send(who) {
                let session = &self.sessions[&who];
                assert!(
                    session.queue.is_empty(),
                    "{who} waits for {:?}",
                    session.queue
                );
                let again = session.in_flight.iter().all(|e| e.sent || e.released);
                assert!(again, "{who} waits for {:?}", session.in_flight);
            }
        }
    }

    fn may_send(&self, who: usize) -> bool {
        let in_flight = &self.sessions[&who].in_flight;
        let used = in_flight.iter().filter(|e| e.sent || e.released).count();
        used < usize::from(self.connections[&who].receive_maximum)
    }

    /// Only an unsent message can expire.
    fn drop_expired(&mut self, who: usize) {
        let now = self.now;
        self.session(who).queue.retain(|copy| {
            let message = &copy.message;
            now == message.published || message.expires().is_none_or(|at| at > now)
        });
    }
}

fn take(copies: &mut VecDeque<Copy>, received: &Received, now: u64, in_311: bool) -> Copy {
    let batch = copies.front().map(|copy| copy.batch);
    let position = copies
        .iter()
        .take_while(|copy| Some(copy.batch) == batch)
        .position(|copy| copy.received(false, now, in_311) == *received);
    match position.and_then(|position| copies.remove(position)) {
        Some(copy) => copy,
        None => panic!("{received:?} came, and not {copies:?}"),
    }
}

/// Whether a filter matches a topic, level by level.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
            ([wanted, filter @ ..], [level, topic @ ..]) => {
                wanted == level && levels_match(filter, topic)
            }
            _ => false,
        }
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    let hidden = topic[0].starts_with('$') && ["#", "+"].contains(&filter[0]);
    !hidden && levels_match(&filter, &topic)
}

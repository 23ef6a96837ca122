//! The engine: dispatches each input to the file of its verb.

use std::collections::HashMap;

use crate::access::{Access, AllowAll};
use crate::codec::DecodeError;
use crate::connection::ConnectionState;
use crate::observe::sys_topics::SysTopics;
use crate::persistence::Persistence;
use crate::routing::catch_up::CatchUpQueue;
use crate::routing::reassignment::Reassignments;
use crate::routing::retained::Retained;
use crate::routing::subscriptions::Subscriptions;
use crate::session::Deadline;
use crate::session::reconnect_grace::ReconnectGrace;
use crate::session::sessions::Sessions;
use crate::util::hash::SeededState;
use crate::util::timers::Timers;
use crate::{CloseReason, Config, ConnId, Input, Output, Packet, SessionId, Stats, Time};

/// An MQTT server for 5.0 and 3.1.1 without input, output and clock.
///
/// The same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: Config,
    pub(crate) access: Box<dyn Access>,
    pub(crate) connections: HashMap<ConnId, ConnectionState, SeededState>,
    pub(crate) sessions: Sessions,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) retained: Retained,
    pub(crate) deadlines: Timers<Deadline>,
    pub(crate) catch_up_queue: CatchUpQueue,
    pub(crate) reassignments: Reassignments,
    /// Time of the last input.
    last_input: Time,
    /// Keep-alive checks and connect timeouts.
    pub(crate) idle_timers: Timers<ConnId>,
    pub(crate) ids_assigned: u64,
    pub(crate) exchanges_begun: u64,
    pub(crate) reconnect_grace: ReconnectGrace,
    pub(crate) persistence: Persistence,
    pub(crate) sys_topics: SysTopics,
    /// The counters. Numbers that can be counted at any time are not kept here.
    pub(crate) stats: Stats,
    /// The outputs of one input, before the commit gate. Empty between inputs; kept for its memory.
    unsent: Vec<Output>,
}

/// As many comparisons of a topic with a pattern take about the time of one packet.
const PATTERNS_A_UNIT: usize = 16;

/// Milliseconds until the next timeout while more is to be sent than one input may send. Other inputs come in between.
const PAUSE_MS: u64 = 1;

impl Broker {
    /// A broker without clients, sessions and messages, which allows everything.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_access(config, Box::new(AllowAll))
    }

    /// A broker without clients, sessions and messages, with `access` as its access control.
    #[must_use]
    pub fn with_access(config: Config, access: Box<dyn Access>) -> Self {
        let state = SeededState::new(&config.seed);
        Self {
            persistence: Persistence::new(config.durable),
            config: config.within_limits(),
            access,
            connections: HashMap::with_hasher(state),
            sessions: Sessions::new(),
            subscriptions: Subscriptions::new(state),
            retained: Retained::new(),
            catch_up_queue: CatchUpQueue::default(),
            reassignments: Reassignments::default(),
            last_input: Time::default(),
            deadlines: Timers::new(),
            idle_timers: Timers::new(),
            ids_assigned: 0,
            exchanges_begun: 0,
            reconnect_grace: ReconnectGrace::new(),
            sys_topics: SysTopics::default(),
            stats: Stats::default(),
            unsent: Vec::new(),
        }
    }

    /// Handles `input` and appends the outputs to `out`. Expiries and wills that became due before `now` come first,
    /// so they do not depend on a punctual [`Input::Timeout`].
    ///
    /// Keep-alive timeouts and [reconnect grace](Broker::in_reconnect_grace) end at [`Input::Timeout`] only. A caller
    /// that was suspended can therefore first report the packets that arrived meanwhile.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if !self.config.durable {
            return self.carry_out(now, input, out);
        }
        match input {
            // It changes no state, so nothing that is due happens now.
            Input::Committed(batch) => {
                self.catch_up_queue.stored();
                return self.persistence.committed(batch, out);
            }
            Input::Gone(conn) | Input::Interrupted(conn) => {
                self.persistence.forget_connection(conn);
            }
            _ => {}
        }
        let mut outputs = core::mem::take(&mut self.unsent);
        self.carry_out(now, input, &mut outputs);
        self.persistence.finish_input(&mut outputs, out);
        self.unsent = outputs;
    }

    /// The work of handling `input`, for callers that limit the work of a turn: one unit, and more for a packet whose cost its
    /// sender chooses. A topic filter is one more, as are a kilobyte of a topic and its comparison with 16 wildcard
    /// patterns. [`SharedPublish::work`](crate::codec::SharedPublish::work) counts the outputs.
    #[must_use]
    pub fn work_of(&self, input: &Input) -> usize {
        let Input::Packet(_, packet) = input else {
            return 1;
        };
        1 + match packet {
            Packet::Publish(publish) => {
                publish.topic_name.len() / 1_024 + self.subscriptions.patterns() / PATTERNS_A_UNIT
            }
            Packet::Subscribe(subscribe) => subscribe.filters.len(),
            Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.len(),
            _ => 0,
        }
    }

    fn carry_out(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        self.last_input = now;
        self.reassignments.begin(self.config.at_once_max);
        self.retained.drop_expired(now);
        self.run_deadlines(now, out);
        self.publish_sys_topics(now, out);
        match input {
            Input::Opened(conn) => self.on_opened(now, conn, None, false),
            Input::OpenedBy(conn, origin) => self.on_opened(now, conn, Some(origin), false),
            Input::Resume(conn, origin) => self.on_opened(now, conn, Some(origin), true),
            Input::Packet(conn, packet) => self.on_packet(now, conn, packet, out),
            Input::Malformed(conn, error) => self.on_malformed(now, conn, error, out),
            Input::Gone(conn) => self.on_gone(now, conn, out),
            Input::Interrupted(conn) => self.on_interrupted(now, conn, out),
            Input::OriginGone(origin) => self.on_origin_gone(now, origin, out),
            Input::StorageFull(is_full) => self.persistence.set_full(is_full),
            Input::Congested(conn, is_congested) => self.on_congested(now, conn, is_congested, out),
            // A broker without a log holds nothing back.
            Input::Committed(_) => {}
            Input::Timeout => {
                self.end_due_graces(now, out);
                self.close_idle_connections(now, out);
            }
            Input::Suspended(ms) => self.on_suspended(ms),
            Input::Shutdown => self.on_shutdown(now, out),
        }
        self.continue_reassignments(now, out);
        self.catch_up(now, out);
    }

    /// When [`Input::Timeout`] is due, if no input comes before. It may come early, late or too often.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let has_more = self.catch_up_queue.has_more() || self.reassignments.has_more();
        let timeouts = [
            self.idle_timers.next(),
            self.deadlines.next(),
            self.reconnect_grace.until(),
            self.retained.next_expiry(),
            has_more.then(|| self.last_input.plus_ms(PAUSE_MS)),
            self.sys_topics.due(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Whether the broker holds packets back until a batch is [durable](Input::Committed). Otherwise the caller may
    /// store the batch later, with the next one.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.persistence.commit_gate.is_waiting()
    }

    /// The counters, as they are now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            sessions: self.sessions.len(),
            subscriptions: self.subscriptions.len(),
            retained_messages: self.retained.len(),
            ..self.stats
        }
    }

    fn on_packet(&mut self, now: Time, conn: ConnId, packet: Packet, out: &mut Vec<Output>) {
        match self.connections.get(&conn) {
            None => {}
            Some(ConnectionState::Opened { pending: None, .. }) => {
                self.on_first_packet(now, conn, packet, out);
            }
            Some(ConnectionState::Opened { .. }) => {
                self.on_packet_before_connack(now, conn, &packet, out);
            }
            Some(&ConnectionState::Client(id)) => {
                if let Err(reason) = self.on_client_packet(now, id, packet, out) {
                    self.close(now, id, reason, out);
                }
                self.sessions.recount(id);
            }
        }
    }

    fn on_client_packet(
        &mut self,
        now: Time,
        id: SessionId,
        packet: Packet,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        if let Some(connection) = &mut self.sessions[id].connection {
            connection.last_packet_at = now;
        }
        match packet {
            Packet::Connect(_) => Err(CloseReason::SecondConnect),
            Packet::Publish(publish) => self.on_publish(now, id, publish, out),
            Packet::PubAck(puback) => self.on_puback(now, id, &puback, out),
            Packet::PubRec(pubrec) => self.on_pubrec(now, id, &pubrec, out),
            Packet::PubRel(pubrel) => self.on_pubrel(id, &pubrel, out),
            Packet::PubComp(pubcomp) => self.on_pubcomp(now, id, &pubcomp, out),
            Packet::Subscribe(subscribe) => self.on_subscribe(id, &subscribe, out),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(id, &unsubscribe, out),
            Packet::PingReq => self.sessions[id].answer(Packet::PingResp, out),
            Packet::Disconnect(disconnect) => self.on_disconnect(now, id, &disconnect, out),
            Packet::Auth(auth) => self.on_auth(id, &auth, out),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(CloseReason::ServerPacket {
                    packet: packet.packet_type_name(),
                })
            }
        }
    }

    fn on_malformed(&mut self, now: Time, conn: ConnId, error: DecodeError, out: &mut Vec<Output>) {
        match self.connections.get(&conn) {
            None => {}
            Some(ConnectionState::Opened { .. }) => {
                self.on_malformed_first_packet(conn, error, out)
            }
            Some(&ConnectionState::Client(id)) => {
                self.close(now, id, CloseReason::Malformed(error), out);
            }
        }
    }
}

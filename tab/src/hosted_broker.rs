//! The broker in this tab, with its lanes and connections.

pub(crate) mod inspect;
mod intake;
#[cfg(test)]
mod tests;

use broker::access::Access;
use broker::codec::{self, ProtocolVersion, SharedPublish};
use broker::sorted::{Map, Set};
use broker::{
    BatchId, Broker, BrokerEvent, Config, ConnId, Input, Origin, Output, Packet, ReasonCode,
    Restored, Stats, Time,
};

use crate::api::{Answer, Question, Term};
use crate::endpoint::ToBroker;
use crate::lane::{Arrival, LaneEnd, Limits, OPENED};
use crate::protocol::frame::{ConnectionNo, Frame, LaneMessage, Packets};
use crate::protocol::names::{Lane, TabId};
use crate::settings::Settings;
use intake::{Intake, Waiting};

/// A [`Broker`], the lanes to the other tabs, and the owners of connections.
#[derive(Debug)]
pub(crate) struct HostedBroker {
    pub(crate) term: Term,
    own_tab: TabId,
    limits: Limits,
    /// Bytes of a tab in the intake at which its lane is reset. Tabs of ours keep to the window and stay far below.
    backlog_bytes_max: usize,
    broker: Broker,
    lanes: Map<TabId, LaneEnd>,
    intake: Intake,
    ids: Map<(TabId, ConnectionNo), ConnId>,
    connections: Map<ConnId, Peer>,
    last_id: u64,
    /// Tabs that are gone, while others have not reconnected yet. Their wills wait, so that all subscribers receive
    /// them.
    departed: Set<TabId>,
    /// When that wait ends.
    settled: Time,
    /// Connections to which a packet could not be sent.
    unsendable: Vec<(TabId, ConnectionNo)>,
    /// Tabs whose lane has just become full, or got a connection while it was full.
    congested: Vec<TabId>,
    /// Whether this tab's own page is falling behind.
    own_page_is_behind: bool,
    /// Counts of dropped messages.
    drops: inspect::Drops,
    /// An empty buffer that is reused.
    scratch: Vec<Output>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer {
    tab: TabId,
    connection: ConnectionNo,
    /// MQTT version of its CONNECT, once that has arrived.
    version: Option<ProtocolVersion>,
    /// Whether the broker knows that the way to it is full.
    is_congested: bool,
}

/// An output of the hosted broker.
#[derive(Debug)]
pub(crate) enum HostedBrokerOutput {
    /// A packet for an endpoint of this tab.
    ToOwn(ConnectionNo, Packet),
    /// A connection of this tab is closed, for this reason.
    CloseOwn(ConnectionNo, ReasonCode),
    /// Open the broker's end of a lane.
    OpenLane(Lane),
    /// Post this frame, which confirms that the lane is open.
    Confirm(Lane, Vec<u8>),
    /// Close the broker's end of a lane.
    CloseLane(Lane),
    /// A lane lost a frame, or the tab ignores its window.
    Broken(TabId),
    /// This binding has ended at the broker. The tab, if it lives, should bind again.
    Unbind(Lane, u32),
    /// Changes to store.
    Persist(BatchId, Vec<u8>),
    /// A packet is not encodable. Its connection is closed.
    NotEncodable(codec::EncodeError),
    /// An event of the broker.
    Event(BrokerEvent),
}

/// The start state of a hosted broker.
#[derive(Debug)]
pub(crate) struct State<'a> {
    /// Whether changes are stored: [`HostedBrokerOutput::Persist`].
    pub(crate) is_durable: bool,
    /// The state of the previous broker.
    pub(crate) pieces: &'a [Vec<u8>],
    pub(crate) access: Box<dyn Access>,
}

impl HostedBroker {
    pub(crate) fn new(
        now: Time,
        term: Term,
        own_tab: TabId,
        state: State<'_>,
        settings: &Settings,
    ) -> (Self, Restored) {
        let config = Config {
            // Term and tab make assigned client identifiers unique among all brokers.
            assigned_id_prefix: format!("auto-{}-{term}-", own_tab.short()),
            durable: state.is_durable,
            ..settings.of_broker()
        };
        let pieces = state.pieces.iter().map(Vec::as_slice);
        let (broker, restored) = Broker::restore(config, state.access, pieces, now);
        let hosted_broker = Self {
            term,
            own_tab,
            limits: settings.to_tab(),
            backlog_bytes_max: settings.waiting_bytes_max,
            broker,
            lanes: Map::new(),
            intake: Intake::new(now, settings.turn_work_max),
            ids: Map::new(),
            connections: Map::new(),
            last_id: 0,
            departed: Set::new(),
            settled: now.plus_ms(settings.settle_ms),
            unsendable: Vec::new(),
            congested: Vec::new(),
            own_page_is_behind: false,
            drops: inspect::Drops::default(),
            scratch: Vec::new(),
        };
        (hosted_broker, restored)
    }

    /// The persistent state of the broker.
    pub(crate) fn snapshot(&self) -> Vec<Vec<u8>> {
        self.broker.snapshot()
    }

    /// Tabs with sessions in reconnect grace.
    pub(crate) fn awaited(&self) -> Vec<TabId> {
        let origins = self.broker.in_reconnect_grace();
        origins
            .into_iter()
            .map(|Origin(bits)| TabId::from_entropy(bits))
            .collect()
    }

    /// Whether packets wait until changes are stored.
    pub(crate) fn is_waiting(&self) -> bool {
        self.broker.is_waiting()
    }

    /// All batches up to and including this one are durable.
    pub(crate) fn on_committed(
        &mut self,
        now: Time,
        batch: BatchId,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        self.broker(now, Input::Committed(batch), out);
    }

    /// Whether changes are refused because they cannot be stored.
    pub(crate) fn on_full(&mut self, now: Time, is_full: bool, out: &mut Vec<HostedBrokerOutput>) {
        self.broker(now, Input::StorageFull(is_full), out);
    }

    /// This tab was suspended for this long (ms), or the clock was set. Keep-alive timeouts exclude it.
    pub(crate) fn on_suspended(&mut self, now: Time, ms: u64, out: &mut Vec<HostedBrokerOutput>) {
        self.broker(now, Input::Suspended(ms), out);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.broker.stats()
    }

    /// Whether the intake holds inputs that the last turn did not handle.
    pub(crate) fn is_behind(&self) -> bool {
        !self.intake.is_empty()
    }

    /// Whether some of these are of this tab's own endpoints.
    pub(crate) fn is_behind_own(&self) -> bool {
        self.intake.contains(self.own_tab)
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        if self.is_behind() {
            return Some(Time::from_ms(0));
        }
        let settled = Some(self.settled).filter(|_| !self.departed.is_empty());
        self.broker.next_timeout().into_iter().chain(settled).min()
    }

    pub(crate) fn on_timeout(&mut self, now: Time, out: &mut Vec<HostedBrokerOutput>) {
        // A client whose packet is in the intake is not silent.
        self.intake.begin_slice(now);
        self.serve_intake(now, out);
        if self.broker.next_timeout().is_some_and(|due| due <= now) {
            self.broker(now, Input::Timeout, out);
        }
        self.settle(now, out);
    }

    /// Returns the lane to this tab.
    pub(crate) fn lane(&self, tab: TabId) -> Lane {
        Lane {
            tab,
            broker: self.own_tab,
            term: self.term,
        }
    }

    /// Opens this end of lanes without a `bind`.
    pub(crate) fn open_lanes(&mut self, tabs: &[TabId], out: &mut Vec<HostedBrokerOutput>) {
        for tab in tabs {
            let lane = self.lane(*tab);
            let end = LaneEnd::new(lane, OPENED, self.limits);
            self.lanes.insert(*tab, end);
            out.push(HostedBrokerOutput::OpenLane(lane));
        }
    }

    /// A tab has opened its end of the lane.
    pub(crate) fn on_bind(
        &mut self,
        now: Time,
        tab: TabId,
        binding: u32,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        let lane = self.lane(tab);
        match self.lanes.get_mut(&tab) {
            Some(end) if end.binding > binding => return,
            Some(end) if end.binding == binding => {
                // The tab repeats `bind`, because the confirmation is late or lost.
                return out.push(HostedBrokerOutput::Confirm(lane, end.confirmation()));
            }
            Some(_) => {
                self.serve_all_of(now, tab, out);
                self.end_connections(now, tab, Input::Interrupted, out);
            }
            None => {}
        }
        let mut end = LaneEnd::new(lane, binding, self.limits);
        out.push(HostedBrokerOutput::OpenLane(lane));
        out.push(HostedBrokerOutput::Confirm(lane, end.confirmation()));
        self.lanes.insert(tab, end);
    }

    /// The tab is gone: ends its connections without DISCONNECT, which makes their wills due.
    pub(crate) fn on_tab_gone(&mut self, now: Time, tab: TabId, out: &mut Vec<HostedBrokerOutput>) {
        // A DISCONNECT in the intake prevents the will.
        self.serve_all_of(now, tab, out);
        self.close_lane(tab, out);
        self.end_connections(now, tab, Input::Gone, out);
        self.departed.insert(tab);
        self.settle(now, out);
    }

    /// Ends the sessions of lost tabs' clients once all other tabs have reconnected, or had time to.
    fn settle(&mut self, now: Time, out: &mut Vec<HostedBrokerOutput>) {
        if self.departed.is_empty() {
            return;
        }
        let is_settled =
            now >= self.settled || self.awaited().iter().all(|tab| self.departed.contains(tab));
        if is_settled {
            for tab in core::mem::take(&mut self.departed) {
                self.broker(now, Input::OriginGone(Origin(tab.bits())), out);
            }
        }
    }

    /// Sends `unbind`, in case the tab lives.
    fn close_lane(&mut self, tab: TabId, out: &mut Vec<HostedBrokerOutput>) {
        if let Some(end) = self.lanes.remove(&tab) {
            out.push(HostedBrokerOutput::CloseLane(end.lane));
            out.push(HostedBrokerOutput::Unbind(end.lane, end.binding));
        }
    }

    /// Handles a frame of this many bytes from a tab. After a gap, or with too large a backlog, the lane is closed, and
    /// its connections are interrupted.
    pub(crate) fn on_frame(
        &mut self,
        now: Time,
        tab: TabId,
        (frame, bytes): (Frame, usize),
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        let Some(end) = self.lanes.get_mut(&tab) else {
            return;
        };
        let was_full = end.is_full();
        let mut arrival = end.accept(frame, bytes);
        if end.unacked_bytes() > self.backlog_bytes_max {
            arrival = Arrival::Gap;
        }
        if was_full && !end.is_full() {
            self.report_congestion(now, tab, out);
        }
        match arrival {
            Arrival::Stale => {}
            Arrival::Gap => {
                self.serve_all_of(now, tab, out);
                out.push(HostedBrokerOutput::Broken(tab));
                self.close_lane(tab, out);
                self.end_connections(now, tab, Input::Interrupted, out);
            }
            Arrival::Next(messages) => {
                // Once there is a backlog, the queues are served in turns of their own. A frame of another tab that arrives
                // meanwhile is then in its queue before the next slice.
                let is_behind = self.is_behind();
                for message in messages {
                    let waiting = match message {
                        LaneMessage::Packets { connection, bytes } => {
                            let packets = Packets::new(bytes, self.limits.maximum_packet_size);
                            Waiting::Packets(connection, packets)
                        }
                        message => Waiting::Message(message),
                    };
                    self.intake.push(tab, waiting);
                }
                if !is_behind {
                    self.intake.pass(now);
                    self.serve_intake(now, out);
                }
                self.hold(tab);
            }
        }
    }

    /// Handles inputs of the intake until the slice is used up.
    fn serve_intake(&mut self, now: Time, out: &mut Vec<HostedBrokerOutput>) {
        while self.intake.has_time()
            && let Some((tab, waiting)) = self.intake.pop()
        {
            self.handle(now, tab, waiting, out);
            if !self.intake.contains(tab) {
                self.hold(tab);
            }
        }
    }

    /// Handles all inputs of a tab whose lane ends.
    fn serve_all_of(&mut self, now: Time, tab: TabId, out: &mut Vec<HostedBrokerOutput>) {
        while let Some(waiting) = self.intake.pop_of(tab) {
            self.handle(now, tab, waiting, out);
        }
    }

    /// Withholds the acknowledgement of frames while the intake holds inputs of the tab.
    fn hold(&mut self, tab: TabId) {
        let is_held = self.intake.contains(tab);
        if let Some(end) = self.lanes.get_mut(&tab) {
            end.hold(is_held);
        }
    }

    /// Handles an input. The rest of many packets returns to the front of the queue, after at least one packet.
    fn handle(
        &mut self,
        now: Time,
        tab: TabId,
        waiting: Waiting,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        match waiting {
            Waiting::Own(connection, what) => self.handle_own(now, connection, what, out),
            Waiting::Message(message) => self.on_message(now, tab, message, out),
            Waiting::Packets(connection, mut packets) => {
                let id = self.ids.get(&(tab, connection));
                if let Some(version) = id.and_then(|id| self.connections.get(id)?.version) {
                    packets.set_version(version);
                }
                for packet in packets.by_ref().take(PACKETS_IN_A_ROW) {
                    match packet {
                        Ok(packet) => self.on_packet(now, tab, connection, packet, out),
                        Err(error) => {
                            let id = self.id(now, tab, connection, Input::OpenedBy, out);
                            self.broker(now, Input::Malformed(id, error), out);
                        }
                    }
                    if !self.intake.has_time() {
                        break;
                    }
                }
                if !packets.is_empty() {
                    let rest = Waiting::Packets(connection, packets);
                    self.intake.put_back(tab, rest);
                }
            }
        }
    }

    fn on_message(
        &mut self,
        now: Time,
        tab: TabId,
        message: LaneMessage,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        match message {
            LaneMessage::Closed { connection, .. } => self.on_closed(now, tab, connection, out),
            LaneMessage::Resume { connection } => self.on_resume(now, tab, connection, out),
            LaneMessage::Question { no, question } => {
                let answer = self.answer(&question);
                if let Some(end) = self.lanes.get_mut(&tab) {
                    end.push_answer(no, answer);
                }
            }
            // Only brokers send answers, the lane reassembles packets, and the intake splits them.
            LaneMessage::Answer { .. } | LaneMessage::Part { .. } | LaneMessage::Packets { .. } => {
            }
        }
    }

    /// Answers a question.
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let tab_of = |conn| self.connections.get(&conn).map(|peer| peer.tab);
        inspect::answer(&self.broker, &self.drops, question, tab_of)
    }

    /// Handles a packet, or the state of a connection, from this tab's own endpoint.
    pub(crate) fn on_own_packet(
        &mut self,
        now: Time,
        connection: ConnectionNo,
        what: ToBroker,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        self.intake.pass(now);
        if self.is_behind_own() || !self.intake.has_time() {
            let waiting = Waiting::Own(connection, what);
            return self.intake.push(self.own_tab, waiting);
        }
        self.handle_own(now, connection, what, out);
    }

    fn handle_own(
        &mut self,
        now: Time,
        connection: ConnectionNo,
        what: ToBroker,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        let tab = self.own_tab;
        match what {
            ToBroker::Resume => self.on_resume(now, tab, connection, out),
            ToBroker::Packet(packet) => self.on_packet(now, tab, connection, packet, out),
            ToBroker::Close => self.on_closed(now, tab, connection, out),
        }
    }

    /// Posts the frames of this turn.
    pub(crate) fn flush(&mut self, mut post: impl FnMut(Lane, Vec<u8>)) {
        self.lanes.for_each_mut(|tab, end| {
            let was_full = end.is_full();
            end.flush(&mut post);
            if end.is_full() && !was_full {
                self.congested.push(*tab);
            }
        });
    }

    /// Sets whether this tab's own page is falling behind.
    pub(crate) fn hold_own_page(
        &mut self,
        now: Time,
        is_full: bool,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        self.own_page_is_behind = is_full;
        self.report_congestion(now, self.own_tab, out);
    }

    /// Tells the broker whether the way to a tab's connections is full.
    fn report_congestion(&mut self, now: Time, tab: TabId, out: &mut Vec<HostedBrokerOutput>) {
        let all = (tab, ConnectionNo(0))..=(tab, ConnectionNo(u64::MAX));
        let ids: Vec<ConnId> = self.ids.range(all).map(|(_, id)| *id).collect();
        for id in ids {
            // The packets to one connection may fill it again.
            let is_full = match tab == self.own_tab {
                true => self.own_page_is_behind,
                false => self.lanes.get(&tab).is_some_and(LaneEnd::is_full),
            };
            if let Some(peer) = self.connections.get_mut(&id)
                && peer.is_congested != is_full
            {
                peer.is_congested = is_full;
                self.broker(now, Input::Congested(id, is_full), out);
            }
        }
    }

    /// The lanes whose broker's end is open.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.lanes.values().map(|end| end.lane)
    }

    fn on_packet(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        packet: Packet,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        // Only CONNECT opens a connection: late packets for a closed one are dropped here.
        let id = match (self.ids.get(&(tab, connection)), &packet) {
            (Some(id), _) => *id,
            (None, Packet::Connect(_)) => self.id(now, tab, connection, Input::OpenedBy, out),
            (None, _) => return,
        };
        if let Packet::Connect(connect) = &packet
            && let Some(peer) = self.connections.get_mut(&id)
        {
            peer.version
                .get_or_insert_with(|| ProtocolVersion::of(connect));
        }
        let may_begin = matches!(packet, Packet::Connect(_) | Packet::Auth(_));
        self.broker(now, Input::Packet(id, packet), out);
        if may_begin {
            // A newly accepted client gets the congestion state of its lane.
            if let Some(peer) = self.connections.get_mut(&id) {
                peer.is_congested = false;
            }
            self.report_congestion(now, tab, out);
        }
        self.settle(now, out);
    }

    fn on_resume(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        self.id(now, tab, connection, Input::Resume, out);
    }

    fn on_closed(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        if let Some(id) = self.ids.remove(&(tab, connection)) {
            self.connections.remove(&id);
            self.broker(now, Input::Gone(id), out);
        }
    }

    fn end_connections(
        &mut self,
        now: Time,
        tab: TabId,
        how: fn(ConnId) -> Input,
        out: &mut Vec<HostedBrokerOutput>,
    ) {
        let all = (tab, ConnectionNo(0))..=(tab, ConnectionNo(u64::MAX));
        let connections: Vec<ConnectionNo> = self.ids.range(all).map(|((_, no), _)| *no).collect();
        for connection in connections {
            if let Some(id) = self.ids.remove(&(tab, connection)) {
                self.connections.remove(&id);
                self.broker(now, how(id), out);
            }
        }
    }

    fn id(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        how: fn(ConnId, Origin) -> Input,
        out: &mut Vec<HostedBrokerOutput>,
    ) -> ConnId {
        if let Some(id) = self.ids.get(&(tab, connection)) {
            return *id;
        }
        self.last_id += 1;
        let id = ConnId(self.last_id);
        self.ids.insert((tab, connection), id);
        let peer = Peer {
            tab,
            connection,
            version: None,
            is_congested: false,
        };
        self.connections.insert(id, peer);
        self.broker(now, how(id, Origin(tab.bits())), out);
        id
    }

    fn broker(&mut self, now: Time, input: Input, out: &mut Vec<HostedBrokerOutput>) {
        let mut outputs = core::mem::take(&mut self.scratch);
        self.intake.count(self.broker.work_of(&input));
        self.broker.handle(now, input, &mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Send(id, packet) => self.send(id, packet, out),
                Output::Publish(id, publish) => self.publish(id, publish, out),
                Output::Close(id, reason) => self.close(id, reason, out),
                Output::Persist(batch, bytes) => {
                    out.push(HostedBrokerOutput::Persist(batch, bytes))
                }
                Output::Event(event) => {
                    if let BrokerEvent::MessageDropped {
                        client_id, reason, ..
                    } = &event
                    {
                        self.drops.count(client_id, *reason);
                    }
                    out.push(HostedBrokerOutput::Event(event));
                }
            }
        }
        self.scratch = outputs;
        for (tab, connection) in core::mem::take(&mut self.unsendable) {
            self.on_closed(now, tab, connection, out);
        }
        for tab in core::mem::take(&mut self.congested) {
            self.report_congestion(now, tab, out);
        }
    }

    fn send(&mut self, id: ConnId, packet: Packet, out: &mut Vec<HostedBrokerOutput>) {
        self.intake.count(1);
        let Some(peer) = self.connections.get(&id).copied() else {
            return;
        };
        if peer.tab == self.own_tab {
            out.push(HostedBrokerOutput::ToOwn(peer.connection, packet));
        } else {
            self.push(peer, out, &|end, version| {
                end.push(peer.connection, version, &packet)
            });
        }
    }

    fn publish(&mut self, id: ConnId, publish: SharedPublish, out: &mut Vec<HostedBrokerOutput>) {
        self.intake.count(publish.work());
        let Some(peer) = self.connections.get(&id).copied() else {
            return;
        };
        if peer.tab == self.own_tab {
            let packet = publish.into_packet();
            out.push(HostedBrokerOutput::ToOwn(peer.connection, packet));
        } else {
            self.push(peer, out, &|end, version| {
                end.push_publish(peer.connection, version, &publish)
            });
        }
    }

    /// Adds a packet to the lane of another tab.
    fn push(
        &mut self,
        peer: Peer,
        out: &mut Vec<HostedBrokerOutput>,
        push: &dyn Fn(&mut LaneEnd, ProtocolVersion) -> Result<(), codec::EncodeError>,
    ) {
        let Peer {
            tab,
            connection,
            version,
            ..
        } = peer;
        if let Some(end) = self.lanes.get_mut(&tab) {
            let was_full = end.is_full();
            // The broker's packets are encodable: they arrived as packets, or the broker made them.
            if let Err(error) = push(end, version.unwrap_or_default()) {
                debug_assert!(false, "{error}");
                // Without it, the other end would wait forever.
                end.push_closed(connection, ReasonCode::ImplementationSpecificError);
                self.unsendable.push((tab, connection));
                out.push(HostedBrokerOutput::NotEncodable(error));
            } else if end.is_full() && !was_full {
                self.congested.push(tab);
            }
        }
    }

    fn close(&mut self, id: ConnId, reason: ReasonCode, out: &mut Vec<HostedBrokerOutput>) {
        let Some(peer) = self.connections.remove(&id) else {
            return;
        };
        let Peer {
            tab, connection, ..
        } = peer;
        self.ids.remove(&(tab, connection));
        if tab == self.own_tab {
            out.push(HostedBrokerOutput::CloseOwn(connection, reason));
        } else if let Some(end) = self.lanes.get_mut(&tab) {
            end.push_closed(connection, reason);
        }
    }
}

/// Packets of a connection that are handled before another tab is served.
const PACKETS_IN_A_ROW: usize = 32;

//! The broker's side of a tab: what it holds while it is elected.

use std::collections::BTreeMap;

use broker::{Broker, BrokerEvent, Config, ConnId, Input, Output, Packet, Stats, Time};

use crate::api::Term;
use crate::lane::{Arrival, ConnectionNo, Frame, LaneEnd, Parcel, each_packet};
use crate::names::{Lane, TabId};
use crate::settings::Settings;

/// A [`Broker`], the lanes to the other tabs, and which connection is whose.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) term: Term,
    own_tab: TabId,
    maximum_packet_size: u32,
    broker: Broker,
    lanes: BTreeMap<TabId, LaneEnd>,
    ids: BTreeMap<(TabId, ConnectionNo), ConnId>,
    connections: BTreeMap<ConnId, (TabId, ConnectionNo)>,
    last_id: u64,
    /// Empty; kept for its memory.
    scratch: Vec<Output>,
}

/// What the host wants done.
#[derive(Debug)]
pub(crate) enum HostOutput {
    /// To a client of this very tab.
    ToOwn(ConnectionNo, Packet),
    /// A connection of this very tab is closed.
    CloseOwn(ConnectionNo),
    /// The broker's end of a lane is to be opened.
    OpenLane(Lane),
    /// The tab at the other end is to be told so, with this frame.
    Confirm(Lane, Vec<u8>),
    /// The broker's end of a lane is to be closed.
    CloseLane(Lane),
    /// This binding of a lane lost a frame; its tab is to bind again.
    Unbind(Lane, u32),
    /// Something happened in the broker.
    Event(BrokerEvent),
}

impl Host {
    pub(crate) fn new(term: Term, own_tab: TabId, settings: &Settings) -> Self {
        let config = Config {
            // Term and tab are no other broker's, so that the names it gives are no other's.
            assigned_id_prefix: format!("auto-{}-{term}-", own_tab.short()),
            receive_maximum: settings.receive_maximum,
            maximum_packet_size: settings.maximum_packet_size,
            queue_messages_max: settings.queue_messages_max,
            ..Config::default()
        };
        Self {
            term,
            own_tab,
            maximum_packet_size: settings.maximum_packet_size,
            broker: Broker::new(config),
            lanes: BTreeMap::new(),
            ids: BTreeMap::new(),
            connections: BTreeMap::new(),
            last_id: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.broker.stats()
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.broker.next_timeout()
    }

    pub(crate) fn on_timeout(&mut self, now: Time, out: &mut Vec<HostOutput>) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.broker(now, Input::Timeout, out);
        }
    }

    /// A tab has opened its end of the lane.
    pub(crate) fn on_bind(
        &mut self,
        now: Time,
        tab: TabId,
        binding: u32,
        out: &mut Vec<HostOutput>,
    ) {
        let lane = Lane {
            tab,
            term: self.term,
        };
        match self.lanes.get_mut(&tab) {
            Some(end) if end.binding > binding => return,
            Some(end) if end.binding == binding => {
                // Asked again because the confirmation is late or lost.
                return out.push(HostOutput::Confirm(lane, end.confirmation()));
            }
            Some(_) => self.drop_connections(now, tab, out),
            None => {}
        }
        let mut end = LaneEnd::new(lane, binding);
        out.push(HostOutput::OpenLane(lane));
        out.push(HostOutput::Confirm(lane, end.confirmation()));
        self.lanes.insert(tab, end);
    }

    /// The tab is gone: so are its connections, and wills are due.
    pub(crate) fn on_tab_gone(&mut self, now: Time, tab: TabId, out: &mut Vec<HostOutput>) {
        if let Some(end) = self.lanes.remove(&tab) {
            out.push(HostOutput::CloseLane(end.lane));
            self.drop_connections(now, tab, out);
        }
    }

    /// A frame came from a tab. If one before it is missing, the lane is closed, and its connections are lost.
    pub(crate) fn on_frame(
        &mut self,
        now: Time,
        tab: TabId,
        frame: Frame,
        out: &mut Vec<HostOutput>,
    ) {
        let Some(end) = self.lanes.get_mut(&tab) else {
            return;
        };
        match end.accept(frame) {
            Arrival::Stale => {}
            Arrival::Gap => {
                let (lane, binding) = (end.lane, end.binding);
                self.on_tab_gone(now, tab, out);
                out.push(HostOutput::Unbind(lane, binding));
            }
            Arrival::Next(parcels) => {
                for parcel in parcels {
                    self.on_parcel(now, tab, parcel, out);
                }
            }
        }
    }

    fn on_parcel(&mut self, now: Time, tab: TabId, parcel: Parcel, out: &mut Vec<HostOutput>) {
        match parcel {
            Parcel::Closed { connection } => self.on_closed(now, tab, connection, out),
            Parcel::Packets { connection, bytes } => {
                let maximum = self.maximum_packet_size;
                each_packet(bytes, maximum, |packet| match packet {
                    Ok(packet) => self.on_packet(now, tab, connection, packet, out),
                    Err(error) => {
                        let id = self.id(now, tab, connection, out);
                        self.broker(now, Input::Malformed(id, error), out);
                    }
                });
            }
        }
    }

    /// A packet of a client of this very tab.
    pub(crate) fn on_own_packet(
        &mut self,
        now: Time,
        connection: ConnectionNo,
        packet: Packet,
        out: &mut Vec<HostOutput>,
    ) {
        self.on_packet(now, self.own_tab, connection, packet, out);
    }

    /// A client of this very tab has closed its connection.
    pub(crate) fn on_own_closed(
        &mut self,
        now: Time,
        connection: ConnectionNo,
        out: &mut Vec<HostOutput>,
    ) {
        self.on_closed(now, self.own_tab, connection, out);
    }

    /// The frames of this turn.
    pub(crate) fn flush(&mut self, mut post: impl FnMut(Lane, Vec<u8>)) {
        for end in self.lanes.values_mut() {
            end.flush(&mut post);
        }
    }

    /// The lanes that are open at this end.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.lanes.values().map(|end| end.lane)
    }

    fn on_packet(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        packet: Packet,
        out: &mut Vec<HostOutput>,
    ) {
        // Only CONNECT opens a connection: what comes late for a closed one is dropped here.
        let id = match (self.ids.get(&(tab, connection)), &packet) {
            (Some(id), _) => *id,
            (None, Packet::Connect(_)) => self.id(now, tab, connection, out),
            (None, _) => return,
        };
        self.broker(now, Input::Packet(id, packet), out);
    }

    fn on_closed(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        out: &mut Vec<HostOutput>,
    ) {
        if let Some(id) = self.ids.remove(&(tab, connection)) {
            self.connections.remove(&id);
            self.broker(now, Input::Gone(id), out);
        }
    }

    fn drop_connections(&mut self, now: Time, tab: TabId, out: &mut Vec<HostOutput>) {
        let all = (tab, ConnectionNo(0))..=(tab, ConnectionNo(u64::MAX));
        let connections: Vec<ConnectionNo> = self.ids.range(all).map(|((_, no), _)| *no).collect();
        for connection in connections {
            self.on_closed(now, tab, connection, out);
        }
    }

    fn id(
        &mut self,
        now: Time,
        tab: TabId,
        connection: ConnectionNo,
        out: &mut Vec<HostOutput>,
    ) -> ConnId {
        if let Some(id) = self.ids.get(&(tab, connection)) {
            return *id;
        }
        self.last_id += 1;
        let id = ConnId(self.last_id);
        self.ids.insert((tab, connection), id);
        self.connections.insert(id, (tab, connection));
        self.broker(now, Input::Opened(id), out);
        id
    }

    fn broker(&mut self, now: Time, input: Input, out: &mut Vec<HostOutput>) {
        let mut outputs = core::mem::take(&mut self.scratch);
        self.broker.handle(now, input, &mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Send(id, packet) => self.send(id, packet, out),
                Output::Close(id, _) => self.close(id, out),
                Output::Event(event) => out.push(HostOutput::Event(event)),
                // The broker is not durable.
                Output::Persist(..) => {}
            }
        }
        self.scratch = outputs;
    }

    fn send(&mut self, id: ConnId, packet: Packet, out: &mut Vec<HostOutput>) {
        let Some((tab, connection)) = self.connections.get(&id).copied() else {
            return;
        };
        if tab == self.own_tab {
            out.push(HostOutput::ToOwn(connection, packet));
        } else if let Some(end) = self.lanes.get_mut(&tab) {
            // The broker's packets are within what MQTT can carry: they came in as packets, or it made them.
            let encoded = end.push(connection, &packet);
            debug_assert!(encoded.is_ok(), "{encoded:?} in {packet:?}");
        }
    }

    fn close(&mut self, id: ConnId, out: &mut Vec<HostOutput>) {
        let Some((tab, connection)) = self.connections.remove(&id) else {
            return;
        };
        self.ids.remove(&(tab, connection));
        if tab == self.own_tab {
            out.push(HostOutput::CloseOwn(connection));
        } else if let Some(end) = self.lanes.get_mut(&tab) {
            end.push_closed(connection);
        }
    }
}

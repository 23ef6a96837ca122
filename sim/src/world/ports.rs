//! Ports: pages that speak MQTT themselves.

use broker::Packet;
use broker::codec;
use bytes::Bytes;
use tab::{PortInput, PortNo, PortOutput, TabId};

use super::stall::Arrival;
use super::{Event, World};
use crate::client_key::ClientKey;
use crate::mutant::Mutant;
use crate::trace;
use crate::violation::Violation;
use crate::workload::port::{Action, Port};

/// Maximum number of open ports per tab.
const PORTS_MAX: usize = 2;

impl World<'_> {
    /// A page uses one of its ports, or opens one.
    pub(super) fn on_port_turn(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        if self.is_recovering {
            return Ok(());
        }
        let gap_us = self.plan.act_gap_ms * 1_000;
        let at_us = self.now_us + self.port_prng.between(0, 2 * gap_us);
        if runtime.stall.is_none() && runtime.page.is_open() {
            let open: Vec<PortNo> = runtime.ports.keys().copied().collect();
            let is_new = open.len() < PORTS_MAX && self.port_prng.chance(100);
            match self.port_prng.pick(&open).copied() {
                Some(_) | None if is_new => self.open_port(tab),
                Some(no) if self.port_prng.chance(15) => self.close_port(tab, no),
                Some(no) => self.act_on_port(tab, no),
                None => {}
            }
        }
        self.schedule(at_us, Event::PortTurn(tab));
        Ok(())
    }

    fn open_port(&mut self, tab: TabId) {
        let prng = self.port_prng.fork();
        self.last_port += 1;
        let no = PortNo(self.last_port);
        let Some(runtime) = self.tabs.get_mut(&tab) else {
            return;
        };
        let client = ClientKey::of_port(tab, no).no.0;
        let port = Port::new(prng, runtime.page.no(), no.0, client);
        let client_id = port.client_id().to_owned();
        self.oracle
            .on_port_opened(tab, no, client_id, port.version());
        runtime.ports.insert(no, port);
        self.send_to_tab(tab, no, PortInput::Opened);
        self.act_on_port(tab, no);
    }

    /// The page closes a port without DISCONNECT.
    fn close_port(&mut self, tab: TabId, no: PortNo) {
        self.send_to_tab(tab, no, PortInput::Closed);
        if let Some(runtime) = self.tabs.get_mut(&tab) {
            runtime.ports.remove(&no);
        }
    }

    fn act_on_port(&mut self, tab: TabId, no: PortNo) {
        let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
        let actions: Vec<Action> = port.and_then(Port::next_action).into_iter().collect();
        self.perform(tab, no, &actions);
    }

    /// The client reads packets, and sends what its window allows.
    pub(super) fn on_port_tick(&mut self, tab: TabId, no: PortNo) -> Result<(), Violation> {
        let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
        let Some(port) = port else {
            return Ok(());
        };
        port.is_tick_due = false;
        let actions = port.read();
        if port.has_unread() {
            self.tick_soon(tab, no);
        }
        self.perform(tab, no, &actions);
        Ok(())
    }

    fn tick_soon(&mut self, tab: TabId, no: PortNo) {
        let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
        if let Some(port) = port.filter(|port| !port.is_tick_due) {
            port.is_tick_due = true;
            let at_us = self.now_us + port.reads_in_us();
            self.schedule(at_us, Event::PortTick(tab, no));
        }
    }

    /// Reports actions to the oracle, and sends their bytes to the tab.
    pub(super) fn perform(&mut self, tab: TabId, no: PortNo, actions: &[Action]) {
        for action in actions {
            self.trace
                .tab(self.now_us, tab, || format!("port {}: {action:?}", no.0));
            self.oracle.on_port_action(self.now(), tab, no, action);
        }
        let mut parts = 0;
        while let Some(port) = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no))
            && let Some(bytes) = port.send()
        {
            parts += 1;
            self.oracle.tally.port_packets_cut += u64::from(parts == 2);
            self.oracle.on_port_sent(tab, no, bytes.len());
            self.send_to_tab(tab, no, PortInput::Bytes(bytes));
        }
    }

    /// Sends something to the tab, in order.
    fn send_to_tab(&mut self, tab: TabId, no: PortNo, input: PortInput) {
        let now_us = self.now_us;
        let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
        let Some(port) = port else {
            return;
        };
        port.last_us = port.last_us.max(now_us + port.delay_us());
        let at_us = port.last_us;
        self.schedule(at_us, Event::Arrival(tab, Arrival::Port(no, input)));
    }

    /// Delivers a tab's output to the client.
    pub(super) fn deliver_to_port(
        &mut self,
        tab: TabId,
        no: PortNo,
        output: PortOutput,
    ) -> Result<(), Violation> {
        match output {
            PortOutput::Bytes(bytes) => {
                let key = ClientKey::of_port(tab, no);
                let is_twice =
                    self.mutant == Some(Mutant::PortPacketDuplicated) && self.port_prng.chance(100);
                for _ in 0..=u64::from(is_twice) {
                    let len = bytes.len();
                    let version = self.oracle.port_version(tab, no);
                    let version = version.ok_or(Violation::PortPacketAfterClose { port: key })?;
                    let mut rest = Bytes::from(bytes.clone());
                    let packet = codec::decode(&mut rest, version, u32::MAX);
                    let Some(packet) = packet.ok().flatten().filter(|_| rest.is_empty()) else {
                        return Err(Violation::PortPacketIncomplete { port: key, len });
                    };
                    // Not the packet itself: the order of its properties is not deterministic.
                    self.trace.tab(self.now_us, tab, || {
                        let name = packet.packet_type_name();
                        format!("port {} gets {name}, {}", no.0, trace::frame(&bytes))
                    });
                    let is_lost = self.mutant == Some(Mutant::PortMessageLost)
                        && matches!(packet, Packet::Publish(_))
                        && self.port_prng.chance(100);
                    if is_lost {
                        continue;
                    }
                    self.oracle.on_port_packet(self.now(), tab, no, &packet)?;
                    let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
                    if let Some(port) = port {
                        port.on_packet(packet);
                    }
                }
            }
            PortOutput::Accepted(count) => {
                self.oracle.on_port_taken(tab, no, count)?;
                let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
                if let Some(port) = port {
                    port.on_taken(count);
                }
            }
            PortOutput::Closed(_) => {
                self.trace
                    .tab(self.now_us, tab, || format!("closes port {}", no.0));
                self.oracle.on_port_closed(self.now(), tab, no)?;
                if let Some(runtime) = self.tabs.get_mut(&tab) {
                    runtime.ports.remove(&no);
                }
            }
        }
        self.tick_soon(tab, no);
        Ok(())
    }
}

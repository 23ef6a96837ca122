//! The recovery phase at the end of every world: no faults happen, and the system must recover soon.

use tab::api::{ClientCommand, ClientNo, Command, QoS};
use tab::{PortNo, TabId};

use super::World;
use crate::client_key::ClientKey;
use crate::plan::Guarantee;
use crate::violation::Violation;
use crate::workload::message_id::MessageId;
use crate::workload::page::{PROBER, TOPICS};

/// Time from the last fault to full recovery.
const SETTLE_MS: u64 = 10_000;

/// The same where tabs may have stalled or had no disk, because pauses between attempts have grown by then.
const SETTLE_ROUGH_MS: u64 = 15_000;

/// Maximum duration of a probe.
const PROBE_MS: u64 = 3_000;

/// The same with very small windows.
const PROBE_NARROW_MS: u64 = 20_000;

/// Maximum duration of an exchange with a port that has just begun, and the interval of the checks for its end.
const ANSWER_MS: u64 = 1_000;
const ANSWER_STEP_MS: u64 = 10;

/// Time from the last fault until every member list must be correct. An announcement that arrives after the goodbye of
/// its tab keeps that tab listed, until it has been silent for long.
const MEMBERS_MS: u64 = 45_000;

/// The client that requests retained messages at the end.
const RETAINED_PROBER: ClientNo = ClientNo(91);

/// The client that makes a broker store something.
const WRITER: ClientNo = ClientNo(92);

/// Numbers of the clients that resume the sessions of disconnected clients.
const COLLECTORS: u32 = 100;

impl World<'_> {
    fn probe_ms(&self) -> u64 {
        match self.plan.is_narrow() {
            true => PROBE_NARROW_MS,
            false => PROBE_MS,
        }
    }

    /// Runs the recovery phase: pages issue no new commands, and the system must recover soon and stay so.
    pub(super) fn recover(&mut self) -> Result<(), Violation> {
        self.is_recovering = true;
        self.trace
            .note(self.now_us, || "the recovery phase begins".to_owned());
        let begin_ms = self.now_us / 1_000;
        self.wake_all()?;
        for tab in self.tab_ids() {
            self.end_impairments(tab)?;
        }
        self.channels.end_faults();
        self.disk.end_faults();
        self.recover_ports();
        self.recover_readers()?;
        if self.tabs.is_empty() {
            self.open_tab(None)?;
        }
        let settle_ms = match self.plan.guarantee {
            Guarantee::Memory => SETTLE_MS,
            Guarantee::Durable | Guarantee::Recovery => SETTLE_ROUGH_MS,
        };
        self.run_for(settle_ms)?;
        if let Some(broker) = self.oracle.unaware_replaced_broker() {
            self.probe_subscribe(broker, WRITER)?;
            self.run_for(settle_ms)?;
        }
        self.check_settled()?;
        self.probe_delivery()?;
        self.probe_retained()?;
        self.run_until(begin_ms + settle_ms + MEMBERS_MS)?;
        self.resume_sessions()?;
        self.check_settled()?;
        self.oracle.check_durable_obligations()?;
        self.probe_questions()?;
        self.oracle.check_port_obligations()?;
        self.oracle.check_members()?;
        self.oracle.check_garbage()
    }

    /// Checks full recovery, except for exchanges that have just begun: a will may be due at any moment, and its
    /// delivery takes a while.
    fn check_settled(&mut self) -> Result<(), Violation> {
        for _ in 0..ANSWER_MS / ANSWER_STEP_MS {
            if self.oracle.check_ports().is_ok() {
                break;
            }
            self.run_for(ANSWER_STEP_MS)?;
        }
        self.oracle.check_settled(self.now())
    }

    /// The clients behind ports read at once, and each sends a packet: a lost frame shows only with the next one.
    fn recover_ports(&mut self) {
        let tabs = self.tabs.iter();
        let ports = tabs.flat_map(|(tab, runtime)| runtime.ports.keys().map(|no| (*tab, *no)));
        let ports: Vec<(TabId, PortNo)> = ports.collect();
        for (tab, no) in ports {
            let port = self.tabs.get_mut(&tab).and_then(|it| it.ports.get_mut(&no));
            let action = port.and_then(|port| {
                port.read_at_once();
                port.ping()
            });
            self.perform(tab, no, action.as_slice());
        }
    }

    /// Each tab publishes, and each subscriber gets each message once.
    fn probe_delivery(&mut self) -> Result<(), Violation> {
        for tab in self.tab_ids() {
            self.probe_subscribe(tab, PROBER)?;
        }
        self.run_for(self.probe_ms())?;
        self.check_settled()?;
        let mut probes = Vec::new();
        for tab in self.tab_ids() {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let topic = self.prng.one_of(TOPICS);
                let Some(runtime) = self.tabs.get_mut(&tab) else {
                    continue;
                };
                let act = runtime.page.probe_publish(topic, qos);
                if let Command::Client(_, ClientCommand::Publish(_, publication)) = &act.command {
                    probes.extend(MessageId::in_properties(&publication.properties));
                }
                self.issue(tab, act)?;
            }
        }
        self.run_for(self.probe_ms())?;
        self.check_settled()?;
        self.oracle.check_probes(&probes)
    }

    /// A new subscriber gets the retained messages of the broker.
    fn probe_retained(&mut self) -> Result<(), Violation> {
        let tabs = self.tab_ids();
        let Some(tab) = self.prng.pick(&tabs).copied() else {
            return Ok(());
        };
        self.probe_subscribe(tab, RETAINED_PROBER)?;
        self.run_for(self.probe_ms())?;
        self.check_settled()?;
        let no = RETAINED_PROBER;
        self.oracle
            .check_retained(self.now(), ClientKey { tab, no })
    }

    fn probe_subscribe(&mut self, tab: TabId, no: ClientNo) -> Result<(), Violation> {
        let acts = self
            .tabs
            .get_mut(&tab)
            .map(|it| it.page.probe_subscribe(no));
        for act in acts.into_iter().flatten() {
            self.issue(tab, act)?;
        }
        Ok(())
    }

    /// Resumes every session whose client is away, and drains its queue.
    fn resume_sessions(&mut self) -> Result<(), Violation> {
        let tabs = self.tab_ids();
        let Some(tab) = self.prng.pick(&tabs).copied() else {
            return Ok(());
        };
        for (client_id, no) in self.oracle.sessions_away().into_iter().zip(COLLECTORS..) {
            self.oracle.tally.sessions_drained += 1;
            let page = self.tabs.get_mut(&tab).map(|it| &mut it.page);
            let act = page.map(|page| page.resume_session(ClientNo(no), client_id));
            if let Some(act) = act {
                self.issue(tab, act)?;
            }
        }
        // With a small receive maximum, a long queue takes long. As long as some messages arrive, the others may
        // follow.
        let mut left = usize::MAX;
        loop {
            self.run_for(self.probe_ms())?;
            match self.oracle.durable_obligations_left() {
                fewer if fewer > 0 && fewer < left => left = fewer,
                _ => return Ok(()),
            }
        }
    }
}

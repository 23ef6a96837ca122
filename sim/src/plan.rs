//! The plan of a world: everything that its seed decides in advance.

use tab::Settings;
use tab::api::Durability;

use crate::browser::disk::DiskBehavior;
use crate::prng::Prng;
use crate::scenario::{Fault, Scenario};

/// Separates the random streams of later features from those that must not change.
pub(crate) const MORE: u64 = 0x7061_6765_735f_6d6f;
const SLICES: u64 = 0x736c_6963_6573_5f6f;
const PAGES: u64 = 0x7061_6765_735f_726f;

/// The parameters of a world. Some faults are absent from some worlds, so that a frequent fault does not always hide a
/// rare one.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) guarantee: Guarantee,
    pub(crate) durability: Durability,
    pub(crate) has_web_locks: bool,
    pub(crate) tabs_at_start: u64,
    /// The first tabs open within this time.
    pub(crate) start_ms: u64,
    pub(crate) tabs_alive_max: usize,
    /// Duration of the fault phase.
    pub(crate) chaos_ms: u64,
    /// Average time between two faults.
    pub(crate) fault_gap_ms: u64,
    /// Average time between two commands of a page.
    pub(crate) act_gap_ms: u64,
    /// The weight of each fault.
    pub(crate) faults: Vec<(Fault, u64)>,
    /// Elections of 1,000 that are followed by a fault within a few milliseconds.
    pub(crate) after_election_per_mille: u64,
    /// Writes of 1,000 that are followed by the end or a stall of their tab.
    pub(crate) at_commit_per_mille: u64,
    /// Deliveries of 1,000 that take longer than usual.
    pub(crate) slow_per_mille: u64,
    /// Turns of 1,000 of a worker's loop that handle more than one input.
    pub(crate) batch_per_mille: u64,
    /// Tabs of 1,000 that have another build.
    pub(crate) other_build_per_mille: u64,
    /// Time from the acknowledgement of a message to its delivery, where the broker's state is in memory only.
    pub(crate) delivery_ms: u64,
    pub(crate) disk: DiskBehavior,
    /// Length of a page's longest payloads.
    pub(crate) payload_bytes: usize,
    /// Maximum delay (ms) with which a page processes notices.
    pub(crate) page_ms: u64,
    pub(crate) settings: Settings,
    /// Whether pages open ports.
    pub(crate) has_ports: bool,
    /// Whether pages query the broker.
    pub(crate) has_questions: bool,
    /// Whether parts of pages read, and listen late.
    pub(crate) has_readers: bool,
}

/// The guarantee that the oracle checks in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarantee {
    /// No acknowledged message is lost.
    Durable,
    /// The broker keeps all acknowledged messages while it lives.
    Memory,
    /// Only the state after recovery is checked. Brokers may be replaced while they live, and may have their state in
    /// memory or on the disk.
    Recovery,
}

impl Plan {
    pub(crate) fn new(prng: &mut Prng, scenario: &Scenario) -> Self {
        let guarantee = match prng.between(0, 99) {
            0..65 => Guarantee::Durable,
            65..85 => Guarantee::Memory,
            _ => Guarantee::Recovery,
        };
        let is_rough = guarantee != Guarantee::Memory;
        let slow_per_mille = prng.one_of([0, 20, 100]);
        // With slow deliveries and a small receive maximum, queues would grow without end.
        let receive_maximum = match slow_per_mille {
            100 => prng.one_of([32, 1_024]),
            _ => prng.one_of([4, 32, 1_024]),
        };
        let is_crowd = prng.chance(30);
        let durability = match guarantee {
            Guarantee::Durable => prng.one_of([Durability::Relaxed, Durability::Strict]),
            Guarantee::Memory => Durability::Memory,
            Guarantee::Recovery => prng.one_of([Durability::Relaxed, Durability::Memory]),
        };
        let tabs_at_start = if is_crowd { 12 } else { prng.between(1, 5) };
        let chaos_ms = if is_rough {
            prng.between(1_500, 8_000)
        } else {
            prng.between(1_000, 4_000)
        };
        let has = |fault| !scenario.without.contains(&fault);
        let when = |fault, per_mille| if has(fault) { per_mille } else { 0 };
        let start_ms = prng.one_of([0, 100, 1_500]);
        let fault_gap_ms = prng.one_of([60, 200, 700]);
        let act_gap_ms = prng.one_of([30, 100]);
        let mut plan = Self {
            guarantee,
            durability,
            has_web_locks: !is_rough || !prng.chance(150),
            tabs_at_start: scenario.tabs.unwrap_or(tabs_at_start).min(tabs_at_start),
            start_ms,
            tabs_alive_max: scenario
                .tabs
                .map_or(5, |tabs| usize::try_from(tabs).unwrap_or(5).min(5)),
            chaos_ms: scenario.chaos_ms.unwrap_or(chaos_ms),
            fault_gap_ms,
            act_gap_ms: if is_crowd { 300 } else { act_gap_ms },
            faults: Vec::new(),
            after_election_per_mille: when(Fault::AfterElection, prng.one_of([0, 400])),
            at_commit_per_mille: when(Fault::AtCommit, prng.one_of([0, 0, 2, 20])),
            slow_per_mille: when(Fault::SlowNet, slow_per_mille),
            batch_per_mille: when(Fault::Batch, prng.one_of([0, 300, 700])),
            other_build_per_mille: when(Fault::TwoBuilds, prng.one_of([0, 500])),
            delivery_ms: match (slow_per_mille, receive_maximum) {
                (0, 4) => 2_000,
                (0, _) => 300,
                (_, 4) => 8_000,
                (_, _) => 2_000,
            },
            disk: DiskBehavior {
                slow_per_mille: when(Fault::SlowDisk, prng.one_of([0, 20, 200])),
                stuck_per_mille: when(Fault::StuckDisk, prng.one_of([0, 0, 0, 3])),
                abort_per_mille: when(Fault::Abort, prng.one_of([0, 0, 10, 50])),
                unavailable_per_mille: match guarantee {
                    Guarantee::Recovery => prng.one_of([0, 300, 1_000]),
                    Guarantee::Durable | Guarantee::Memory => 0,
                },
            },
            payload_bytes: 20_000,
            page_ms: 0,
            settings: Settings {
                receive_maximum,
                // Small enough to cause checkpoints.
                checkpoint_rows: prng.one_of([8, 40, 4_096]),
                checkpoint_bytes: prng.one_of([500, 10_000, 4 << 20]),
                ..Settings::default()
            },
            has_ports: false,
            has_questions: false,
            has_readers: false,
        };
        // Separate streams: excluding these features does not change the rest of the world.
        let mut slices = Prng::new(scenario.seed ^ SLICES);
        // A small slice makes most inputs of a tab wait for a later turn.
        plan.settings.turn_work_max = slices.one_of([40, 400, 2_000]);
        let mut more = Prng::new(scenario.seed ^ MORE);
        plan.has_ports = has(Fault::Ports) & more.chance(500);
        plan.has_questions = has(Fault::Questions) & more.chance(500);
        plan.has_readers = has(Fault::Readers) & more.chance(500);
        if plan.has_readers {
            // With a small receive maximum, a slow page would keep messages for long.
            let slow_ms = if receive_maximum < 32 { 20 } else { 100 };
            plan.page_ms = more.one_of([0, 5, slow_ms]);
            plan.delivery_ms += 20 * plan.page_ms;
        }
        // Small enough that catching up takes many steps, between which the broker may change.
        plan.settings.at_once_max = more.one_of([1, 2, 256]);
        // Small enough that a new broker reads many pages, between which another one may write.
        let mut pages = Prng::new(scenario.seed ^ PAGES);
        if plan.settings.checkpoint_rows <= 40 {
            plan.settings.page.rows = pages.one_of([1, 4, 30, 2_048]);
            plan.settings.page.pieces = pages.one_of([2, 32]);
        }
        plan.faults = weights(prng, is_rough);
        plan.faults.retain(|(fault, _)| has(*fault));
        if prng.chance(300) && has(Fault::Narrow) {
            // With slow deliveries, a smaller window would never let all messages pass.
            let least = if plan.slow_per_mille > 0 {
                16_000
            } else {
                2_000
            };
            plan.settings.to_broker_window_bytes = prng.one_of([least, 16_000]);
            plan.settings.to_tab_window_bytes = prng.one_of([2 * least, 32_000]);
            plan.settings.to_page_window_bytes = prng.one_of([2 * least, 32_000]);
            plan.page_ms = prng.one_of([1, 20, 200]);
            // A long message takes many turns, and starts again after each interruption.
            plan.delivery_ms = plan.delivery_ms.max(8_000);
        } else if has(Fault::Large) {
            plan.payload_bytes = prng.one_of([20_000, 70_000]);
        }
        let later = later_faults(prng, is_rough).into_iter();
        plan.faults.extend(later.filter(|(fault, _)| has(*fault)));
        plan
    }

    /// Whether the windows of lanes are very small.
    pub(crate) fn is_narrow(&self) -> bool {
        self.settings.to_broker_window_bytes < Settings::default().to_broker_window_bytes
    }

    /// Whether this fault can happen.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults
            .iter()
            .any(|(it, weight)| *it == fault && *weight > 0)
    }

    /// Whether no fault affects a living tab or its channels. Then a connection is lost only with its tab.
    pub(crate) fn is_gentle(&self) -> bool {
        self.faults.iter().all(|(fault, weight)| {
            *weight == 0
                || matches!(
                    fault,
                    Fault::Open
                        | Fault::Close
                        | Fault::Crash
                        | Fault::Cache
                        | Fault::Restart
                        | Fault::Replay
                        | Fault::Garbage
                        | Fault::NeedlessTimeout
                        | Fault::FalseGoodbye
                )
        }) && self.disk.stuck_per_mille == 0
            && self.at_commit_per_mille == 0
    }
}

/// Faults of other scripts of the origin, and of the database. They are drawn last, so that excluding them keeps the
/// rest of the world.
fn later_faults(prng: &mut Prng, is_rough: bool) -> Vec<(Fault, u64)> {
    [
        (Fault::FalseGoodbye, 3, true, 600),
        (Fault::FalseClaim, 2, is_rough, 700),
        (Fault::FarRow, 1, is_rough, 800),
        (Fault::FarTerm, 1, is_rough, 800),
        (Fault::DeadHandle, 2, is_rough, 700),
        (Fault::DiskDown, 1, is_rough, 800),
        (Fault::SilentOpen, 1, is_rough, 900),
    ]
    .into_iter()
    .filter(|(_, _, may_be, absent_per_mille)| !prng.chance(*absent_per_mille) && *may_be)
    .map(|(fault, weight, ..)| (fault, weight))
    .collect()
}

fn weights(prng: &mut Prng, is_rough: bool) -> Vec<(Fault, u64)> {
    let mut faults = vec![(Fault::Open, 4)];
    let mut draw = |fault, weight, absent_per_mille| {
        let is_absent = prng.chance(absent_per_mille);
        faults.push((fault, if is_absent { 0 } else { weight }));
    };
    for (fault, weight) in [
        (Fault::Close, 2),
        (Fault::Crash, 3),
        (Fault::Garbage, 4),
        (Fault::Replay, 1),
        (Fault::Overtake, 1),
        (Fault::ForgedReport, 1),
        (Fault::NeedlessTimeout, 3),
    ] {
        draw(fault, weight, 400);
    }
    if is_rough {
        for (fault, weight, absent_per_mille) in [
            (Fault::Cache, 1, 600),
            (Fault::Restart, 1, 700),
            (Fault::Duplicate, 1, 700),
            (Fault::Freeze, 2, 600),
            (Fault::Hang, 3, 600),
            (Fault::Deaf, 2, 700),
            (Fault::Throttle, 2, 600),
            (Fault::Clock, 1, 800),
            (Fault::Lose, 1, 700),
            (Fault::Delay, 1, 700),
            (Fault::Full, 1, 800),
            (Fault::Clear, 1, 900),
            (Fault::Flip, 1, 900),
            (Fault::ForeignRow, 1, 900),
        ] {
            draw(fault, weight, absent_per_mille);
        }
    }
    faults
}

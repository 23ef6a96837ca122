//! What a seed decides before the world begins.

use tab::Settings;

use crate::prng::Prng;

/// How one world differs from another. Some faults are absent from some worlds, so that a rare one is not always hidden
/// behind a frequent one.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) tabs_at_start: u64,
    /// The first tabs open within this time.
    pub(crate) start_ms: u64,
    pub(crate) tabs_alive_max: usize,
    /// How long there are faults.
    pub(crate) chaos_ms: u64,
    /// Average time between two faults.
    pub(crate) fault_gap_ms: u64,
    /// Average time between two acts of a page.
    pub(crate) act_gap_ms: u64,
    pub(crate) faults: FaultWeights,
    /// How many of 1,000 elections are followed by a fault within a few milliseconds.
    pub(crate) after_election_per_mille: u64,
    /// How many of 1,000 deliveries take longer than usual.
    pub(crate) slow_per_mille: u64,
    /// How many of 1,000 turns of a worker's loop take up more than one input.
    pub(crate) batch_per_mille: u64,
    /// Time after its acknowledgement in which a message reaches its receivers.
    pub(crate) delivery_ms: u64,
    pub(crate) settings: Settings,
}

/// How often each fault comes, relative to the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultWeights {
    pub(crate) open: u64,
    pub(crate) close: u64,
    pub(crate) crash: u64,
    pub(crate) garbage: u64,
    pub(crate) replay: u64,
    pub(crate) overtake: u64,
    pub(crate) slander: u64,
    pub(crate) needless_timeout: u64,
}

impl Plan {
    pub(crate) fn new(prng: &mut Prng) -> Self {
        let slow_per_mille = prng.one_of([0, 20, 100]);
        // Where deliveries are slow and few may be under way at once, queues grow without end.
        let receive_maximum = match slow_per_mille {
            100 => prng.one_of([32, 1_024]),
            _ => prng.one_of([4, 32, 1_024]),
        };
        let is_crowd = prng.chance(30);
        let rare = |prng: &mut Prng, weight| if prng.chance(400) { 0 } else { weight };
        Self {
            tabs_at_start: if is_crowd { 12 } else { prng.between(1, 5) },
            start_ms: prng.one_of([0, 100, 1_500]),
            tabs_alive_max: 5,
            chaos_ms: prng.between(1_000, 4_000),
            fault_gap_ms: prng.one_of([60, 200, 700]),
            act_gap_ms: if is_crowd {
                300
            } else {
                prng.one_of([30, 100])
            },
            faults: FaultWeights {
                open: 4,
                close: rare(prng, 2),
                crash: rare(prng, 3),
                garbage: rare(prng, 4),
                replay: rare(prng, 1),
                overtake: rare(prng, 1),
                slander: rare(prng, 1),
                needless_timeout: rare(prng, 3),
            },
            after_election_per_mille: prng.one_of([0, 400]),
            slow_per_mille,
            batch_per_mille: prng.one_of([0, 300, 700]),
            delivery_ms: match (slow_per_mille, receive_maximum) {
                (0, 4) => 2_000,
                (0, _) => 300,
                (_, 4) => 8_000,
                (_, _) => 2_000,
            },
            settings: Settings {
                receive_maximum,
                ..Settings::default()
            },
        }
    }
}

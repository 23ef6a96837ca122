use std::collections::BTreeMap;

use bench_browser::Series;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::{RATE, RETAINED};

/// The figures of one fault with one number of tabs.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Longest gap between two acknowledgements, for each publishing tab.
    pub(crate) gap_ms: Series,
    /// The same before the fault, which shows the machine's own delays.
    pub(crate) calm_gap_ms: Series,
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) duplicates: usize,
    pub(crate) retained_lost: usize,
    /// Times from the fault to each step.
    pub(crate) steps_ms: BTreeMap<&'static str, Series>,
}

/// The steps from the fault to the first acknowledgement.
const STEPS: [&str; 6] = ["noticed", "lock", "leader", "known", "connected", "puback"];

impl Figures {
    /// Adds the figures of one round.
    pub(crate) fn add(&mut self, round: Self) {
        self.gap_ms.extend(round.gap_ms);
        self.calm_gap_ms.extend(round.calm_gap_ms);
        self.acknowledged += round.acknowledged;
        self.lost += round.lost;
        self.duplicates += round.duplicates;
        self.retained_lost += round.retained_lost;
        for (step, ms) in round.steps_ms {
            self.steps_ms.entry(step).or_default().extend(ms);
        }
    }
}

pub(crate) fn print_table(all: &[(Fault, usize, Figures)], rounds: usize) {
    println!(
        "The longest gap between two acknowledgements, in ms: QoS 1, two tabs publish at {RATE}/s each, {RETAINED} retained \
         messages, {rounds} rounds.\n\"calm\" is the longest gap before the fault. Goals: median and maximum.\n"
    );
    println!(
        "{:<20}{:>7}{:>9}{:>9}{:>9}{:>9}{:>13}{:>8}{:>6}{:>6}{:>10}",
        "fault", "others", "min", "median", "max", "calm", "goals", "", "lost", "twice", "acks"
    );
    for (fault, others, it) in all {
        let (median, max) = fault.goal_ms();
        let is_met = it.gap_ms.median() <= median && it.gap_ms.max() <= max;
        println!(
            "{:<20}{others:>7}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>13}{:>8}{:>6}{:>6}{:>10}",
            fault.name(),
            it.gap_ms.min(),
            it.gap_ms.median(),
            it.gap_ms.max(),
            it.calm_gap_ms.max(),
            format!("{median:.0}/{max:.0}"),
            if is_met { "met" } else { "MISSED" },
            it.lost + it.retained_lost,
            it.duplicates,
            it.acknowledged,
        );
    }
    println!(
        "\nMedians from the fault to each step, in ms, in the publishing tab that is not the next broker.\n"
    );
    print!("{:<20}{:>7}", "fault", "others");
    for step in STEPS {
        print!("{step:>11}");
    }
    println!();
    for (fault, others, it) in all {
        print!("{:<20}{others:>7}", fault.name());
        for step in STEPS {
            let median = it.steps_ms.get(step).map_or(f64::NAN, Series::median);
            print!("{median:>11.1}");
        }
        println!();
    }
}

pub(crate) fn to_json(all: &[(Fault, usize, Figures)], rounds: usize) -> Value {
    let figures: Vec<Value> = all
        .iter()
        .map(|(fault, others, it)| {
            let steps: BTreeMap<&str, f64> = it
                .steps_ms
                .iter()
                .map(|(step, series)| (*step, series.median()))
                .collect();
            json!({
                "fault": fault.name(),
                "others": others,
                "gapMs": { "min": it.gap_ms.min(), "median": it.gap_ms.median(), "max": it.gap_ms.max() },
                "calmGapMaxMs": it.calm_gap_ms.max(),
                "goalMs": { "median": fault.goal_ms().0, "max": fault.goal_ms().1 },
                "acknowledged": it.acknowledged,
                "lost": it.lost,
                "retainedLost": it.retained_lost,
                "duplicates": it.duplicates,
                "stepsMs": steps,
            })
        })
        .collect();
    json!({ "rounds": rounds, "rate": RATE, "retained": RETAINED, "figures": figures })
}

//! Failovers: causes, costs, and counts in progress.

use super::figures::{count, counted, duration, step_ms};
use crate::state::failover::{Cause, Failover, StreamFigures};

/// The costs of a failover, or a note that they are still being counted.
pub(crate) fn failover_counts(failover: &Failover, counting: Option<&str>) -> String {
    let resent = failover.resent.map(|it| {
        format!(
            "{} sent again by this tab",
            counted(it, "packet", "packets")
        )
    });
    let stream = failover.stream.map(|it| {
        let StreamFigures {
            acknowledged,
            lost,
            duplicates,
            gap_ms,
        } = it;
        let lost = match lost {
            0 => "none lost".to_owned(),
            lost => format!("{} lost", count(lost)),
        };
        format!(
            "{} acknowledged · {lost} · {} · longest pause {gap_ms:.0} ms",
            count(acknowledged),
            counted(duplicates, "duplicate", "duplicates"),
        )
    });
    let known: Vec<String> = stream
        .or_else(|| counting.map(str::to_owned))
        .into_iter()
        .chain(resent)
        .collect();
    match known.as_slice() {
        [] => "Counting…".to_owned(),
        known => known.join(" · "),
    }
}

/// The cause of a failover, after the broker's name.
pub(crate) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Gone => "is gone",
        Cause::Closed => "closed",
        Cause::Crashed => "crashed",
        Cause::Froze => "froze",
        Cause::Deposed => "is no longer the broker",
    }
}

/// The reason for which this tab is no longer the broker.
pub(crate) fn replaced(frozen_ms: Option<u64>) -> String {
    match frozen_ms {
        Some(ms @ 0..1_000) => format!("This tab was frozen for {}", step_ms(ms as f64)),
        Some(ms) => format!("This tab was frozen for {}", duration(ms)),
        None => "This tab is no longer the broker".to_owned(),
    }
}

/// A count that ends in this many milliseconds.
pub(crate) fn counting(left_ms: f64) -> String {
    format!("Counting… {:.0} s", (left_ms / 1e3).ceil().max(1.0))
}

/// The choice to count lost and duplicate messages, or why there is none in the broker's own tab.
pub(crate) fn count_losses(rate: u32, is_own: bool) -> String {
    match is_own {
        true => "Count lost messages: only from another tab.".to_owned(),
        false => format!("Count lost and duplicate messages (sends {rate} per second)"),
    }
}

/// Why the broker cannot be stopped.
pub(crate) const SECOND_TAB_FIRST: &str = "Open a second tab first: it will take over.";

//! Failovers: causes, costs, and counts in progress.

use super::figures::{count, counted, duration, step_ms};
use crate::state::failover::{Cause, Failover, StreamFigures};

pub(crate) const TITLE: &str = "Failovers";
pub(crate) const NONE: &str =
    "No failover yet. Open a second tab, then stop the broker with Close, Crash or Freeze.";
/// After the reason for which the broker is gone, and a semicolon.
pub(crate) const NOBODY_YET: &str = "nobody has taken over yet.";
/// After the name of the next broker.
pub(crate) const TOOK_OVER_MEANWHILE: &str = " took over meanwhile.";
/// The step after the last known one.
pub(crate) const WAITING: &str = "waiting";

/// After the name of the next broker.
pub(crate) fn took_over(took: &str) -> String {
    format!(" took over after {took}.")
}

pub(crate) fn forgotten(failovers: u64) -> String {
    let failovers = counted(failovers, "older failover was", "older failovers were");
    format!("{failovers} discarded.")
}

/// The panel that stops the broker.
pub(crate) fn stop_the_broker(is_own: bool) -> &'static str {
    match is_own {
        true => "Test failover: stop the broker (this tab)",
        false => "Test failover: stop the broker",
    }
}

pub(crate) const CLOSE: &str = "Close";
pub(crate) const CLOSE_HINT: &str = "Closes the broker’s tab";
pub(crate) const CRASH: &str = "Crash";
pub(crate) const CRASH_HINT: &str =
    "Ends the worker of the broker’s tab without a goodbye, as a crash would";
pub(crate) const FREEZE: &str = "Freeze";

pub(crate) fn freeze_hint(seconds: u32) -> String {
    format!("The worker of the broker’s tab does nothing for {seconds} seconds")
}

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

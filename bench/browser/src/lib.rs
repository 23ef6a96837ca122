//! The common parts of the benchmarks in real tabs.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines; a benchmark measures time"
)]

mod figure;
mod options;
mod series;

pub use figure::{Figure, Goal, print_figures};
pub use options::{Options, OptionsError};
pub use series::Series;

use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Milliseconds since the epoch, by the same clock as the pages'.
#[must_use]
pub fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
}

/// Shows the current action in the last line of the terminal.
pub fn progress(what: &str) {
    eprint!("\r\x1b[K{what}");
    // An error means that the terminal is closed.
    let _ = std::io::stderr().flush();
}

/// Removes the line of progress.
pub fn end_progress() {
    eprint!("\r\x1b[K");
}

/// Writes figures as JSON.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(path: &Path, figures: &Value) -> std::io::Result<()> {
    std::fs::write(path, format!("{figures:#}\n"))
}

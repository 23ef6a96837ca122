//! What the benchmarks in real tabs share.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines; here time is what is wanted"
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

/// Milliseconds since the epoch by the clock that the pages read, too.
#[must_use]
pub fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
}

/// Says on one line of the terminal what is being done.
pub fn progress(what: &str) {
    eprint!("\r\x1b[K{what}");
    // A terminal that is gone needs no progress.
    let _ = std::io::stderr().flush();
}

/// Takes the line of progress away.
pub fn end_progress() {
    eprint!("\r\x1b[K");
}

/// Writes figures for programs.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(path: &Path, figures: &Value) -> std::io::Result<()> {
    std::fs::write(path, format!("{figures:#}\n"))
}

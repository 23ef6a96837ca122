//! `cargo xtask bench`: compares TabMQ in real tabs with other systems. Each round measures all systems in turn.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and stops by panicking, as the harness does"
)]

mod cases;
mod mosquitto;
mod report;
mod tabs;

use std::process::ExitCode;

use bench_browser::{Options, end_progress, write_json};

const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let options = match Options::from_env(ROUNDS) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let results = cases::measure(&options);
    end_progress();
    report::print(&results, options.rounds);
    if let Some(path) = &options.json
        && let Err(error) = write_json(path, &report::to_json(&results, options.rounds))
    {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    if let Some(path) = &options.svg
        && let Err(error) = std::fs::write(path, report::to_svg(&results))
    {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

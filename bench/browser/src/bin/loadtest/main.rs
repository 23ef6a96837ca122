//! `cargo xtask loadtest`: publishes and receives in real tabs in real Chromium while other tabs are replaced and brokers killed.
//! Messages have numbers, so the test notices lost, duplicate and reordered ones.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "it waits in real time, and panics on failure, as the harness does"
)]

mod html;
mod options;
mod processes;
mod promises;
mod record;
mod report;
mod run;
mod seconds;
mod tabs;
mod verdict;

use std::process::ExitCode;

use bench_browser::{end_progress, write_json};

use options::{LoadOptions, LoadOptionsError};

fn main() -> ExitCode {
    let options = match LoadOptions::from_env() {
        Ok(options) => options,
        Err(help @ LoadOptionsError::Help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let record = run::run(&options);
    end_progress();
    report::print(&options, &record);
    let written = options
        .json
        .iter()
        .map(|path| (path, write_json(path, &report::to_json(&options, &record))))
        .chain(options.html.iter().map(|path| {
            let page = html::page(&options, &record);
            (path, page.and_then(|page| std::fs::write(path, page)))
        }));
    for (path, result) in written {
        match result {
            Ok(()) => println!("written: {}", path.display()),
            Err(error) => {
                eprintln!("error: {}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    let broken = promises::broken(&options, &record);
    for sentence in &broken {
        eprintln!("error: {sentence}");
    }
    match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

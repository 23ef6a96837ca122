//! The MQTT engine over TCP and WebSocket, for tests and development: see README.md beside this crate.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines; the front gives them the time"
)]

mod args;
mod clock;
mod config;
mod connection;
mod encoded;
mod engine;
mod error;
mod intake;
mod outbox;
mod places;
mod receive_budget;
mod server;
mod takeover;
mod tcp;
mod websocket;

use std::process::ExitCode;

use args::Task;
use error::Error;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1))
        .map_err(Error::from)
        .and_then(run)
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Help => {
            print!("{}", args::help());
            Ok(())
        }
        Task::Serve(serve) => server::run(&serve),
    }
}

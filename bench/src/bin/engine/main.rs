//! `cargo xtask bench engine`: measures the engine natively and as WebAssembly, and compares it with other matchers. Each
//! round measures everything in turn.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines; a benchmark measures time"
)]

mod error;
mod measure;
mod memory;
mod node;
mod report;
#[cfg(feature = "peers")]
mod rumqttd;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use error::Error;
use lexopt::prelude::{Long, Value};
use node::Node;

/// The command line, which `xtask` writes.
struct Options {
    rounds: usize,
    json: Option<PathBuf>,
    /// The program for Node, the fast build and the small build.
    scripts: [PathBuf; 3],
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let options = parse(lexopt::Parser::from_env())?;
    let node = Node::start(&options.scripts)?;
    let measures = measure::all(&node, options.rounds)?;
    let memory = memory::all()?;
    print!("{}", report::table(&measures, &memory, options.rounds));
    if let Some(path) = options.json {
        report::write(&path, &measures, &memory, options.rounds)?;
    }
    Ok(())
}

fn parse(mut parser: lexopt::Parser) -> Result<Options, Error> {
    let mut rounds = 7;
    let mut json = None;
    let mut scripts = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rounds") => rounds = lexopt::ValueExt::parse(&parser.value()?)?,
            Long("json") => json = Some(parser.value()?.into()),
            Value(script) => scripts.push(script.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let scripts = scripts.try_into().map_err(|_| Error::Scripts)?;
    Ok(Options {
        rounds: usize::max(rounds, 1),
        json,
        scripts,
    })
}

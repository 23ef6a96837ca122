//! Every developer command of TabMQ, from a fresh clone: `cargo xtask --help` lists them.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines; a developer waits in real time"
)]

mod apt;
mod bench;
mod broker;
mod browser;
mod cargo;
mod demo;
mod deny;
mod embed;
mod error;
mod interop;
mod loadtest;
mod msrv;
mod npm;
mod page;
mod screenshots;
mod setup;
mod shell;
mod sim;
mod sizes;
mod sysroot;
mod test;
mod tool;
mod vendor;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use error::Error;
use lexopt::prelude::{Long, Short, Value};
use setup::Needs;

const HELP: &str = "\
cargo xtask COMMAND: every developer command of TabMQ

Each command first installs what it needs and does not find, which may take 9 minutes, once: Rust's WebAssembly target
through rustup; trunk, wasm-bindgen and cargo-deny through cargo, in the user's cache folder, one folder for each version, so
that every clone shares them; uPlot and axe-core through npm; Chromium, ChromeDriver and other people's MQTT clients for the
tests through apt-get, pip and npm. Elsewhere than on Debian and Ubuntu what apt-get would bring is yours to install.

COMMANDS
  demo [--port PORT] [--no-open]
      Builds the app in release mode (2 minutes at first, seconds later), serves it on http://localhost:PORT, opens it
      in a browser where there is a desktop, and rebuilds it when a file changes. Ctrl+C ends it.
        --port PORT   another port than 8080
        --no-open     opens no browser

  test [--only STEP]... [--keep-going] [-- ARGUMENTS]
      Runs every check that a change must pass, as CI does (17 minutes at first, 4 later), and closes with a table.
        --only STEP   only this step, and the build where the step needs it; may be repeated
        --keep-going  goes on after a step that failed
        ARGUMENTS     go to the test programs of a step given by --only: a test's name, --nocapture, …
      The steps, in their order:
";

const HELP_REST: &str = "
  bench [peers] [--rounds NUMBER] [--json FILE] [--svg FILE] [SYSTEM...]
      Measures TabMQ in real Chromium beside the bare BroadcastChannel, mqtt5-wasm with its broker in a SharedWorker, MQTT.js
      with Mosquitto over WebSocket, and the package broadcast-channel, in turns: throughput, echo, fan-out, many tabs, many
      topics, start (20 minutes).
        --rounds NUMBER   how often all take turns, in place of 3 times
        --json FILE       writes the figures there, too
        --svg FILE        writes a picture of the ratios
        SYSTEM            measures only what has this in its name, such as TabMQ

  bench engine [--rounds NUMBER] [--json FILE]
      Measures how fast the engine is, natively and as WebAssembly under Node, beside qlobber and rumqttd, and what
      memory it takes (8 minutes at first, 3 later). It needs node and npm. bench/README.md tells how to read it.
        --rounds NUMBER   how often all take turns, in place of 7 times
        --json FILE       writes the figures there, too

  bench failover [--rounds NUMBER] [--json FILE] [PART...]
      Measures in real Chromium how long nothing is acknowledged when the tab with the broker is closed, crashes, is
      frozen, hangs or is left (10 minutes), and fails if anything is lost that was acknowledged.
        --rounds NUMBER   how often each of them happens, in place of 5 times
        PART              measures only what has this in its name, such as crash, or 'close, 19'

  bench durable [--rounds NUMBER] [--json FILE] [PART...]
      Measures in real Chromium how fast messages are acknowledged that are stored first, how long a takeover with
      10,000 retained messages takes, and what the browser would give at most (5 minutes).
        PART              one of raw, latency, pipelined, takeover

  bench ui [--seconds NUMBER] [--json FILE]
      Measures in real Chromium how free the app's page stays while another tab publishes 10,000 messages a second, how
      smoothly its log scrolls after that, how soon it shows payloads of 1 MB in each format, what memory it takes, and
      how soon a page is there (3 minutes). Fails if a message is lost or the memory has no bounds.
        --seconds NUMBER  how long the other tab publishes, in place of 20 seconds

  loadtest [--tabs NUMBER] [--publishers NUMBER] [--subscribers NUMBER] [--rate NUMBER|max] [--seconds NUMBER]
           [--qos NUMBER] [--payload BYTES] [--churn NUMBER] [--kill-broker-every SECONDS] [--html FILE] [--json FILE]...
      Lets real tabs in real Chromium publish and receive for as long as told, while others come and go and brokers are
      killed, and tells what came of it (30 s). Fails if a guarantee is broken. `cargo xtask loadtest --help` tells all
      options.

  build
      Builds the app and the worker in release mode into dist/ (2 minutes at first, seconds later).

  embed
      Builds the npm package into embed/dist, from the worker and embed/src, and checks it: types, contents, sizes (2
      minutes at first, 20 s later). It needs node and npm.

  screenshots [--out FOLDER]
      Takes pictures of every view of the app, with a few tabs and the traffic of a home, light and dark, 390 and 1440
      pixels wide: messages-dark-1440.png and so on (1 minute).
        --out FOLDER      where they go, in place of target/screenshots

  vendor
      Brings from npm what the page has of other people's JavaScript (uPlot), where it is missing or of another version
      than the lock file's. Trunk runs this before each build, so nobody else has to.

  sizes
      Tells the sizes, raw and gzip, of the JavaScript and WebAssembly in dist/. Builds it first if it is missing.

  broker [--tcp ADDRESS] [--ws ADDRESS] [--config FILE] [--verbose]
      Builds the front (1 minute at first) and serves MQTT with it, over TCP on 127.0.0.1:1883 and over WebSocket on
      127.0.0.1:8083 unless told otherwise: a tool for tests and development. `cargo xtask broker --help` tells the keys
      of the config file. Ctrl+C ends it.

  sim [--seeds NUMBER] [--from SEED] [--minutes NUMBER] [--keep-going]
  sim --seed SEED [--trace]
      Runs tabs in virtual time through every fault there is, in as many worlds as told (2,000 take 2 minutes), and
      checks what must hold; or runs one world, and prints what happens in it. Without --from it begins at a random
      seed, and says which. A failure comes with a smaller world that fails in the same way, and with the command that
      runs it again. `cargo xtask sim --help` tells the rest.
        --keep-going      runs all worlds, and lists each seed that fails

  setup
      Installs everything that the commands above need, the browser included (9 minutes, once, of which
      cargo-deny takes 4). Plain `trunk serve` needs the tools on PATH, and this tells the line that puts them there.

ENVIRONMENT
  CHROME, CHROMEDRIVER    the browser and its driver for the tests, instead of those on PATH
  TABMQ_COMMIT            the hash of the commit whose 1,000 seeds `test` runs in the simulation beside the 2,000 that
                          never change, instead of what `git rev-parse HEAD` tells
  TABMQ_WASM_TARGET       where the WebAssembly target of Rust comes from: `rustup`, `debian` (a private sysroot built
                          from Debian's packages in a minute), or `auto` (the default: what is there, then rustup, then
                          Debian)
  XDG_CACHE_HOME          where the cache folder is, in place of ~/.cache (Linux and other Unix)
";

/// One line of the command line, understood.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Setup,
    Build,
    Embed,
    Demo {
        port: u16,
        open: bool,
    },
    Test(test::Selection),
    Bench(bench::Options),
    Screenshots {
        out: Option<PathBuf>,
    },
    Vendor,
    Sizes,
    /// Its arguments are the front's.
    Broker(Vec<OsString>),
    /// Its arguments are the simulation's.
    Sim(Vec<OsString>),
    /// Its arguments are the load test's.
    Loadtest(Vec<OsString>),
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Help => help(),
        Task::Setup => setup::all()?,
        Task::Build => setup::ensure(Needs::Trunk)?.build()?,
        Task::Embed => embed::run()?,
        Task::Demo { port, open } => demo::run(port, open)?,
        Task::Test(selection) => test::run(&selection)?,
        Task::Bench(options) => bench::run(&options)?,
        Task::Screenshots { out } => screenshots::run(out.as_deref())?,
        Task::Vendor => vendor::ensure()?,
        Task::Sizes => sizes::run()?,
        Task::Broker(arguments) => broker::run(&arguments)?,
        Task::Sim(arguments) => sim::run(&arguments)?,
        Task::Loadtest(arguments) => loadtest::run(&arguments)?,
    }
    Ok(())
}

fn help() {
    print!("{HELP}");
    for step in &test::STEPS {
        println!("          {:<12}{}", step.name, step.promise);
    }
    print!("{HELP_REST}");
}

fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Task, Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let command = match parser.next()? {
        None | Some(Long("help") | Short('h')) => return Ok(Task::Help),
        Some(Value(command)) => command,
        Some(other) => return Err(other.unexpected().into()),
    };
    let mut task = match command.to_str() {
        Some("help") => Task::Help,
        Some("setup") => Task::Setup,
        Some("build") => Task::Build,
        Some("embed") => Task::Embed,
        Some("demo") => Task::Demo {
            port: 8080,
            open: true,
        },
        Some("test") => Task::Test(test::Selection::default()),
        Some("screenshots") => Task::Screenshots { out: None },
        Some("vendor") => Task::Vendor,
        Some("sizes") => Task::Sizes,
        Some("bench") => Task::Bench(bench::Options {
            benchmark: parse_benchmark(&mut parser)?,
            ..bench::Options::default()
        }),
        Some("broker") => return Ok(Task::Broker(parser.raw_args()?.collect())),
        Some("sim") => return Ok(Task::Sim(parser.raw_args()?.collect())),
        Some("loadtest") => return Ok(Task::Loadtest(parser.raw_args()?.collect())),
        _ => return Err(Error::UnknownCommand(command)),
    };
    while let Some(argument) = parser.next()? {
        match (argument, &mut task) {
            (Long("help") | Short('h'), _) => return Ok(Task::Help),
            (Long("port"), Task::Demo { port, .. }) => *port = parse_port(parser.value()?)?,
            (Long("no-open"), Task::Demo { open, .. }) => *open = false,
            (Long("only"), Task::Test(selection)) => selection.add(parser.value()?)?,
            (Long("rounds"), Task::Bench(options)) if options.benchmark != bench::Benchmark::Ui => {
                options.rounds = Some(parser.value()?);
            }
            (Long("seconds"), Task::Bench(options))
                if options.benchmark == bench::Benchmark::Ui =>
            {
                options.seconds = Some(parser.value()?);
            }
            (Long("json"), Task::Bench(options)) => options.json = Some(parser.value()?.into()),
            (Long("svg"), Task::Bench(options)) if options.benchmark == bench::Benchmark::Peers => {
                options.svg = Some(parser.value()?.into());
            }
            (Value(part), Task::Bench(options)) if options.benchmark.has_parts() => {
                options.only.push(part);
            }
            (Long("out"), Task::Screenshots { out }) => *out = Some(parser.value()?.into()),
            (Long("keep-going"), Task::Test(selection)) => selection.keep_going = true,
            // lexopt hands out what follows `--` as values.
            (Value(value), Task::Test(selection)) => {
                selection.arguments.push(value);
                selection.arguments.extend(parser.raw_args()?);
            }
            (other, _) => return Err(other.unexpected().into()),
        }
    }
    if let Task::Test(selection) = &task {
        selection.check()?;
    }
    Ok(task)
}

/// The name after `bench`, if there is one before the options.
fn parse_benchmark(parser: &mut lexopt::Parser) -> Result<bench::Benchmark, Error> {
    let next = parser.raw_args()?.peek().map(ToOwned::to_owned);
    match next.filter(|word| !word.to_string_lossy().starts_with('-')) {
        Some(name) => {
            let _ = parser.next()?;
            bench::Benchmark::named(&name).ok_or(Error::UnknownBenchmark(name))
        }
        None => Ok(bench::Benchmark::default()),
    }
}

fn parse_port(value: OsString) -> Result<u16, Error> {
    match value.to_str().map(str::parse) {
        Some(Ok(port)) if port != 0 => Ok(port),
        _ => Err(Error::NotAPort(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Task, Error> {
        parse(line.split_whitespace())
    }

    #[test]
    fn no_command_and_help_anywhere_show_the_help() {
        for asked in [
            "",
            "help",
            "--help",
            "-h",
            "demo --help",
            "test --only fmt -h",
        ] {
            assert_eq!(line(asked).unwrap(), Task::Help, "{asked:?}");
        }
    }

    #[test]
    fn demo_serves_8080_and_opens_a_browser_unless_told_otherwise() {
        assert_eq!(
            line("demo").unwrap(),
            Task::Demo {
                port: 8080,
                open: true
            }
        );
        assert_eq!(
            line("demo --port=9000 --no-open").unwrap(),
            Task::Demo {
                port: 9000,
                open: false
            }
        );
    }

    #[test]
    fn all_that_follows_broker_is_for_the_broker() {
        assert_eq!(
            line("broker --help --tcp 127.0.0.1:0").unwrap(),
            Task::Broker(
                ["--help", "--tcp", "127.0.0.1:0"]
                    .map(OsString::from)
                    .to_vec()
            )
        );
    }

    #[test]
    fn all_that_follows_sim_is_for_the_simulation() {
        assert_eq!(
            line("sim --seed 7 --trace").unwrap(),
            Task::Sim(["--seed", "7", "--trace"].map(OsString::from).to_vec())
        );
    }

    #[test]
    fn all_that_follows_loadtest_is_for_the_load_test() {
        assert_eq!(
            line("loadtest --tabs 3 --help").unwrap(),
            Task::Loadtest(["--tabs", "3", "--help"].map(OsString::from).to_vec())
        );
    }

    #[test]
    fn bench_says_what_it_measures() {
        assert_eq!(
            line("bench").unwrap(),
            Task::Bench(bench::Options::default())
        );
        assert_eq!(
            line("bench --rounds 2 --svg ratios.svg TabMQ").unwrap(),
            Task::Bench(bench::Options {
                rounds: Some("2".into()),
                svg: Some("ratios.svg".into()),
                only: vec!["TabMQ".into()],
                ..bench::Options::default()
            })
        );
        assert!(matches!(
            line("bench broker"),
            Err(Error::UnknownBenchmark(_))
        ));
        assert_eq!(
            line("bench engine --json figures.json").unwrap(),
            Task::Bench(bench::Options {
                benchmark: bench::Benchmark::Engine,
                json: Some("figures.json".into()),
                ..bench::Options::default()
            })
        );
        assert_eq!(
            line("bench failover --rounds 3 crash hang").unwrap(),
            Task::Bench(bench::Options {
                benchmark: bench::Benchmark::Failover,
                rounds: Some("3".into()),
                only: vec!["crash".into(), "hang".into()],
                ..bench::Options::default()
            })
        );
        assert_eq!(
            line("bench ui --seconds 5").unwrap(),
            Task::Bench(bench::Options {
                benchmark: bench::Benchmark::Ui,
                seconds: Some("5".into()),
                ..bench::Options::default()
            })
        );
        for refused in [
            "bench engine crash",
            "bench ui scroll",
            "bench ui --rounds 3",
            "bench durable --seconds 5",
        ] {
            assert!(line(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn screenshots_go_where_they_are_told() {
        let out = |line_of| match line(line_of).unwrap() {
            Task::Screenshots { out } => out,
            other => panic!("{other:?}"),
        };
        assert_eq!(out("screenshots"), None);
        assert_eq!(out("screenshots --out a/b"), Some("a/b".into()));
        assert!(line("demo --out a").is_err());
    }

    #[test]
    fn a_port_that_is_none_is_refused() {
        for port in ["0", "65536", "http", "-1"] {
            assert!(
                matches!(
                    line(&format!("demo --port={port}")),
                    Err(Error::NotAPort(_))
                ),
                "{port}"
            );
        }
    }

    #[test]
    fn unknown_commands_flags_and_steps_are_refused() {
        assert!(matches!(line("dmeo"), Err(Error::UnknownCommand(_))));
        assert!(matches!(line("demo --prot 1"), Err(Error::Arguments(_))));
        assert!(matches!(line("build --port 1"), Err(Error::Arguments(_))));
        assert!(matches!(line("build now"), Err(Error::Arguments(_))));
        assert!(matches!(
            line("test --only clipy"),
            Err(Error::UnknownStep { .. })
        ));
    }

    #[test]
    fn arguments_after_two_dashes_go_to_the_named_tests() {
        let Task::Test(selection) = line("test --only native -- takeover --nocapture").unwrap()
        else {
            panic!("not a test");
        };
        assert_eq!(selection.arguments, ["takeover", "--nocapture"]);
    }

    #[test]
    fn arguments_without_a_test_to_give_them_to_are_refused() {
        assert!(matches!(
            line("test -- takeover"),
            Err(Error::ArgumentsForNoTest)
        ));
        assert!(matches!(
            line("test --only fmt -- takeover"),
            Err(Error::ArgumentsForNoTest)
        ));
    }
}

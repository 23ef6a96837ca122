//! Every developer command of TabMQ, from a fresh clone: `cargo xtask --help` lists them.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines"
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

Each command first installs the tools that it needs and does not find (9 minutes, once):
  rustup             Rust's WebAssembly target
  cargo              trunk, wasm-bindgen and cargo-deny, in the user's cache folder, which all clones share
  npm                uPlot and axe-core
  apt-get, pip, npm  Chromium, ChromeDriver, Node.js and other MQTT clients for the tests
Only Debian and Ubuntu have apt-get. On other systems you install its packages yourself.

COMMANDS
  demo [--port PORT] [--no-open]
      Builds the app in release mode (2 minutes at first, seconds later), serves it on http://localhost:PORT, opens it
      in a browser if there is a desktop, and rebuilds it when a file changes. Ctrl+C ends it.
        --port PORT   the port (default: 8080)
        --no-open     opens no browser

  test [--only STEP]... [--keep-going] [-- ARGUMENTS]
      Runs every check, as CI does (17 minutes at first, 4 later), and prints a table of the results.
        --only STEP   runs only this step, and the build if the step needs it; may be repeated
        --keep-going  continues after a failed step
        ARGUMENTS     go to the test programs of a step named by --only: a test's name, --nocapture, …
      The steps, in their order:
";

const HELP_REST: &str = "
  bench [peers] [--rounds NUMBER] [--json FILE] [--svg FILE] [SYSTEM...]
      Compares TabMQ in real Chromium with the bare BroadcastChannel, mqtt5-wasm with its broker in a SharedWorker, MQTT.js
      with Mosquitto over WebSocket, and the package broadcast-channel: throughput, echo, fan-out, many tabs, many topics,
      start (20 minutes).
        --rounds NUMBER   rounds; each measures all systems in turn (default: 3)
        --json FILE       also writes the figures to FILE
        --svg FILE        writes a picture of the ratios
        SYSTEM            measures only systems with this text in their name, such as TabMQ

  bench engine [--rounds NUMBER] [--json FILE]
      Measures the speed and the memory of the engine, natively and as WebAssembly under Node, and compares it with
      qlobber and rumqttd (8 minutes at first, 3 later). It needs node and npm. bench/README.md explains the figures.
        --rounds NUMBER   rounds; each measures everything in turn (default: 7)
        --json FILE       also writes the figures to FILE

  bench failover [--rounds NUMBER] [--json FILE] [PART...]
      Measures in real Chromium the longest time without an acknowledgement after the broker's tab is closed, crashes, is
      frozen, hangs or navigates away (10 minutes). Fails if an acknowledged message is lost.
        --rounds NUMBER   rounds for each fault (default: 5)
        PART              measures only faults with this text in their name, such as crash, or 'close, 19'

  bench durable [--rounds NUMBER] [--json FILE] [PART...]
      Measures in real Chromium the speed of acknowledgements that wait for storage, the time of a leader takeover with
      10,000 retained messages, and the limits of the browser itself (5 minutes).
        PART              one of raw, latency, pipelined, takeover

  bench ui [--seconds NUMBER] [--json FILE]
      Measures in real Chromium the app's page: long tasks while another tab publishes 10,000 messages a second, scrolling
      of the log, the time to show payloads of 1 MB in each format, memory, and loading time (3 minutes). Fails if a
      message is lost or the memory has no bounds.
        --seconds NUMBER  duration of publishing (default: 20)

  loadtest [--tabs NUMBER] [--publishers NUMBER] [--subscribers NUMBER] [--rate NUMBER|max] [--seconds NUMBER]
           [--qos NUMBER] [--payload BYTES] [--churn NUMBER] [--kill-broker-every SECONDS] [--html FILE] [--json FILE]...
      Publishes and receives in real tabs in real Chromium for a given time, while other tabs are replaced and brokers
      killed, and reports the results (30 s). Fails if a guarantee is broken. `cargo xtask loadtest --help` lists all
      options.

  build
      Builds the app and the worker in release mode into dist/ (2 minutes at first, seconds later).

  embed
      Builds the npm package into embed/dist from the worker and embed/src, and checks its types, contents and sizes (2
      minutes at first, 20 s later). It needs node and npm.

  screenshots [--out FOLDER]
      Takes pictures of every view of the app, with a few tabs and simulated home traffic, light and dark, in windows
      from 390 to 1920 pixels wide, such as messages-dark-1440x900.png (1 minute).
        --out FOLDER      the folder of the pictures (default: target/screenshots)

  vendor
      Installs uPlot, the page's only third-party JavaScript, from npm, if it is missing or has not the version of the
      lock file. Trunk runs this before each build.

  sizes
      Prints the sizes, raw and gzip, of the JavaScript and WebAssembly in dist/. Builds them first if they are missing.

  broker [--tcp ADDRESS] [--ws ADDRESS] [--config FILE] [--verbose]
      Builds the crate `front` (1 minute at first) and serves MQTT for tests and development, by default over TCP on
      127.0.0.1:1883 and over WebSocket on 127.0.0.1:8083. `cargo xtask broker --help` lists the keys of the config
      file. Ctrl+C ends it.

  sim [--seeds NUMBER] [--from SEED] [--minutes NUMBER] [--keep-going]
  sim --seed SEED [--trace]
      Simulates tabs in virtual time with all kinds of faults, and checks TabMQ's guarantees in each world (2,000 worlds
      take 2 minutes). With --seed it runs one world, and --trace prints its events. Without --from it begins at a random
      seed, and prints that seed. For a failure it prints a smaller world with the same failure, and the command that
      runs it again. `cargo xtask sim --help` lists all options.
        --keep-going      runs all worlds, and lists each seed that fails

  setup
      Installs everything that the commands above need, the browser included (9 minutes, once, 4 of them for
      cargo-deny). Prints the shell command that puts the tools on PATH, which plain `trunk serve` needs.

ENVIRONMENT
  CHROME, CHROMEDRIVER    the browser and its driver for the tests (default: those on PATH)
  TABMQ_COMMIT            the commit hash from which `test` derives 1,000 seeds of the simulation, in addition to 2,000
                          fixed ones (default: the output of `git rev-parse HEAD`)
  TABMQ_WASM_TARGET       the source of Rust's WebAssembly target: `rustup`, `debian` (a private sysroot built from
                          Debian's packages in a minute), or `auto` (default: an installed one, then rustup, then Debian)
  XDG_CACHE_HOME          the folder of the cache folder (Linux and other Unix; default: ~/.cache)
";

/// A parsed command line.
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
    /// With the arguments for `front`.
    Broker(Vec<OsString>),
    /// With the arguments for the simulation.
    Sim(Vec<OsString>),
    /// With the arguments for the load test.
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
            // lexopt returns arguments after `--` as values.
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
    fn demo_serves_8080_and_opens_a_browser_by_default() {
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
    fn arguments_after_broker_go_to_the_broker() {
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
    fn arguments_after_sim_go_to_the_simulation() {
        assert_eq!(
            line("sim --seed 7 --trace").unwrap(),
            Task::Sim(["--seed", "7", "--trace"].map(OsString::from).to_vec())
        );
    }

    #[test]
    fn arguments_after_loadtest_go_to_the_load_test() {
        assert_eq!(
            line("loadtest --tabs 3 --help").unwrap(),
            Task::Loadtest(["--tabs", "3", "--help"].map(OsString::from).to_vec())
        );
    }

    #[test]
    fn bench_takes_a_benchmark_and_its_options() {
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
    fn screenshots_take_an_output_folder() {
        let out = |line_of| match line(line_of).unwrap() {
            Task::Screenshots { out } => out,
            other => panic!("{other:?}"),
        };
        assert_eq!(out("screenshots"), None);
        assert_eq!(out("screenshots --out a/b"), Some("a/b".into()));
        assert!(line("demo --out a").is_err());
    }

    #[test]
    fn an_invalid_port_is_refused() {
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
    fn arguments_without_a_named_test_step_are_refused() {
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

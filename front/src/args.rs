//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short};

use crate::config;

/// The request of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Serve(Serve),
}

/// The addresses to serve, and the configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Serve {
    pub(crate) tcp: Option<SocketAddr>,
    pub(crate) ws: Option<SocketAddr>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) verbose: bool,
}

const HELP: &str = "\
The MQTT engine of TabMQ over TCP and WebSocket: a tool for tests and development. It keeps everything in memory.

USAGE
  cargo xtask broker [--tcp ADDRESS] [--ws ADDRESS] [--config FILE] [--verbose]

OPTIONS
  --tcp ADDRESS    serves MQTT over TCP on this address
  --ws ADDRESS     serves MQTT over WebSocket on this address, on any path, with the subprotocol `mqtt` or `mqttv3.1`
  --config FILE    a JSON object with any of the keys below
  --verbose        prints each event on a line
  --help           prints this help

  An ADDRESS is 127.0.0.1:1883 or [::1]:1883; port 0 lets the system choose. The program prints each served address on
  its own line. Without --tcp and --ws it serves both, on 127.0.0.1:1883 and 127.0.0.1:8083. Ctrl+C ends it.

KEYS OF THE CONFIG FILE
";

/// Reads the command line, without the program's name.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<Task, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut serve = Serve::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Task::Help),
            Long("tcp") => serve.tcp = Some(parser.value()?.parse_with(address)?),
            Long("ws") => serve.ws = Some(parser.value()?.parse_with(address)?),
            Long("config") => serve.config = Some(parser.value()?.into()),
            Long("verbose") | Short('v') => serve.verbose = true,
            other => return Err(other.unexpected()),
        }
    }
    if serve.tcp.is_none() && serve.ws.is_none() {
        serve.tcp = Some((Ipv4Addr::LOCALHOST, 1883).into());
        serve.ws = Some((Ipv4Addr::LOCALHOST, 8083).into());
    }
    Ok(Task::Serve(serve))
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let address = text.parse();
    address.map_err(|_| "an address is an IP address and a port, such as 127.0.0.1:1883")
}

/// The help, with the keys of the config file.
pub(crate) fn help() -> impl fmt::Display {
    struct Help;
    impl fmt::Display for Help {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(HELP)?;
            f.write_str(config::KEYS)
        }
    }
    Help
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Task, lexopt::Error> {
        parse(line.split_whitespace())
    }

    #[test]
    fn both_transports_are_served_unless_one_is_named() {
        let Ok(Task::Serve(both)) = line("") else {
            panic!("not to serve");
        };
        assert_eq!(both.tcp.unwrap().port(), 1883);
        assert_eq!(both.ws.unwrap().port(), 8083);

        let Ok(Task::Serve(one)) = line("--ws [::1]:0 --config limits.json -v") else {
            panic!("not to serve");
        };
        assert_eq!(one.tcp, None);
        assert!(one.ws.unwrap().is_ipv6());
        assert_eq!(one.config.unwrap().to_str(), Some("limits.json"));
        assert!(one.verbose);
    }

    #[test]
    fn an_invalid_option_or_address_is_refused() {
        for wrong in [
            "--tpc 1883",
            "--tcp 1883",
            "--tcp",
            "--tcp localhost",
            "serve",
        ] {
            line(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn help_is_shown_at_any_position() {
        assert_eq!(line("--tcp 127.0.0.1:0 --help").unwrap(), Task::Help);
    }
}

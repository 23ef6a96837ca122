use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::ConfigError;

/// Why the front does not start, with the details to fix it.
#[derive(Debug)]
pub(crate) enum Error {
    Arguments(lexopt::Error),
    ReadConfig {
        path: PathBuf,
        source: io::Error,
    },
    Config {
        path: PathBuf,
        source: ConfigError,
    },
    Start(io::Error),
    Bind {
        what: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(error) => write!(f, "{error}; --help lists the options"),
            Self::ReadConfig { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            Self::Config { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Start(source) => write!(f, "cannot start: {source}"),
            Self::Bind {
                what,
                address,
                source,
            } if source.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot serve {what} on {address}: another program uses it; choose another port, or 0 for any free one"
            ),
            Self::Bind {
                what,
                address,
                source,
            } => write!(f, "cannot serve {what} on {address}: {source}"),
        }
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Arguments(error)
    }
}

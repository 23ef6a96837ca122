use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there are no figures.
#[derive(Debug)]
pub(crate) enum Error {
    Arguments(lexopt::Error),
    /// Not the three scripts that Node needs.
    Scripts,
    Start {
        program: PathBuf,
        source: io::Error,
    },
    /// A helper program went away, or made no sense.
    Answer {
        asked: String,
        answer: String,
    },
    Pipe(io::Error),
    /// Two that were given the same work did not find the same.
    Disagreement {
        measure: &'static str,
        who: &'static str,
        found: usize,
        expected: usize,
    },
    File {
        path: PathBuf,
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(error) => write!(f, "{error}"),
            Self::Scripts => {
                f.write_str("name engine.mjs and the two builds: `cargo xtask bench engine` does")
            }
            Self::Start { program, source } => {
                write!(f, "{} does not start: {source}", program.display())
            }
            Self::Answer { asked, answer } => write!(f, "asked {asked:?}, got {answer:?}"),
            Self::Pipe(source) => write!(f, "Node is gone: {source}"),
            Self::Disagreement {
                measure,
                who,
                found,
                expected,
            } => write!(f, "{measure}: {who} found {found}, not {expected}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Arguments(error)
    }
}

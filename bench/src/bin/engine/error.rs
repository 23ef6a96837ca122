use std::io;
use std::path::PathBuf;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Arguments(#[from] lexopt::Error),
    /// The command line names no three scripts for Node.
    #[error("name engine.mjs and the two builds: `cargo xtask bench engine` does")]
    Scripts,
    #[error("{} does not start: {source}", .program.display())]
    Start { program: PathBuf, source: io::Error },
    /// A helper program ended, or its answer is invalid.
    #[error("asked {asked:?}, got {answer:?}")]
    Answer { asked: String, answer: String },
    #[error("Node has ended: {0}")]
    Pipe(io::Error),
    /// Two implementations found different numbers for the same work.
    #[error("{measure}: {who} found {found}, not {expected}")]
    Disagreement {
        measure: &'static str,
        who: &'static str,
        found: usize,
        expected: usize,
    },
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

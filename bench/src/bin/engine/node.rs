use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::Error;

/// The Node process, which answers one request a line. It ends when this program closes its input.
pub(crate) struct Node {
    pipes: RefCell<Pipes>,
}

struct Pipes {
    _child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Node {
    pub(crate) fn start(scripts: &[PathBuf]) -> Result<Self, Error> {
        let program = PathBuf::from("node");
        let mut child = Command::new(&program)
            .args(scripts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Pipe(std::io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            pipes: RefCell::new(Pipes {
                _child: child,
                requests,
                answers: BufReader::new(answers),
            }),
        })
    }

    /// Runs a loop; returns the seconds that it took, and its result.
    pub(crate) fn ask(&self, request: &str) -> Result<(f64, usize), Error> {
        let mut pipes = self.pipes.borrow_mut();
        writeln!(pipes.requests, "{request}").map_err(Error::Pipe)?;
        let mut answer = String::new();
        pipes.answers.read_line(&mut answer).map_err(Error::Pipe)?;
        let parsed = answer.split_once(' ').and_then(|(seconds, result)| {
            Some((seconds.parse().ok()?, result.trim_end().parse().ok()?))
        });
        parsed.ok_or_else(|| Error::Answer {
            asked: request.to_owned(),
            answer,
        })
    }
}

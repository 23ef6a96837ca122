use std::process::Command;

use crate::error::Error;

/// The memory that an object takes in the native build.
pub(crate) struct Memory {
    pub(crate) what: &'static str,
    pub(crate) bytes: usize,
}

const NAMES: [(&str, &str); 4] = [
    ("session,connected", "session of a connected client"),
    ("session,away", "session of a client that is away"),
    ("subscription", "subscription (workload)"),
    ("retained", "retained message of 32 bytes"),
];

/// Runs the program `memory` of the same folder.
pub(crate) fn all() -> Result<Vec<Memory>, Error> {
    let mut program = std::env::current_exe().map_err(Error::Pipe)?;
    program.set_file_name(format!("memory{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&program)
        .output()
        .map_err(|source| Error::Start { program, source })?;
    let answer = String::from_utf8_lossy(&output.stdout);
    NAMES
        .into_iter()
        .map(|(name, what)| {
            let value = answer.lines().find_map(|line| {
                let value = line.strip_prefix(name)?.strip_prefix(' ')?;
                value.parse().ok()
            });
            let bytes = value.ok_or_else(|| Error::Answer {
                asked: name.to_owned(),
                answer: answer.clone().into_owned(),
            })?;
            Ok(Memory { what, bytes })
        })
        .collect()
}

use std::path::PathBuf;

use lexopt::prelude::{Long, Value};

/// The command line, which `xtask` writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of rounds. Each round measures all cases.
    pub rounds: usize,
    /// File for the figures as JSON.
    pub json: Option<PathBuf>,
    /// File for a picture of the figures, if the program draws one.
    pub svg: Option<PathBuf>,
    /// Parts of the names of the cases to measure; none selects all cases.
    pub only: Vec<String>,
}

/// An error in the command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(lexopt::Error);

impl Options {
    /// Reads the command line. `rounds` is the default number of rounds.
    ///
    /// # Errors
    /// An option is unknown, or its value is invalid.
    pub fn from_env(rounds: usize) -> Result<Self, OptionsError> {
        Self::parse(lexopt::Parser::from_env(), rounds).map_err(OptionsError)
    }

    fn parse(mut parser: lexopt::Parser, rounds: usize) -> Result<Self, lexopt::Error> {
        let mut options = Self {
            rounds,
            json: None,
            svg: None,
            only: Vec::new(),
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("rounds") => {
                    let rounds: usize = lexopt::ValueExt::parse(&parser.value()?)?;
                    options.rounds = rounds.max(1);
                }
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("svg") => options.svg = Some(parser.value()?.into()),
                Value(word) => options.only.push(lexopt::ValueExt::string(word)?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    /// Whether the case of this name is selected.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_select_cases() {
        let parser = lexopt::Parser::from_args(["--rounds", "0", "crash"]);
        let options = Options::parse(parser, 5).unwrap();
        assert_eq!(options.rounds, 1);
        assert!(options.wants("crash, 5 tabs") && !options.wants("close, 5 tabs"));
    }
}

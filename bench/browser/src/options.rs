use std::fmt;
use std::path::PathBuf;

use lexopt::prelude::{Long, Value};

/// What `xtask` tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// How often each is measured.
    pub rounds: usize,
    /// Where the figures go for programs.
    pub json: Option<PathBuf>,
    /// Where a picture of them goes, from the programs that draw one.
    pub svg: Option<PathBuf>,
    /// Only what has one of these words in its name; none: all.
    pub only: Vec<String>,
}

/// What is wrong with the command line.
#[derive(Debug)]
pub struct OptionsError(lexopt::Error);

impl Options {
    /// Reads the command line; `rounds` unless it says otherwise.
    ///
    /// # Errors
    /// It is not understood.
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

    /// Whether this is to be measured.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word))
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for OptionsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_what_is_measured() {
        let parser = lexopt::Parser::from_args(["--rounds", "0", "crash"]);
        let options = Options::parse(parser, 5).unwrap();
        assert_eq!(options.rounds, 1);
        assert!(options.wants("crash, 5 tabs") && !options.wants("close, 5 tabs"));
    }
}

//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short, ValueExt as _};

const HELP: &str = "\
cargo xtask loadtest [OPTIONS]: many real tabs in real Chromium

Some tabs publish numbered messages, and others receive all of them. The command fails if an acknowledged message is lost, if a
message arrives twice (QoS 0 and 2) or out of order, if one of QoS 0 is neither received nor counted as dropped, or if memory
keeps growing.

OPTIONS
  --tabs NUMBER               number of all tabs (8)
  --publishers NUMBER         tabs that publish: the first ones (2)
  --subscribers NUMBER        tabs that receive everything: the last ones (2). They are never killed
  --topics NUMBER             topics of each publisher (10)
  --qos 0|1|2                 QoS of messages and subscriptions (1)
  --payload BYTES             payload of each message; at least about 25 (64)
  --rate NUMBER|max           messages a second of all publishers together; max: as fast as they are acknowledged (1000)
  --seconds NUMBER            duration of publishing (30)
  --minutes NUMBER            the same in minutes
  --churn NUMBER              tabs a minute that are closed and replaced (0)
  --kill-broker-every SECONDS crashes and closes the tab with the broker in turn, and opens another one (0: never)
  --durability relaxed|strict|memory
                              durability of the broker's state (relaxed)
  --html FILE                 writes the report as an HTML file with plots
  --json FILE                 writes the figures of each second as JSON
";

/// A load, and the files of the report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoadOptions {
    /// Number of all tabs.
    pub(crate) tabs: usize,
    /// Tabs that publish: the first ones.
    pub(crate) publishers: usize,
    /// Tabs that are subscribed to everything: the last ones.
    pub(crate) subscribers: usize,
    /// Topics of each publisher.
    pub(crate) topics: u64,
    pub(crate) qos: u8,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    /// Messages a second of all publishers together; none publishes as fast as the broker acknowledges.
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Duration,
    /// Tabs that are closed and replaced in a minute.
    pub(crate) churn: f64,
    /// Time from a broker's kill to the next one.
    pub(crate) kill_broker_every: Option<Duration>,
    /// `relaxed`, `strict` or `memory`.
    pub(crate) durability: String,
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
}

/// Why no load is run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadOptionsError {
    /// The command line asks for help.
    #[error("{HELP}")]
    Help,
    #[error("{0}")]
    Lexopt(lexopt::Error),
    #[error("{0}")]
    Meaning(String),
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            tabs: 8,
            publishers: 2,
            subscribers: 2,
            topics: 10,
            qos: 1,
            payload: 64,
            rate: Some(1_000.0),
            duration: Duration::from_secs(30),
            churn: 0.0,
            kill_broker_every: None,
            durability: "relaxed".to_owned(),
            json: None,
            html: None,
        }
    }
}

impl LoadOptions {
    pub(crate) fn from_env() -> Result<Self, LoadOptionsError> {
        let options = Self::parse(lexopt::Parser::from_env())
            .map_err(LoadOptionsError::Lexopt)?
            .ok_or(LoadOptionsError::Help)?;
        options.check().map_err(LoadOptionsError::Meaning)?;
        Ok(options)
    }

    /// None if the command line asks for help.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("tabs") => options.tabs = parser.value()?.parse()?,
                Long("publishers") => options.publishers = parser.value()?.parse()?,
                Long("subscribers") => options.subscribers = parser.value()?.parse()?,
                Long("topics") => options.topics = parser.value()?.parse()?,
                Long("qos") => options.qos = parser.value()?.parse()?,
                Long("payload") => options.payload = parser.value()?.parse()?,
                Long("rate") => {
                    let rate = parser.value()?;
                    options.rate = match rate == "max" {
                        true => None,
                        false => Some(rate.parse()?),
                    };
                }
                Long("seconds") => options.duration = seconds(parser.value()?.parse()?),
                Long("minutes") => {
                    options.duration = seconds(parser.value()?.parse::<f64>()? * 60.0);
                }
                Long("churn") => options.churn = parser.value()?.parse()?,
                Long("kill-broker-every") => {
                    let every: f64 = parser.value()?.parse()?;
                    options.kill_broker_every = (every > 0.0).then(|| seconds(every));
                }
                Long("durability") => options.durability = parser.value()?.string()?,
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("html") => options.html = Some(parser.value()?.into()),
                Long("help") | Short('h') => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }

    /// Checks that the values are possible.
    fn check(&self) -> Result<(), String> {
        let ranges = [
            ("--tabs", self.tabs as f64, 1.0, 100.0),
            (
                "--publishers",
                self.publishers as f64,
                1.0,
                self.tabs as f64,
            ),
            (
                "--subscribers",
                self.subscribers as f64,
                1.0,
                self.tabs as f64,
            ),
            ("--topics", self.topics as f64, 1.0, 10_000.0),
            ("--qos", f64::from(self.qos), 0.0, 2.0),
            (
                "--payload",
                self.payload as f64,
                0.0,
                (16 << 20) as f64 - 1_000.0,
            ),
            ("--rate", self.rate.unwrap_or(1.0), 0.1, 1e6),
            ("--seconds", self.duration.as_secs_f64(), 1.0, 86_400.0),
            ("--churn", self.churn, 0.0, 60.0),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(format!("{name} {value}: from {least} to {most}"));
            }
        }
        if !["relaxed", "strict", "memory"].contains(&self.durability.as_str()) {
            let durability = &self.durability;
            return Err(format!(
                "--durability {durability}: relaxed, strict or memory"
            ));
        }
        if self.loses_tabs() && self.subscribers == self.tabs {
            return Err(
                "--churn and --kill-broker-every need a tab that is no subscriber: subscribers are never ended, because \
                 their messages show whether one is lost"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether tabs end during the test.
    pub(crate) fn loses_tabs(&self) -> bool {
        self.churn > 0.0 || self.kill_broker_every.is_some()
    }

    /// Whether all acknowledged messages must arrive.
    pub(crate) fn promises_delivery(&self) -> bool {
        self.qos > 0 && !(self.durability == "memory" && self.loses_tabs())
    }

    /// The load as a sentence.
    pub(crate) fn description(&self) -> String {
        let rate = match self.rate {
            Some(rate) => format!("{rate} messages/s"),
            None => "as many messages as possible".to_owned(),
        };
        let mut text = format!(
            "{} tabs, {} of which publish {rate} of {} bytes with QoS {} to {} topics each and {} receive all, for {:.0} s; durability {}",
            self.tabs,
            self.publishers,
            self.payload,
            self.qos,
            self.topics,
            self.subscribers,
            self.duration.as_secs_f64(),
            self.durability,
        );
        if self.churn > 0.0 {
            text.push_str(&format!("; {} tabs a minute are replaced", self.churn));
        }
        if let Some(every) = self.kill_broker_every {
            let every = every.as_secs_f64();
            text.push_str(&format!("; the broker's tab is killed every {every} s"));
        }
        text
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> LoadOptions {
        let parser = lexopt::Parser::from_args(words.split_whitespace());
        LoadOptions::parse(parser).unwrap().unwrap()
    }

    #[test]
    fn the_command_line_has_the_load() {
        let options = parse("--tabs 32 --rate max --minutes 0.5 --kill-broker-every 20 --churn 6");
        assert_eq!((options.tabs, options.rate), (32, None));
        assert_eq!(options.duration, Duration::from_secs(30));
        assert_eq!(options.kill_broker_every, Some(Duration::from_secs(20)));
        assert!(options.loses_tabs() && options.check().is_ok());
        assert_eq!(parse("--kill-broker-every 0").kill_broker_every, None);
        assert!(options.description().contains("killed every 20 s"));
    }

    #[test]
    fn impossible_values_are_refused() {
        let cases = [
            ("--tabs 0", "--tabs 0: from 1 to 100"),
            ("--publishers 9", "--publishers 9: from 1 to 8"),
            ("--qos 3", "--qos 3"),
            ("--seconds 0", "--seconds"),
            ("--seconds -1", "--seconds"),
            ("--rate 0", "--rate 0"),
            ("--rate NaN", "--rate NaN"),
            ("--durability eternal", "relaxed, strict or memory"),
            ("--subscribers 8 --churn 1", "no subscriber"),
        ];
        for (words, expected) in cases {
            let error = parse(words).check().unwrap_err();
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}

//! Scenarios: a seed, and restrictions of the world that the seed makes.

use core::fmt;
use std::collections::BTreeSet;

use crate::mutant::Mutant;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A fault or feature that a world may have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Fault {
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

faults! {
    /// A tab opens.
    Open = "open",
    /// A tab closes.
    Close = "close",
    /// A tab crashes.
    Crash = "crash",
    /// The page goes into the back/forward cache, which ends its worker, and is restored later.
    Cache = "cache",
    /// The browser ends with all its tabs, and starts again.
    Restart = "restart",
    /// A tab opens with the client ids of another tab.
    Duplicate = "duplicate",
    /// A tab is frozen for up to a minute.
    Freeze = "freeze",
    /// A worker hangs: 0.5, 2.5 or 60 s.
    Hang = "hang",
    /// A tab receives no messages on channels, and may also send none.
    Deaf = "deaf",
    /// A tab's timers run once a second.
    Throttle = "throttle",
    /// The wall clock is changed.
    Clock = "clock",
    /// A tab gets an input that no tab sends.
    Garbage = "garbage",
    /// A frame arrives twice.
    Replay = "replay",
    /// A frame is delayed, and later ones overtake it.
    Overtake = "overtake",
    /// A frame is lost.
    Lose = "lose",
    /// Each message to a tab takes seconds.
    Delay = "delay",
    /// Another script makes a false statement about a tab.
    ForgedReport = "forged-report",
    /// A tab gets a timeout that it did not request.
    NeedlessTimeout = "needless-timeout",
    /// The disk is full for a while.
    Full = "full",
    /// The browser removes the site's data.
    Clear = "clear",
    /// A stored bit flips.
    Flip = "flip",
    /// Another script uses a number of the log for a value that this build cannot read.
    ForeignRow = "foreign-row",
    /// A tab's connection to the database fails until the tab opens a new one.
    DeadHandle = "dead-handle",
    /// All requests of some or all tabs to the database fail for a while.
    DiskDown = "disk-down",
    /// Openings of the database get no answer for a while.
    SilentOpen = "silent-open",
    /// Messages take up to 200 ms.
    SlowNet = "slow-net",
    /// Turns of the loop handle several inputs.
    Batch = "batch",
    /// Transactions take up to 80 ms.
    SlowDisk = "slow-disk",
    /// Transactions take up to 3 s.
    StuckDisk = "stuck-disk",
    /// Transactions are aborted.
    Abort = "abort",
    /// Some payloads are so large that the browser keeps them in files. A read of those takes up to 500 ms.
    Large = "large",
    /// A fault affects a broker while it writes, or directly after that.
    AtCommit = "at-commit",
    /// A fault affects a tab soon after an election.
    AfterElection = "after-election",
    /// The tabs are of two builds.
    TwoBuilds = "two-builds",
    /// The windows of lanes and pages are very small, and some pages are slow.
    Narrow = "narrow",
    /// Another script says goodbye for a living tab.
    FalseGoodbye = "false-goodbye",
    /// Another script claims a wrong term in the broker's name.
    FalseClaim = "false-claim",
    /// Another script adds a row to the log far above the last number.
    FarRow = "far-row",
    /// Another script adds a row to the log with a term that no broker reaches.
    FarTerm = "far-term",
    /// Pages open ports and speak MQTT on them.
    Ports = "ports",
    /// Pages query the broker.
    Questions = "questions",
    /// Parts of pages read, listen late, and leave.
    Readers = "readers",
}

impl Fault {
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

/// A scenario. It displays as the arguments that run it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Decides everything else.
    pub seed: u64,
    /// Excluded faults.
    pub without: BTreeSet<Fault>,
    /// Maximum number of tabs.
    pub tabs: Option<u64>,
    /// Duration of the fault phase.
    pub chaos_ms: Option<u64>,
    /// The deliberate error.
    pub mutant: Option<Mutant>,
}

impl Scenario {
    /// The world of a seed without restrictions.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Sets one argument of the command line. Returns `None` if the name or the value is unknown.
    pub fn set_argument(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "--seed" => self.seed = value.parse().ok()?,
            "--tabs" => self.tabs = Some(value.parse().ok()?),
            "--chaos-ms" => self.chaos_ms = Some(value.parse().ok()?),
            "--mutant" => self.mutant = Some(Mutant::parse(value)?),
            "--without" => {
                for name in value.split(',') {
                    self.without.insert(Fault::parse(name)?);
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Parses the output of [`Display`](fmt::Display).
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut scenario = Self::default();
        let mut words = line.split_whitespace();
        while let Some(name) = words.next() {
            scenario.set_argument(name, words.next()?)?;
        }
        Some(scenario)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--seed {}", self.seed)?;
        if let Some(tabs) = self.tabs {
            write!(f, " --tabs {tabs}")?;
        }
        if let Some(chaos_ms) = self.chaos_ms {
            write!(f, " --chaos-ms {chaos_ms}")?;
        }
        if !self.without.is_empty() {
            let names: Vec<&str> = self.without.iter().map(|fault| fault.name()).collect();
            write!(f, " --without {}", names.join(","))?;
        }
        if let Some(mutant) = self.mutant {
            write!(f, " --mutant {}", mutant.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_parses_as_it_displays() {
        let scenario = Scenario {
            seed: 7,
            without: [Fault::Crash, Fault::SlowDisk].into(),
            tabs: Some(2),
            chaos_ms: Some(900),
            mutant: Some(Mutant::ALL[0]),
        };
        assert_eq!(Scenario::parse(&scenario.to_string()), Some(scenario));
        assert_eq!(Scenario::parse("--seed 7"), Some(Scenario::of(7)));
        for wrong in ["7", "--seed", "--seed x", "--seed 1 --without rain"] {
            assert_eq!(Scenario::parse(wrong), None, "{wrong}");
        }
    }
}

//! Which world is to run: a seed, and what is left out of what the seed would bring.

use core::fmt;
use std::collections::BTreeSet;

use crate::mutant::Mutant;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// What can befall a world.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Fault {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name on the command line.
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
    /// The page goes into the back/forward cache, which ends its worker, and comes back.
    Cache = "cache",
    /// The browser ends with all its tabs, and starts again.
    Restart = "restart",
    /// A tab is opened that has another one's client ids.
    Duplicate = "duplicate",
    /// A tab is frozen, for up to a minute.
    Freeze = "freeze",
    /// A worker hangs: 0.5, 2.5 or 60 s.
    Hang = "hang",
    /// A tab gets no messages on channels, and some send none either.
    Deaf = "deaf",
    /// A tab's timers run once in a second.
    Throttle = "throttle",
    /// The wall clock is set.
    Clock = "clock",
    /// Something comes that no tab of ours sends.
    Garbage = "garbage",
    /// A frame comes twice.
    Replay = "replay",
    /// A frame is held up, and later ones overtake it.
    Overtake = "overtake",
    /// A frame does not arrive.
    Lose = "lose",
    /// Everything on one way takes seconds.
    Delay = "delay",
    /// A stranger says of a tab what is not so.
    Slander = "slander",
    /// A timeout that nobody asked for.
    NeedlessTimeout = "needless-timeout",
    /// There is no more room on the disk, for a while.
    Full = "full",
    /// The browser removes the site's data.
    Clear = "clear",
    /// A bit of what is stored flips.
    Flip = "flip",
    /// Somebody takes a number of the log for what this build does not know.
    ForeignRow = "foreign-row",
    /// A tab's connection to the database fails, until the tab opens a new one.
    DeadHandle = "dead-handle",
    /// Everything that some tabs, or all, ask of the database fails for a while.
    DiskDown = "disk-down",
    /// Whoever opens the database gets no answer for a while.
    SilentOpen = "silent-open",
    /// Messages take up to 200 ms.
    SlowNet = "slow-net",
    /// Turns of the loop take up several inputs.
    Batch = "batch",
    /// The disk takes up to 80 ms.
    SlowDisk = "slow-disk",
    /// The disk takes up to 3 s.
    StuckDisk = "stuck-disk",
    /// Transactions are aborted.
    Abort = "abort",
    /// Some payloads are so large that the browser keeps them in files, which it takes up to 500 ms to read.
    Large = "large",
    /// Something befalls a broker while it writes, or as soon as it has written.
    AtCommit = "at-commit",
    /// Something befalls a tab soon after an election.
    AfterElection = "after-election",
    /// The tabs are of two builds.
    TwoBuilds = "two-builds",
    /// Next to nothing may be on its way on a lane or to a page, and some pages are slow.
    Narrow = "narrow",
    /// A stranger says goodbye for a tab that lives.
    FalseGoodbye = "false-goodbye",
    /// A stranger claims a term in the broker's name that it does not have.
    FalseClaim = "false-claim",
    /// Somebody adds a row to the log far behind the last.
    FarRow = "far-row",
    /// Somebody adds a row to the log with a term that no broker comes to.
    FarTerm = "far-term",
    /// Pages open ports and speak MQTT on them.
    Ports = "ports",
    /// Pages ask the broker.
    Questions = "questions",
    /// Parts of pages read, listen late, and leave.
    Readers = "readers",
}

impl Fault {
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

/// One world. It displays as the arguments that run it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Decides everything else.
    pub seed: u64,
    /// What is left out.
    pub without: BTreeSet<Fault>,
    /// How many tabs there are at most.
    pub tabs: Option<u64>,
    /// How long there are faults.
    pub chaos_ms: Option<u64>,
    /// What is broken on purpose.
    pub mutant: Option<Mutant>,
}

impl Scenario {
    /// The world of a seed as it is.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Takes one argument of the command line, with its value, if it is one of a scenario's.
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

    /// Reads what [`Display`](fmt::Display) writes.
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
    fn a_scenario_is_read_as_it_is_written() {
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

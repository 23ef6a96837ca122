//! What can be broken on purpose, to see that the oracle notices.
//!
//! Each is something that the engines or the edge of the browser could do wrong. It is done at the edge of the
//! simulation, between a tab and what it talks to, so that nothing of it is in what is shipped.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// One thing that is done wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
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

mutants! {
    /// A row is said to be stored before it is.
    AckBeforeCommit = "ack-before-commit",
    /// A row that could not be stored is said to be stored.
    FailureIgnored = "failure-ignored",
    /// A number that is taken is taken again: fences stop nobody.
    FenceOverwritten = "fence-overwritten",
    /// A checkpoint removes fences, too.
    FenceTruncated = "fence-truncated",
    /// A checkpoint loses the last piece of its snapshot.
    SnapshotTorn = "snapshot-torn",
    /// What is read misses the last segment.
    LastRowMissed = "last-row-missed",
    /// The ear of a deaf tab hears.
    LoopbackForged = "loopback-forged",
    /// A probe is answered whether the broker lives or not.
    PongForged = "pong-forged",
    /// A lock that somebody holds is granted to the next who asks.
    LockShared = "lock-shared",
    /// A message for a port does not get there.
    PortMessageLost = "port-message-lost",
    /// A packet for a port comes twice.
    PortPacketDuplicated = "port-packet-duplicated",
    /// An answer to a page's question does not get there.
    AnswerLost = "answer-lost",
    /// A tab is told that its page has heard what is on its way to it.
    CreditTooEarly = "credit-too-early",
    /// A tab is not told that nobody listens any more.
    UnlistenDropped = "unlisten-dropped",
}

impl Mutant {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

//! Mutants: faults that are built in on purpose, to test that the oracle notices them.
//!
//! Each one is an error that the engines or the browser glue could contain. The simulation makes it at the edge of a
//! tab, so that the shipped code contains none of it.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A deliberate error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            /// All mutants.
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

mutants! {
    /// A row is reported as stored before it is.
    AckBeforeCommit = "ack-before-commit",
    /// A row that could not be stored is reported as stored.
    FailureIgnored = "failure-ignored",
    /// A used row number is used again, so that fences stop no broker.
    FenceOverwritten = "fence-overwritten",
    /// A checkpoint also removes fences.
    FenceTruncated = "fence-truncated",
    /// A checkpoint loses the last piece of its snapshot.
    SnapshotTorn = "snapshot-torn",
    /// A read of the log misses the content of the last segment.
    LastRowMissed = "last-row-missed",
    /// The loopback probe of a deaf tab succeeds.
    LoopbackForged = "loopback-forged",
    /// A probe gets a pong even if the broker is dead.
    PongForged = "pong-forged",
    /// A lock is granted to a second tab while it is held.
    LockShared = "lock-shared",
    /// A message for a port is dropped.
    PortMessageLost = "port-message-lost",
    /// A packet for a port is delivered twice.
    PortPacketDuplicated = "port-packet-duplicated",
    /// An answer to a page's question is dropped.
    AnswerLost = "answer-lost",
    /// A tab gets credit for notices that its page has not processed yet.
    CreditTooEarly = "credit-too-early",
    /// A tab does not learn that the last listener was removed.
    UnlistenDropped = "unlisten-dropped",
}

impl Mutant {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

/// A fault of the tab with the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Close,
    Crash,
    /// The tab is closed, and the next tab in the queue for the lock is frozen.
    CloseFrozenNext,
    Freeze,
    FreezeUnhandled,
    Hang,
    Cache,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] = [
        Self::Close,
        Self::Crash,
        Self::CloseFrozenNext,
        Self::Freeze,
        Self::FreezeUnhandled,
        Self::Hang,
        Self::Cache,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Crash => "crash",
            Self::CloseFrozenNext => "close, next frozen",
            Self::Freeze => "freeze",
            Self::FreezeUnhandled => "freeze, unhandled",
            Self::Hang => "hang of 2.5 s",
            Self::Cache => "back/forward cache",
        }
    }

    /// The goals (ms) for the median and for the longest gap.
    pub(crate) const fn goal_ms(self) -> (f64, f64) {
        match self {
            Self::Close | Self::Crash => (100.0, 300.0),
            Self::CloseFrozenNext
            | Self::Freeze
            | Self::FreezeUnhandled
            | Self::Hang
            | Self::Cache => (1_000.0, 1_000.0),
        }
    }
}

//! The interface between a page and its tab: [`Command`]s go in, [`Notice`]s come out.
//!
//! Both are plain data. In the browser they cross between the page and its worker as bincode, which writes the index of a
//! variant: the order of variants and fields is part of the format.

mod command;
mod event;
mod message;
mod notice;
mod problem;
mod query;

pub use command::{
    Candidacy, ClientCommand, ClientNo, Command, ConnectOptions, Durability, OpenOptions, ReaderNo,
    RequestId, Visibility,
};
pub use event::{Event, EventKind, LeadershipTimes, Source};
pub use message::{
    Message, MessageProperties, Publication, QoS, RetainHandling, Subscription, Will,
};
pub use notice::{
    Audience, ClientNotice, ClientStatus, DisconnectCause, Notice, Role, StorageState, TabInfo,
    TabStats,
};
pub use problem::Problem;
pub use query::{Answer, DropReason, Dropped, Granted, Load, Question, Receiver, SessionInfo};

pub use crate::protocol::term::Term;

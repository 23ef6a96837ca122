//! The state of the broker for people and apps: events, counters, views and `$SYS` topics.

pub(crate) mod event;
pub(crate) mod inspect;
pub(crate) mod stats;
pub(crate) mod sys_topics;

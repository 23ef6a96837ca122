//! The texts that the app shows, one file for each part of the page, so that one thing has one name.

pub(crate) mod alerts;
pub(crate) mod connection;
pub(crate) mod events;
pub(crate) mod failover;
pub(crate) mod fields;
pub(crate) mod figures;
mod losses;
pub(crate) mod message_log;
pub(crate) mod payload;
pub(crate) mod performance;
pub(crate) mod properties;
pub(crate) mod publish;
mod requests;
pub(crate) mod retained;
pub(crate) mod routing;
pub(crate) mod share_button;
mod status;
pub(crate) mod subscriptions;
pub(crate) mod tabs;
mod text;
pub(crate) mod topic_names;
pub(crate) mod topics;

pub(crate) use alerts::{CHANNEL_REFUSED, LOADING, retained_expires};
pub(crate) use events::{is_about_a_drop, is_about_the_app};
pub(crate) use failover::{
    SECOND_TAB_FIRST, cause, count_losses, counting, failover_counts, replaced,
};
pub(crate) use figures::{count, duration, expiry, qos_level, step_ms, yes_or_no};
pub(crate) use losses::{loss, own_loss};
pub(crate) use message_log::{EndOfLog, end_of_log, new_rows, paused};
pub(crate) use requests::{grant_of, publish_result};
pub(crate) use share_button::left_out_of_link;
pub(crate) use status::{
    Halt, badge, durability, offline, persistence, skip_to, status, title, view,
};
pub(crate) use tabs::{hint, joined};
pub(crate) use text::{short_ids, visible};
pub(crate) use topic_names::{filter_problem, topic_problem};

#[cfg(test)]
mod tests;

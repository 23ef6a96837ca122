//! The visible parts of the page, one file for each.

mod alerts;
mod chart;
mod connection;
mod copy_buttons;
mod event_log;
mod failover_timeline;
mod fault_panel;
mod fields;
mod header;
mod line_list;
mod message_detail;
mod message_form;
mod message_log;
mod message_properties;
mod payload;
mod performance;
mod publish;
pub(crate) mod root;
mod routing;
mod share_button;
mod subscriptions;
mod tabs;
mod topic_chart;
mod topic_detail;
mod topic_tree;
mod virtual_list;

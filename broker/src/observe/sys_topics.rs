//! `$SYS` topics: the counters as retained messages.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::SharedProperties;
use crate::routing::message::Message;
use crate::{Broker, Output, QoS, Time, TopicName};

/// The topics below it are the broker's own.
pub(crate) const PREFIX: &str = "$SYS/broker/";

/// When the `$SYS` topics are published.
#[derive(Debug, Default)]
pub(crate) struct SysTopics {
    /// The moment of the first input, for the uptime.
    began: Option<Time>,
    /// The moment of the next publication.
    due: Option<Time>,
}

impl SysTopics {
    pub(crate) const fn due(&self) -> Option<Time> {
        self.due
    }
}

impl Broker {
    /// Publishes the counters when they are due: at the first input, then at every interval.
    pub(crate) fn publish_sys_topics(&mut self, now: Time, out: &mut Vec<Output>) {
        let interval_s = self.config.sys_interval_s;
        if interval_s == 0 || self.sys_topics.due.is_some_and(|at| at > now) {
            return;
        }
        self.sys_topics.due = Some(now.plus_secs(interval_s.into()));
        let began = *self.sys_topics.began.get_or_insert(now);
        let stats = self.stats();
        let values = [
            ("version", format!("TabMQ {}", env!("CARGO_PKG_VERSION"))),
            ("uptime", format!("{} seconds", now.ms_since(began) / 1000)),
            ("clients/connected", stats.connections.to_string()),
            ("clients/total", stats.sessions.to_string()),
            ("subscriptions/count", stats.subscriptions.to_string()),
            (
                "retained messages/count",
                stats.retained_messages.to_string(),
            ),
            ("messages/received", stats.messages_received.to_string()),
            ("messages/sent", stats.messages_delivered.to_string()),
            ("messages/dropped", stats.messages_dropped.to_string()),
        ];
        let publisher: Arc<str> = Arc::from("");
        for (name, value) in values {
            let Ok(topic) = TopicName::parse(&format!("{PREFIX}{name}")) else {
                continue;
            };
            let message = Message {
                number: 0,
                publisher: Arc::clone(&publisher),
                published: now,
                topic,
                payload: Bytes::from(value),
                qos: QoS::AtMostOnce,
                retain: true,
                expiry_interval_s: None,
                properties: SharedProperties::default(),
            };
            self.publish_message(now, message, out);
        }
    }
}

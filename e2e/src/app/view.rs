//! The contents of the app's page.

use std::fmt;

use serde::Deserialize;

use crate::message::Message;

/// The script that reads a [`View`].
pub(crate) const SCRIPT: &str = include_str!("view.js");

/// The views of the page: names in its address and in its `data-testid`s. The first one is the default.
pub const VIEWS: [&str; 5] = ["messages", "topics", "routing", "failover", "performance"];

/// The contents of the app's page. Lists in order of time begin with the oldest entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// The tab's role; `None` on a page that is not the app.
    pub role: Option<Role>,
    /// The tab's id, once it has joined a channel.
    pub tab_id: Option<String>,
    /// State of the client's connection; `None` on a page that is not the app.
    pub status: Option<Status>,
    /// The same as text.
    pub status_text: String,
    /// The tabs on the channel.
    pub members: Vec<MemberRow>,
    /// The broker's durability: `relaxed`, `strict` or `memory`.
    pub kept: Option<String>,
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// The messages that are drawn: the newest 100.
    pub messages: Vec<Message>,
    /// Number of received messages.
    pub message_count: u64,
    /// Number of this page's publishes that were acknowledged, or sent with QoS 0.
    pub acknowledged: u64,
    /// The result of the last publish, as text.
    pub publish_result: String,
    /// The events, as text.
    pub events: Vec<String>,
    /// The errors, as text.
    pub errors: Vec<String>,
    /// The hint for new users.
    pub hint: Option<String>,
    /// The text for a browser that cannot run the app.
    pub unsupported: Option<String>,
    /// Title of the document.
    pub title: String,
    /// `visible` or `hidden`.
    pub visibility: String,
}

/// A tab's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The broker is in this tab.
    Broker,
    /// The broker is in another tab.
    Client,
    /// There is no broker.
    Waiting,
    /// The tab's worker has ended.
    Offline,
    /// The tab's worker is suspended.
    Frozen,
}

/// State of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for a broker.
    Waiting,
    /// A connection is being opened.
    Connecting,
    /// Connected.
    Connected,
    /// Not connected, without an automatic reconnect.
    Disconnected,
}

/// A tab as another one knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRow {
    /// The tab's id.
    pub tab_id: String,
    /// Whether it is the broker.
    pub is_broker: bool,
    /// Build of its worker.
    pub build: String,
}

/// A subscription in the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// Topic filter.
    pub filter: String,
    /// The granted QoS: `0`, `1`, `2`; or the reason why there is none.
    pub granted: String,
}

impl View {
    /// Whether the client is connected and the broker has granted every subscription.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let granted = |it: &Subscription| ["0", "1", "2"].contains(&it.granted.as_str());
        self.status == Some(Status::Connected) && self.subscriptions.iter().all(granted)
    }

    /// The ids in the list of tabs.
    #[must_use]
    pub fn member_ids(&self) -> Vec<&str> {
        self.members.iter().map(|row| row.tab_id.as_str()).collect()
    }

    /// The ids in the list of tabs that are marked as the broker.
    #[must_use]
    pub fn member_brokers(&self) -> Vec<&str> {
        let brokers = self.members.iter().filter(|row| row.is_broker);
        brokers.map(|row| row.tab_id.as_str()).collect()
    }

    /// The payloads that arrived on a topic.
    #[must_use]
    pub fn payloads(&self, topic: &str) -> Vec<&str> {
        let on_topic = self.messages.iter().filter(|it| it.topic == topic);
        on_topic.map(|it| it.payload.as_str()).collect()
    }

    /// Whether an event has these words.
    #[must_use]
    pub fn has_event(&self, words: &str) -> bool {
        self.events.iter().any(|event| event.contains(words))
    }
}

/// Prints the contents for the report of a failure.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(role) = self.role else {
            let shown = self.unsupported.as_deref().unwrap_or("not the app");
            return writeln!(f, "  {:?}: {shown}", self.title);
        };
        let tab_id = self.tab_id.as_deref().unwrap_or("no id yet");
        let (status, visibility) = (&self.status_text, &self.visibility);
        writeln!(f, "  {tab_id}, {role:?}, {visibility}. {status}")?;
        for row in &self.members {
            let crown = if row.is_broker { ", broker" } else { "" };
            writeln!(f, "  members: {}{crown}, build {}", row.tab_id, row.build)?;
        }
        for it in &self.subscriptions {
            writeln!(f, "  subscription: {} {}", it.filter, it.granted)?;
        }
        writeln!(
            f,
            "  publishes: {} acknowledged; {}",
            self.acknowledged, self.publish_result
        )?;
        writeln!(f, "  messages: {}", self.message_count)?;
        for it in &self.messages {
            let retained = if it.retain { ", retained" } else { "" };
            let payload: String = it.payload.chars().take(80).collect();
            writeln!(f, "    {} {payload:?}, QoS {}{retained}", it.topic, it.qos)?;
        }
        for error in &self.errors {
            writeln!(f, "  error: {error}")?;
        }
        for event in &self.events {
            writeln!(f, "  event: {event}")?;
        }
        Ok(())
    }
}

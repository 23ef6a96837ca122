//! The config file of `--config`.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use broker::access::{
    Access, Client, Entropy, Exchange, Login, Permission, Rule, RuleError, ScramCredentials, User,
    Users,
};
use broker::{Broker, QoS, ReasonCode, TopicFilter, TopicName};
use serde::{Deserialize, Deserializer};

use crate::connection::Bounds;

/// The keys, as `--help` and the README list them.
pub(crate) const KEYS: &str = include_str!("keys.txt");

/// How many times a password is hashed: the least that SCRAM-SHA-256 allows. [RFC 7677, 4]
const ITERATIONS: u32 = 4096;
/// How long a CONNECT waits at most for another connection of its client to be read. Reading takes as long as the engine needs
/// for its waiting packets, so only a fault reaches this limit.
const TAKEOVER_WAIT: Duration = Duration::from_secs(4);
/// The largest packet that MQTT can frame, in bytes.
const PACKET_SIZE_LIMIT: u32 = 268_435_455;

/// The config file. An absent key has its default; most keys are the broker's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    anonymous: bool,
    users: Vec<UserEntry>,
    rules: Vec<RuleEntry>,
    #[serde(deserialize_with = "qos")]
    maximum_qos: QoS,
    receive_maximum: NonZeroU16,
    topic_alias_maximum: u16,
    outbound_topic_alias_maximum: u16,
    #[serde(deserialize_with = "packet_size")]
    maximum_packet_size: u32,
    keep_alive_max_s: u16,
    session_expiry_interval_max_s: u32,
    response_information: Option<String>,
    connecting_max: NonZeroU16,
    clients_max: usize,
    sessions_max: usize,
    session_subscriptions_max: usize,
    session_patterns_max: usize,
    patterns_max: usize,
    sessions_bytes_max: usize,
    subscriptions_max: usize,
    retained_messages_max: usize,
    retained_bytes_max: usize,
    queue_messages_max: usize,
    queue_bytes_max: usize,
    in_flight_max: NonZeroU16,
    publish_rate_max: u32,
    topic_bytes_max: usize,
    topic_levels_max: usize,
    received_bytes_max: usize,
    outbox_bytes_max: usize,
    outboxes_bytes_max: usize,
    at_once_max: usize,
    turn_work_max: NonZeroU32,
    connect_timeout_ms: NonZeroU32,
    payload_format_checked: bool,
    sys_interval_s: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: String,
    password: String,
    #[serde(default)]
    rules: Vec<RuleEntry>,
}

/// A rule, valid since it was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RuleText")]
struct RuleEntry(Rule);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    access: Decision,
    to: Deed,
    filter: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deed {
    Publish,
    Subscribe,
    All,
}

impl TryFrom<RuleText> for RuleEntry {
    type Error = RuleError;

    fn try_from(text: RuleText) -> Result<Self, RuleError> {
        let permission = match text.to {
            Deed::Publish => Permission::Publish,
            Deed::Subscribe => Permission::Subscribe,
            Deed::All => Permission::All,
        };
        let rule = match text.access {
            Decision::Allow => Rule::allow(permission, &text.filter),
            Decision::Deny => Rule::deny(permission, &text.filter),
        };
        rule.map(Self)
    }
}

impl Default for Config {
    fn default() -> Self {
        let broker = broker::Config::default();
        Self {
            anonymous: true,
            users: Vec::new(),
            rules: Vec::new(),
            maximum_qos: broker.maximum_qos,
            receive_maximum: NonZeroU16::MIN.saturating_add(19),
            topic_alias_maximum: 10,
            outbound_topic_alias_maximum: broker.outbound_topic_alias_maximum,
            // MQTT's default, so CONNACK need not have it.
            maximum_packet_size: PACKET_SIZE_LIMIT,
            keep_alive_max_s: broker.keep_alive_max_s,
            session_expiry_interval_max_s: broker.session_expiry_interval_max_s,
            response_information: broker.response_information,
            connecting_max: NonZeroU16::MIN.saturating_add(255),
            clients_max: broker.clients_max,
            sessions_max: broker.sessions_max,
            session_subscriptions_max: broker.session_subscriptions_max,
            session_patterns_max: broker.session_patterns_max,
            patterns_max: broker.patterns_max,
            sessions_bytes_max: broker.sessions_bytes_max,
            subscriptions_max: broker.subscriptions_max,
            retained_messages_max: broker.retained_messages_max,
            retained_bytes_max: broker.retained_bytes_max,
            queue_messages_max: broker.queue_messages_max,
            queue_bytes_max: broker.queue_bytes_max,
            in_flight_max: NonZeroU16::new(broker.in_flight_max).unwrap_or(NonZeroU16::MIN),
            publish_rate_max: broker.publish_rate_max,
            topic_bytes_max: broker.topic_bytes_max,
            topic_levels_max: broker.topic_levels_max,
            received_bytes_max: 512 * 1024 * 1024,
            outbox_bytes_max: 64 * 1024 * 1024,
            outboxes_bytes_max: 1024 * 1024 * 1024,
            at_once_max: broker.at_once_max,
            turn_work_max: NonZeroU32::MIN.saturating_add(1_999),
            connect_timeout_ms: NonZeroU32::MIN.saturating_add(9_999),
            payload_format_checked: broker.payload_format_checked,
            sys_interval_s: broker.sys_interval_s,
        }
    }
}

impl Config {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let config = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let key = error.path().to_string();
            ConfigError {
                // serde names the whole file with a dot, and an unknown place with a question mark.
                key: (key != "." && key != "?").then_some(key),
                source: error.into_inner(),
            }
        })?;
        json.end()
            .map_err(|source| ConfigError { key: None, source })?;
        Ok(config)
    }

    /// The configured broker, with a secret from `entropy`.
    pub(crate) fn broker(&self, entropy: &dyn Fn(&mut [u8])) -> Broker {
        let mut seed = [0; 32];
        entropy(&mut seed);
        let config = broker::Config {
            seed,
            maximum_qos: self.maximum_qos,
            receive_maximum: self.receive_maximum.get(),
            topic_alias_maximum: self.topic_alias_maximum,
            outbound_topic_alias_maximum: self.outbound_topic_alias_maximum,
            maximum_packet_size: self.maximum_packet_size,
            keep_alive_max_s: self.keep_alive_max_s,
            session_expiry_interval_max_s: self.session_expiry_interval_max_s,
            response_information: self.response_information.clone(),
            clients_max: self.clients_max,
            sessions_max: self.sessions_max,
            session_subscriptions_max: self.session_subscriptions_max,
            session_patterns_max: self.session_patterns_max,
            patterns_max: self.patterns_max,
            sessions_bytes_max: self.sessions_bytes_max,
            subscriptions_max: self.subscriptions_max,
            retained_messages_max: self.retained_messages_max,
            retained_bytes_max: self.retained_bytes_max,
            queue_messages_max: self.queue_messages_max,
            queue_bytes_max: self.queue_bytes_max,
            in_flight_max: self.in_flight_max.get(),
            publish_rate_max: self.publish_rate_max,
            topic_bytes_max: self.topic_bytes_max,
            topic_levels_max: self.topic_levels_max,
            at_once_max: self.at_once_max,
            connect_timeout_ms: u64::from(self.connect_timeout_ms.get()),
            payload_format_checked: self.payload_format_checked,
            sys_interval_s: self.sys_interval_s,
            ..broker::Config::default()
        };
        Broker::with_access(config, self.access(entropy))
    }

    fn access(&self, entropy: &dyn Fn(&mut [u8])) -> Box<dyn Access> {
        let mut users = Users::new()
            .with_anonymous(self.anonymous)
            .with_rules(rules(&self.rules));
        for user in &self.users {
            let mut salt = [0; 16];
            entropy(&mut salt);
            users.add(User {
                username: user.name.clone(),
                credentials: ScramCredentials::new(user.password.as_bytes(), &salt, ITERATIONS),
                rules: rules(&user.rules),
            });
        }
        if self.users.is_empty() && self.anonymous {
            Box::new(Everybody(users))
        } else {
            Box::new(users)
        }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            maximum_packet_size: self.maximum_packet_size,
            outbox_bytes_max: self.outbox_bytes_max,
            // A client whose packets wait in the front does not time out.
            takeover_wait: TAKEOVER_WAIT.min(self.connect_timeout() / 2),
        }
    }

    pub(crate) fn connecting_max(&self) -> usize {
        usize::from(self.connecting_max.get())
    }

    pub(crate) fn received_bytes_max(&self) -> usize {
        self.received_bytes_max
    }

    pub(crate) fn outboxes_bytes_max(&self) -> usize {
        self.outboxes_bytes_max
    }

    pub(crate) fn turn_work_max(&self) -> usize {
        self.turn_work_max.get() as usize
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.connect_timeout_ms.get()))
    }
}

fn rules(entries: &[RuleEntry]) -> Vec<Rule> {
    entries.iter().map(|entry| entry.0.clone()).collect()
}

fn qos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<QoS, D::Error> {
    match u8::deserialize(deserializer)? {
        0 => Ok(QoS::AtMostOnce),
        1 => Ok(QoS::AtLeastOnce),
        2 => Ok(QoS::ExactlyOnce),
        other => Err(serde::de::Error::custom(format_args!(
            "{other} is no QoS: give 0, 1 or 2"
        ))),
    }
}

fn packet_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let size = u32::deserialize(deserializer)?;
    if (1..=PACKET_SIZE_LIMIT).contains(&size) {
        Ok(size)
    } else {
        Err(serde::de::Error::custom(format_args!(
            "{size} is out of range: give 1 to {PACKET_SIZE_LIMIT}"
        )))
    }
}

/// Accepts every client with any name; the rules apply.
#[derive(Debug)]
struct Everybody(Users);

impl Access for Everybody {
    fn login(&mut self, _: &Login<'_>) -> ReasonCode {
        ReasonCode::Success
    }

    fn authentication(&mut self, _: &str, _: Entropy) -> Option<Box<dyn Exchange>> {
        None
    }

    fn may_publish(&mut self, client: &Client<'_>, topic: &TopicName) -> ReasonCode {
        self.0.may_publish(client, topic)
    }

    fn may_subscribe(&mut self, client: &Client<'_>, filter: &TopicFilter) -> ReasonCode {
        self.0.may_subscribe(client, filter)
    }
}

/// The error of the config file, and its key.
#[derive(Debug)]
pub(crate) struct ConfigError {
    key: Option<String>,
    source: serde_json::Error,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        let mut source = self.source.to_string();
        // serde names Rust's types.
        for (rust, plain) in NUMBERS {
            source = source.replace(&format!("expected {rust} "), &format!("expected {plain} "));
        }
        f.write_str(&source)
    }
}

const NUMBERS: [(&str, &str); 5] = [
    ("usize", "a whole number from 0 up"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u16", "a whole number from 0 to 65535"),
    ("a nonzero u32", "a whole number from 1 to 4294967295"),
    ("a nonzero u16", "a whole number from 1 to 65535"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        Config::parse(json).unwrap_err().to_string()
    }

    #[test]
    fn absent_keys_have_their_default() {
        assert_eq!(Config::parse("{}").unwrap(), Config::default());
        let config = Config::parse(r#"{"receive_maximum": 5}"#).unwrap();
        assert_eq!(config.receive_maximum.get(), 5);
        assert_eq!(config.topic_alias_maximum, 10);
        assert_eq!(Config::default().receive_maximum.get(), 20);
        assert_eq!(Config::default().connect_timeout_ms.get(), 10_000);
    }

    #[test]
    fn an_error_names_its_key() {
        let cases = [
            (r#"{"recieve_maximum": 5}"#, "recieve_maximum"),
            (r#"{"receive_maximum": 0}"#, "receive_maximum: "),
            (r#"{"receive_maximum": "5"}"#, "receive_maximum: "),
            (r#"{"topic_alias_maximum": 65536}"#, "topic_alias_maximum: "),
            (r#"{"maximum_qos": 3}"#, "maximum_qos: 3 is no QoS"),
            (
                r#"{"maximum_packet_size": 268435456}"#,
                "maximum_packet_size: ",
            ),
            (r#"{"clients_max": -1}"#, "clients_max: "),
            (r#"{"connecting_max": 0}"#, "connecting_max: "),
            (
                r#"{"users": [{"name": "ada"}]}"#,
                "users[0]: missing field `password`",
            ),
            (
                r##"{"users": [{"name": "a", "password": "b", "rules": [{"access": "deny", "to": "all", "filter": "a/#/b"}]}]}"##,
                "users[0].rules[0]: ",
            ),
            (
                r#"{"rules": [{"access": "forbid", "to": "all", "filter": "a"}]}"#,
                "forbid",
            ),
        ];
        for (json, expected) in cases {
            let message = refused(json);
            assert!(message.contains(expected), "{json}: {message}");
        }
        refused("");
        refused("{} {}");
        assert!(refused(r#"{"clients_max": 1,}"#).starts_with("trailing comma"));
        for (json, expected) in [
            (
                r#"{"clients_max": -1}"#,
                "clients_max: invalid value: integer `-1`, expected a whole number from 0 up at line 1",
            ),
            (
                r#"{"receive_maximum": 0}"#,
                "expected a whole number from 1 to 65535 at",
            ),
            (
                r#"{"receive_maximum": "a"}"#,
                "expected a whole number from 1 to 65535 at",
            ),
            (
                r#"{"turn_work_max": 0}"#,
                "expected a whole number from 1 to 4294967295 at",
            ),
            (
                r#"{"maximum_packet_size": -1}"#,
                "expected a whole number from 0 to 4294967295 at",
            ),
        ] {
            let error = refused(json);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_help_and_the_readme_list_every_key() {
        let known = refused(r#"{"?": 1}"#);
        let keys: Vec<_> = known.split('`').skip(3).step_by(2).collect();
        assert!(keys.len() > 20, "{known}");
        for key in keys {
            let start = format!("\n    {key} ");
            assert!(KEYS.contains(&start), "{key} is not in the help");
        }
        let readme = include_str!("../README.md");
        assert!(readme.contains(KEYS), "the README lists other keys");
    }

    #[test]
    fn the_examples_of_the_readme_are_valid() {
        let readme = include_str!("../README.md");
        let examples = readme.split("```json").skip(1);
        let examples: Vec<_> = examples
            .filter_map(|rest| Some(rest.split_once("```")?.0))
            .collect();
        assert_eq!(examples.len(), 2);
        let client = Client {
            client_id: "a",
            username: None,
        };
        let may = |example: &str, filter: &str| {
            let mut access = Config::parse(example).unwrap().access(&|_| {});
            access.may_subscribe(&client, &TopicFilter::parse(filter).unwrap())
        };
        for filter in ["#", "$SYS/#", "a/b"] {
            assert_eq!(may(examples[0], filter), ReasonCode::Success, "{filter}");
        }
        for filter in ["clients/a/#", "news/#", "news/today"] {
            assert_eq!(may(examples[1], filter), ReasonCode::Success, "{filter}");
        }
        for filter in ["#", "$SYS/#", "clients/b/x", "clients/+/x", "+/today"] {
            let refused = ReasonCode::NotAuthorized;
            assert_eq!(may(examples[1], filter), refused, "{filter}");
        }
    }
}

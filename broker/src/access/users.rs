//! A list of users with their passwords, and rules of what they may do.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::scram::ITERATIONS_MIN;
use super::{Access, Client, Entropy, Exchange, Login, ScramCredentials, ScramSha256};
use crate::topic::TopicError;
use crate::{ReasonCode, TopicFilter, TopicName};

/// Accepts listed users by password or SCRAM-SHA-256, with the permissions of their rules.
///
/// The first rule that applies decides, and the user's rules come before those for everybody. Without one, the action
/// is allowed. To allow only listed topics, end with a rule that denies `#`.
///
/// A rule is about security and not about delivery: a wildcard at its beginning covers names that begin with `$`, too.
/// `deny #` closes `$SYS`, and `allow #` opens it; to keep it closed, deny `$SYS/#` before.
///
/// A client may not subscribe to a filter that could match a denied topic, because deliveries are not checked again.
/// So `deny a/b` refuses `a/b`, and `a/+` and `#` with it.
#[derive(Clone, Debug, Default)]
pub struct Users {
    anonymous: bool,
    credentials: Arc<BTreeMap<String, ScramCredentials>>,
    rules_of: BTreeMap<String, Vec<Rule>>,
    rules: Vec<Rule>,
}

/// One user, for [`Users::add`].
#[derive(Clone, Debug)]
pub struct User {
    /// The user name.
    pub username: String,
    /// The credentials of the password.
    pub credentials: ScramCredentials,
    /// The rules of this user, which come before those for everybody.
    pub rules: Vec<Rule>,
}

/// Allows or denies something. See [`Users`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    allow: bool,
    permission: Permission,
    filter: Vec<String>,
}

/// The action of a [`Rule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Publishing.
    Publish,
    /// Subscribing.
    Subscribe,
    /// Both.
    All,
}

/// Why a [`Rule`] is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleError(
    /// The error of its filter.
    pub TopicError,
);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter of a rule: {}", self.0)
    }
}

impl core::error::Error for RuleError {}

impl Rule {
    /// Allows what `filter` covers: publishing to a topic that it matches, subscribing to a filter that matches nothing
    /// else than it does. A wildcard at its beginning covers names that begin with `$`, too. `%c` in it stands for the
    /// client identifier, `%u` for the user name.
    ///
    /// # Errors
    ///
    /// `filter` is no topic filter.
    pub fn allow(permission: Permission, filter: &str) -> Result<Self, RuleError> {
        Self::new(true, permission, filter)
    }

    /// Denies what `filter` touches: publishing to a topic that it matches, subscribing to a filter with which it has a
    /// topic in common, also to a wider one. A wildcard at its beginning covers names that begin with `$`, too. `%c` in
    /// it stands for the client identifier, `%u` for the user name.
    ///
    /// # Errors
    ///
    /// `filter` is no topic filter.
    pub fn deny(permission: Permission, filter: &str) -> Result<Self, RuleError> {
        Self::new(false, permission, filter)
    }

    fn new(allow: bool, permission: Permission, filter: &str) -> Result<Self, RuleError> {
        let filter = TopicFilter::parse(filter).map_err(RuleError)?;
        Ok(Self {
            allow,
            permission,
            filter: filter.levels().map(str::to_owned).collect(),
        })
    }

    /// The filter for one client; `None` if it needs a user name and there is none.
    fn levels(&self, client: &Client<'_>) -> Option<Vec<Level>> {
        let levels = self.filter.iter().map(|level| {
            Some(match level.as_str() {
                "+" => Level::Any,
                "#" => Level::Rest,
                // Inserted text has no wildcards, whatever its characters.
                name => Level::Name(substituted(name, client)?),
            })
        });
        levels.collect()
    }

    fn decides_publish(&self, client: &Client<'_>, topic: &TopicName) -> bool {
        matches!(self.permission, Permission::Publish | Permission::All)
            && self
                .levels(client)
                .is_some_and(|rule| covers(&rule, &names(topic.levels())))
    }

    fn decides_subscribe(&self, client: &Client<'_>, filter: &TopicFilter) -> bool {
        if !matches!(self.permission, Permission::Subscribe | Permission::All) {
            return false;
        }
        let Some(rule) = self.levels(client) else {
            return false;
        };
        let wanted: Vec<Level> = filter.levels().map(Level::of_filter).collect();
        match self.allow {
            true => covers(&rule, &wanted),
            false => overlap(&rule, &wanted),
        }
    }
}

impl Users {
    /// An empty list, which accepts no client.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether clients without a user name are accepted.
    #[must_use]
    pub fn with_anonymous(mut self, anonymous: bool) -> Self {
        self.anonymous = anonymous;
        self
    }

    /// The rules for everybody.
    #[must_use]
    pub fn with_rules(mut self, rules: Vec<Rule>) -> Self {
        self.rules = rules;
        self
    }

    /// Adds a user, or replaces the one of the same name. Running exchanges keep the former list.
    pub fn add(&mut self, user: User) {
        let credentials = Arc::make_mut(&mut self.credentials);
        credentials.insert(user.username.clone(), user.credentials);
        self.rules_of.insert(user.username, user.rules);
    }

    fn decide(&self, client: &Client<'_>, applies: impl Fn(&Rule) -> bool) -> ReasonCode {
        let own = client.username.and_then(|name| self.rules_of.get(name));
        let mut rules = own.into_iter().flatten().chain(&self.rules);
        match rules.find(|rule| applies(rule)) {
            Some(Rule { allow: false, .. }) => ReasonCode::NotAuthorized,
            Some(Rule { allow: true, .. }) | None => ReasonCode::Success,
        }
    }
}

impl Access for Users {
    fn login(&mut self, login: &Login<'_>) -> ReasonCode {
        let Some(username) = login.username else {
            return match self.anonymous {
                true => ReasonCode::Success,
                false => ReasonCode::NotAuthorized,
            };
        };
        let password = login.password.unwrap_or_default();
        let known = match self.credentials.get(username) {
            Some(credentials) => credentials.verify(password),
            // It takes as long for an unknown name, so that timing does not reveal the list.
            None => {
                let decoy = ScramCredentials::decoy(&[], username, ITERATIONS_MIN);
                decoy.verify(password)
            }
        };
        match known {
            true => ReasonCode::Success,
            false => ReasonCode::BadUsernameOrPassword,
        }
    }

    fn authentication(&mut self, method: &str, entropy: Entropy) -> Option<Box<dyn Exchange>> {
        (method == ScramSha256::METHOD).then(|| {
            let exchange = ScramSha256::new(Arc::clone(&self.credentials), entropy);
            Box::new(exchange) as Box<dyn Exchange>
        })
    }

    fn may_publish(&mut self, client: &Client<'_>, topic: &TopicName) -> ReasonCode {
        self.decide(client, |rule| rule.decides_publish(client, topic))
    }

    fn may_subscribe(&mut self, client: &Client<'_>, filter: &TopicFilter) -> ReasonCode {
        self.decide(client, |rule| rule.decides_subscribe(client, filter))
    }
}

/// A level of a filter.
#[derive(Debug, PartialEq, Eq)]
enum Level {
    Name(String),
    /// `+`
    Any,
    /// `#`
    Rest,
}

impl Level {
    fn of_filter(level: &str) -> Self {
        match level {
            "+" => Self::Any,
            "#" => Self::Rest,
            name => Self::Name(name.to_owned()),
        }
    }
}

fn names<'a>(levels: impl Iterator<Item = &'a str>) -> Vec<Level> {
    levels.map(|level| Level::Name(level.to_owned())).collect()
}

/// In one pass, so that a user name with `%c` in it is left as it is.
fn substituted(level: &str, client: &Client<'_>) -> Option<String> {
    let mut parts = level.split('%');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix('c') {
            text.push_str(client.client_id);
            text.push_str(rest);
        } else if let Some(rest) = part.strip_prefix('u') {
            text.push_str(client.username?);
            text.push_str(rest);
        } else {
            text.push('%');
            text.push_str(part);
        }
    }
    Some(text)
}

/// Whether a rule speaks of every topic that `wanted` matches.
fn covers(rule: &[Level], wanted: &[Level]) -> bool {
    let mut wanted = wanted.iter();
    for level in rule {
        match (level, wanted.next()) {
            (Level::Rest, _) => return true,
            (Level::Any, Some(Level::Name(_) | Level::Any)) => {}
            (Level::Name(a), Some(Level::Name(b))) if a == b => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

/// Whether a rule speaks of a topic that a client's filter matches.
fn overlap(rule: &[Level], filter: &[Level]) -> bool {
    if passes_over(filter, rule) {
        return false;
    }
    let (mut rule, mut filter) = (rule.iter(), filter.iter());
    loop {
        match (rule.next(), filter.next()) {
            (Some(Level::Rest), _) | (_, Some(Level::Rest)) | (None, None) => return true,
            (Some(Level::Name(a)), Some(Level::Name(b))) if a != b => return false,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(_), Some(_)) => {}
        }
    }
}

/// Whether a client's filter begins with a wildcard and a rule with a name that no wildcard of a subscription matches.
/// [MQTT-4.7.2-1]
fn passes_over(filter: &[Level], rule: &[Level]) -> bool {
    matches!(filter.first(), Some(Level::Any | Level::Rest))
        && matches!(rule.first(), Some(Level::Name(name)) if name.starts_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client<'_> = Client {
        client_id: "id",
        username: Some("ann"),
    };

    fn users(rules: Vec<Rule>) -> Users {
        let mut users = Users::new();
        users.add(User {
            username: "ann".into(),
            credentials: ScramCredentials::new(b"secret", b"salt", 1),
            rules,
        });
        users
    }

    fn may_subscribe(rules: &[Rule], filter: &str) -> bool {
        let filter = TopicFilter::parse(filter).unwrap();
        users(rules.to_vec()).may_subscribe(&CLIENT, &filter) == ReasonCode::Success
    }

    fn may_publish(rules: &[Rule], topic: &str) -> bool {
        let topic = TopicName::parse(topic).unwrap();
        users(rules.to_vec()).may_publish(&CLIENT, &topic) == ReasonCode::Success
    }

    fn allow(filter: &str) -> Rule {
        Rule::allow(Permission::All, filter).unwrap()
    }

    fn deny(filter: &str) -> Rule {
        Rule::deny(Permission::All, filter).unwrap()
    }

    #[test]
    fn listed_users_are_accepted_with_their_password() {
        let mut users = users(Vec::new());
        let mut login = |username, password| {
            users.login(&Login {
                client_id: "id",
                username,
                password,
            })
        };
        let refused = ReasonCode::BadUsernameOrPassword;
        assert_eq!(login(Some("ann"), Some(b"secret")), ReasonCode::Success);
        assert_eq!(login(Some("ann"), Some(b"Secret")), refused);
        assert_eq!(login(Some("ann"), None), refused);
        assert_eq!(login(Some("bob"), Some(b"secret")), refused);
        assert_eq!(login(None, None), ReasonCode::NotAuthorized);
        let anonymous = Login {
            client_id: "id",
            username: None,
            password: None,
        };
        let mut users = users.with_anonymous(true);
        assert_eq!(users.login(&anonymous), ReasonCode::Success);
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let rules = [allow("a/b"), deny("a/#"), allow("a/c")];
        assert!(may_publish(&rules, "a/b"));
        assert!(!may_publish(&rules, "a/c"));
        assert!(!may_publish(&rules, "a"));
        assert!(may_publish(&rules, "b"));
        assert!(!may_publish(&[deny("#")], "a"));
        assert!(may_publish(&[], "a"), "by default it is allowed");
    }

    #[test]
    fn a_wildcard_of_a_rule_matches_topics_with_a_dollar_too() {
        for name in ["$SYS/a", "$private/a", "$x"] {
            assert!(!may_publish(&[deny("#")], name), "{name}");
            assert!(!may_subscribe(&[deny("#")], name), "{name}");
            assert!(may_publish(&[allow("#"), deny("#")], name), "{name}");
            assert!(may_subscribe(&[allow("#"), deny("#")], name), "{name}");
        }
        for filter in ["$SYS/#", "$private/#", "$x/+", "$share/g/$SYS/#"] {
            assert!(!may_subscribe(&[deny("#")], filter), "{filter}");
            assert!(may_subscribe(&[allow("#"), deny("#")], filter), "{filter}");
        }
        let level = [deny("+/a")];
        assert!(!may_publish(&level, "$x/a"));
        assert!(!may_subscribe(&level, "$x/a"));
        assert!(!may_subscribe(&level, "$x/#"));
        assert!(may_subscribe(&level, "$x/b"));
        let closed = [deny("$SYS/#"), allow("#")];
        assert!(!may_publish(&closed, "$SYS/a"));
        assert!(!may_subscribe(&closed, "$SYS/a"));
        assert!(may_subscribe(&closed, "$private/a"));
        // A subscription to it brings nothing of what begins with a dollar.
        assert!(may_subscribe(&closed, "#"));
    }

    #[test]
    fn a_rule_affects_only_its_permission() {
        let publish = [Rule::deny(Permission::Publish, "a").unwrap()];
        assert!(!may_publish(&publish, "a"));
        assert!(may_subscribe(&publish, "a"));
        let subscribe = [Rule::deny(Permission::Subscribe, "a").unwrap()];
        assert!(may_publish(&subscribe, "a"));
        assert!(!may_subscribe(&subscribe, "a"));
    }

    #[test]
    fn a_wider_filter_does_not_grant_a_denied_topic() {
        for filter in [
            "a/b",
            "a/+",
            "#",
            "a/#",
            "+/b",
            "$share/g/a/b",
            "a/b/#",
            "+/+",
        ] {
            assert!(!may_subscribe(&[deny("a/b")], filter), "{filter}");
        }
        for filter in ["a", "a/c", "+", "a/b/c", "$SYS/#", "b/#", "a/b/+"] {
            assert!(may_subscribe(&[deny("a/b")], filter), "{filter}");
        }
        assert!(may_subscribe(&[deny("$SYS/#")], "#"));
        assert!(!may_subscribe(&[deny("$SYS/#")], "$SYS/+/x"));
    }

    #[test]
    fn a_filter_is_granted_only_if_all_its_topics_are_allowed() {
        let rules = [allow("a/+/c/#"), deny("#")];
        for filter in ["a/b/c", "a/+/c", "a/+/c/d", "a/b/c/#", "$share/g/a/b/c/+"] {
            assert!(may_subscribe(&rules, filter), "{filter}");
        }
        for filter in ["a/#", "a/+/+", "#", "a/+", "+/b/c"] {
            assert!(!may_subscribe(&rules, filter), "{filter}");
        }
    }

    #[test]
    fn placeholders_are_replaced_by_the_literal_name() {
        let rules = [allow("c/%c/%u-%c/100%"), deny("#")];
        assert!(may_publish(&rules, "c/id/ann-id/100%"));
        assert!(!may_publish(&rules, "c/id/ann-x/100%"));
        let sly = Client {
            client_id: "#",
            username: Some("%c"),
        };
        let mut users = users(Vec::new()).with_rules(vec![allow("%c/%u"), deny("#")]);
        let mut may = |topic: &str| users.may_publish(&sly, &TopicName::parse(topic).unwrap());
        assert_eq!(may("x/y"), ReasonCode::NotAuthorized);
        assert_eq!(may("x/%c"), ReasonCode::NotAuthorized);
    }

    #[test]
    fn a_rule_with_a_user_name_does_not_apply_to_anonymous_clients() {
        let nobody = Client {
            client_id: "id",
            username: None,
        };
        let mut users = Users::new().with_rules(vec![deny("%u/#")]);
        let topic = TopicName::parse("/a").unwrap();
        assert_eq!(users.may_publish(&nobody, &topic), ReasonCode::Success);
    }

    #[test]
    fn a_rule_with_an_invalid_filter_is_refused() {
        let error = Rule::allow(Permission::All, "a#").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the filter of a rule: misplaced wildcard at byte 1"
        );
    }
}

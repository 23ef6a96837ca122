//! Access control: which clients may connect, publish and subscribe.

mod base64;
mod scram;
mod users;

use core::fmt;

pub use scram::{ScramCredentials, ScramSha256};
pub use users::{Permission, Rule, RuleError, User, Users};

use crate::{ReasonCode, TopicFilter, TopicName};

/// Decides what clients may do. The broker asks it for each action and obeys the answer.
///
/// An answer is [`ReasonCode::Success`], or the error code for the client.
pub trait Access: fmt::Debug + Send {
    /// Whether a client may connect with the credentials of its CONNECT. A client with an Authentication Method goes
    /// to [`Access::authentication`] instead.
    fn login(&mut self, login: &Login<'_>) -> ReasonCode;

    /// Starts an authentication exchange, or says that the method is unknown (`None`). [MQTT-4.12.0-1]
    ///
    /// `entropy` is another for every exchange of this broker, and as secret as
    /// [`Config::seed`](crate::Config::seed).
    fn authentication(&mut self, method: &str, entropy: Entropy) -> Option<Box<dyn Exchange>>;

    /// Whether a client may publish to a topic, with a PUBLISH or its will.
    fn may_publish(&mut self, client: &Client<'_>, topic: &TopicName) -> ReasonCode;

    /// Whether a client may subscribe to a filter. The broker does not ask again for each message.
    fn may_subscribe(&mut self, client: &Client<'_>, filter: &TopicFilter) -> ReasonCode;
}

/// One authentication of one client, step by step. [MQTT-4.12.0-2] [MQTT-4.12.0-3]
pub trait Exchange: fmt::Debug + Send {
    /// Takes the Authentication Data of the client's CONNECT or AUTH; empty if it sent none.
    fn step(&mut self, data: &[u8]) -> Step;
}

/// The outcome of a step of an [`Exchange`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The client has to answer this.
    Continue(Vec<u8>),
    /// The client has authenticated.
    Success {
        /// The user it is, for [`Client::username`].
        username: Option<String>,
        /// The last Authentication Data for the client; if empty, none is sent.
        data: Vec<u8>,
    },
    /// The client is refused with this code.
    Failure(ReasonCode),
}

/// The credentials of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The client identifier, which the broker may have assigned.
    pub client_id: &'a str,
    /// The User Name, if there is one.
    pub username: Option<&'a str>,
    /// The Password, if there is one.
    pub password: Option<&'a [u8]>,
}

/// An accepted client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// The client identifier.
    pub client_id: &'a str,
    /// The user it authenticated as, or the User Name of its CONNECT.
    pub username: Option<&'a str>,
}

/// The entropy of one exchange. The engine draws no random numbers: the seed turns its counter into values that nobody
/// else can guess.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entropy {
    pub(crate) seed: [u8; 32],
    pub(crate) count: u64,
}

/// Without the seed, which is a secret.
impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Allows everything, and knows no Authentication Method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllowAll;

impl Access for AllowAll {
    fn login(&mut self, _: &Login<'_>) -> ReasonCode {
        ReasonCode::Success
    }

    fn authentication(&mut self, _: &str, _: Entropy) -> Option<Box<dyn Exchange>> {
        None
    }

    fn may_publish(&mut self, _: &Client<'_>, _: &TopicName) -> ReasonCode {
        ReasonCode::Success
    }

    fn may_subscribe(&mut self, _: &Client<'_>, _: &TopicFilter) -> ReasonCode {
        ReasonCode::Success
    }
}

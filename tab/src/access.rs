//! Access control. The broker moves between tabs, so each tab has the rules of the channel.

use core::fmt;

pub use broker::access::{
    Access, AllowAll, Client, Entropy, Exchange, Login, Permission, Rule, RuleError, Step, User,
    Users,
};

/// The rules of a channel. Each broker that this tab hosts gets its access control from them.
///
/// All tabs of a channel should have equal rules, because any of them may be elected.
pub trait AccessPolicy: fmt::Debug + Send + Sync {
    /// Returns the access control of a broker that begins now.
    fn of_broker(&self) -> Box<dyn Access>;
}

impl<A: Access + Clone + Sync + 'static> AccessPolicy for A {
    fn of_broker(&self) -> Box<dyn Access> {
        Box::new(self.clone())
    }
}

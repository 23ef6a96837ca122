//! The way of a message: publications, subscriptions, and the sessions that receive a message.

pub(crate) mod catch_up;
pub(crate) mod delivery;
pub(crate) mod fan_out;
pub(crate) mod message;
pub(crate) mod publish;
pub(crate) mod reassignment;
pub(crate) mod retained;
pub(crate) mod routes;
pub(crate) mod shared_delivery;
pub(crate) mod shared_subscriptions;
pub(crate) mod subscribe;
pub(crate) mod subscription;
pub(crate) mod subscriptions;

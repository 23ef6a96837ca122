//! The seeded workload: what pages and the clients behind ports ask for.

pub(crate) mod message_id;
pub(crate) mod page;
pub(crate) mod port;

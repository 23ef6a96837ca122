//! The seeded workload: commands of pages, and packets of the clients behind ports.

pub(crate) mod message_id;
pub(crate) mod page;
pub(crate) mod port;

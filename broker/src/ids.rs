//! The numbers by which the caller and the broker name connections, origins, batches and sessions.

use serde::{Deserialize, Serialize};

/// The number of a network connection, which the caller assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Groups connections that fail together, for example all of one tab. The caller assigns the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin(pub u64);

/// The number of a batch of records. Batches are stored in the order of their numbers, which increase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// The slot of a session. After a session's end, a later one may get the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) usize);

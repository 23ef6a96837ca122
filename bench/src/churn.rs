use broker::QoS;

use crate::{Clients, workload};

/// Subscribes to all filters of the workload, and unsubscribes from them.
#[derive(Debug)]
pub struct Churn {
    clients: Clients,
    filters: Vec<String>,
}

/// Number of clients. The filters are distributed among them.
const CLIENTS: usize = 100;

impl Churn {
    /// Connects the clients.
    #[must_use]
    pub fn new() -> Self {
        let mut clients = Clients::none();
        (0..CLIENTS).for_each(|client| clients.connect(client));
        Self {
            clients,
            filters: workload::filters(),
        }
    }

    /// Sends one SUBSCRIBE for each filter; returns the number of subscriptions.
    pub fn subscribe(&mut self) -> usize {
        for (index, filter) in self.filters.iter().enumerate() {
            self.clients
                .subscribe(index % CLIENTS, filter, QoS::AtMostOnce);
        }
        self.clients.stats().subscriptions
    }

    /// Sends one UNSUBSCRIBE for each filter; returns the number of remaining subscriptions.
    pub fn unsubscribe(&mut self) -> usize {
        for (index, filter) in self.filters.iter().enumerate() {
            self.clients.unsubscribe(index % CLIENTS, filter);
        }
        self.clients.stats().subscriptions
    }
}

impl Default for Churn {
    fn default() -> Self {
        Self::new()
    }
}

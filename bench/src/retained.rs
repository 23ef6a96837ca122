use broker::packet::publish::PublishPacket;
use broker::{Packet, QoS};

use crate::{Clients, workload};

/// Gets retained messages by filters with wildcards.
#[derive(Debug)]
pub struct RetainedLookup {
    clients: Clients,
}

/// The filters, which are used in turn. Few topics match each of them.
pub const WILDCARD_FILTERS: [&str; 4] = [
    "+/line-3/machine-5/sensor-7",
    "site-3/+/machine-5/sensor-7",
    "site-3/line-5/+/sensor-7",
    "site-3/line-5/machine-7/#",
];

const PUBLISHER: usize = 0;
const READER: usize = 1;

impl RetainedLookup {
    /// Number of retained messages: one for each tenth topic of the workload.
    pub const MESSAGES: usize = workload::TOPICS / 10;

    /// Publishes the messages.
    #[must_use]
    pub fn new() -> Self {
        let mut clients = Clients::none();
        clients.connect(PUBLISHER);
        clients.connect(READER);
        for index in 0..Self::MESSAGES {
            let publish =
                PublishPacket::new(workload::topic(index), vec![b'x'; 32], QoS::AtMostOnce);
            clients.send(PUBLISHER, Packet::Publish(publish.with_retain(true)));
        }
        Self { clients }
    }

    /// Subscribes to the filters in turn; returns the number of received messages. Each SUBSCRIBE gets them again.
    pub fn run(&mut self, lookups: usize) -> usize {
        (0..lookups)
            .map(|lookup| {
                let filter = WILDCARD_FILTERS[lookup % WILDCARD_FILTERS.len()];
                self.clients.subscribe(READER, filter, QoS::AtMostOnce)
            })
            .sum()
    }
}

impl Default for RetainedLookup {
    fn default() -> Self {
        Self::new()
    }
}

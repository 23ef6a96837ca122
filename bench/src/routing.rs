use broker::packet::publish::PublishPacket;
use broker::{Packet, QoS};

use crate::Clients;

/// Routes the messages of one client to others.
#[derive(Debug)]
pub struct Routing {
    clients: Clients,
    publish: PublishPacket,
}

const TOPIC: &str = "site-7/line-12/machine-31/sensor-4";
const PAYLOAD: [u8; 64] = [b'x'; 64];

impl Routing {
    /// Connects a publisher and the receivers, which subscribe with the messages' QoS.
    #[must_use]
    pub fn new(receivers: usize, qos: QoS) -> Self {
        let mut clients = Clients::none();
        clients.connect(0);
        for receiver in 1..=receivers {
            clients.connect(receiver);
            clients.subscribe(receiver, TOPIC, qos);
        }
        let mut publish = PublishPacket::new(TOPIC, PAYLOAD.to_vec(), qos);
        if qos != QoS::AtMostOnce {
            publish = publish.with_packet_id(1);
        }
        Self { clients, publish }
    }

    /// Publishes messages; returns the number of deliveries. All receivers acknowledge a message before the next one.
    pub fn run(&mut self, messages: usize) -> usize {
        (0..messages)
            .map(|_| {
                let publish = Packet::Publish(self.publish.clone());
                self.clients.send(0, publish)
            })
            .sum()
    }
}

use broker::packet::connect::ConnectPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::packet::unsubscribe::UnsubscribePacket;
use broker::{Broker, Config, ConnId, Input, Output, Packet, QoS, Time};
use mqtt5_protocol::ConnectOptions;

/// A broker with clients that acknowledge at once and keep nothing.
#[derive(Debug)]
pub struct Clients {
    broker: Broker,
    out: Vec<Output>,
}

/// The time of all inputs.
const NOW: Time = Time::from_ms(1_000);

impl Clients {
    /// A broker with default limits and without clients.
    #[must_use]
    pub fn none() -> Self {
        Self {
            broker: Broker::new(Config::default()),
            out: Vec::new(),
        }
    }

    /// Connects one more client, whose session outlasts its connection.
    pub fn connect(&mut self, client: usize) {
        let mut connect = ConnectPacket::new(ConnectOptions::new(format!("client-{client}")));
        connect.properties.set_session_expiry_interval(3_600);
        let conn = conn(client);
        self.broker.handle(NOW, Input::Opened(conn), &mut self.out);
        self.send(client, Packet::Connect(Box::new(connect)));
    }

    /// Breaks a client's connection.
    pub fn lose(&mut self, client: usize) {
        self.broker
            .handle(NOW, Input::Gone(conn(client)), &mut self.out);
        self.out.clear();
    }

    /// Subscribes a client to one filter; returns the number of retained messages that it gets.
    pub fn subscribe(&mut self, client: usize, filter: &str, qos: QoS) -> usize {
        let packet = SubscribePacket::new(1).add_filter(filter, qos);
        let mut messages = self.send(client, Packet::Subscribe(packet));
        // The broker sends them in several steps.
        while self
            .broker
            .next_timeout()
            .is_some_and(|due| due <= NOW.plus_ms(1))
        {
            messages += self.give(Input::Timeout);
        }
        messages
    }

    /// Unsubscribes a client from one filter.
    pub fn unsubscribe(&mut self, client: usize, filter: &str) {
        let packet = UnsubscribePacket::new(1).add_filter(filter);
        self.send(client, Packet::Unsubscribe(packet));
    }

    /// Gives the broker a packet, and then the receivers' PUBACKs; returns the number of sent messages.
    pub fn send(&mut self, client: usize, packet: Packet) -> usize {
        self.give(Input::Packet(conn(client), packet))
    }

    fn give(&mut self, input: Input) -> usize {
        self.broker.handle(NOW, input, &mut self.out);
        let mut messages = 0;
        let sent = core::mem::take(&mut self.out);
        for output in &sent {
            if let Output::Publish(receiver, publish) = output {
                messages += 1;
                if let Some(packet_id) = publish.packet.packet_id {
                    let puback = Packet::PubAck(PubAckPacket::new(packet_id));
                    self.broker
                        .handle(NOW, Input::Packet(*receiver, puback), &mut self.out);
                }
            }
        }
        self.out = sent;
        self.out.clear();
        messages
    }

    /// The broker's statistics.
    #[must_use]
    pub fn stats(&self) -> broker::Stats {
        self.broker.stats()
    }
}

const fn conn(client: usize) -> ConnId {
    ConnId(client as u64)
}

//! Clients publish and subscribe while brokers replace each other. Each broker loses its unstored batches and the outputs
//! of batches whose commit it had not learned. Acknowledged messages still reach every subscriber, with QoS 2 once and in
//! order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::access::AllowAll;
use broker::packet::connect::ConnectPacket;
use broker::packet::publish::PublishPacket;
use broker::{BatchId, Broker, Config, ConnId, Input, Origin, Output, Packet, QoS, Time};

use crate::harness::*;
use crate::random::Random;

const CLIENTS: usize = 4;
const STEPS: usize = 500;
const TOPIC: &str = "t";

#[test]
fn acknowledged_messages_arrive_after_any_number_of_broker_changes() {
    let mut changes = 0;
    for seed in 1..=150 {
        let mut world = Failover::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.settle();
        world.judge();
        changes += world.changes;
    }
    assert!(changes > 1_000, "{changes} changes of the broker");
}

/// A publication. Its payload is its number.
struct Outgoing {
    packet_id: u16,
    number: u32,
    qos: QoS,
    /// Whether PUBREC has arrived, so only the release is missing.
    received: bool,
}

struct Client {
    name: String,
    /// Whether its session ends with its connection, except at a change of broker.
    is_brief: bool,
    conn: Option<ConnId>,
    connected: bool,
    /// Whether it has been connected, so its session must be present.
    has_session: bool,
    to_client: VecDeque<Packet>,
    to_broker: VecDeque<Packet>,
    outgoing: Vec<Outgoing>,
    last_packet_id: u16,
    /// QoS 2 messages that are not released.
    unreleased: BTreeSet<u16>,
    /// Whether SUBACK has arrived.
    subscribed: bool,
    /// The highest published number when SUBACK arrived.
    subscribed_after: u32,
    delivered: BTreeMap<u8, Vec<u32>>,
}

struct Failover {
    random: Random,
    now: Time,
    broker: Broker,
    /// The log that the next broker restores.
    log: Vec<Vec<u8>>,
    /// Issued batches that are not stored.
    issued: VecDeque<(u64, Vec<u8>)>,
    clients: Vec<Client>,
    owners: BTreeMap<ConnId, usize>,
    last_conn: u64,
    last_number: u32,
    acknowledged: BTreeMap<u32, QoS>,
    publishers: BTreeMap<u32, usize>,
    changes: u32,
}

fn config() -> Config {
    Config {
        durable: true,
        queue_messages_max: usize::MAX,
        at_once_max: 1,
        ..Config::default()
    }
}

impl Failover {
    fn new(seed: u64) -> Self {
        let client = |who: usize| Client {
            name: format!("client-{who}"),
            is_brief: who == 0,
            conn: None,
            connected: false,
            has_session: false,
            to_client: VecDeque::new(),
            to_broker: VecDeque::new(),
            outgoing: Vec::new(),
            last_packet_id: 0,
            unreleased: BTreeSet::new(),
            subscribed: false,
            subscribed_after: 0,
            delivered: BTreeMap::new(),
        };
        Self {
            random: Random::new(seed),
            now: Time::from_ms(1_000_000),
            broker: Broker::new(config()),
            log: Vec::new(),
            issued: VecDeque::new(),
            clients: (0..CLIENTS).map(client).collect(),
            owners: BTreeMap::new(),
            last_conn: 0,
            last_number: 0,
            acknowledged: BTreeMap::new(),
            publishers: BTreeMap::new(),
            changes: 0,
        }
    }

    fn step(&mut self) {
        self.now = self.now.plus_ms(1);
        let who = self.random.below(CLIENTS);
        match self.random.below(100) {
            0 | 1 => self.change_broker(),
            2 => self.checkpoint(),
            3 | 4 => self.lose(who),
            5..30 => {
                let batches = self.random.below(4);
                self.commit(batches);
            }
            30..40 => self.publish(who),
            40..70 => self.deliver_to_broker(who),
            70..98 => self.deliver_to_client(who),
            _ => self.connect(who),
        }
        if self.clients[who].conn.is_none() {
            self.connect(who);
        }
    }

    fn connect(&mut self, who: usize) {
        if self.clients[who].conn.is_some() {
            return;
        }
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.owners.insert(conn, who);
        let client = &mut self.clients[who];
        client.conn = Some(conn);
        let mut connect: ConnectPacket =
            lasting(&client.name, if client.is_brief { 0 } else { u32::MAX });
        connect.properties.set_receive_maximum(3);
        client.to_broker.push_back(connect.packet());
        self.tell(Input::OpenedBy(conn, Origin(who as u64)));
    }

    /// Breaks the connection of a client whose session outlives it.
    fn lose(&mut self, who: usize) {
        if self.clients[who].is_brief {
            return;
        }
        if let Some(conn) = self.disconnect(who) {
            self.tell(Input::Gone(conn));
        }
    }

    fn disconnect(&mut self, who: usize) -> Option<ConnId> {
        let client = &mut self.clients[who];
        client.connected = false;
        client.to_broker.clear();
        client.to_client.clear();
        client.conn.take()
    }

    /// Ends the broker and loses some of its issued batches. The next broker restores the stored ones.
    fn change_broker(&mut self) {
        self.changes += 1;
        let stored_without_notice = self.random.below(self.issued.len() + 1);
        let stored = self.issued.drain(..).take(stored_without_notice);
        self.log.extend(stored.map(|(_, bytes)| bytes));
        for who in 0..CLIENTS {
            self.disconnect(who);
        }
        self.owners.clear();
        let blocks = self.log.iter().map(Vec::as_slice);
        let (broker, restored) = Broker::restore(config(), Box::new(AllowAll), blocks, self.now);
        assert_eq!((restored.skipped, &restored.errors[..]), (0, &[][..]));
        self.broker = broker;
    }

    /// Replaces the log by a snapshot, which is stored at once.
    fn checkpoint(&mut self) {
        self.log = self.broker.snapshot();
        let last = self.issued.back().map(|(batch, _)| *batch);
        self.issued.clear();
        if let Some(last) = last {
            self.tell(Input::Committed(BatchId(last)));
        }
    }

    fn commit(&mut self, batches: usize) {
        let batches = batches.min(self.issued.len());
        let stored = self.issued.drain(..batches);
        let mut last = None;
        for (batch, bytes) in stored {
            self.log.push(bytes);
            last = Some(batch);
        }
        if let Some(last) = last {
            self.tell(Input::Committed(BatchId(last)));
        }
    }

    fn publish(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if client.outgoing.len() >= 5 {
            return;
        }
        self.last_number += 1;
        self.publishers.insert(self.last_number, who);
        let qos = if self.random.one_in(3) { QOS1 } else { QOS2 };
        client.last_packet_id = client.last_packet_id % 50 + 1;
        let outgoing = Outgoing {
            packet_id: client.last_packet_id,
            number: self.last_number,
            qos,
            received: false,
        };
        if client.connected {
            client.to_broker.push_back(outgoing.publish(false).packet());
        }
        client.outgoing.push(outgoing);
    }

    fn deliver_to_broker(&mut self, who: usize) {
        let Some(conn) = self.clients[who].conn else {
            return;
        };
        if let Some(packet) = self.clients[who].to_broker.pop_front() {
            self.tell(Input::Packet(conn, packet));
        }
    }

    fn deliver_to_client(&mut self, who: usize) {
        let last_number = self.last_number;
        let client = &mut self.clients[who];
        let Some(packet) = client.to_client.pop_front() else {
            return;
        };
        match packet {
            Packet::ConnAck(connack) => {
                assert_eq!(connack.reason_code, broker::ReasonCode::Success);
                assert!(
                    connack.session_present || !client.has_session,
                    "{} has lost its session",
                    client.name
                );
                client.has_session = true;
                client.connected = true;
                if !client.subscribed {
                    let subscribe = subscribe(100, TOPIC, QOS2);
                    client.to_broker.push_back(subscribe.packet());
                }
                for outgoing in &client.outgoing {
                    client.to_broker.push_back(match outgoing.received {
                        true => pubrel(outgoing.packet_id).packet(),
                        false => outgoing.publish(true).packet(),
                    });
                }
            }
            Packet::SubAck(_) => {
                client.subscribed = true;
                client.subscribed_after = last_number;
            }
            Packet::PubAck(ack) => {
                let done = client
                    .outgoing
                    .extract_if(.., |o| o.packet_id == ack.packet_id);
                self.acknowledged
                    .extend(done.map(|done| (done.number, done.qos)));
            }
            Packet::PubRec(ack) => {
                assert!(!ack.reason_code.is_error(), "{ack:?}");
                if let Some(outgoing) = client
                    .outgoing
                    .iter_mut()
                    .find(|o| o.packet_id == ack.packet_id)
                {
                    outgoing.received = true;
                }
                client.to_broker.push_back(pubrel(ack.packet_id).packet());
            }
            Packet::PubComp(ack) => {
                let done = client
                    .outgoing
                    .extract_if(.., |o| o.packet_id == ack.packet_id);
                self.acknowledged
                    .extend(done.map(|done| (done.number, done.qos)));
            }
            Packet::PubRel(ack) => {
                client.unreleased.remove(&ack.packet_id);
                client.to_broker.push_back(pubcomp(ack.packet_id).packet());
            }
            Packet::Publish(publish) => {
                let packet_id = publish.packet_id.unwrap();
                let is_new = publish.qos == QOS1 || client.unreleased.insert(packet_id);
                client.to_broker.push_back(match publish.qos {
                    QOS1 => puback(packet_id).packet(),
                    _ => pubrec(packet_id).packet(),
                });
                if is_new {
                    let payload = str::from_utf8(&publish.payload).unwrap();
                    let delivered = client.delivered.entry(publish.qos.into()).or_default();
                    delivered.push(payload.parse().unwrap());
                }
            }
            other => panic!("{other:?} for {}", client.name),
        }
    }

    fn tell(&mut self, input: Input) {
        let mut out = Vec::new();
        self.broker.handle(self.now, input, &mut out);
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Send(conn, packet) => {
                    let who = self.owners[&conn];
                    if self.clients[who].conn == Some(conn) {
                        self.clients[who].to_client.push_back(packet);
                    }
                }
                Output::Close(conn, reason) => {
                    let who = self.owners[&conn];
                    assert_ne!(self.clients[who].conn, Some(conn), "closed: {reason:?}");
                }
                Output::Persist(BatchId(batch), bytes) => self.issued.push_back((batch, bytes)),
                Output::Publish(..) | Output::Event(_) => {}
            }
        }
    }

    /// Runs without failures until no packet and no batch is left.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(
                round < 10_000,
                "packets are still in transit after {round} rounds"
            );
            let mut is_calm = self.issued.is_empty();
            self.commit(usize::MAX);
            for who in 0..CLIENTS {
                self.connect(who);
                let client = &self.clients[who];
                is_calm &= client.to_broker.is_empty() && client.to_client.is_empty();
                is_calm &= client.connected && client.outgoing.is_empty();
                self.deliver_to_broker(who);
                self.deliver_to_client(who);
            }
            if is_calm {
                return;
            }
        }
    }

    fn judge(&self) {
        for client in &self.clients {
            let name = &client.name;
            for qos in [1, 2] {
                let delivered = client.delivered.get(&qos).map_or(&[][..], Vec::as_slice);
                let mut seen = BTreeSet::new();
                let mut first: Vec<u32> = delivered
                    .iter()
                    .copied()
                    .filter(|n| seen.insert(*n))
                    .collect();
                let all = self.acknowledged.iter();
                let owed = all.filter(|(number, of)| {
                    **number > client.subscribed_after && u8::from(**of) == qos
                });
                for (number, _) in owed {
                    assert!(seen.contains(number), "{name} has not got {number}");
                }
                if qos == 2 {
                    assert_eq!(first.len(), delivered.len(), "{name} got one twice");
                }
                // The messages of each publisher are numbered in order. A message from before the subscription may have
                // been published again after it.
                first.retain(|number| *number > client.subscribed_after);
                for publisher in 0..CLIENTS {
                    let of_publisher = first.iter().filter(|n| self.publishers[n] == publisher);
                    assert!(of_publisher.is_sorted(), "{name} got {first:?}");
                }
            }
        }
    }
}

impl Outgoing {
    fn publish(&self, dup: bool) -> PublishPacket {
        let payload = self.number.to_string();
        let publish = match self.qos {
            QOS1 => publish1(self.packet_id, TOPIC, &payload),
            _ => publish2(self.packet_id, TOPIC, &payload),
        };
        publish.with_dup(dup)
    }
}

//! Checks the cost of received bytes: decoder and broker allocate at most a fixed multiple of the bytes that a client sends, and one input
//! has a limited number of outputs. Processor time is not checked, because work without allocation is short.

use broker::codec::{self, ProtocolVersion};
use broker::packet::Packet;
use broker::packet::connect::ConnectPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Broker, Config, ConnId, Input, Output, QoS, Time};
use bytes::Bytes;

const MAXIMUM_PACKET_SIZE: u32 = 64 * 1024;

/// Bytes that a packet may allocate in addition to those for its length: growing lists and maps, an answer, a record.
const BASE_BYTES: usize = 4 * 1024;

/// Bytes that the decoder may allocate for each byte. An empty User Property of five bytes needs the most.
const DECODED_PER_BYTE: usize = 64;

/// Bytes that the broker may allocate for each byte, for each receiver and once more.
const HANDLED_PER_BYTE: usize = 256;

/// Number of other clients, which are subscribed to everything.
const OTHERS: u64 = 3;

/// Number of retained messages in one step. It is low, so that few retained messages need several steps.
const AT_ONCE_MAX: usize = 16;

/// Number of retained messages at the beginning.
const RETAINED: usize = 50;

/// Outputs that one input may have in addition to [`AT_ONCE_MAX`]: an answer, events, and a message to each of the others.
const OUTPUTS: usize = 64;

const ATTACKER: ConnId = ConnId(0);

/// Decodes `bytes`, and gives the packets to a broker. `allocated` returns the total number of bytes allocated so far.
pub fn check(bytes: &[u8], allocated: &dyn Fn() -> usize) {
    for version in [
        ProtocolVersion::V5,
        ProtocolVersion::V311,
        ProtocolVersion::V31,
    ] {
        // Most inputs have no packet, and need no broker.
        let mut world = None;
        let mut rest = Bytes::copy_from_slice(bytes);
        loop {
            let length = rest.len();
            let before = allocated();
            let decoded = codec::decode(&mut rest, version, MAXIMUM_PACKET_SIZE);
            let taken = allocated() - before;
            // A decoder that refuses may have read all bytes.
            let looked_at = match &decoded {
                Ok(_) => length - rest.len(),
                Err(_) => length.min(MAXIMUM_PACKET_SIZE as usize),
            };
            let most = BASE_BYTES + DECODED_PER_BYTE * looked_at;
            assert!(taken <= most, "{taken} bytes to decode {looked_at}");
            let Ok(Some(packet)) = decoded else { break };
            let world = world.get_or_insert_with(World::new);
            world.packet(packet, length - rest.len(), allocated);
        }
    }
}

struct World {
    broker: Broker,
    now: Time,
    out: Vec<Output>,
}

impl World {
    fn new() -> Self {
        let config = Config {
            session_subscriptions_max: 100,
            session_patterns_max: 16,
            queue_messages_max: 100,
            topic_levels_max: 128,
            at_once_max: AT_ONCE_MAX,
            ..Config::default()
        };
        let mut world = Self {
            broker: Broker::new(config),
            now: Time::from_ms(1_000),
            out: Vec::new(),
        };
        for other in 1..=OTHERS {
            let mut connect = ConnectPacket::new(Default::default());
            connect.client_id = format!("other-{other}");
            world.input(Input::Opened(ConnId(other)));
            world.input(Input::Packet(
                ConnId(other),
                Packet::Connect(Box::new(connect)),
            ));
            let subscribe = SubscribePacket::new(1).add_filter("#", QoS::AtLeastOnce);
            world.input(Input::Packet(ConnId(other), Packet::Subscribe(subscribe)));
        }
        for number in 0..RETAINED {
            let publish = PublishPacket::new(format!("t/{number}"), "x", QoS::AtMostOnce);
            let publish = Packet::Publish(publish.with_retain(true));
            world.input(Input::Packet(ConnId(1), publish));
        }
        world.input(Input::Opened(ATTACKER));
        world
    }

    fn packet(&mut self, packet: Packet, length: usize, allocated: &dyn Fn() -> usize) {
        let before = allocated();
        let outputs = self.input(Input::Packet(ATTACKER, packet));
        let taken = allocated() - before;
        let receivers = OTHERS as usize + 2;
        // Each retained message of a step is a separate message.
        let retained = AT_ONCE_MAX * BASE_BYTES / 4;
        let most = receivers * (BASE_BYTES + HANDLED_PER_BYTE * length) + retained;
        assert!(taken <= most, "{taken} bytes to handle {length}");
        // A SUBSCRIBE has an event for each filter.
        let most = AT_ONCE_MAX + OUTPUTS + length;
        assert!(outputs <= most, "{outputs} outputs for {length} bytes");
        while let Some(due) = self.broker.next_timeout()
            && due <= self.now.plus_ms(1)
        {
            self.now = self.now.max(due);
            let outputs = self.input(Input::Timeout);
            assert!(outputs <= AT_ONCE_MAX + OUTPUTS, "{outputs} outputs");
        }
    }

    fn input(&mut self, input: Input) -> usize {
        self.broker.handle(self.now, input, &mut self.out);
        let outputs = self.out.len();
        self.out.clear();
        outputs
    }
}

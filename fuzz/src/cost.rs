//! The cost of bytes: a decoder and a broker allocate so many times as much memory as a client has sent and no more, and one input
//! gives so many outputs and no more. Work that allocates no memory takes no time that counts.

use broker::codec::{self, ProtocolVersion};
use broker::packet::Packet;
use broker::packet::connect::ConnectPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{Broker, Config, ConnId, Input, Output, QoS, Time};
use bytes::Bytes;

const MAXIMUM_PACKET_SIZE: u32 = 64 * 1024;

/// Bytes that a packet may take beside those for its length: lists and maps that double, an answer, a record.
const BASE_BYTES: usize = 4 * 1024;

/// Bytes that each byte may take in the decoder: an empty User Property of five bytes takes the most.
const DECODED_PER_BYTE: usize = 64;

/// Bytes that each byte may take in the broker, for each of those who may get it, and once more.
const HANDLED_PER_BYTE: usize = 256;

/// Others that are connected and subscribed to everything.
const OTHERS: u64 = 3;

/// So many messages go out at once: few, so that few have to be retained for more than one step.
const AT_ONCE_MAX: usize = 16;

/// Messages that are retained before.
const RETAINED: usize = 50;

/// Outputs that one input may give beside [`AT_ONCE_MAX`]: an answer, events, and a message to each of the others.
const OUTPUTS: usize = 64;

const ATTACKER: ConnId = ConnId(0);

/// Decodes `bytes`, and lets a broker handle what they say. `allocated` tells how many bytes were ever allocated.
pub fn check(bytes: &[u8], allocated: &dyn Fn() -> usize) {
    for version in [
        ProtocolVersion::V5,
        ProtocolVersion::V311,
        ProtocolVersion::V31,
    ] {
        // Most bytes are no packet, and need none.
        let mut world = None;
        let mut rest = Bytes::copy_from_slice(bytes);
        loop {
            let length = rest.len();
            let before = allocated();
            let decoded = codec::decode(&mut rest, version, MAXIMUM_PACKET_SIZE);
            let taken = allocated() - before;
            // A decoder that refuses may have looked at all that there was.
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
        // Each of the retained messages that go out at once is a message of its own.
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

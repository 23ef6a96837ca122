use broker::packet::auth::AuthPacket;
use broker::packet::connack::ConnAckPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::publish::PublishPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::subscribe::{SubscribePacket, TopicFilter};
use broker::{Properties, QoS};

use super::*;
use crate::api::Term;
use crate::protocol::names::TabId;

const BROKER: (Term, TabId) = (Term(1), TabId::from_entropy(1));

const NOW: Time = Time::from_ms(1_000);

/// A port, with the test at both ends.
struct Case {
    port: Port,
    connection: u64,
}

impl Case {
    /// A client that is connected over connection 1.
    fn connected() -> Self {
        let mut case = Self::connecting();
        case.broker(Packet::ConnAck(connack(false)));
        case
    }

    /// A client that has sent CONNECT.
    fn connecting() -> Self {
        let port = Port::new(Settings::default(), "default".to_owned());
        let mut case = Self {
            port,
            connection: 0,
        };
        case.client(Packet::Connect(Box::new(ConnectPacket {
            protocol_version: 5,
            clean_start: true,
            keep_alive: 0,
            client_id: "c".to_owned(),
            username: None,
            password: None,
            will: None,
            properties: Properties::new(),
            will_properties: Properties::new(),
        })));
        assert_eq!(case.up()[0][0], 0x10);
        case
    }

    fn up(&mut self) -> Vec<Vec<u8>> {
        self.connection += 1;
        let connection = ConnectionNo(self.connection);
        self.input(EndpointInput::Up(BROKER, connection)).0
    }

    /// The broker changes, and the next one has the session. Returns the packets after CONNECT.
    fn moved(&mut self) -> Vec<Vec<u8>> {
        self.input(EndpointInput::Down);
        self.up();
        self.broker(Packet::ConnAck(connack(true))).0
    }

    fn input(&mut self, input: EndpointInput) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut out = Vec::new();
        self.port.handle(NOW, input, &mut out);
        sides(out)
    }

    fn broker(&mut self, packet: Packet) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        self.input(EndpointInput::Packet(ConnectionNo(self.connection), packet))
    }

    fn client(&mut self, packet: Packet) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut out = Vec::new();
        self.port.on_bytes(NOW, wire(packet), &mut out);
        sides(out)
    }
}

fn wire(packet: Packet) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(&packet, ProtocolVersion::V5, &mut bytes).unwrap();
    bytes
}

/// Packets to the broker, and to the client.
fn sides(outputs: Vec<EndpointOutput>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut broker, mut client) = (Vec::new(), Vec::new());
    for output in outputs {
        match output {
            EndpointOutput::ToBroker(_, ToBroker::Packet(packet)) => broker.push(wire(packet)),
            EndpointOutput::ToPort(PortOutput::Bytes(bytes)) => client.push(bytes),
            _ => {}
        }
    }
    (broker, client)
}

fn connack(session_present: bool) -> ConnAckPacket {
    ConnAckPacket::new(session_present, ReasonCode::Success)
}

fn publish(packet_id: u16, qos: QoS) -> PublishPacket {
    PublishPacket::new("t", "x", qos).with_packet_id(packet_id)
}

fn subscribe(packet_id: u16) -> Packet {
    let mut packet = SubscribePacket::new(packet_id);
    packet.filters.push(TopicFilter::new("t", QoS::AtMostOnce));
    Packet::Subscribe(packet)
}

#[test]
fn unanswered_packets_are_repeated_in_order_with_dup() {
    let mut case = Case::connected();
    case.client(Packet::Publish(publish(1, QoS::AtLeastOnce)));
    case.client(subscribe(2));
    case.client(Packet::PubRel(PubRelPacket::new(3)));
    case.client(Packet::Publish(publish(4, QoS::ExactlyOnce)));
    case.client(Packet::Publish(publish(5, QoS::AtLeastOnce)));
    case.broker(Packet::PubAck(PubAckPacket::new(5)));
    let again = |packet_id, qos| {
        let mut packet = publish(packet_id, qos);
        packet.dup = true;
        Packet::Publish(packet)
    };
    for _ in 0..2 {
        assert_eq!(
            case.moved(),
            [
                again(1, QoS::AtLeastOnce),
                subscribe(2),
                Packet::PubRel(PubRelPacket::new(3)),
                again(4, QoS::ExactlyOnce),
            ]
            .map(wire)
        );
    }
}

#[test]
fn a_pubrel_that_the_previous_broker_accepted_is_complete() {
    let unknown = |packet_id| {
        let code = ReasonCode::PacketIdentifierNotFound;
        Packet::PubComp(PubCompPacket::new_with_reason(packet_id, code))
    };
    let mut case = Case::connected();
    case.client(Packet::PubRel(PubRelPacket::new(3)));
    case.moved();
    let (_, client) = case.broker(unknown(3));
    assert_eq!(client, [wire(Packet::PubComp(PubCompPacket::new(3)))]);
    // The answer of the first broker.
    case.client(Packet::PubRel(PubRelPacket::new(4)));
    assert_eq!(case.broker(unknown(4)).1, [wire(unknown(4))]);
}

#[test]
fn another_message_with_a_known_identifier_is_no_repetition() {
    let mut case = Case::connected();
    let first = Packet::Publish(publish(1, QoS::AtLeastOnce));
    assert_eq!(case.broker(first.clone()).1, [wire(first.clone())]);
    case.moved();
    // The next broker has dropped the first one, which expired.
    assert_eq!(case.broker(first.clone()).1, [wire(first)]);
}

#[test]
fn an_answer_whose_identifier_belongs_to_another_message_goes_to_no_broker() {
    let mut case = Case::connected();
    case.broker(Packet::Publish(publish(1, QoS::AtLeastOnce)));
    case.moved();
    let second = Packet::Publish(publish(1, QoS::ExactlyOnce));
    assert_eq!(case.broker(second.clone()).1, [wire(second)]);
    // The client answers the first one, which the current broker does not know.
    let nothing = (vec![], vec![]);
    assert_eq!(case.client(Packet::PubAck(PubAckPacket::new(1))), nothing);
    let answer = Packet::PubRec(broker::packet::pubrec::PubRecPacket::new(1));
    assert_eq!(case.client(answer.clone()), (vec![wire(answer)], vec![]));
}

#[test]
fn an_answer_does_not_go_to_another_repeated_message_with_its_identifier() {
    let mut case = Case::connected();
    case.broker(Packet::PubRel(PubRelPacket::new(1)));
    case.moved();
    assert_eq!(
        case.client(Packet::PubComp(PubCompPacket::new(1))),
        (vec![], vec![])
    );
    // The next broker has lost its record, and the first transmission of another message got lost.
    let mut other = publish(1, QoS::AtLeastOnce);
    for payload in ["y", "z"] {
        other.payload = payload.into();
        other.dup = true;
        let other = Packet::Publish(other.clone());
        assert_eq!(case.broker(other.clone()), (vec![], vec![wire(other)]));
    }
    // The client answers the first of these first.
    let answer = Packet::PubAck(PubAckPacket::new(1));
    assert_eq!(case.client(answer.clone()), (vec![], vec![]));
    assert_eq!(case.client(answer.clone()), (vec![wire(answer)], vec![]));
}

#[test]
fn an_answer_waits_for_the_broker_that_expects_it() {
    let mut case = Case::connected();
    let mut message = publish(1, QoS::AtLeastOnce);
    case.broker(Packet::Publish(message.clone()));
    case.moved();
    let answer = Packet::PubAck(PubAckPacket::new(1));
    // The next broker may have reused the identifier for another message.
    assert_eq!(case.client(answer.clone()), (vec![], vec![]));
    message.dup = true;
    let again = Packet::Publish(message);
    assert_eq!(
        case.broker(again.clone()),
        (vec![wire(answer.clone())], vec![])
    );
    // That message may not have arrived. The client has no state of it.
    case.moved();
    assert_eq!(case.broker(again.clone()), (vec![], vec![wire(again)]));
    assert_eq!(case.client(answer.clone()), (vec![wire(answer)], vec![]));
}

#[test]
fn a_port_that_sends_too_much_without_a_broker_is_disconnected() {
    let mut case = Case::connected();
    case.port.settings.waiting_bytes_max = 1_000;
    case.input(EndpointInput::Down);
    let packet = PublishPacket::new("t", vec![0; 400], QoS::AtMostOnce);
    for _ in 0..2 {
        assert_eq!(
            case.client(Packet::Publish(packet.clone())),
            (vec![], vec![])
        );
    }
    let (_, client) = case.client(Packet::Publish(packet));
    let reason = DisconnectPacket::new(ReasonCode::QuotaExceeded);
    assert_eq!(client, [wire(Packet::Disconnect(reason))]);
    assert!(case.port.is_closed());
}

#[test]
fn answers_follow_the_order_of_the_brokers_repetitions() {
    let message = |packet_id, dup| {
        let mut packet = publish(packet_id, QoS::ExactlyOnce);
        packet.dup = dup;
        Packet::Publish(packet)
    };
    let answer = |packet_id| Packet::PubRec(broker::packet::pubrec::PubRecPacket::new(packet_id));
    let mut case = Case::connected();
    for packet_id in 1..=4 {
        case.broker(message(packet_id, false));
    }
    // The first answer is lost with the broker. The second comes without a broker.
    case.client(answer(1));
    case.input(EndpointInput::Down);
    case.client(answer(2));
    case.up();
    case.broker(Packet::ConnAck(connack(true)));
    assert_eq!(
        case.broker(message(1, true)),
        (vec![], vec![wire(message(1, true))])
    );
    for packet_id in 2..=4 {
        assert_eq!(case.broker(message(packet_id, true)), (vec![], vec![]));
    }
    // The client has had the third for longer than the repeated first.
    assert_eq!(case.client(answer(3)), (vec![], vec![]));
    let three = [1, 2, 3].map(|packet_id| wire(answer(packet_id)));
    assert_eq!(case.client(answer(1)), (three.to_vec(), vec![]));
    assert_eq!(case.client(answer(4)), (vec![wire(answer(4))], vec![]));
}

#[test]
fn authentication_precedes_connack() {
    let mut case = Case::connecting();
    let mut challenge = AuthPacket::new(ReasonCode::ContinueAuthentication);
    let properties = &mut challenge.properties;
    properties.set_authentication_method("method".to_owned());
    let challenge = Packet::Auth(challenge);
    assert_eq!(
        case.broker(challenge.clone()),
        (vec![], vec![wire(challenge.clone())])
    );
    assert_eq!(
        case.client(challenge.clone()),
        (vec![wire(challenge)], vec![])
    );
}

#[test]
fn a_topic_alias_that_the_broker_does_not_allow_is_left_to_it() {
    let mut case = Case::connecting();
    let mut allows_two = connack(false);
    allows_two.properties.set_topic_alias_maximum(2);
    case.broker(Packet::ConnAck(allows_two));
    let aliased = |topic: &str, alias| {
        Packet::Publish(PublishPacket::new(topic, "x", QoS::AtMostOnce).with_topic_alias(alias))
    };
    let plain = Packet::Publish(PublishPacket::new("t", "x", QoS::AtMostOnce));
    let plain = (vec![wire(plain)], vec![]);
    assert_eq!(case.client(aliased("t", 2)), plain);
    assert_eq!(case.client(aliased("", 2)), plain);
    for (topic, alias) in [("t", 3), ("", 3), ("", 1)] {
        let untouched = wire(aliased(topic, alias));
        assert_eq!(
            case.client(aliased(topic, alias)),
            (vec![untouched], vec![])
        );
    }
}

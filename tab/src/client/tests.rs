use broker::QoS;
use broker::packet::connack::ConnAckPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::suback::{SubAckPacket, SubAckReasonCode};
use broker::packet::subscribe::RetainHandling;

use super::*;
use crate::api::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use crate::api::{DisconnectCause, Publication};

const NOW: Time = Time::from_ms(1_000);
const TERM: Term = Term(1);

/// A client, and the broker's part in its test.
struct Bench {
    client: Client,
    now: Time,
    connections: u64,
    out: Vec<ClientOutput>,
}

impl Bench {
    fn new() -> Self {
        Self {
            client: Client::new(Settings::default(), "default".to_owned()),
            now: NOW,
            connections: 0,
            out: Vec::new(),
        }
    }

    fn connected(options: ConnectOptions, connack: ConnAckPacket) -> Self {
        let mut bench = Self::new();
        bench.command(ClientCommand::Connect(options));
        bench.up(connack);
        bench
    }

    fn command(&mut self, command: ClientCommand) {
        self.client.command(self.now, command, &mut self.out);
    }

    fn input(&mut self, input: ClientInput) {
        self.client.handle(self.now, input, &mut self.out);
    }

    fn packet(&mut self, packet: Packet) {
        let connection = ConnectionNo(self.connections);
        self.input(ClientInput::Packet(connection, packet));
    }

    /// Answers a new connection.
    fn up(&mut self, connack: ConnAckPacket) {
        self.connections += 1;
        self.input(ClientInput::Up(TERM, ConnectionNo(self.connections)));
        assert!(matches!(self.sent().pop(), Some(Packet::Connect(_))));
        self.packet(Packet::ConnAck(connack));
    }

    fn reconnect(&mut self, connack: ConnAckPacket) {
        self.input(ClientInput::Down);
        self.out.clear();
        self.up(connack);
    }

    fn publish(&mut self, request: u64, qos: crate::api::QoS) {
        let publication = Publication {
            topic: "a".to_owned(),
            qos,
            ..Publication::default()
        };
        self.command(ClientCommand::Publish(RequestId(request), publication));
    }

    /// The packets sent since this was last asked; what else was put out is gone too.
    fn sent(&mut self) -> Vec<Packet> {
        let outputs = self.out.drain(..);
        let packets = outputs.filter_map(|output| match output {
            ClientOutput::Send(_, packet) => Some(packet),
            _ => None,
        });
        packets.collect()
    }

    /// The same for PUBLISH: packet identifier and DUP flag.
    fn sent_publishes(&mut self) -> Vec<(Option<u16>, bool)> {
        let packets = self.sent().into_iter();
        let publishes = packets.filter_map(|packet| match packet {
            Packet::Publish(packet) => Some((packet.packet_id, packet.dup)),
            _ => None,
        });
        publishes.collect()
    }

    /// The same for notices.
    fn heard(&mut self) -> Vec<ClientNotice> {
        let outputs = self.out.drain(..);
        let notices = outputs.filter_map(|output| match output {
            ClientOutput::Notify(notice) => Some(notice),
            _ => None,
        });
        notices.collect()
    }
}

fn connack(session_present: bool) -> ConnAckPacket {
    ConnAckPacket::new(session_present, ReasonCode::Success)
}

fn published(request: u64, reason_code: ReasonCode) -> ClientNotice {
    ClientNotice::Published(RequestId(request), reason_code.into())
}

fn disconnected(cause: DisconnectCause) -> ClientNotice {
    ClientNotice::Status(ClientStatus::Disconnected(cause))
}

#[test]
fn qos_0_waits_behind_what_the_receive_maximum_holds_back() {
    let connack = connack(false).with_receive_maximum(1);
    let mut bench = Bench::connected(ConnectOptions::default(), connack);
    bench.publish(1, AtLeastOnce);
    bench.publish(2, AtLeastOnce);
    bench.publish(3, AtMostOnce);
    assert_eq!(bench.sent_publishes(), [(Some(1), false)]);
    bench.packet(Packet::PubAck(PubAckPacket::new(1)));
    assert_eq!(bench.sent_publishes(), [(Some(2), false), (None, false)]);
}

#[test]
fn what_is_resent_stays_within_the_receive_maximum_and_before_what_is_new() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for request in 1..=3 {
        bench.publish(request, ExactlyOnce);
    }
    bench.packet(Packet::PubRec(PubRecPacket::new(1)));
    bench.input(ClientInput::Down);
    bench.publish(4, AtLeastOnce);
    bench.reconnect(connack(true).with_receive_maximum(2));
    let sent = bench.sent();
    assert!(
        matches!(&sent[..], [Packet::PubRel(rel), Packet::Publish(publish)]
            if rel.packet_id == 1 && publish.packet_id == Some(2) && publish.dup),
        "{sent:?}"
    );
    bench.packet(Packet::PubComp(PubCompPacket::new(1)));
    assert_eq!(bench.sent_publishes(), [(Some(3), true)]);
    bench.packet(Packet::PubRec(PubRecPacket::new(2)));
    bench.packet(Packet::PubComp(PubCompPacket::new(2)));
    assert_eq!(bench.sent_publishes(), [(Some(4), false)]);
}

#[test]
fn an_acknowledgement_of_what_was_not_resent_yet_is_taken() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for request in 1..=3 {
        bench.publish(request, AtLeastOnce);
    }
    bench.reconnect(connack(true).with_receive_maximum(1));
    assert_eq!(bench.sent_publishes(), [(Some(1), true)]);
    bench.packet(Packet::PubAck(PubAckPacket::new(2)));
    assert_eq!(bench.heard(), [published(2, ReasonCode::Success)]);
    bench.packet(Packet::PubAck(PubAckPacket::new(1)));
    assert_eq!(bench.sent_publishes(), [(Some(3), true)]);
}

#[test]
fn without_a_session_everything_unacknowledged_is_published_anew() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.publish(1, ExactlyOnce);
    bench.publish(2, ExactlyOnce);
    bench.packet(Packet::PubRec(PubRecPacket::new(1)));
    bench.reconnect(connack(false));
    assert_eq!(bench.sent_publishes(), [(Some(3), false)]);
    bench.packet(Packet::PubComp(PubCompPacket::new(1)));
    assert!(bench.heard().is_empty());
}

#[test]
fn what_an_earlier_connection_had_carried_is_counted_when_it_goes_out_again() {
    for (session_present, expected) in [(true, 3), (false, 2)] {
        let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
        for (request, qos) in [(1, ExactlyOnce), (2, ExactlyOnce), (3, AtLeastOnce)] {
            bench.publish(request, qos);
        }
        // With a session this is PUBREL's turn; without one the message is the former broker's, and done.
        bench.packet(Packet::PubRec(PubRecPacket::new(1)));
        bench.input(ClientInput::Down);
        bench.publish(4, AtLeastOnce);
        bench.out.clear();
        bench.connections += 1;
        let connection = ConnectionNo(bench.connections);
        bench.input(ClientInput::Up(TERM, connection));
        bench.packet(Packet::ConnAck(connack(session_present)));
        let again = bench.out.iter().map(|output| match output {
            ClientOutput::Again(packets) => *packets,
            _ => 0,
        });
        assert_eq!(again.sum::<usize>(), expected);
    }
}

#[test]
fn a_session_that_an_unheard_connect_may_have_begun_gets_its_subscriptions_again() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let subscription = Subscription {
        topic_filter: "a".to_owned(),
        ..Subscription::default()
    };
    let subscribe = ClientCommand::Subscribe(RequestId(1), vec![subscription]);
    bench.command(subscribe);
    let mut suback = SubAckPacket::new(1);
    suback.reason_codes = vec![SubAckReasonCode::GrantedQoS0];
    bench.packet(Packet::SubAck(suback));
    bench.publish(2, AtLeastOnce);
    bench.input(ClientInput::Down);
    bench.connections += 1;
    let connection = ConnectionNo(bench.connections);
    bench.input(ClientInput::Up(Term(TERM.0 + 1), connection));
    bench.input(ClientInput::Down);
    bench.out.clear();
    bench.up(connack(true));
    let sent = bench.sent();
    let Some(Packet::Subscribe(renewal)) = sent.first() else {
        panic!("{sent:?}");
    };
    let retain_handling = renewal.filters[0].options.retain_handling;
    assert_eq!(retain_handling, RetainHandling::SendAtSubscribeIfNew);
    let Some(Packet::Publish(again)) = sent.last() else {
        panic!("{sent:?}");
    };
    assert!(again.dup);
}

#[test]
fn what_is_not_sent_again_is_new_under_a_known_identifier_too() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let mut message = PublishPacket::new("t", "", QoS::ExactlyOnce);
    message.packet_id = Some(1);
    for (dup, messages) in [(false, 1), (true, 0), (false, 1)] {
        message.dup = dup;
        bench.packet(Packet::Publish(message.clone()));
        let heard = bench.heard().into_iter();
        let heard = heard.filter(|notice| matches!(notice, ClientNotice::Message(_)));
        assert_eq!(heard.count(), messages, "dup: {dup}");
    }
}

#[test]
fn pubrec_with_an_error_ends_the_exchange_without_pubrel() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.publish(1, ExactlyOnce);
    bench.sent();
    let code = ReasonCode::QuotaExceeded;
    bench.packet(Packet::PubRec(PubRecPacket::new_with_reason(1, code)));
    assert_eq!(bench.out.len(), 1);
    assert_eq!(bench.heard(), [published(1, code)]);
    assert!(bench.client.packet_ids.is_empty());
}

#[test]
fn acknowledgements_of_nothing_change_nothing() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.publish(1, ExactlyOnce);
    bench.sent();
    bench.packet(Packet::PubAck(PubAckPacket::new(1)));
    bench.packet(Packet::PubAck(PubAckPacket::new(9)));
    bench.packet(Packet::PubComp(PubCompPacket::new(1)));
    assert!(bench.out.is_empty());
    bench.packet(Packet::PubRec(PubRecPacket::new(9)));
    let sent = bench.sent();
    let not_found = ReasonCode::PacketIdentifierNotFound;
    assert!(
        matches!(&sent[..], [Packet::PubRel(rel)] if rel.reason_code == not_found),
        "{sent:?}"
    );
}

#[test]
fn a_packet_id_in_use_is_not_used_again() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.publish(1, AtLeastOnce);
    bench.client.last_packet_id = u16::MAX;
    bench.publish(2, AtLeastOnce);
    assert_eq!(bench.sent_publishes(), [(Some(1), false), (Some(2), false)]);
}

#[test]
fn a_session_present_after_clean_start_is_a_protocol_error() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(true));
    let cause = DisconnectCause::BrokerError(ReasonCode::ProtocolError.into());
    assert_eq!(bench.heard().last(), Some(&disconnected(cause)));
    assert!(!bench.client.is_wanted());
}

#[test]
fn a_session_present_from_before_this_client_is_welcome() {
    let options = ConnectOptions {
        clean_start: false,
        ..ConnectOptions::default()
    };
    let bench = Bench::connected(options, connack(true));
    assert!(matches!(bench.client.state, State::Connected(_)));
}

#[test]
fn a_refused_connect_disconnects_for_good() {
    let refusal = ConnAckPacket::new(false, ReasonCode::NotAuthorized);
    let mut bench = Bench::connected(ConnectOptions::default(), refusal);
    let cause = DisconnectCause::Refused(ReasonCode::NotAuthorized.into());
    assert_eq!(bench.heard().last(), Some(&disconnected(cause)));
    bench.connections += 1;
    bench.input(ClientInput::Up(TERM, ConnectionNo(bench.connections)));
    assert!(bench.sent().is_empty());
    assert_eq!(bench.client.next_timeout(), None);
}

#[test]
fn what_waited_is_refused_if_the_next_broker_takes_less() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.publish(1, AtLeastOnce);
    bench.input(ClientInput::Down);
    bench.publish(2, AtMostOnce);
    let maximum = 5;
    bench.reconnect(connack(true).with_maximum_packet_size(maximum));
    let too_large =
        |request| ClientNotice::Refused(RequestId(request), Problem::TooLarge { maximum });
    let heard = bench.heard();
    assert_eq!(heard[1..], [too_large(1), too_large(2)]);
    assert!(bench.client.in_flight.is_empty());
    assert!(bench.client.packet_ids.is_empty());
}

#[test]
fn disconnect_before_connack_takes_the_will_back() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.input(ClientInput::Up(TERM, ConnectionNo(1)));
    bench.sent();
    bench.command(ClientCommand::Disconnect { with_will: false });
    assert!(matches!(
        &bench.out[..],
        [
            ClientOutput::Send(ConnectionNo(1), Packet::Disconnect(packet)),
            ClientOutput::Close(ConnectionNo(1)),
            ClientOutput::Notify(_),
        ] if packet.reason_code == ReasonCode::Success
    ));
    // The answer comes late.
    bench.out.clear();
    bench.connections = 1;
    bench.packet(Packet::ConnAck(connack(false)));
    assert!(bench.out.is_empty());
}

#[test]
fn connect_while_connecting_starts_again_on_another_connection() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.input(ClientInput::Up(TERM, ConnectionNo(1)));
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    assert!(matches!(bench.out.last(), Some(ClientOutput::Reconnect)));
    bench.out.clear();
    bench.connections = 1;
    bench.up(connack(false));
    assert!(matches!(bench.client.state, State::Connected(_)));
}

#[test]
fn a_connection_closed_without_a_reason_is_tried_again_after_growing_pauses() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    for pause_ms in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000] {
        bench.connections += 1;
        let connection = ConnectionNo(bench.connections);
        bench.input(ClientInput::Up(TERM, connection));
        bench.input(ClientInput::Closed(connection));
        let due = bench.now.plus_ms(pause_ms);
        assert_eq!(bench.client.next_timeout(), Some(due));
        bench.now = due;
        bench.input(ClientInput::Timeout);
        assert!(matches!(bench.out.last(), Some(ClientOutput::Reconnect)));
    }
}

#[test]
fn a_client_that_pauses_connects_when_the_broker_is_back() {
    for is_down in [false, true] {
        let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
        bench.input(ClientInput::Closed(ConnectionNo(1)));
        if is_down {
            bench.input(ClientInput::Down);
        }
        bench.out.clear();
        bench.up(connack(false));
        assert!(matches!(bench.client.state, State::Connected(_)));
    }
}

#[test]
fn a_connection_that_is_not_needed_is_given_back() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    bench.input(ClientInput::Up(TERM, ConnectionNo(2)));
    assert!(matches!(
        bench.out[..],
        [ClientOutput::Close(ConnectionNo(2))]
    ));
}

#[test]
fn unanswered_connect_and_pingreq_show_that_the_way_is_broken() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.input(ClientInput::Up(TERM, ConnectionNo(1)));
    bench.now = bench.client.next_timeout().unwrap();
    assert_eq!(bench.now, NOW.plus_ms(10_000));
    bench.input(ClientInput::Timeout);
    assert!(matches!(bench.out.pop(), Some(ClientOutput::Silent)));

    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    bench.now = bench.client.next_timeout().unwrap();
    assert_eq!(bench.now, NOW.plus_ms(30_000));
    bench.input(ClientInput::Timeout);
    assert!(matches!(bench.sent()[..], [Packet::PingReq]));
    bench.now = bench.client.next_timeout().unwrap();
    assert_eq!(bench.now, NOW.plus_ms(60_000));
    bench.input(ClientInput::Timeout);
    assert!(matches!(bench.out.pop(), Some(ClientOutput::Silent)));
    assert_eq!(bench.client.next_timeout(), None);
}

#[test]
fn unanswered_requests_are_sent_again_in_order() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.client.last_packet_id = u16::MAX - 1;
    let filters = vec!["a".to_owned()];
    let subscription = Subscription {
        topic_filter: "a".to_owned(),
        ..Subscription::default()
    };
    let subscribe = ClientCommand::Subscribe(RequestId(1), vec![subscription]);
    bench.command(subscribe);
    bench.command(ClientCommand::Unsubscribe(RequestId(2), filters));
    for session_present in [true, false] {
        bench.reconnect(connack(session_present));
        let sent = bench.sent();
        assert!(
            matches!(sent[..], [Packet::Subscribe(_), Packet::Unsubscribe(_)]),
            "{sent:?}"
        );
    }
}

#[test]
fn a_message_with_qos_2_that_comes_twice_is_told_once() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    let publish = PublishPacket::new("a", "", QoS::ExactlyOnce).with_packet_id(5);
    bench.packet(Packet::Publish(publish.clone()));
    bench.reconnect(connack(true));
    bench.out.clear();
    bench.packet(Packet::Publish(publish));
    assert!(matches!(&bench.sent()[..], [Packet::PubRec(_)]));
    bench.packet(Packet::PubRel(PubRelPacket::new(5)));
    assert!(bench.client.received.is_empty());
}

#[test]
fn debug_output_does_not_show_the_password() {
    let options = ConnectOptions {
        password: Some(vec![201, 202]),
        ..ConnectOptions::default()
    };
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(options));
    let debug = format!("{:?}", bench.client);
    assert!(debug.contains("password"));
    assert!(!debug.contains("201"));
}

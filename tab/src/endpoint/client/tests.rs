use broker::QoS;
use broker::packet::connack::ConnAckPacket;
use broker::packet::puback::PubAckPacket;
use broker::packet::pubcomp::PubCompPacket;
use broker::packet::pubrec::PubRecPacket;
use broker::packet::pubrel::PubRelPacket;
use broker::packet::suback::{SubAckPacket, SubAckReasonCode};
use broker::packet::subscribe::RetainHandling;
use broker::packet::unsuback::{UnsubAckPacket, UnsubAckReasonCode};

use super::*;
use crate::api::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use crate::api::{DisconnectCause, Publication, ReaderNo};
use crate::endpoint::ToBroker;

const NOW: Time = Time::from_ms(1_000);
const TERM: Term = Term(1);
const TAB: TabId = TabId::from_entropy(1);
const BROKER: (Term, TabId) = (TERM, TAB);

/// A client, and the test in the role of its broker.
struct Bench {
    client: Client,
    now: Time,
    connections: u64,
    out: Vec<EndpointOutput>,
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

    fn input(&mut self, input: EndpointInput) {
        self.client.handle(self.now, input, &mut self.out);
    }

    fn packet(&mut self, packet: Packet) {
        let connection = ConnectionNo(self.connections);
        self.input(EndpointInput::Packet(connection, packet));
    }

    /// Answers a new connection.
    fn up(&mut self, connack: ConnAckPacket) {
        self.connections += 1;
        self.input(EndpointInput::Up(BROKER, ConnectionNo(self.connections)));
        assert!(matches!(self.sent().pop(), Some(Packet::Connect(_))));
        self.packet(Packet::ConnAck(connack));
    }

    fn reconnect(&mut self, connack: ConnAckPacket) {
        self.input(EndpointInput::Down);
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

    /// A message on the topic "a" arrives: its notices and audience.
    fn message(
        &mut self,
        packet_id: u16,
        qos: QoS,
        dup: bool,
        identifiers: &[u32],
    ) -> Vec<(bool, Vec<ReaderNo>)> {
        let mut message = PublishPacket::new("a", "", qos);
        message.packet_id = (packet_id > 0).then_some(packet_id);
        message.dup = dup;
        self.publish_in(message, identifiers)
    }

    fn publish_in(
        &mut self,
        mut message: PublishPacket,
        identifiers: &[u32],
    ) -> Vec<(bool, Vec<ReaderNo>)> {
        for identifier in identifiers {
            message.properties.set_subscription_identifier(*identifier);
        }
        let before = self.out.len();
        self.packet(Packet::Publish(message));
        audiences(&self.out[before..])
    }

    /// A retained message of these subscriptions arrives for these readers.
    #[track_caller]
    fn retained(&mut self, identifiers: &[u32], readers: &[u32]) {
        let message = PublishPacket::new("a", "", QoS::AtMostOnce).with_retain(true);
        let readers = readers.iter().copied().map(ReaderNo).collect();
        assert_eq!(self.publish_in(message, identifiers), [(false, readers)]);
    }

    fn send_kept(&mut self) -> Vec<(bool, Vec<ReaderNo>)> {
        assert!(self.client.has_kept());
        let before = self.out.len();
        self.client.send_kept(&mut self.out);
        audiences(&self.out[before..])
    }

    /// The page acknowledges all notices.
    fn add_listener(&mut self) {
        self.client.on_credit_checkpoint(u64::MAX);
        self.input(EndpointInput::PageAcknowledged(u64::MAX));
    }

    fn takes_unheard(&mut self) -> bool {
        self.notices().contains(&ClientNotice::Unheard)
    }

    fn subscribe(&mut self, request: u64, topic_filter: &str) {
        let subscription = Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        };
        self.command(ClientCommand::Subscribe(
            RequestId(request),
            vec![subscription],
        ));
        self.suback(&[SubAckReasonCode::GrantedQoS0]);
    }

    /// Adds a reader. Returns the identifier of its SUBSCRIBE.
    fn read(&mut self, no: u32, topic_filter: &str) -> Option<u32> {
        let subscription = Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        };
        self.out.clear();
        self.command(ClientCommand::Read(ReaderNo(no), subscription));
        self.out.iter().find_map(subscribed_with)
    }

    /// QoS and No Local of the last SUBSCRIBE, and its identifier.
    fn last_subscribe(&mut self) -> ((QoS, bool), Option<u32>) {
        let sent = self.sent();
        let Some(Packet::Subscribe(packet)) = sent.last() else {
            panic!("{sent:?}");
        };
        let options = packet.filters[0].options;
        let identifier = packet.properties.get_subscription_identifier();
        ((options.qos, options.no_local), identifier)
    }

    /// Answers every request in the same way.
    fn suback(&mut self, codes: &[SubAckReasonCode]) {
        let requests: Vec<u16> = self.client.requests.iter().map(|it| it.0).collect();
        assert!(!requests.is_empty());
        for packet_id in requests {
            self.suback_to(packet_id, codes);
        }
    }

    fn suback_to(&mut self, packet_id: u16, codes: &[SubAckReasonCode]) {
        let mut packet = SubAckPacket::new(packet_id);
        packet.reason_codes = codes.to_vec();
        self.packet(Packet::SubAck(packet));
    }

    fn unsuback(&mut self) {
        let packet_id = self.client.requests.back().expect("a request").0;
        let mut packet = UnsubAckPacket::new(packet_id);
        packet.reason_codes = vec![UnsubAckReasonCode::Success];
        self.out.clear();
        self.packet(Packet::UnsubAck(packet));
    }

    /// Lets time pass until refused subscriptions are renewed.
    fn renew_when_due(&mut self) {
        self.now = self.client.renewing_at.expect("a time");
        self.input(EndpointInput::Timeout);
    }

    /// The packets sent since the last call. Drops other outputs.
    fn sent(&mut self) -> Vec<Packet> {
        let outputs = self.out.drain(..);
        let packets = outputs.filter_map(|output| match output {
            EndpointOutput::ToBroker(_, ToBroker::Packet(packet)) => Some(packet),
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
    fn notices(&mut self) -> Vec<ClientNotice> {
        let outputs = self.out.drain(..);
        let notices = outputs.filter_map(|output| match output {
            EndpointOutput::Notify(notice) => Some(notice),
            _ => None,
        });
        notices.collect()
    }
}

/// The identifier of a SUBSCRIBE.
fn subscribed_with(output: &EndpointOutput) -> Option<u32> {
    match output {
        EndpointOutput::ToBroker(_, ToBroker::Packet(Packet::Subscribe(packet))) => {
            packet.properties.get_subscription_identifier()
        }
        _ => None,
    }
}

/// The audience of messages: whether the client itself, and the readers.
fn audiences(out: &[EndpointOutput]) -> Vec<(bool, Vec<ReaderNo>)> {
    let messages = out.iter().filter_map(|output| match output {
        EndpointOutput::Notify(ClientNotice::Message(_, audience)) => Some(audience),
        _ => None,
    });
    messages.map(|it| (it.is_own, it.readers.clone())).collect()
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
fn qos_0_waits_behind_messages_that_the_receive_maximum_holds_back() {
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
fn resent_messages_respect_the_receive_maximum_and_precede_new_ones() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for request in 1..=3 {
        bench.publish(request, ExactlyOnce);
    }
    bench.packet(Packet::PubRec(PubRecPacket::new(1)));
    bench.input(EndpointInput::Down);
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
fn an_acknowledgement_of_a_message_that_is_not_resent_yet_is_accepted() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for request in 1..=3 {
        bench.publish(request, AtLeastOnce);
    }
    bench.reconnect(connack(true).with_receive_maximum(1));
    assert_eq!(bench.sent_publishes(), [(Some(1), true)]);
    bench.packet(Packet::PubAck(PubAckPacket::new(2)));
    assert_eq!(bench.notices(), [published(2, ReasonCode::Success)]);
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
    assert!(bench.notices().is_empty());
}

#[test]
fn resent_packets_of_an_earlier_connection_are_counted() {
    for (session_present, expected) in [(true, 3), (false, 2)] {
        let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
        for (request, qos) in [(1, ExactlyOnce), (2, ExactlyOnce), (3, AtLeastOnce)] {
            bench.publish(request, qos);
        }
        // With a session PUBREL follows. Without one, the previous broker has the message.
        bench.packet(Packet::PubRec(PubRecPacket::new(1)));
        bench.input(EndpointInput::Down);
        bench.publish(4, AtLeastOnce);
        bench.out.clear();
        bench.connections += 1;
        let connection = ConnectionNo(bench.connections);
        bench.input(EndpointInput::Up(BROKER, connection));
        bench.packet(Packet::ConnAck(connack(session_present)));
        let again = bench.out.iter().map(|output| match output {
            EndpointOutput::Resent(packets) => *packets,
            _ => 0,
        });
        assert_eq!(again.sum::<usize>(), expected);
    }
}

#[test]
fn a_session_that_a_lost_connect_may_have_begun_gets_its_subscriptions_again() {
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
    bench.input(EndpointInput::Down);
    bench.connections += 1;
    let connection = ConnectionNo(bench.connections);
    bench.input(EndpointInput::Up((Term(TERM.0 + 1), TAB), connection));
    bench.input(EndpointInput::Down);
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
fn a_subscription_that_a_full_broker_refused_is_renewed_later() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    bench.reconnect(connack(false));
    bench.suback(&[SubAckReasonCode::QuotaExceeded]);
    bench.out.clear();
    bench.input(EndpointInput::Timeout);
    assert!(bench.sent().is_empty());
    for code in [
        SubAckReasonCode::QuotaExceeded,
        SubAckReasonCode::GrantedQoS0,
    ] {
        bench.now = bench.client.next_timeout().expect("a time");
        bench.input(EndpointInput::Timeout);
        assert_eq!(bench.last_subscribe().0, (QoS::AtMostOnce, false));
        bench.suback(&[code]);
    }
    bench.now = bench.now.plus_ms(10_000);
    bench.out.clear();
    bench.input(EndpointInput::Timeout);
    assert!(
        !bench
            .sent()
            .iter()
            .any(|it| matches!(it, Packet::Subscribe(_)))
    );
}

#[test]
fn a_delayed_renewal_does_not_undo_later_changes() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    bench.reconnect(connack(false));
    bench.suback(&[SubAckReasonCode::QuotaExceeded]);
    let due = bench.client.next_timeout().expect("a time");
    let changed = Subscription {
        topic_filter: "a".to_owned(),
        retain_as_published: true,
        ..Subscription::default()
    };
    bench.command(ClientCommand::Subscribe(RequestId(2), vec![changed]));
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.now = due;
    bench.out.clear();
    bench.input(EndpointInput::Timeout);
    assert!(bench.sent().is_empty());
}

#[test]
fn a_delayed_renewal_waits_for_the_answer_to_a_change() {
    for (code, is_renewed) in [
        (SubAckReasonCode::GrantedQoS0, false),
        (SubAckReasonCode::QuotaExceeded, true),
    ] {
        let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
        bench.subscribe(1, "a");
        bench.reconnect(connack(false));
        bench.suback(&[SubAckReasonCode::QuotaExceeded]);
        let changed = Subscription {
            topic_filter: "a".to_owned(),
            no_local: true,
            ..Subscription::default()
        };
        bench.command(ClientCommand::Subscribe(RequestId(2), vec![changed]));
        bench.out.clear();
        bench.renew_when_due();
        assert!(bench.sent().is_empty());
        bench.suback(&[code]);
        bench.out.clear();
        bench.renew_when_due();
        let renewed = (QoS::AtMostOnce, false);
        let sent = (!bench.out.is_empty()).then(|| bench.last_subscribe().0);
        assert_eq!(sent, is_renewed.then_some(renewed));
    }
}

#[test]
fn a_broker_with_an_earlier_session_gets_the_subscriptions_again() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    bench.reconnect(connack(true));
    assert!(bench.sent().is_empty());
    bench.input(EndpointInput::Down);
    bench.connections += 1;
    let earlier = Term(TERM.0 - 1);
    bench.input(EndpointInput::Up(
        (earlier, TAB),
        ConnectionNo(bench.connections),
    ));
    bench.out.clear();
    bench.packet(Packet::ConnAck(connack(true)));
    assert_eq!(bench.last_subscribe().0, (QoS::AtMostOnce, false));
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    // The later one does not know later changes.
    bench.reconnect(connack(true));
    assert_eq!(bench.last_subscribe().0, (QoS::AtMostOnce, false));
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.reconnect(connack(true));
    assert!(bench.sent().is_empty());
}

#[test]
fn another_broker_of_the_same_term_gets_the_subscriptions_again() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    bench.input(EndpointInput::Down);
    bench.connections += 1;
    let other = (TERM, TabId::from_entropy(2));
    bench.input(EndpointInput::Up(other, ConnectionNo(bench.connections)));
    bench.out.clear();
    bench.packet(Packet::ConnAck(connack(true)));
    assert_eq!(bench.last_subscribe().0, (QoS::AtMostOnce, false));
}

#[test]
fn a_message_without_dup_is_new_even_with_a_known_identifier() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let mut message = PublishPacket::new("t", "", QoS::ExactlyOnce);
    message.packet_id = Some(1);
    for (dup, messages) in [(false, 1), (true, 0), (false, 1)] {
        message.dup = dup;
        bench.packet(Packet::Publish(message.clone()));
        let notices = bench.notices().into_iter();
        let notices = notices.filter(|notice| matches!(notice, ClientNotice::Message(..)));
        assert_eq!(notices.count(), messages, "dup: {dup}");
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
    assert_eq!(bench.notices(), [published(1, code)]);
    assert!(bench.client.packet_ids.is_empty());
}

#[test]
fn unexpected_acknowledgements_are_ignored() {
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
    assert_eq!(bench.notices().last(), Some(&disconnected(cause)));
    assert!(!bench.client.is_wanted());
}

#[test]
fn a_session_from_before_this_client_is_accepted() {
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
    assert_eq!(bench.notices().last(), Some(&disconnected(cause)));
    bench.connections += 1;
    bench.input(EndpointInput::Up(BROKER, ConnectionNo(bench.connections)));
    assert!(bench.sent().is_empty());
    assert_eq!(bench.client.next_timeout(), None);
}

#[test]
fn a_waiting_packet_is_refused_if_the_next_broker_accepts_less() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.publish(1, AtLeastOnce);
    bench.input(EndpointInput::Down);
    bench.publish(2, AtMostOnce);
    let maximum = 5;
    bench.reconnect(connack(true).with_maximum_packet_size(maximum));
    let too_large =
        |request| ClientNotice::Refused(RequestId(request), Problem::TooLarge { maximum });
    let notices = bench.notices();
    assert_eq!(notices[1..], [too_large(1), too_large(2)]);
    assert!(bench.client.in_flight.is_empty());
    assert!(bench.client.packet_ids.is_empty());
}

#[test]
fn disconnect_before_connack_removes_the_will() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.input(EndpointInput::Up(BROKER, ConnectionNo(1)));
    bench.sent();
    bench.command(ClientCommand::Disconnect { with_will: false });
    assert!(matches!(
        &bench.out[..],
        [
            EndpointOutput::ToBroker(ConnectionNo(1), ToBroker::Packet(Packet::Disconnect(packet))),
            EndpointOutput::ToBroker(ConnectionNo(1), ToBroker::Close),
            EndpointOutput::Notify(_),
        ] if packet.reason_code == ReasonCode::Success
    ));
    // The answer is late.
    bench.out.clear();
    bench.connections = 1;
    bench.packet(Packet::ConnAck(connack(false)));
    assert!(bench.out.is_empty());
}

#[test]
fn connect_while_connecting_starts_again_on_another_connection() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.input(EndpointInput::Up(BROKER, ConnectionNo(1)));
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    assert!(matches!(bench.out.last(), Some(EndpointOutput::Reconnect)));
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
        bench.input(EndpointInput::Up(BROKER, connection));
        bench.input(EndpointInput::Closed(connection));
        let due = bench.now.plus_ms(pause_ms);
        assert_eq!(bench.client.next_timeout(), Some(due));
        bench.now = due;
        bench.input(EndpointInput::Timeout);
        assert!(matches!(bench.out.last(), Some(EndpointOutput::Reconnect)));
    }
}

#[test]
fn a_client_that_pauses_connects_when_the_broker_is_back() {
    for is_down in [false, true] {
        let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
        bench.input(EndpointInput::Closed(ConnectionNo(1)));
        if is_down {
            bench.input(EndpointInput::Down);
        }
        bench.out.clear();
        bench.up(connack(false));
        assert!(matches!(bench.client.state, State::Connected(_)));
    }
}

#[test]
fn an_unneeded_connection_is_closed() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    bench.input(EndpointInput::Up(BROKER, ConnectionNo(2)));
    assert!(matches!(
        bench.out[..],
        [EndpointOutput::ToBroker(ConnectionNo(2), ToBroker::Close)]
    ));
}

#[test]
fn unanswered_connect_and_pingreq_show_that_the_way_is_broken() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.input(EndpointInput::Up(BROKER, ConnectionNo(1)));
    bench.now = bench.client.next_timeout().unwrap();
    assert_eq!(bench.now, NOW.plus_ms(10_000));
    bench.input(EndpointInput::Timeout);
    assert!(matches!(bench.out.pop(), Some(EndpointOutput::Silent)));

    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    bench.now = bench.client.next_timeout().unwrap();
    assert_eq!(bench.now, NOW.plus_ms(30_000));
    bench.input(EndpointInput::Timeout);
    assert!(matches!(bench.sent()[..], [Packet::PingReq]));
    bench.now = bench.client.next_timeout().unwrap();
    assert_eq!(bench.now, NOW.plus_ms(60_000));
    bench.input(EndpointInput::Timeout);
    assert!(matches!(bench.out.pop(), Some(EndpointOutput::Silent)));
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
fn a_message_is_acknowledged_once_the_page_has_processed_it() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    bench.message(5, QoS::AtLeastOnce, false, &[]);
    assert!(bench.sent().is_empty());
    assert!(bench.client.wants_credit_checkpoint());
    bench.client.on_credit_checkpoint(7);
    assert!(!bench.client.wants_credit_checkpoint());
    bench.message(6, QoS::ExactlyOnce, false, &[]);
    bench.input(EndpointInput::PageAcknowledged(6));
    assert!(bench.sent().is_empty());
    bench.input(EndpointInput::PageAcknowledged(7));
    assert!(matches!(&bench.sent()[..], [Packet::PubAck(ack)] if ack.packet_id == 5));
    bench.client.on_credit_checkpoint(9);
    bench.input(EndpointInput::PageAcknowledged(9));
    assert!(matches!(&bench.sent()[..], [Packet::PubRec(ack)] if ack.packet_id == 6));
}

#[test]
fn a_message_repeated_on_another_connection_is_delivered_once_and_acknowledged_there() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let is_ack = |packet: &Packet| matches!(packet, Packet::PubAck(_) | Packet::PubRec(_));
        let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
        bench.message(5, qos, false, &[]);
        bench.client.on_credit_checkpoint(1);
        bench.reconnect(connack(true));
        bench.out.clear();
        // The page processes it before its repetition, or later.
        bench.input(EndpointInput::PageAcknowledged(1));
        assert!(bench.sent().is_empty());
        bench.message(5, qos, true, &[]);
        assert!(
            matches!(&bench.out[..], [EndpointOutput::ToBroker(_, ToBroker::Packet(ack))] if is_ack(ack))
        );
        bench.out.clear();

        bench.message(6, qos, false, &[]);
        bench.client.on_credit_checkpoint(2);
        bench.reconnect(connack(true));
        bench.out.clear();
        bench.message(6, qos, true, &[]);
        assert!(bench.out.is_empty(), "{:?}", bench.out);
        bench.input(EndpointInput::PageAcknowledged(2));
        assert!(matches!(&bench.sent()[..], [ack] if is_ack(ack)));

        // Another session has other messages with the same identifiers.
        bench.message(7, qos, false, &[]);
        bench.client.on_credit_checkpoint(3);
        bench.reconnect(connack(false));
        bench.out.clear();
        bench.input(EndpointInput::PageAcknowledged(3));
        assert!(bench.sent().is_empty());
        assert_eq!(bench.message(7, qos, false, &[]), [(true, vec![])]);
    }
}

#[test]
fn a_repeated_message_with_an_identifier_of_another_one_is_delivered() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for has_listeners in [false, true] {
            let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
            bench.message(5, qos, false, &[]);
            bench.client.on_credit_checkpoint(1);
            bench.reconnect(connack(true));
            if has_listeners {
                bench.input(EndpointInput::PageAcknowledged(1));
            }
            let mut other = PublishPacket::new("a", "another", qos);
            other.packet_id = Some(5);
            // The first transmission got lost.
            other.dup = true;
            bench.out.clear();
            assert_eq!(bench.publish_in(other, &[]), [(true, vec![])]);
        }
    }
}

#[test]
fn a_lost_acknowledgement_of_a_qos_2_message_is_repeated() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.message(5, QoS::ExactlyOnce, false, &[]);
    bench.add_listener();
    bench.reconnect(connack(true));
    bench.out.clear();
    bench.message(5, QoS::ExactlyOnce, true, &[]);
    assert!(matches!(
        &bench.out[..],
        [EndpointOutput::ToBroker(
            _,
            ToBroker::Packet(Packet::PubRec(_))
        )]
    ));
    bench.packet(Packet::PubRel(PubRelPacket::new(5)));
    bench.out.clear();
    assert_eq!(
        bench.message(5, QoS::ExactlyOnce, true, &[]),
        [(true, vec![])]
    );
}

#[test]
fn messages_without_a_listener_wait_and_are_not_acknowledged() {
    let mut bench = Bench::new();
    let options = ConnectOptions {
        clean_start: false,
        ..ConnectOptions::default()
    };
    bench.command(ClientCommand::Connect(options));
    bench.command(ClientCommand::Listen(false));
    bench.up(connack(true));
    bench.out.clear();
    for packet_id in 1..=3 {
        assert_eq!(bench.message(packet_id, QoS::AtLeastOnce, false, &[]), []);
    }
    bench.add_listener();
    assert!(bench.sent().is_empty());
    // Another connection repeats it, and there is still one of each.
    bench.reconnect(connack(true));
    bench.out.clear();
    for packet_id in 1..=3 {
        assert_eq!(bench.message(packet_id, QoS::AtLeastOnce, true, &[]), []);
    }
    bench.command(ClientCommand::Listen(true));
    assert_eq!(bench.send_kept().len(), 3);
    bench.add_listener();
    assert_eq!(bench.sent().len(), 3);
}

#[test]
fn messages_of_earlier_subscriptions_go_to_new_readers() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.command(ClientCommand::Listen(false));
    bench.message(1, QoS::AtLeastOnce, false, &[]);
    bench.read(1, "b");
    assert_eq!(bench.send_kept(), []);
    bench.read(2, "a");
    bench.read(3, "+");
    let readers = vec![ReaderNo(2), ReaderNo(3)];
    assert_eq!(bench.send_kept(), [(false, readers)]);
}

#[test]
fn messages_of_earlier_subscriptions_go_to_listeners_and_readers() {
    // The page listens: the client gets the readers' messages, too.
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.read(1, "a");
    let one = vec![ReaderNo(1)];
    assert_eq!(
        bench.message(1, QoS::AtLeastOnce, false, &[]),
        [(true, one.clone())]
    );

    // The page does not listen yet, and the client has subscribed or is about to: messages of readers wait for it.
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.command(ClientCommand::Listen(false));
    bench.message(1, QoS::AtLeastOnce, false, &[]);
    bench.read(1, "a");
    let subscription = Subscription {
        topic_filter: "+".to_owned(),
        ..Subscription::default()
    };
    bench.command(ClientCommand::Subscribe(RequestId(1), vec![subscription]));
    assert_eq!(bench.send_kept(), [(false, one.clone())]);
    assert_eq!(
        bench.message(2, QoS::AtLeastOnce, false, &[]),
        [(false, one)]
    );
    bench.command(ClientCommand::Listen(true));
    assert_eq!(bench.send_kept(), [(true, vec![]), (true, vec![])]);
}

#[test]
fn the_page_is_notified_when_no_more_messages_can_arrive() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    bench.command(ClientCommand::Listen(false));
    bench.out.clear();
    for packet_id in 1..=1_024 {
        bench.message(packet_id, QoS::AtLeastOnce, false, &[]);
        assert_eq!(bench.takes_unheard(), packet_id == 1_024);
    }
    bench.message(1_025, QoS::AtLeastOnce, false, &[]);
    assert!(!bench.takes_unheard(), "once");
    // Also without a current subscription: an earlier life of the session may have had one.
    let unsubscribe = ClientCommand::Unsubscribe(RequestId(2), vec!["a".to_owned()]);
    bench.command(unsubscribe);
    bench.unsuback();
    assert!(bench.sent().is_empty());
    bench.command(ClientCommand::Listen(true));
    assert_eq!(bench.send_kept().len(), 1_025);
}

#[test]
fn the_number_of_waiting_qos_0_messages_is_bounded() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.command(ClientCommand::Listen(false));
    for _ in 0..1_500 {
        bench.message(0, QoS::AtMostOnce, false, &[]);
    }
    bench.command(ClientCommand::Listen(true));
    assert_eq!(bench.send_kept().len(), 1_000);
}

#[test]
fn readers_share_a_filter_and_each_gets_a_message_once() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let a = bench.read(1, "a").expect("a SUBSCRIBE");
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    let all = bench.read(2, "#").expect("a SUBSCRIBE");
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    let both = vec![ReaderNo(1), ReaderNo(2)];
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[a, all]),
        [(false, both)]
    );
    let second = vec![ReaderNo(2)];
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[all]),
        [(false, second)]
    );
    // Retained messages arrive again only for the new reader.
    bench.retained(&[a], &[1]);
    let again = bench.read(3, "a").expect("a SUBSCRIBE");
    assert_ne!(again, a);
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.retained(&[again], &[3]);
    let three = vec![ReaderNo(1), ReaderNo(3)];
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[a]),
        [(false, three)]
    );
}

#[test]
fn options_of_readers_and_the_client_are_united_and_restored() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    let quiet = Subscription {
        topic_filter: "a".to_owned(),
        qos: AtLeastOnce,
        no_local: true,
        ..Subscription::default()
    };
    bench.command(ClientCommand::Read(ReaderNo(1), quiet));
    let first = bench.out.iter().find_map(subscribed_with);
    let asked = bench.last_subscribe();
    assert_eq!(asked.0, (QoS::AtLeastOnce, false));
    let identifier = asked.1.expect("an identifier");
    assert_ne!(first, asked.1, "retained messages have one of their own");
    bench.suback(&[SubAckReasonCode::GrantedQoS1]);
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[identifier]),
        [(true, vec![ReaderNo(1)])]
    );
    // The retained messages were for the reader only. The client has them already.
    bench.retained(&[first.expect("an identifier")], &[1]);
    // A new message is for both, whatever its flag.
    let message = PublishPacket::new("a", "", QoS::AtMostOnce).with_retain(true);
    assert_eq!(
        bench.publish_in(message, &[identifier]),
        [(true, vec![ReaderNo(1)])]
    );
    bench.command(ClientCommand::Release(RequestId(9), ReaderNo(1)));
    assert_eq!(bench.last_subscribe(), ((QoS::AtMostOnce, false), None));
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[]),
        [(true, vec![])]
    );
}

#[test]
fn a_client_that_unsubscribes_leaves_its_readers_alone() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.subscribe(1, "a");
    bench.subscribe(2, "b");
    bench.read(1, "a").expect("a SUBSCRIBE");
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.out.clear();
    // The filter with a reader is subscribed to with the reader's options. A refusal leaves the client subscribed.
    for (code, reported) in [
        (SubAckReasonCode::QuotaExceeded, 0x97),
        (SubAckReasonCode::GrantedQoS0, 0),
    ] {
        let both = vec!["a".to_owned(), "b".to_owned()];
        bench.command(ClientCommand::Unsubscribe(RequestId(3), both));
        let sent = bench.sent();
        assert!(
            matches!(&sent[..], [Packet::Subscribe(_), Packet::Unsubscribe(it)] if it.filters == ["b"]),
            "{sent:?}"
        );
        bench.unsuback();
        assert_eq!(bench.notices(), []);
        bench.suback(&[code]);
        let codes = ClientNotice::Unsubscribed(RequestId(3), vec![reported, 0]);
        assert_eq!(bench.notices(), [codes]);
        assert_eq!(bench.client.subscriptions.contains_key("a"), reported != 0);
    }
    bench.command(ClientCommand::Release(RequestId(4), ReaderNo(1)));
    assert!(matches!(&bench.sent()[..], [Packet::Unsubscribe(it)] if it.filters == ["a"]));
}

#[test]
fn one_request_of_the_client_for_filters_of_readers_and_others_is_answered_once() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.read(1, "b").expect("a SUBSCRIBE");
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.out.clear();
    let wanted = ["a", "b", "c"].map(|topic_filter| Subscription {
        topic_filter: topic_filter.to_owned(),
        qos: AtLeastOnce,
        ..Subscription::default()
    });
    bench.command(ClientCommand::Subscribe(RequestId(1), wanted.to_vec()));
    // A second SUBSCRIBE without retained messages follows the shared one.
    assert_eq!(bench.client.requests.len(), 3);
    bench.reconnect(connack(true));
    assert_eq!(bench.client.requests.len(), 3, "all go out again");
    let ids: Vec<(u16, usize)> = bench
        .sent()
        .iter()
        .map(|packet| match packet {
            Packet::Subscribe(it) => (it.packet_id, it.filters.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    for (packet_id, filters) in ids {
        let codes = vec![SubAckReasonCode::GrantedQoS1; filters];
        bench.suback_to(packet_id, &codes);
    }
    let notices = bench.notices();
    let answers: Vec<_> = notices
        .iter()
        .filter(|it| matches!(it, ClientNotice::Subscribed(..)))
        .collect();
    assert_eq!(
        answers,
        [&ClientNotice::Subscribed(RequestId(1), vec![1, 1, 1])]
    );
}

#[test]
fn a_refused_reader_is_not_subscribed_again() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.read(1, "a").expect("a SUBSCRIBE");
    bench.out.clear();
    bench.suback(&[SubAckReasonCode::NotAuthorized]);
    assert_eq!(bench.notices(), [ClientNotice::Granted(ReaderNo(1), 0x87)]);
    bench.reconnect(connack(false));
    assert!(bench.sent().is_empty());
    let wrong = Subscription {
        topic_filter: "a/#/b".to_owned(),
        ..Subscription::default()
    };
    bench.command(ClientCommand::Read(ReaderNo(2), wrong));
    let notices = bench.notices();
    assert!(
        matches!(
            &notices[..],
            [ClientNotice::ReaderRefused(
                ReaderNo(2),
                Problem::TopicFilter(_)
            )]
        ),
        "{notices:?}"
    );
}

#[test]
fn an_invalid_topic_filter_is_refused_before_anything_is_sent() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.out.clear();
    for (filter, why) in [
        ("", "it is empty"),
        ("a/+b", "misplaced wildcard at byte 2"),
        ("#/a", "misplaced wildcard at byte 0"),
        ("$share//a", "the share group is empty"),
        ("$share/g", "no topic filter after the share group"),
        ("$share/g+/a", "wildcard at byte 8, in the share group"),
    ] {
        let subscription = |topic_filter: &str| Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        };
        let both = ["fine", filter];
        bench.command(ClientCommand::Subscribe(
            RequestId(1),
            both.map(subscription).to_vec(),
        ));
        bench.command(ClientCommand::Unsubscribe(
            RequestId(2),
            both.map(str::to_owned).to_vec(),
        ));
        bench.command(ClientCommand::Read(ReaderNo(3), subscription(filter)));
        let problem = || Problem::TopicFilter(why.to_owned());
        let expected = [
            ClientNotice::Refused(RequestId(1), problem()),
            ClientNotice::Refused(RequestId(2), problem()),
            ClientNotice::ReaderRefused(ReaderNo(3), problem()),
        ];
        let count = bench.out.len();
        assert_eq!(bench.notices(), expected);
        assert_eq!(count, expected.len(), "nothing is sent");
    }
    // The connection continues.
    bench.read(4, "fine").expect("a SUBSCRIBE");
}

#[test]
fn readers_are_subscribed_at_the_first_connection_and_again_without_a_session() {
    let mut bench = Bench::new();
    bench.command(ClientCommand::Connect(ConnectOptions::default()));
    bench.read(1, "a");
    bench.up(connack(false));
    bench.last_subscribe();
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.reconnect(connack(true));
    assert!(bench.sent().is_empty());
    bench.reconnect(connack(false));
    let identifier = bench.last_subscribe().1.expect("an identifier");
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.retained(&[identifier], &[1]);
    // A filter without readers, which gets one again before the UNSUBSCRIBE.
    bench.input(EndpointInput::Down);
    bench.command(ClientCommand::Release(RequestId(1), ReaderNo(1)));
    bench.read(2, "a");
    bench.out.clear();
    bench.up(connack(true));
    assert!(bench.last_subscribe().1.is_some());
}

/// The options of a reader that wants no retained messages.
fn unretained(topic_filter: &str) -> Subscription {
    Subscription {
        topic_filter: topic_filter.to_owned(),
        retain_handling: crate::api::RetainHandling::DoNotSend,
        ..Subscription::default()
    }
}

fn granted(no: u32, code: u8) -> ClientNotice {
    ClientNotice::Granted(ReaderNo(no), code)
}

#[test]
fn readers_share_a_pending_answer_and_the_last_one_unsubscribes() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.read(1, "a").expect("a SUBSCRIBE");
    assert_eq!(bench.read(2, "a"), None);
    bench.out.clear();
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    assert_eq!(bench.notices(), [granted(1, 0), granted(2, 0)]);
    bench.command(ClientCommand::Release(RequestId(1), ReaderNo(1)));
    assert!(bench.sent().is_empty());
    bench.command(ClientCommand::Release(RequestId(2), ReaderNo(2)));
    assert!(matches!(&bench.sent()[..], [Packet::Unsubscribe(it)] if it.filters == ["a"]));
    // The reader was removed.
    bench.command(ClientCommand::Release(RequestId(3), ReaderNo(2)));
    assert!(bench.sent().is_empty());
}

#[test]
fn a_reader_added_while_retained_messages_arrive_gets_all_of_them() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let first = bench.read(1, "a").expect("a SUBSCRIBE");
    let request = bench.client.requests.back().expect("a request").0;
    bench.retained(&[first], &[1]);
    let second = bench.read(2, "a").expect("a SUBSCRIBE");
    bench.out.clear();
    // They do not wait for the answer to the first SUBSCRIBE.
    bench.suback_to(request, &[SubAckReasonCode::GrantedQoS0]);
    assert_eq!(bench.notices(), []);
    bench.retained(&[second], &[2]);
    bench.out.clear();
    bench.suback(&[SubAckReasonCode::GrantedQoS1]);
    assert_eq!(
        bench.notices(),
        [granted(1, 0), granted(2, 0)],
        "not more than they want"
    );
}

#[test]
fn a_reader_without_retained_messages_joins_without_a_packet() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let first = bench.read(1, "a").expect("a SUBSCRIBE");
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    bench.out.clear();
    bench.command(ClientCommand::Read(ReaderNo(2), unretained("a")));
    assert_eq!(bench.notices(), [granted(2, 0)]);
    assert!(bench.sent().is_empty());
    bench.retained(&[first], &[1]);
    let both = vec![ReaderNo(1), ReaderNo(2)];
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[first]),
        [(false, both)]
    );
}

#[test]
fn options_of_readers_are_united_and_reduced_when_one_leaves() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let quiet = Subscription {
        no_local: true,
        ..unretained("a")
    };
    bench.command(ClientCommand::Read(ReaderNo(1), quiet));
    assert_eq!(bench.last_subscribe().0, (QoS::AtMostOnce, true));
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    let most = Subscription {
        qos: ExactlyOnce,
        ..unretained("a")
    };
    bench.command(ClientCommand::Read(ReaderNo(2), most));
    let (options, identifier) = bench.last_subscribe();
    assert_eq!(options, (QoS::ExactlyOnce, false));
    bench.suback(&[SubAckReasonCode::GrantedQoS2]);
    // One replaces another.
    bench.command(ClientCommand::Read(ReaderNo(3), unretained("a")));
    bench.command(ClientCommand::Release(RequestId(1), ReaderNo(2)));
    assert_eq!(bench.last_subscribe().0, (QoS::AtMostOnce, false));
    bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    let both = vec![ReaderNo(1), ReaderNo(3)];
    let identifier = identifier.expect("an identifier");
    assert_eq!(
        bench.message(0, QoS::AtMostOnce, false, &[identifier]),
        [(false, both)]
    );
}

#[test]
fn retained_messages_of_filters_that_overlap_are_for_the_readers_of_one() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let all = bench.read(1, "#").expect("a SUBSCRIBE");
    let one = bench.read(2, "a").expect("a SUBSCRIBE");
    bench.retained(&[one], &[2]);
    bench.retained(&[all], &[1]);
}

#[test]
fn messages_of_an_earlier_life_find_their_readers_by_topic() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    let other = bench.read(1, "b").expect("a SUBSCRIBE");
    bench.read(2, "a").expect("a SUBSCRIBE");
    for identifiers in [&[][..], &[other], &[readers::IDENTIFIER_MIN + 77]] {
        assert_eq!(
            bench.message(0, QoS::AtMostOnce, false, identifiers),
            [(true, vec![ReaderNo(2)])]
        );
    }
}

#[test]
fn a_broker_that_lost_the_session_sends_retained_messages_to_all_readers() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for no in [1, 2] {
        bench.read(no, "a").expect("a SUBSCRIBE");
        bench.suback(&[SubAckReasonCode::GrantedQoS0]);
    }
    bench.reconnect(connack(false));
    let identifier = bench.last_subscribe().1.expect("an identifier");
    bench.retained(&[identifier], &[1, 2]);
}

#[test]
fn messages_carry_the_identifiers_that_the_page_chose() {
    const LARGEST: u32 = 268_435_455;
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for (no, chosen) in [(1, 42), (2, LARGEST)] {
        let wanted = Subscription {
            identifier: Some(chosen),
            ..unretained("a")
        };
        bench.command(ClientCommand::Read(ReaderNo(no), wanted));
    }
    let identifier = bench.last_subscribe().1.expect("an identifier");
    let mut message = PublishPacket::new("a", "", QoS::AtMostOnce);
    message.properties.set_subscription_identifier(identifier);
    bench.out.clear();
    bench.packet(Packet::Publish(message));
    let notices = bench.notices();
    let [ClientNotice::Message(message, _)] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!(message.subscription_identifiers, [42, LARGEST]);
}

#[test]
fn a_refused_filter_is_subscribed_to_again_by_the_next_reader() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    for no in [1, 2] {
        bench.command(ClientCommand::Read(ReaderNo(no), unretained("a")));
        bench.last_subscribe();
        bench.suback(&[SubAckReasonCode::NotAuthorized]);
        assert_eq!(bench.notices(), [granted(no, 0x87)]);
    }
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

#[test]
fn a_topic_that_the_broker_would_refuse_is_refused_before_it_is_sent() {
    let mut bench = Bench::connected(ConnectOptions::default(), connack(false));
    bench.notices();
    bench.sent();
    let settings = Settings::default();
    let long = "x".repeat(settings.topic_bytes_max);
    let deep = "/".repeat(settings.topic_levels_max - 1);
    for (topic, why) in [
        (
            format!("{long}x"),
            "4097 bytes, and a topic has at most 4096",
        ),
        (
            format!("{deep}/"),
            "129 levels, and a topic has at most 128",
        ),
    ] {
        bench.command(ClientCommand::Publish(
            RequestId(1),
            Publication {
                topic,
                ..Publication::default()
            },
        ));
        let refused = ClientNotice::Refused(RequestId(1), Problem::Topic(why.to_owned()));
        assert_eq!(bench.notices(), [refused]);
        assert!(bench.sent().is_empty());
    }
    for topic in [long, deep] {
        bench.command(ClientCommand::Publish(
            RequestId(2),
            Publication {
                topic,
                ..Publication::default()
            },
        ));
        assert_eq!(bench.notices(), [published(2, ReasonCode::Success)]);
        bench.sent();
    }
}

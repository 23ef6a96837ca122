//! A hostile client cannot harm the others: the cost, the outputs and the kept state of each input are bounded.

use std::collections::BTreeSet;

use broker::codec::{self, ProtocolVersion};
use broker::packet::publish::PublishPacket;
use broker::packet::suback::SubAckReasonCode;
use broker::packet::subscribe::{SubscribePacket, TopicFilter};
use broker::{Config, ConnId, Input, Output, Packet, PropertyId, PropertyValue, QoS, Time};

use crate::delivery::receiving;
use crate::harness::*;
use crate::raw;
use crate::stored::Stored;

/// The maximum of outputs per input beside the messages that [`Config::at_once_max`] allows.
const ANSWERS: usize = 8;

/// A broker, its time, and the maximum of outputs per input.
struct Load {
    broker: Stored,
    now: Time,
    outputs_max: usize,
}

impl Load {
    fn new(config: Config) -> Self {
        let config = Config {
            durable: DURABLE,
            ..config
        };
        Self {
            broker: Stored::new(config),
            now: Time::from_ms(1_000_000),
            outputs_max: 0,
        }
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.broker.handle(self.now, input, &mut out);
        out.retain(|output| !matches!(output, Output::Event(_)));
        self.outputs_max = self.outputs_max.max(out.len());
        out
    }

    fn packet(&mut self, conn: ConnId, packet: impl IntoPacket) -> Vec<Output> {
        self.input(Input::Packet(conn, packet.packet()))
    }

    fn connect(&mut self, conn: ConnId, connect: impl IntoPacket) {
        self.input(Input::Opened(conn));
        self.packet(conn, connect);
    }

    /// Lets time pass until nothing is due within a second.
    fn settle(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        while let Some(due) = self.broker.next_timeout()
            && due <= self.now.plus_ms(1_000)
        {
            self.now = self.now.max(due);
            out.extend(self.input(Input::Timeout));
        }
        out
    }

    fn retain(&mut self, count: usize) {
        for number in 0..count {
            self.packet(A, retained(&format!("t/{number}"), "x"));
        }
    }
}

fn publishes(out: &[Output], to: ConnId) -> impl Iterator<Item = &PublishPacket> {
    out.iter().filter_map(move |output| match output {
        Output::Send(conn, Packet::Publish(publish)) if *conn == to => Some(publish),
        _ => None,
    })
}

fn retained(topic: &str, payload: &str) -> PublishPacket {
    with(publish(topic, payload), |publish| publish.retain = true)
}

fn with(mut publish: PublishPacket, change: impl FnOnce(&mut PublishPacket)) -> PublishPacket {
    change(&mut publish);
    publish
}

fn filters(all: impl IntoIterator<Item = String>, qos: QoS) -> SubscribePacket {
    let mut subscribe = subscribe(1, "x", qos);
    let options = subscribe.filters[0].options;
    let all = all
        .into_iter()
        .map(|filter| TopicFilter { filter, options });
    subscribe.filters = all.collect();
    subscribe
}

#[test] // MQTT-3.3.1-9
fn a_repeated_filter_sends_each_retained_message_once() {
    let mut load = Load::new(Config::default());
    load.connect(A, client("a"));
    load.retain(20_000);
    load.connect(B, client("b"));
    load.outputs_max = 0;
    let mut out = load.packet(B, filters(vec!["#".to_owned(); 1_000], QOS0));
    out.extend(load.settle());
    let topics: Vec<&str> = publishes(&out, B)
        .map(|it| it.topic_name.as_str())
        .collect();
    // A thousand subscriptions to one filter send each retained message once.
    assert_eq!(topics.len(), 20_000);
    assert_eq!(topics.iter().collect::<BTreeSet<_>>().len(), 20_000);
    assert!(load.outputs_max <= 256 + ANSWERS, "{}", load.outputs_max);
}

#[test]
fn a_thousand_filters_that_match_everything_are_served_step_by_step() {
    let mut load = Load::new(Config::default());
    load.connect(A, client("a"));
    load.retain(1_000);
    load.connect(B, client("b"));
    load.outputs_max = 0;
    let shapes = (0..10_u32).map(|bits| match bits {
        0 => "#".to_owned(),
        1 => "+/#".to_owned(),
        2 => "+/+".to_owned(),
        3 => "t/#".to_owned(),
        4 => "t/+".to_owned(),
        5 => "+/+/#".to_owned(),
        _ => format!("t/{bits}"),
    });
    let mut out = load.packet(B, filters(shapes, QOS0));
    out.extend(load.settle());
    assert_eq!(publishes(&out, B).count(), 6 * 1_000 + 4);
    assert!(load.outputs_max <= 256 + ANSWERS, "{}", load.outputs_max);
}

#[test] // MQTT-3.3.1-9
fn a_slow_receiver_gets_every_retained_message() {
    let mut load = Load::new(Config::default());
    load.connect(A, client("a"));
    for number in 0..20_000 {
        let topic = format!("t/{number}");
        load.packet(A, with(publish1(1, &topic, "x"), |it| it.retain = true));
    }
    load.connect(B, receiving(client("b"), 20));
    let mut waiting = load.packet(B, filters(["#".to_owned()], QOS1));
    let mut topics = BTreeSet::new();
    while !waiting.is_empty() {
        let sent: Vec<(String, Option<u16>)> = publishes(&waiting, B)
            .map(|it| (it.topic_name.clone(), it.packet_id))
            .collect();
        assert!(sent.len() <= 20);
        waiting = Vec::new();
        for (topic, packet_id) in sent {
            assert!(topics.insert(topic));
            waiting.extend(load.packet(B, puback(packet_id.unwrap())));
        }
        waiting.extend(load.settle());
    }
    assert_eq!(topics.len(), 20_000);
}

#[test] // MQTT-4.6.0-6
fn retained_messages_precede_later_publications() {
    let mut load = Load::new(Config {
        at_once_max: 1,
        ..Config::default()
    });
    load.connect(A, client("a"));
    for topic in ["a", "b", "c", "d"] {
        load.packet(A, retained(topic, "old"));
    }
    load.connect(B, client("b"));
    let mut out = load.packet(B, filters(["#".to_owned()], QOS0));
    // A new message follows the retained one. A new retained message replaces it.
    out.extend(load.packet(A, publish("c", "new")));
    out.extend(load.packet(A, retained("d", "new")));
    out.extend(load.settle());
    let got: Vec<String> = publishes(&out, B)
        .map(|it| format!("{} {:?} {}", it.topic_name, &it.payload, it.retain))
        .collect();
    let of =
        |topic: &str| -> Vec<&String> { got.iter().filter(|it| it.starts_with(topic)).collect() };
    assert_eq!(of("a"), ["a b\"old\" true"]);
    assert_eq!(of("b"), ["b b\"old\" true"]);
    assert_eq!(of("c"), ["c b\"old\" true", "c b\"new\" false"]);
    assert_eq!(of("d"), ["d b\"new\" false"]);
}

#[test]
fn unsubscribing_stops_the_retained_messages_of_the_filter() {
    let mut load = Load::new(Config {
        at_once_max: 1,
        ..Config::default()
    });
    load.connect(A, client("a"));
    load.retain(10);
    load.connect(B, client("b"));
    let mut out = load.packet(B, filters(["#".to_owned()], QOS0));
    out.extend(load.packet(B, unsubscribe(2, "#")));
    out.extend(load.settle());
    assert!(publishes(&out, B).count() <= 2);
}

#[test]
fn unsubscribing_a_shared_filter_keeps_the_retained_messages_of_other_filters() {
    let mut load = Load::new(Config {
        at_once_max: 1,
        ..Config::default()
    });
    load.connect(A, client("a"));
    load.retain(10);
    load.connect(B, client("b"));
    let both = ["$share/g/#", "#"].map(str::to_owned);
    let mut out = load.packet(B, filters(both, QOS0));
    out.extend(load.packet(B, unsubscribe(2, "$share/g/#")));
    out.extend(load.settle());
    assert_eq!(publishes(&out, B).count(), 10);
}

#[test]
fn retained_messages_continue_on_the_next_connection() {
    let mut load = Load::new(Config {
        at_once_max: 1,
        ..Config::default()
    });
    load.connect(A, client("a"));
    load.retain(10);
    load.connect(B, lasting("b", 100));
    let mut out = load.packet(B, filters(["#".to_owned()], QOS0));
    load.input(Input::Gone(B));
    load.settle();
    load.input(Input::Opened(C));
    out.extend(load.packet(C, lasting("b", 100)));
    out.extend(load.settle());
    assert_eq!(publishes(&out, B).count() + publishes(&out, C).count(), 10);
}

#[test]
fn a_long_queue_moves_to_other_members_step_by_step() {
    for ends in [false, true] {
        let mut load = Load::new(Config {
            queue_messages_max: 10_000,
            ..Config::default()
        });
        let expiry = if ends { 0 } else { 100 };
        load.connect(B, receiving(lasting("b", expiry), 1));
        load.packet(B, filters(["$share/g/t".to_owned()], QOS1));
        load.connect(A, client("a"));
        for number in 0..5_000 {
            load.packet(A, publish1(1, "t", &number.to_string()));
        }
        load.connect(C, client("c"));
        load.packet(C, filters(["$share/g/t".to_owned()], QOS1));
        load.outputs_max = 0;
        let mut out = load.input(Input::Gone(B));
        out.extend(load.settle());
        let payloads: Vec<u32> = publishes(&out, C)
            .map(|it| String::from_utf8_lossy(&it.payload).parse().unwrap())
            .collect();
        assert!(payloads.iter().copied().eq(0..5_000), "{ends}");
        assert!(load.outputs_max <= 256 + ANSWERS, "{}", load.outputs_max);
    }
}

#[test]
fn subscriptions_and_patterns_of_a_session_are_bounded() {
    let mut load = Load::new(Config {
        session_subscriptions_max: 1_000,
        session_patterns_max: 4,
        ..Config::default()
    });
    load.connect(A, client("a"));
    let codes = |out: Vec<Output>| match out.into_iter().next() {
        Some(Output::Send(_, Packet::SubAck(suback))) => suback.reason_codes,
        other => panic!("{other:?}"),
    };
    let patterns = ["+", "#", "a/+", "+/a", "+/+", "b/+", "a/b"].map(str::to_owned);
    let granted = SubAckReasonCode::GrantedQoS0;
    let full = SubAckReasonCode::QuotaExceeded;
    let expected = [granted, granted, granted, granted, full, granted, granted];
    assert_eq!(codes(load.packet(A, filters(patterns, QOS0))), expected);
    // The end of one pattern makes room for another.
    load.packet(A, unsubscribe(2, "+"));
    assert_eq!(
        codes(load.packet(A, filters(["+/+".to_owned()], QOS0))),
        [granted]
    );
    let many = (0..200_000).rev().map(|number| format!("t/{number}"));
    let codes = codes(load.packet(A, filters(many, QOS0)));
    assert_eq!(
        codes.iter().filter(|code| **code == granted).count(),
        1_000 - 6
    );
    assert_eq!(
        codes.iter().filter(|code| **code == full).count(),
        200_000 - 1_000 + 6
    );
}

#[test]
fn user_properties_count_against_the_limit_of_retained_bytes() {
    let mut load = Load::new(Config {
        // A User Property without name and value has five bytes.
        retained_bytes_max: 5_000,
        ..Config::default()
    });
    load.connect(A, client("a"));
    let bloated = |packet_id| {
        with(publish1(packet_id, "t", "x"), |it| {
            it.retain = true;
            for _ in 0..1_000 {
                let pair = PropertyValue::Utf8StringPair(String::new(), String::new());
                it.properties.add(PropertyId::UserProperty, pair).unwrap();
            }
        })
    };
    let out = load.packet(A, bloated(1));
    let [Output::Send(_, Packet::PubAck(puback))] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(puback.reason_code, broker::ReasonCode::QuotaExceeded);
}

#[test]
fn too_many_properties_or_filters_are_refused_by_the_decoder() {
    let filters = [0, 1, b'#', 0].repeat(20_001);
    for (bytes, message) in [
        (
            raw::publish_with_user_properties(b'p', 1_000_000),
            "more than 1000 User Properties",
        ),
        (
            raw::framed(0x82, &[&[0, 1, 0][..], &filters].concat()),
            "more than 20000 topic filters",
        ),
    ] {
        let error = codec::decode(&mut bytes.into(), ProtocolVersion::V5, u32::MAX).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.reason_code(), broker::ReasonCode::QuotaExceeded);
        let mut load = Load::new(Config::default());
        load.connect(A, client("a"));
        let out = load.input(Input::Malformed(A, error));
        let [
            Output::Send(_, Packet::Disconnect(disconnect)),
            Output::Close(..),
        ] = &out[..]
        else {
            panic!("{out:?}")
        };
        assert_eq!(disconnect.reason_code, broker::ReasonCode::QuotaExceeded);
    }
}

/// A client whose session stays for an hour.
fn lasting_client(name: &str) -> broker::packet::connect::ConnectPacket {
    let mut connect = client(name);
    connect.clean_start = false;
    connect.properties.set_session_expiry_interval(3_600);
    connect
}

#[test]
fn a_full_session_leaves_other_sessions_their_share() {
    const MAX: usize = 100_000;
    let mut load = Load::new(Config {
        queue_messages_max: usize::MAX,
        sessions_bytes_max: MAX,
        ..Config::default()
    });
    load.connect(A, client("a"));
    for (conn, name) in [(B, "b"), (C, "c")] {
        load.connect(conn, lasting_client(name));
        load.packet(conn, subscribe(1, &format!("{name}/#"), QOS1));
        load.input(Input::Gone(conn));
    }
    let send = |load: &mut Load, topic: &str, payload: &str| {
        let out = load.packet(A, publish1(1, topic, payload));
        let [Output::Send(_, Packet::PubAck(puback))] = &out[..] else {
            panic!("{out:?}")
        };
        puback.reason_code
    };
    let payload = "x".repeat(900);
    // One session fills all the room.
    let accepted =
        (0..1_000).take_while(|_| send(&mut load, "b/1", &payload) == broker::ReasonCode::Success);
    assert_eq!(accepted.count(), 99);
    assert!(load.broker.session_bytes() <= MAX);
    // The other session has its share: a quarter, because a new session would need one too.
    let accepted =
        (0..1_000).take_while(|_| send(&mut load, "c/1", &payload) == broker::ReasonCode::Success);
    assert_eq!(accepted.count(), 24);
    assert!(load.broker.session_bytes() <= 2 * MAX);
    // The owner of a full queue may reconnect with a will, and gets all accepted messages.
    let mut back = lasting_client("b");
    back.will = Some(broker::WillMessage::new("w", "x".repeat(900)));
    let mut out = Vec::new();
    load.input(Input::Opened(B));
    out.extend(load.packet(B, back));
    assert_eq!(publishes(&out, B).count(), 99);
}

#[test]
fn the_wills_of_all_clients_are_bounded_together() {
    let mut load = Load::new(Config {
        sessions_bytes_max: 10_000,
        ..Config::default()
    });
    let with_will = |name: &str| {
        let mut connect = client(name);
        connect.will = Some(broker::WillMessage::new("w", "x".repeat(2_000)));
        connect
    };
    let mut code = |number: u64| {
        let conn = ConnId(100 + number);
        load.input(Input::Opened(conn));
        let out = load.packet(conn, with_will(&format!("client {number}")));
        match &out[0] {
            Output::Send(_, Packet::ConnAck(connack)) => connack.reason_code,
            other => panic!("{other:?}"),
        }
    };
    for number in 0..4 {
        assert_eq!(code(number), broker::ReasonCode::Success, "{number}");
    }
    assert_eq!(code(4), broker::ReasonCode::QuotaExceeded);
}

#[test]
fn topics_of_client_aliases_are_bounded_together() {
    let mut load = Load::new(Config {
        sessions_bytes_max: 10_000,
        ..Config::default()
    });
    load.connect(A, client("a"));
    let mut sent = 0;
    let closed = (1..=16).find(|&alias| {
        let topic = format!("{alias}/{}", "x".repeat(1_000));
        let packet = publish(&topic, "x").with_topic_alias(alias);
        let out = load.packet(A, packet);
        sent += 1;
        out.iter().any(|output| matches!(output, Output::Close(..)))
    });
    assert_eq!((closed, sent), (Some(10), 10));
}

#[test]
fn bytes_in_flight_and_queued_bytes_have_the_same_bound() {
    let mut load = Load::new(Config {
        queue_bytes_max: 10_000,
        ..Config::default()
    });
    load.connect(A, client("a"));
    load.connect(B, client("b"));
    load.packet(B, subscribe(1, "#", QOS1));
    let payload = "x".repeat(999);
    let mut out = Vec::new();
    for _ in 0..50 {
        out.extend(load.packet(A, publish1(1, "t", &payload)));
    }
    // Ten are in flight and ten wait; the others were dropped.
    assert_eq!(publishes(&out, B).count(), 10);
    let views: Vec<_> = load.broker.sessions().collect();
    assert_eq!((views[1].in_flight, views[1].queued), (10, 10));
    drop(views);
    // An acknowledgement makes room for the next one.
    let packet_id = publishes(&out, B).next().and_then(|it| it.packet_id);
    let out = load.packet(B, puback(packet_id.unwrap()));
    assert_eq!(publishes(&out, B).count(), 1);
}

#[test]
fn patterns_are_bounded_together() {
    let mut load = Load::new(Config {
        patterns_max: 2,
        ..Config::default()
    });
    let mut codes = |conn, name: &str, all: [&str; 3]| {
        load.connect(conn, client(name));
        let out = load.packet(conn, filters(all.map(str::to_owned), QOS0));
        match out.into_iter().next() {
            Some(Output::Send(_, Packet::SubAck(suback))) => suback.reason_codes,
            other => panic!("{other:?}"),
        }
    };
    let granted = SubAckReasonCode::GrantedQoS0;
    let full = SubAckReasonCode::QuotaExceeded;
    let of_a = codes(A, "a", ["a/+", "#", "+/a"]);
    assert_eq!(of_a, [granted, granted, full]);
    // A pattern in use and a filter without wildcards need no room.
    let of_b = codes(B, "b", ["b/+", "+/+", "b"]);
    assert_eq!(of_b, [granted, full, granted]);
}

#[test]
fn the_members_of_a_large_group_end_in_linear_time() {
    const MEMBERS: u64 = 20_000;
    let mut load = Load::new(Config::default());
    for number in 0..MEMBERS {
        load.connect(ConnId(1_000 + number), client(&format!("{number}")));
        load.packet(ConnId(1_000 + number), subscribe(1, "$share/g/t", QOS1));
    }
    load.connect(A, client("a"));
    for _ in 0..MEMBERS {
        load.packet(A, publish1(1, "t", "x"));
    }
    // The message in flight of each ended member goes to another member. If each end took a step for each member, this
    // would take minutes.
    for number in 0..MEMBERS - 1 {
        load.input(Input::Gone(ConnId(1_000 + number)));
        if number % 1_000 == 0 {
            load.settle();
        }
    }
    load.settle();
    let views: Vec<_> = load.broker.sessions().collect();
    assert_eq!(views.len(), 2);
}

#[test]
fn expired_messages_make_room_and_do_not_count() {
    let mut load = Load::new(Config {
        queue_bytes_max: 20,
        ..Config::default()
    });
    load.connect(A, client("a"));
    load.connect(B, lasting_client("b"));
    load.packet(B, subscribe(1, "#", QOS1));
    load.input(Input::Gone(B));
    for _ in 0..2 {
        let packet = with(publish1(1, "t", "12345678"), |it| {
            it.properties.set_message_expiry_interval(1);
        });
        load.packet(A, packet);
    }
    load.now = load.now.plus_ms(2_000);
    // The queue is full, so the two that have expired make room.
    load.packet(A, publish1(1, "t", "12345678"));
    let views: Vec<_> = load.broker.sessions().collect();
    assert_eq!(views[1].queued, 1);
    let held: usize = views.iter().map(|view| view.bytes).sum();
    assert_eq!(load.broker.session_bytes(), held);
}

#[test]
fn the_work_of_a_packet_grows_with_all_that_its_sender_chooses() {
    let mut load = Load::new(Config::default());
    let conn = ConnId(1);
    load.connect(conn, client("a"));
    let work = |load: &Load, packet: Packet| load.broker.work_of(&Input::Packet(conn, packet));
    let publish = |topic: &str| PublishPacket::new(topic, Vec::new(), QoS::AtMostOnce);
    assert_eq!(work(&load, Packet::PingReq), 1);
    assert_eq!(work(&load, Packet::Publish(publish("t"))), 1);
    let long = "t".repeat(10 * 1_024);
    assert_eq!(work(&load, Packet::Publish(publish(&long))), 11);
    let filters = |count: usize| {
        let filters = (0..count).map(|number| format!("{}#", "+/".repeat(number)));
        let mut subscribe = SubscribePacket::new(1);
        for filter in filters {
            subscribe = subscribe.add_filter(filter, QoS::AtMostOnce);
        }
        subscribe
    };
    assert_eq!(work(&load, Packet::Subscribe(filters(100))), 101);
    // Each is another pattern.
    load.packet(conn, Packet::Subscribe(filters(100)));
    assert_eq!(work(&load, Packet::Publish(publish("t"))), 1 + 100 / 16);
}

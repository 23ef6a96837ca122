//! Shared subscriptions.

use std::collections::BTreeMap;

use broker::packet::subscribe::SubscribePacket;
use broker::{Config, ConnId, Input, Output, Packet, QoS, Time};

use crate::harness::*;
use crate::random::Random;
use crate::stored::Stored;

/// A publishes; B and C are members of `$share/g/t`.
fn group() -> World {
    let mut world = World::new();
    world.join(A, client("a"));
    for (conn, client_id) in [(B, "b"), (C, "c")] {
        world.join(conn, lasting(client_id, 100));
        world.subscribe(conn, "$share/g/t", QOS2);
    }
    world
}

#[test]
fn members_take_turns() {
    let mut world = group();
    for (payload, receiver) in [("1", "B"), ("2", "C"), ("3", "B"), ("4", "C")] {
        let expected = format!("{receiver} PUBLISH t {payload}");
        world.send(A, publish("t", payload), &expected);
    }
    assert_eq!(world.stats().subscriptions, 2);
}

#[test]
fn a_member_at_its_receive_maximum_is_skipped() {
    let mut world = group();
    let mut slow = client("d");
    slow.properties.set_receive_maximum(1);
    world.join(D, slow);
    world.subscribe(D, "$share/g/t", QOS1);
    world.send(
        A,
        publish1(1, "t", "1"),
        "B PUBLISH t 1 qos1 #1\nA PUBACK 1",
    );
    world.send(
        A,
        publish1(2, "t", "2"),
        "C PUBLISH t 2 qos1 #1\nA PUBACK 2",
    );
    world.send(
        A,
        publish1(3, "t", "3"),
        "D PUBLISH t 3 qos1 #1\nA PUBACK 3",
    );
    world.send(
        A,
        publish1(4, "t", "4"),
        "B PUBLISH t 4 qos1 #2\nA PUBACK 4",
    );
    world.send(
        A,
        publish1(5, "t", "5"),
        "C PUBLISH t 5 qos1 #2\nA PUBACK 5",
    );
    world.send(
        A,
        publish1(6, "t", "6"),
        "B PUBLISH t 6 qos1 #3\nA PUBACK 6",
    );
}

#[test]
fn each_group_and_each_other_subscription_gets_its_own_copy() {
    let mut world = group();
    world.join(D, client("d"));
    let many = SubscribePacket::new(1)
        .add_filter("$share/h/t", QOS0)
        .add_filter("$share/g/+", QOS0)
        .add_filter("t", QOS0);
    world.send(D, many, "D SUBACK 1 GrantedQoS0 GrantedQoS0 GrantedQoS0");
    world.send(
        A,
        publish("t", "x"),
        "D PUBLISH t x
         B PUBLISH t x
         D PUBLISH t x
         D PUBLISH t x",
    );
    world.send(A, publish("u", "y"), "D PUBLISH u y");
}

#[test] // MQTT-4.8.2-3
fn each_member_gets_the_qos_and_the_identifier_of_its_own_subscription() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.join(B, client("b"));
    let mut with_id = subscribe(1, "$share/g/t", QOS1);
    with_id.properties.set_subscription_identifier(5);
    world.send(B, with_id, "B SUBACK 1 GrantedQoS1");
    world.join(C, client("c"));
    world.subscribe(C, "$share/g/t", QOS0);
    world.send(
        A,
        publish1(1, "t", "x"),
        "B PUBLISH t x qos1 #1 SubscriptionIdentifier=5\nA PUBACK 1",
    );
    world.send(A, publish1(2, "t", "x"), "C PUBLISH t x\nA PUBACK 2");
}

#[test]
fn retained_messages_are_not_sent_for_a_shared_subscription() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.send(A, publish("t", "x").with_retain(true), "");
    world.subscribe(A, "$share/g/t", QOS1);
    world.send(
        A,
        subscribe(2, "t", QOS1),
        "A SUBACK 2 GrantedQoS1\nA PUBLISH t x retain",
    );
}

#[test]
fn unsubscribing_leaves_the_group() {
    let mut world = group();
    world.send(B, unsubscribe(1, "$share/g/t"), "B UNSUBACK 1 Success");
    world.send(B, unsubscribe(2, "t"), "B UNSUBACK 2 NoSubscriptionExisted");
    world.send(A, publish("t", "1"), "C PUBLISH t 1");
    world.send(A, publish("t", "2"), "C PUBLISH t 2");
    world.send(C, unsubscribe(1, "$share/g/t"), "C UNSUBACK 1 Success");
    world.send(A, publish1(3, "t", "3"), "A PUBACK 3 NoMatchingSubscribers");
    assert_eq!(world.stats().subscriptions, 0);
}

#[test]
fn a_qos_1_message_of_a_lost_member_goes_to_another_one() {
    let mut world = group();
    world.send(
        A,
        publish1(1, "t", "x"),
        "B PUBLISH t x qos1 #1\nA PUBACK 1",
    );
    world.gone(B, "C PUBLISH t x qos1 #1");
    world.rejoin(B, lasting("b", 100));
    // A late acknowledgement is valid.
    world.send(B, puback(1), "");
}

#[test] // MQTT-4.8.2-4, MQTT-4.8.2-5
fn a_sent_qos_2_message_stays_with_its_member_and_ends_with_its_session() {
    let mut world = group();
    world.send(
        A,
        publish2(1, "t", "x"),
        "B PUBLISH t x qos2 #1\nA PUBREC 1",
    );
    world.gone(B, "");
    world.connect(
        B,
        lasting("b", 100),
        "B CONNACK Success session\nB PUBLISH t x qos2 #1 dup",
    );
    world.gone(B, "");
    world.wait_ms(100_000, "");
    assert_eq!(world.stats().sessions, 2);
}

#[test]
fn queued_messages_of_a_lost_member_go_to_another_one() {
    let mut world = World::new();
    world.join(A, client("a"));
    let mut slow = lasting("b", 100);
    slow.properties.set_receive_maximum(1);
    world.join(B, slow);
    world.subscribe(B, "$share/g/t", QOS2);
    world.send(
        A,
        publish2(1, "t", "1"),
        "B PUBLISH t 1 qos2 #1\nA PUBREC 1",
    );
    world.send(A, publish2(2, "t", "2"), "A PUBREC 2");
    world.send(A, publish1(3, "t", "3"), "A PUBACK 3");
    world.join(C, client("c"));
    world.subscribe(C, "$share/g/t", QOS2);
    world.gone(B, "C PUBLISH t 2 qos2 #1\nC PUBLISH t 3 qos1 #2");
}

#[test]
fn messages_for_an_absent_group_wait_and_outlive_a_member() {
    let mut world = group();
    world.gone(C, "");
    world.gone(B, "");
    world.send(A, publish1(1, "t", "1"), "A PUBACK 1");
    world.send(A, publish("t", "lost"), "");
    world.connect(B, client("b"), "B CONNACK Success");
    world.connect(
        C,
        lasting("c", 100),
        "C CONNACK Success session\nC PUBLISH t 1 qos1 #1",
    );
}

#[test] // MQTT-4.8.2-6
fn a_message_that_a_member_refuses_is_discarded() {
    let mut world = group();
    world.send(
        A,
        publish1(1, "t", "x"),
        "B PUBLISH t x qos1 #1\nA PUBACK 1",
    );
    let mut refused = puback(1);
    refused.reason_code = broker::ReasonCode::UnspecifiedError;
    world.send(B, refused, "");
    world.gone(B, "");
}

#[test]
fn a_filter_below_another_share_name_is_another_subscription() {
    let mut world = group();
    world.subscribe(B, "$share/h/t", QOS0);
    world.send(A, publish("t", "x"), "B PUBLISH t x\nB PUBLISH t x");
    world.send(B, unsubscribe(1, "$share/h/t"), "B UNSUBACK 1 Success");
    world.send(A, publish("t", "x"), "C PUBLISH t x");
}

#[test]
fn wildcards_of_a_shared_filter_do_not_match_dollar_topics() {
    let mut world = World::new();
    world.join(A, client("a"));
    world.subscribe(A, "$share/g/#", QOS0);
    world.send(A, publish("$x/a", "1"), "");
    world.send(A, publish("x/a", "2"), "A PUBLISH x/a 2");
}

/// Members of one group that connect, disconnect and acknowledge at random. Their sessions outlive their connections.
struct Crowd {
    broker: Stored,
    now: Time,
    random: Random,
    connected: [bool; 3],
    /// The packets that each member has to answer on its connection.
    unanswered: [Vec<Packet>; 3],
    /// The QoS of each message, and the number of its sends without DUP.
    sent: BTreeMap<String, (QoS, u32)>,
}

const PUBLISHER: ConnId = ConnId(9);

impl Crowd {
    fn new(seed: u64) -> Self {
        let mut crowd = Self {
            broker: Stored::new(Config {
                durable: DURABLE,
                ..plain_config()
            }),
            now: Time::from_ms(1_000),
            random: Random::new(seed),
            connected: [false; 3],
            unanswered: [const { Vec::new() }; 3],
            sent: BTreeMap::new(),
        };
        crowd.handle(Input::Opened(PUBLISHER));
        crowd.handle(Input::Packet(PUBLISHER, client("p").packet()));
        for member in 0..3 {
            crowd.join(member);
            let subscribe = subscribe(1, "$share/g/#", QOS2);
            crowd.handle(Input::Packet(conn(member), subscribe.packet()));
        }
        crowd
    }

    fn handle(&mut self, input: Input) {
        let mut out = Vec::new();
        self.broker.handle(self.now, input, &mut out);
        for output in out.into_iter().map(Output::whole) {
            let Output::Send(conn, packet) = output else {
                continue;
            };
            if let Packet::Publish(publish) = &packet
                && !publish.dup
            {
                let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                self.sent.get_mut(&payload).expect("a message").1 += 1;
            }
            if let Some(unanswered) = self.unanswered.get_mut(conn.0 as usize) {
                unanswered.push(packet);
            }
        }
    }

    fn join(&mut self, member: usize) {
        self.connected[member] = true;
        self.unanswered[member].clear();
        let mut connect = lasting(&format!("member-{member}"), 1_000);
        let receive_maximum = 1 + self.random.below(3) as u16;
        connect.properties.set_receive_maximum(receive_maximum);
        self.handle(Input::Opened(conn(member)));
        self.handle(Input::Packet(conn(member), connect.packet()));
    }

    fn publish(&mut self, number: usize) {
        let payload = number.to_string();
        let qos = if self.random.one_in(2) { QOS1 } else { QOS2 };
        self.sent.insert(payload.clone(), (qos, 0));
        match qos {
            QOS1 => self.handle(Input::Packet(
                PUBLISHER,
                publish1(1, "t", &payload).packet(),
            )),
            _ => {
                let publish = publish2(1, "t", &payload);
                self.handle(Input::Packet(PUBLISHER, publish.packet()));
                self.handle(Input::Packet(PUBLISHER, pubrel(1).packet()));
            }
        }
    }

    fn answer(&mut self, member: usize) {
        if self.unanswered[member].is_empty() {
            return;
        }
        let answer = match self.unanswered[member].remove(0) {
            Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
                (QOS1, Some(id)) => puback(id).packet(),
                (_, Some(id)) => pubrec(id).packet(),
                (_, None) => return,
            },
            Packet::PubRel(pubrel) => pubcomp(pubrel.packet_id).packet(),
            _ => return,
        };
        self.handle(Input::Packet(conn(member), answer));
    }
}

fn conn(member: usize) -> ConnId {
    ConnId(member as u64)
}

#[test]
fn a_group_gets_every_message_while_members_change() {
    for seed in 1..=200 {
        let mut crowd = Crowd::new(seed);
        for number in 0..200 {
            let member = crowd.random.below(3);
            match crowd.random.below(8) {
                0 if crowd.connected[member] => {
                    crowd.connected[member] = false;
                    crowd.unanswered[member].clear();
                    crowd.handle(Input::Gone(conn(member)));
                }
                0 => crowd.join(member),
                1..=3 => crowd.publish(number),
                _ if crowd.connected[member] => crowd.answer(member),
                _ => {}
            }
        }
        for member in 0..3 {
            if !crowd.connected[member] {
                crowd.join(member);
            }
        }
        while crowd.unanswered.iter().any(|list| !list.is_empty()) {
            (0..3).for_each(|member| crowd.answer(member));
        }
        for (payload, (qos, times)) in &crowd.sent {
            let promised = match *qos {
                QOS2 => *times == 1,
                _ => *times >= 1,
            };
            assert!(
                promised,
                "seed {seed}: {payload} with {qos:?} was sent {times} times"
            );
        }
        assert_eq!(crowd.broker.stats().messages_dropped, 0, "seed {seed}");
    }
}

//! A packet that promises something is sent after its batch is stored. No other packet waits.

use broker::packet::disconnect::DisconnectPacket;
use broker::packet::subscribe::SubscribePacket;
use broker::{BatchId, Broker, Config, ConnId, Input, Output, Packet, ReasonCode, Time};

use crate::harness::*;

/// A broker whose log stores a batch when the test calls `commit`.
struct Slow {
    broker: Broker,
    issued: u64,
}

impl Slow {
    fn new() -> Self {
        let config = Config {
            durable: true,
            ..plain_config()
        };
        Self {
            broker: Broker::new(config),
            issued: 0,
        }
    }

    /// Handles an input and returns the outputs, one per line.
    fn does(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.broker.handle(Time::from_ms(1_000), input, &mut out);
        let mut lines = Vec::new();
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Persist(BatchId(batch), bytes) => {
                    self.issued += 1;
                    assert_eq!(batch, self.issued, "ids rise by 1");
                    let what = if bytes.is_empty() { "ask" } else { "persist" };
                    lines.push(format!("{what} {batch}"));
                }
                Output::Send(conn, packet) => {
                    lines.push(format!("{} {}", name(conn), show(&packet)))
                }
                Output::Close(conn, _) => lines.push(format!("{} closed", name(conn))),
                Output::Publish(..) | Output::Event(_) => {}
            }
        }
        lines
    }

    fn send(&mut self, conn: ConnId, packet: impl IntoPacket) -> Vec<String> {
        self.does(Input::Packet(conn, packet.packet()))
    }

    fn commit(&mut self, batch: u64) -> Vec<String> {
        self.does(Input::Committed(BatchId(batch)))
    }

    /// Connects a client and stores its batch.
    fn join(&mut self, conn: ConnId, client_id: &str) {
        assert_eq!(self.does(Input::Opened(conn)), [""; 0]);
        let persist = format!("persist {}", self.issued + 1);
        assert_eq!(self.send(conn, lasting(client_id, 1_000)), [persist]);
        let connack = format!("{} CONNACK Success", name(conn));
        assert_eq!(self.commit(self.issued), [connack]);
    }

    fn subscribe(&mut self, conn: ConnId, filter: &str, qos: broker::QoS) {
        let persist = format!("persist {}", self.issued + 1);
        assert_eq!(self.send(conn, subscribe(99, filter, qos)), [persist]);
        self.commit(self.issued);
    }
}

#[test]
fn a_promising_answer_waits_until_its_batch_is_stored() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    for (packet, answer) in [
        (
            subscribe(1, "t", QOS2).packet(),
            vec!["A SUBACK 1 GrantedQoS2"],
        ),
        (
            publish1(2, "t", "x").packet(),
            vec!["A PUBLISH t x qos1 #1", "A PUBACK 2"],
        ),
        (
            publish2(3, "t", "y").packet(),
            vec!["A PUBLISH t y qos2 #2", "A PUBREC 3"],
        ),
        (pubrel(3).packet(), vec!["A PUBCOMP 3"]),
        (pubrec(2).packet(), vec!["A PUBREL 2"]),
        (unsubscribe(4, "t").packet(), vec!["A UNSUBACK 4 Success"]),
    ] {
        let persist = format!("persist {}", slow.issued + 1);
        assert_eq!(slow.send(A, packet), [persist]);
        assert_eq!(slow.commit(slow.issued - 1), [""; 0]);
        assert_eq!(slow.commit(slow.issued), answer);
    }
}

#[test]
fn an_answer_waits_for_earlier_batches_too() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    assert_eq!(slow.send(A, publish2(1, "t", "x")), ["persist 2"]);
    // The broker has this message already, but it is not stored yet.
    assert_eq!(
        slow.send(A, publish2(1, "t", "x").with_dup(true)),
        ["ask 3"]
    );
    assert_eq!(slow.commit(2), ["A PUBREC 1 NoMatchingSubscribers"]);
    assert_eq!(slow.commit(3), ["A PUBREC 1"]);
}

#[test]
fn a_promising_answer_without_a_record_waits_for_an_empty_batch() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    assert_eq!(slow.send(A, publish1(1, "t", "x")), ["ask 3"]);
    // A packet without a promise needs no batch.
    assert_eq!(slow.send(B, publish("t", "x")), [""; 0]);
    assert_eq!(slow.send(B, Packet::PingReq), ["B PINGRESP"]);
    assert_eq!(slow.commit(3), ["A PUBACK 1 NoMatchingSubscribers"]);
}

#[test]
fn packets_behind_a_waiting_one_wait_and_other_connections_do_not() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    slow.join(C, "c");
    slow.subscribe(A, "t", QOS0);
    slow.subscribe(C, "t", QOS0);
    assert_eq!(slow.send(A, subscribe(1, "u", QOS0)), ["persist 6"]);
    assert_eq!(slow.send(A, Packet::PingReq), [""; 0]);
    assert_eq!(slow.send(B, publish("t", "x")), ["C PUBLISH t x"]);
    assert_eq!(slow.send(B, Packet::PingReq), ["B PINGRESP"]);
    // A packet behind another does not wait for later batches.
    assert_eq!(slow.send(B, subscribe(1, "v", QOS0)), ["persist 7"]);
    assert_eq!(slow.send(B, publish("t", "y")), ["C PUBLISH t y"]);
    assert_eq!(
        slow.commit(6),
        [
            "A SUBACK 1 GrantedQoS0",
            "A PINGRESP",
            "A PUBLISH t x",
            "A PUBLISH t y"
        ]
    );
    assert_eq!(slow.commit(7), ["B SUBACK 1 GrantedQoS0"]);
}

#[test]
fn a_connection_is_closed_after_its_waiting_packets() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    assert_eq!(slow.send(A, subscribe(1, "t", QOS0)), ["persist 2"]);
    assert_eq!(slow.send(A, DisconnectPacket::normal()), ["persist 3"]);
    assert_eq!(slow.commit(2), ["A SUBACK 1 GrantedQoS0", "A closed"]);
    assert_eq!(slow.commit(3), [""; 0]);
}

#[test]
fn outputs_for_a_lost_connection_are_dropped() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    assert_eq!(slow.send(A, subscribe(1, "t", QOS0)), ["persist 2"]);
    assert_eq!(slow.does(Input::Gone(A)), ["persist 3"]);
    assert_eq!(slow.commit(3), [""; 0]);
}

#[test]
fn a_refusal_promises_nothing_and_does_not_wait() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    assert_eq!(slow.send(A, subscribe(1, "t", QOS0)), ["persist 3"]);
    slow.does(Input::StorageFull(true));
    assert_eq!(
        slow.send(B, publish1(1, "t", "x")),
        ["B PUBACK 1 QuotaExceeded"]
    );
    assert_eq!(
        slow.send(B, publish2(1, "t", "x")),
        ["B PUBREC 1 QuotaExceeded"]
    );
    let two = SubscribePacket::new(2)
        .add_filter("t", QOS0)
        .add_filter("u", QOS1);
    assert_eq!(
        slow.send(B, two),
        ["B SUBACK 2 QuotaExceeded QuotaExceeded"]
    );
    slow.does(Input::Opened(C));
    assert_eq!(
        slow.send(C, lasting("c", 1)),
        ["C CONNACK QuotaExceeded", "C closed"]
    );
}

#[test]
fn without_room_a_session_that_ends_with_its_connection_begins_at_once() {
    let mut slow = Slow::new();
    slow.does(Input::StorageFull(true));
    slow.does(Input::Opened(C));
    let outputs = slow.send(C, client("c"));
    assert!(
        outputs.contains(&"C CONNACK Success".to_owned()),
        "{outputs:?}"
    );
    // With room, the same CONNACK waits for its batch.
    slow.does(Input::StorageFull(false));
    slow.does(Input::Opened(D));
    let outputs = slow.send(D, client("d"));
    assert!(
        !outputs.contains(&"D CONNACK Success".to_owned()),
        "{outputs:?}"
    );
}

#[test]
fn without_room_a_refusal_waits_behind_a_waiting_connack() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    assert_eq!(slow.send(A, subscribe(1, "t", QOS0)), ["persist 2"]);
    assert_eq!(slow.commit(2), ["A SUBACK 1 GrantedQoS0"]);
    slow.does(Input::Opened(C));
    assert_eq!(slow.send(C, lasting("c", 100)), ["persist 3"]);
    slow.does(Input::StorageFull(true));
    // The refusal waits behind the CONNACK.
    assert_eq!(slow.send(C, publish1(1, "t", "x")), [""; 0]);
    assert_eq!(
        slow.commit(3),
        ["C CONNACK Success", "C PUBACK 1 QuotaExceeded"]
    );
}

#[test]
fn without_room_no_packet_precedes_a_waiting_connack() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    slow.subscribe(B, "t", QOS0);
    let nothing = [""; 0];
    assert_eq!(slow.does(Input::Gone(B)), ["persist 4"]);
    assert_eq!(slow.does(Input::Opened(B)), nothing);
    assert_eq!(slow.send(B, lasting("b", 1_000)), ["persist 5"]);
    assert_eq!(slow.does(Input::StorageFull(true)), nothing);
    assert_eq!(slow.send(A, publish("t", "x")), nothing);
    assert_eq!(slow.send(B, Packet::PingReq), nothing);
    assert_eq!(
        slow.commit(5),
        ["B CONNACK Success session", "B PUBLISH t x", "B PINGRESP"]
    );
}

#[test]
fn without_room_a_client_without_state_is_refused_until_the_releases_of_its_session_are_stored() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    assert_eq!(slow.send(A, publish2(1, "t", "x")), ["persist 2"]);
    assert_eq!(slow.commit(2), ["A PUBREC 1 NoMatchingSubscribers"]);
    slow.does(Input::StorageFull(true));
    assert_eq!(slow.send(A, pubrel(1)), ["persist 3"]);
    slow.does(Input::Gone(A));
    // If this broker ended now, the next one would take a new message with this identifier for a repeat of the old one.
    let (name, value) = broker::NO_SESSION_STATE;
    let stateless = || {
        let mut connect = lasting("a", 1_000);
        let (name, value) = (name.to_owned(), value.to_owned());
        connect.properties.add_user_property(name, value);
        connect
    };
    slow.does(Input::Opened(C));
    assert_eq!(
        slow.send(C, stateless()),
        ["C CONNACK QuotaExceeded", "C closed"]
    );
    slow.commit(slow.issued);
    slow.does(Input::Opened(D));
    let outputs = slow.send(D, stateless());
    let connack = "D CONNACK Success session".to_owned();
    assert!(outputs.contains(&connack), "{outputs:?}");
}

#[test]
fn without_room_no_session_begins_while_the_end_of_its_predecessor_is_not_stored() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.does(Input::StorageFull(true));
    // The session ends with the connection, but its end is not stored: the next broker would resume it.
    slow.does(Input::Gone(A));
    slow.does(Input::Opened(C));
    assert_eq!(
        slow.send(C, client("a")),
        ["C CONNACK QuotaExceeded", "C closed"]
    );
}

#[test]
fn without_room_a_session_whose_begin_is_not_stored_is_not_resumed() {
    let mut slow = Slow::new();
    slow.does(Input::Opened(A));
    assert_eq!(slow.send(A, lasting("a", 1_000)), ["persist 1"]);
    slow.does(Input::Gone(A));
    slow.does(Input::StorageFull(true));
    // The next broker would not know the session, or would resume an older one of this client identifier.
    slow.does(Input::Opened(B));
    assert_eq!(
        slow.send(B, lasting("a", 1_000)),
        ["B CONNACK QuotaExceeded", "B closed"]
    );
    slow.commit(slow.issued);
    slow.does(Input::Opened(C));
    let outputs = slow.send(C, lasting("a", 1_000));
    let connack = "C CONNACK Success session".to_owned();
    assert!(outputs.contains(&connack), "{outputs:?}");
}

#[test]
fn a_message_waits_until_the_release_of_its_packet_identifier_is_stored() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    slow.subscribe(B, "t", QOS1);
    assert_eq!(slow.send(A, publish1(1, "t", "x")), ["persist 4"]);
    assert_eq!(slow.commit(4), ["A PUBACK 1", "B PUBLISH t x qos1 #1"]);
    assert_eq!(slow.send(B, puback(1)), ["persist 5"]);
    // The identifier is not used again before its release is stored.
    for packet_id in 2..=3 {
        assert_eq!(slow.send(A, publish1(packet_id, "t", "y")).len(), 1);
    }
    assert_eq!(slow.commit(5), [""; 0]);
    assert_eq!(
        slow.commit(7),
        [
            "A PUBACK 2",
            "A PUBACK 3",
            "B PUBLISH t y qos1 #2",
            "B PUBLISH t y qos1 #3"
        ]
    );
}

#[test]
fn a_retained_qos_0_message_is_stored_and_no_packet_waits_for_it() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.join(B, "b");
    slow.subscribe(B, "t", QOS0);
    assert_eq!(
        slow.send(A, publish("t", "x").with_retain(true)),
        ["persist 4", "B PUBLISH t x"]
    );
}

#[test]
fn a_client_whose_session_is_taken_over_is_disconnected_at_once() {
    let mut slow = Slow::new();
    slow.join(A, "a");
    slow.does(Input::Opened(B));
    assert_eq!(
        slow.send(B, lasting("a", 1_000)),
        ["persist 2", "A DISCONNECT SessionTakenOver", "A closed"]
    );
    assert_eq!(slow.commit(2), ["B CONNACK Success session"]);
}

#[test]
fn a_broker_that_is_not_durable_stores_nothing() {
    let mut broker = Broker::new(Config::default());
    let mut out = Vec::new();
    let now = Time::from_ms(1_000);
    broker.handle(now, Input::Opened(A), &mut out);
    broker.handle(
        now,
        Input::Packet(A, lasting("a", 1_000).packet()),
        &mut out,
    );
    broker.handle(
        now,
        Input::Packet(A, publish2(1, "t", "x").packet()),
        &mut out,
    );
    let answers = out.iter().filter(|output| match output {
        Output::Send(_, Packet::ConnAck(connack)) => connack.reason_code == ReasonCode::Success,
        Output::Send(_, Packet::PubRec(_)) => true,
        Output::Persist(..) => panic!("stored"),
        _ => false,
    });
    assert_eq!(answers.count(), 2);
}

#[test]
fn without_room_only_promising_packets_wait_and_later_ones_pass_them() {
    let mut world = Slow::new();
    world.join(A, "a");
    world.join(B, "b");
    world.send(B, subscribe(1, "t", QOS2));
    world.commit(3);
    world.does(Input::StorageFull(true));
    world.does(Input::Interrupted(A));
    world.does(Input::Opened(C));
    let mut again = client("a");
    again.clean_start = false;
    // The session is stored, and the record of the connection is no promise.
    assert_eq!(
        world.send(C, again),
        ["persist 4", "C CONNACK Success session"]
    );
    // PUBCOMP frees the packet identifier, so it waits. Other packets are sent.
    world.does(Input::StorageFull(false));
    world.send(C, publish2(1, "u", "x"));
    world.commit(5);
    world.does(Input::StorageFull(true));
    assert_eq!(world.send(C, pubrel(1)), ["persist 6"]);
    assert_eq!(world.send(C, Packet::PingReq), ["C PINGRESP"]);
    let refused = ["C PUBACK 2 QuotaExceeded"];
    assert_eq!(world.send(C, publish1(2, "t", "y")), refused);
    assert_eq!(world.send(C, publish("t", "z")), ["B PUBLISH t z"]);
    world.does(Input::StorageFull(false));
    assert_eq!(world.commit(6), ["C PUBCOMP 1"]);
}

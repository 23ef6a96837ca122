//! Random inputs and random commits. A broker restored from any prefix of the log equals the broker of that moment.
//! A durable broker sends every client the same packets in the same order as one that is not durable. It sends each
//! promise as soon as its batch is stored, and no earlier.

use std::collections::{BTreeMap, VecDeque};

use broker::access::AllowAll;
use broker::packet::connect::ConnectPacket;
use broker::packet::disconnect::DisconnectPacket;
use broker::{BatchId, Broker, Config, ConnId, Input, Origin, Output, Packet, QoS, Time};
use mqtt5_protocol::WillMessage;
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngSeed};

use crate::harness::*;
use crate::stored::is_promise;

const CLIENTS: usize = 3;
const TOPICS: [&str; 3] = ["t", "t/a", "u"];
const FILTERS: [&str; 6] = ["t", "t/+", "#", "u", "$share/g/#", "$share/h/t"];

#[derive(Clone, Debug)]
enum Step {
    Connect {
        who: usize,
        clean_start: bool,
        expiry_interval_s: u32,
        receive_maximum: u16,
        /// The Will Delay Interval.
        will: Option<u32>,
        in_311: bool,
    },
    Lose {
        who: usize,
    },
    Leave {
        who: usize,
    },
    Subscribe {
        who: usize,
        filter: usize,
        qos: u8,
    },
    Unsubscribe {
        who: usize,
        filter: usize,
    },
    Publish {
        who: usize,
        topic: usize,
        qos: u8,
        retain: bool,
        empty: bool,
        expiry_interval_s: Option<u32>,
    },
    /// A client answers the oldest packet that it has not answered.
    Answer {
        who: usize,
    },
    Wait {
        ms: u64,
    },
    Commit,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..CLIENTS;
    let intervals = prop::sample::select(vec![0, 3, u32::MAX]);
    let qos = || 0..3_u8;
    prop_oneof![
        3 => (
            who(),
            prop::bool::weighted(0.2),
            intervals,
            prop::sample::select(vec![1, 2, u16::MAX]),
            prop::option::weighted(0.4, prop::sample::select(vec![0, 2, 5])),
            prop::bool::weighted(0.2),
        )
            .prop_map(|(who, clean_start, expiry_interval_s, receive_maximum, will, in_311)| {
                Step::Connect { who, clean_start, expiry_interval_s, receive_maximum, will, in_311 }
            }),
        1 => who().prop_map(|who| Step::Lose { who }),
        1 => who().prop_map(|who| Step::Leave { who }),
        3 => (who(), 0..FILTERS.len(), qos())
            .prop_map(|(who, filter, qos)| Step::Subscribe { who, filter, qos }),
        1 => (who(), 0..FILTERS.len()).prop_map(|(who, filter)| Step::Unsubscribe { who, filter }),
        6 => (
            who(),
            0..TOPICS.len(),
            qos(),
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.2),
            prop::option::weighted(0.2, prop::sample::select(vec![0, 2, 60])),
        )
            .prop_map(|(who, topic, qos, retain, empty, expiry_interval_s)| Step::Publish {
                who, topic, qos, retain, empty, expiry_interval_s
            }),
        6 => who().prop_map(|who| Step::Answer { who }),
        2 => prop::sample::select(vec![1, 700, 2_500, 40_000]).prop_map(|ms| Step::Wait { ms }),
        3 => Just(Step::Commit),
    ]
}

proptest! {
    #![proptest_config(Runs {
        cases: 200,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..Runs::default()
    })]

    #[test]
    fn a_broker_restored_from_any_prefix_of_the_log_equals_the_broker_of_that_moment(
        steps in prop::collection::vec(step(), 0..80),
        more in prop::collection::vec(step(), 0..20),
    ) {
        let mut pair = Pair::new();
        steps.iter().for_each(|step| pair.take(step));
        pair.check_cuts(&more);
    }
}

/// The inputs of both brokers.
#[derive(Clone, Debug)]
enum Call {
    Opened(ConnId, Origin),
    Packet(ConnId, Packet),
    Gone(ConnId),
    Timeout,
}

impl Call {
    fn input(&self) -> Input {
        match self.clone() {
            Self::Opened(conn, origin) => Input::OpenedBy(conn, origin),
            Self::Packet(conn, packet) => Input::Packet(conn, packet),
            Self::Gone(conn) => Input::Gone(conn),
            Self::Timeout => Input::Timeout,
        }
    }
}

/// The clients, which turn steps into inputs.
struct Script {
    now: Time,
    last_conn: u64,
    last_packet_id: u16,
    conns: [Option<ConnId>; CLIENTS],
    /// The packets that each client has to answer.
    answers: [VecDeque<Packet>; CLIENTS],
}

impl Script {
    fn at(now: Time) -> Self {
        Self {
            now,
            last_conn: 0,
            last_packet_id: 0,
            conns: [None; CLIENTS],
            answers: [const { VecDeque::new() }; CLIENTS],
        }
    }

    fn calls(&mut self, step: &Step) -> Vec<Call> {
        self.now = self.now.plus_ms(7);
        let of = |packet: Packet, conn: Option<ConnId>| {
            conn.map(|conn| Call::Packet(conn, packet))
                .into_iter()
                .collect()
        };
        match *step {
            Step::Connect { who, .. } => {
                self.last_conn += 1;
                let conn = ConnId(self.last_conn);
                self.conns[who] = Some(conn);
                self.answers[who].clear();
                vec![
                    Call::Opened(conn, Origin(who as u64 / 2)),
                    Call::Packet(conn, connect(step).packet()),
                ]
            }
            Step::Lose { who } => {
                let conn = self.conns[who].take();
                conn.map(Call::Gone).into_iter().collect()
            }
            Step::Leave { who } => {
                let conn = self.conns[who].take();
                of(DisconnectPacket::normal().packet(), conn)
            }
            Step::Subscribe { who, filter, qos } => {
                let mut subscribe = subscribe(90, FILTERS[filter], QoS::from(qos));
                if qos == 2 {
                    subscribe.properties.set_subscription_identifier(7);
                }
                of(subscribe.packet(), self.conns[who])
            }
            Step::Unsubscribe { who, filter } => {
                of(unsubscribe(91, FILTERS[filter]).packet(), self.conns[who])
            }
            Step::Publish {
                who,
                topic,
                qos,
                retain,
                empty,
                expiry_interval_s,
            } => {
                // Identifiers repeat, even while their message is not released.
                self.last_packet_id = self.last_packet_id % 5 + 1;
                let payload = if empty { "" } else { "x" };
                let mut publish = match qos {
                    0 => publish(TOPICS[topic], payload),
                    1 => publish1(self.last_packet_id, TOPICS[topic], payload),
                    _ => publish2(self.last_packet_id, TOPICS[topic], payload),
                };
                publish.retain = retain;
                if let Some(interval_s) = expiry_interval_s {
                    publish.properties.set_message_expiry_interval(interval_s);
                }
                of(publish.packet(), self.conns[who])
            }
            Step::Answer { who } => match self.answers[who].pop_front() {
                Some(answer) => of(answer, self.conns[who]),
                None => Vec::new(),
            },
            Step::Wait { ms } => {
                self.now = self.now.plus_ms(ms);
                vec![Call::Timeout]
            }
            Step::Commit => Vec::new(),
        }
    }

    /// The reaction of a client to a packet.
    fn sees(&mut self, output: &Output) {
        match output {
            Output::Send(conn, packet) => {
                let who = self.conns.iter().position(|open| open == &Some(*conn));
                let answer = match packet {
                    Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
                        (QOS1, Some(packet_id)) => puback(packet_id).packet(),
                        (QOS2, Some(packet_id)) => pubrec(packet_id).packet(),
                        _ => return,
                    },
                    Packet::PubRec(ack) if !ack.reason_code.is_error() => {
                        pubrel(ack.packet_id).packet()
                    }
                    Packet::PubRel(ack) => pubcomp(ack.packet_id).packet(),
                    _ => return,
                };
                if let Some(who) = who {
                    self.answers[who].push_back(answer);
                }
            }
            Output::Close(conn, _) => {
                for open in &mut self.conns {
                    open.take_if(|open| open == conn);
                }
            }
            Output::Publish(..) | Output::Persist(..) | Output::Event(_) => {}
        }
    }
}

fn connect(step: &Step) -> ConnectPacket {
    let &Step::Connect {
        who,
        clean_start,
        expiry_interval_s,
        receive_maximum,
        will,
        in_311,
    } = step
    else {
        panic!("{step:?}")
    };
    let client_id = format!("client-{who}");
    let mut connect = if in_311 {
        lasting_311(&client_id)
    } else {
        let mut connect = lasting(&client_id, expiry_interval_s);
        connect.properties.set_receive_maximum(receive_maximum);
        connect
    };
    connect.clean_start = clean_start;
    if let Some(delay_s) = will {
        let mut will = WillMessage::new("t", "gone").with_qos(QOS1);
        will.properties.will_delay_interval = (!in_311 && delay_s > 0).then_some(delay_s);
        connect = with_will(connect, will);
    }
    connect
}

/// The state of the broker after an input.
struct Moment {
    now: Time,
    /// The number of batches so far.
    batches: usize,
    snapshot: Vec<Vec<u8>>,
}

/// The same inputs for a broker that is durable and for one that is not.
struct Pair {
    durable: Broker,
    plain: Broker,
    script: Script,
    log: Vec<Vec<u8>>,
    committed: u64,
    moments: Vec<Moment>,
    /// The packets that only the plain broker has sent so far, with the batch that each waits for.
    owed: BTreeMap<ConnId, VecDeque<(u64, String)>>,
}

fn config() -> Config {
    Config {
        queue_messages_max: 4,
        at_once_max: 1,
        ..plain_config()
    }
}

fn restore<'a>(blocks: impl IntoIterator<Item = &'a Vec<u8>>, now: Time) -> Broker {
    let blocks = blocks.into_iter().map(Vec::as_slice);
    let (broker, restored) = Broker::restore(config(), Box::new(AllowAll), blocks, now);
    assert_eq!((restored.skipped, &restored.errors[..]), (0, &[][..]));
    broker
}

impl Pair {
    fn new() -> Self {
        Self {
            durable: Broker::new(Config {
                durable: true,
                ..config()
            }),
            plain: Broker::new(config()),
            script: Script::at(Time::from_ms(1_000_000)),
            log: Vec::new(),
            committed: 0,
            moments: Vec::new(),
            owed: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        if let Step::Commit = step {
            self.committed = (self.committed + 2).min(self.log.len() as u64);
            let mut out = Vec::new();
            let committed = Input::Committed(BatchId(self.committed));
            self.durable.handle(self.script.now, committed, &mut out);
            return self.settle(whole(out));
        }
        for call in self.script.calls(step) {
            self.call(&call);
        }
    }

    fn call(&mut self, call: &Call) {
        let now = self.script.now;
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        self.durable.handle(now, call.input(), &mut out);
        self.plain.handle(now, call.input(), &mut expected);
        if let Call::Gone(conn) = call {
            self.owed.remove(conn);
        }
        let [out, expected] = [out, expected].map(whole);
        for output in &out {
            if let Output::Persist(BatchId(batch), bytes) = output {
                self.log.push(bytes.clone());
                assert_eq!(*batch, self.log.len() as u64);
            }
        }
        for output in &expected {
            self.script.sees(output);
            let Some((conn, waits)) = addressed(output) else {
                continue;
            };
            let batch = if waits { self.log.len() as u64 } else { 0 };
            let owed = self.owed.entry(conn).or_default();
            owed.push_back((batch, line(output)));
        }
        self.settle(out);
        self.moments.push(Moment {
            now,
            batches: self.log.len(),
            snapshot: self.durable.snapshot(),
        });
    }

    /// Checks that the sent packets are owed, and that no packet waits without need.
    fn settle(&mut self, out: Vec<Output>) {
        for output in out {
            let Some((conn, _)) = addressed(&output) else {
                continue;
            };
            let owed = self.owed.get_mut(&conn).and_then(VecDeque::pop_front);
            let (batch, expected) = owed.expect("nothing more is owed");
            assert_eq!(line(&output), expected);
            assert!(batch <= self.committed, "{expected} before it is stored");
        }
        for owed in self.owed.values() {
            if let Some((batch, held_back)) = owed.front() {
                assert!(*batch > self.committed, "{held_back} is held back");
            }
        }
    }

    fn check_cuts(&self, more: &[Step]) {
        let Some(last) = self.moments.last() else {
            return;
        };
        for moment in &self.moments {
            let now = moment.now;
            let (before, after) = self.log.split_at(moment.batches);
            check_same(&restore(before, now).snapshot(), &moment.snapshot, now);
            let through_snapshot = restore(moment.snapshot.iter().chain(after), last.now);
            check_same(&through_snapshot.snapshot(), &last.snapshot, last.now);
        }
        let middle = &self.moments[self.moments.len() / 2];
        for moment in [middle, last] {
            let of_log = restore(&self.log[..moment.batches], moment.now);
            let of_snapshot = restore(&moment.snapshot, moment.now);
            check_behave_alike(of_log, of_snapshot, more, moment.now);
        }
    }
}

/// Both may differ in a retained message that expires at this moment.
fn check_same(a: &Vec<Vec<u8>>, b: &Vec<Vec<u8>>, now: Time) {
    assert!(
        a == b || a == &restore(b, now).snapshot(),
        "the brokers differ"
    );
}

fn check_behave_alike(mut a: Broker, mut b: Broker, steps: &[Step], now: Time) {
    let mut script = Script::at(now);
    // No reconnect grace ends here, because the order of several ends is not defined.
    let steps = steps
        .iter()
        .filter(|step| !matches!(step, Step::Wait { ms: 30_000.. }));
    for step in steps {
        for call in script.calls(step) {
            let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
            a.handle(script.now, call.input(), &mut of_a);
            b.handle(script.now, call.input(), &mut of_b);
            let [of_a, of_b] = [of_a, of_b].map(whole);
            of_a.iter().for_each(|output| script.sees(output));
            assert_eq!(by_connection(&of_a), by_connection(&of_b), "after {call:?}");
        }
    }
}

fn by_connection(outputs: &[Output]) -> BTreeMap<ConnId, Vec<String>> {
    let mut all = BTreeMap::new();
    for output in outputs {
        if let Some((conn, _)) = addressed(output) {
            let of_connection: &mut Vec<String> = all.entry(conn).or_default();
            of_connection.push(line(output));
        }
    }
    all
}

fn line(output: &Output) -> String {
    match output {
        Output::Send(_, packet) => show(packet),
        Output::Close(_, reason_code) => format!("closed {reason_code:?}"),
        Output::Publish(..) | Output::Persist(..) | Output::Event(_) => String::new(),
    }
}

fn whole(outputs: Vec<Output>) -> Vec<Output> {
    outputs.into_iter().map(Output::whole).collect()
}

/// The connection of an output, and whether the output is a promise.
fn addressed(output: &Output) -> Option<(ConnId, bool)> {
    match output {
        Output::Send(conn, packet) => Some((*conn, is_promise(packet))),
        Output::Close(conn, _) => Some((*conn, false)),
        Output::Publish(..) | Output::Persist(..) | Output::Event(_) => None,
    }
}

//! Clients connect and disconnect at random times, with various Keep Alives, Session Expiry Intervals, wills, Will Delay
//! Intervals and retained messages. Every session, will and timer ends on time, and only once.

use broker::packet::disconnect::DisconnectPacket;
use broker::{BrokerEvent, Config, ConnId, Input, Output, Packet, ReasonCode, Time};
use mqtt5_protocol::WillMessage;

use crate::harness::*;
use crate::random::Random;
use crate::stored::Stored;

const CLIENTS: usize = 3;
const STEPS: usize = 400;
/// In seconds, for intervals of sessions, wills and messages.
const INTERVALS: [u32; 5] = [0, 1, 5, 20, u32::MAX];

#[test]
fn sessions_wills_and_timers_end_on_time_and_once() {
    for seed in 1..=200 {
        let mut world = Lifetimes::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
    }
}

#[derive(Clone, Default)]
struct Client {
    conn: Option<ConnId>,
    expiry_interval_s: u32,
    /// The Will Delay Interval, if there is a will.
    will_delay_s: Option<u32>,
    /// When the session ends; the maximum if never.
    session_ends: Option<Time>,
    /// When the will is published, unless the client reconnects before.
    will_due: Option<Time>,
}

struct Lifetimes {
    random: Random,
    broker: Stored,
    now: Time,
    clients: Vec<Client>,
    last_conn: u64,
    wills_expected: usize,
    wills_published: usize,
}

impl Lifetimes {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            broker: Stored::new(Config {
                durable: DURABLE,
                ..plain_config()
            }),
            now: Time::from_ms(1_000_000),
            clients: vec![Client::default(); CLIENTS],
            last_conn: 0,
            wills_expected: 0,
            wills_published: 0,
        }
    }

    fn step(&mut self) {
        let who = self.random.below(CLIENTS);
        match (self.random.below(6), self.clients[who].conn) {
            (0 | 1, _) => self.pass(),
            (2, Some(conn)) => {
                self.ended(who);
                self.tell(Input::Gone(conn));
            }
            (3, Some(conn)) => {
                let mut disconnect = DisconnectPacket::normal();
                let expiry_interval_s = self.interval();
                let client = &mut self.clients[who];
                if client.expiry_interval_s > 0 {
                    client.expiry_interval_s = expiry_interval_s;
                    disconnect = disconnect.with_session_expiry_interval(expiry_interval_s);
                }
                client.will_delay_s = None;
                self.ended(who);
                self.tell(Input::Packet(conn, disconnect.packet()));
            }
            (4, Some(conn)) => {
                let interval_s = self.interval();
                let message = publish("t", "x").with_retain(true);
                let message = message.with_message_expiry_interval(interval_s);
                self.tell(Input::Packet(conn, message.packet()));
            }
            _ => self.connect(who),
        }
    }

    fn interval(&mut self) -> u32 {
        INTERVALS[self.random.below(INTERVALS.len())]
    }

    /// Lets up to ten seconds pass. Sometimes the timeout is late.
    fn pass(&mut self) {
        let ms = self.random.below(10_000) as u64;
        self.now = self.now.plus_ms(ms);
        if self.random.one_in(3) {
            return;
        }
        self.tell(Input::Timeout);
        assert!(self.broker.next_timeout().is_none_or(|at| at > self.now));
    }

    fn connect(&mut self, who: usize) {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let mut connect = client(&format!("client {who}"));
        connect.clean_start = self.random.one_in(3);
        connect.keep_alive = [0, 5][self.random.below(2)];
        let expiry_interval_s = self.interval();
        connect
            .properties
            .set_session_expiry_interval(expiry_interval_s);
        let mut will_delay_s = None;
        if self.random.one_in(2) {
            let delay_s = self.interval();
            will_delay_s = Some(delay_s);
            let mut will = WillMessage::new("will", "gone");
            will.properties.will_delay_interval = Some(delay_s);
            connect = with_will(connect, will);
        }

        // With this input the broker handles all due timers.
        self.tell(Input::Opened(conn));
        if self.clients[who].conn.is_some() {
            self.ended(who);
        }
        let (now, client) = (self.now, &mut self.clients[who]);
        let is_over = |at: Option<Time>| at.is_none_or(|at| at <= now);
        let session_present = !connect.clean_start && !is_over(client.session_ends);
        if let Some(due) = client.will_due.take()
            && (due <= now || connect.clean_start)
        {
            self.wills_expected += 1;
        }
        *client = Client {
            conn: Some(conn),
            expiry_interval_s,
            will_delay_s,
            ..Client::default()
        };

        let sent = self.tell(Input::Packet(conn, connect.packet()));
        let connack = sent.into_iter().find_map(|packet| match packet {
            Packet::ConnAck(connack) => Some(connack),
            _ => None,
        });
        assert_eq!(connack.unwrap().session_present, session_present);
    }

    /// Notes the expected effects of a connection that ends now.
    fn ended(&mut self, who: usize) {
        let client = &mut self.clients[who];
        client.conn = None;
        let after = |interval_s: u32| match interval_s {
            u32::MAX => Time::from_ms(u64::MAX),
            interval_s => self.now.plus_secs(interval_s.into()),
        };
        let session_ends = after(client.expiry_interval_s);
        client.session_ends = Some(session_ends);
        // The longest Will Delay Interval is finite, but longer than this test.
        client.will_due = client
            .will_delay_s
            .take()
            .map(|delay_s| after(delay_s).min(session_ends));
    }

    fn tell(&mut self, input: Input) -> Vec<Packet> {
        let mut out = Vec::new();
        self.broker.handle(self.now, input, &mut out);
        let mut sent = Vec::new();
        for output in out.into_iter().map(Output::whole) {
            match output {
                Output::Send(_, packet) => sent.push(packet),
                Output::Close(conn, reason) => {
                    let who = self
                        .clients
                        .iter()
                        .position(|client| client.conn == Some(conn));
                    if let (Some(who), ReasonCode::KeepAliveTimeout) = (who, reason) {
                        self.ended(who);
                    }
                }
                Output::Event(BrokerEvent::WillPublished { .. }) => self.wills_published += 1,
                Output::Event(_) => {}
                Output::Publish(..) => unreachable!("every packet is whole"),
                Output::Persist(..) => panic!("it is stored already"),
            }
        }
        sent
    }

    /// All clients disconnect, and time passes until no timeout is left.
    fn finish(&mut self) {
        for who in 0..CLIENTS {
            if self.clients[who].conn.is_none() {
                self.connect(who);
            }
            let conn = self.clients[who].conn.unwrap();
            let client = &mut self.clients[who];
            client.expiry_interval_s = client.expiry_interval_s.min(1_000);
            let end = match client.expiry_interval_s {
                0 => DisconnectPacket::new(ReasonCode::DisconnectWithWillMessage),
                seconds => DisconnectPacket::new(ReasonCode::DisconnectWithWillMessage)
                    .with_session_expiry_interval(seconds),
            };
            self.ended(who);
            self.tell(Input::Packet(conn, end.packet()));
        }
        let delete = publish("t", "").with_retain(true);
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.tell(Input::Opened(conn));
        self.tell(Input::Packet(conn, client("cleaner").packet()));
        self.tell(Input::Packet(conn, delete.packet()));
        self.tell(Input::Gone(conn));
        while let Some(at) = self.broker.next_timeout() {
            self.now = self.now.max(at);
            self.tell(Input::Timeout);
        }
        self.wills_expected += self
            .clients
            .iter()
            .filter(|client| client.will_due.is_some())
            .count();
        assert_eq!(self.wills_published, self.wills_expected);
        let stats = self.broker.stats();
        assert_eq!(
            (stats.connections, stats.sessions, stats.retained_messages),
            (0, 0, 0)
        );
    }
}

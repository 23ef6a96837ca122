//! The task that owns the broker. No other task accesses it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use broker::codec::{DecodeError, EncodeError, ProtocolVersion};
use broker::packet::disconnect::DisconnectPacket;
use broker::{Broker, BrokerEvent, ConnId, Input, Output, Packet, ReasonCode, Time};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::encoded::Encoded;
use crate::intake::{Batch, ENDS_AT_ONCE, End, Intake, Queue, ROW_WORK, Waiting};
use crate::outbox::{Full, Outbox, Outboxes, Pushed};
use crate::places::Place;
use crate::receive_budget::NO_ROOM;
use crate::takeover::{Ask, Holders, ReadFirst};

/// The number of consecutive turns before other tasks run on this thread. Other tasks after each turn would slow a
/// pipelining client by a tenth.
const TURNS_IN_A_ROW: u32 = 4;
/// The pause between two searches for connections that do not read.
const LOOK_PAUSE_MS: u64 = 100;

/// A report of a connection to the engine.
#[derive(Debug)]
pub(crate) enum Report {
    /// It is open; the broker's packets go to the outbox.
    Opened {
        outbox: Outbox,
        ask: Ask,
        place: Place,
    },
    /// A client with this identifier is about to connect.
    Arriving(Arc<str>, ReadFirst),
    /// Packets arrived.
    Packets(Batch),
    /// Invalid bytes arrived.
    Malformed(DecodeError),
    /// It is no longer congested.
    HasRoom,
    /// It has handed in all packets that these wait for.
    HandedIn(Vec<ReadFirst>),
    /// It ended.
    Gone,
    /// There is no room for its packet.
    NoRoom,
}

/// A connection's sender of reports to the broker.
#[derive(Clone, Debug)]
pub(crate) struct ToEngine(mpsc::UnboundedSender<(ConnId, Report)>);

impl ToEngine {
    /// Never waits: each batch of packets needs a credit, so few reports of a connection are in transit. Reports after the
    /// broker's end are dropped.
    pub(crate) fn send(&self, conn: ConnId, report: Report) {
        let _ = self.0.send((conn, report));
    }
}

/// The engine's side of a connection.
#[derive(Debug)]
struct Connection {
    outbox: Outbox,
    version: ProtocolVersion,
    /// Whether its client accepts packets of any size.
    takes_reasons: bool,
    /// Sends requests to read its socket.
    ask: Ask,
    /// The place of a connection whose client is not accepted yet; none afterwards.
    place: Option<Place>,
    /// The client identifier.
    client_id: Option<Arc<str>>,
}

/// The broker and the state of its connections.
#[derive(Debug)]
pub(crate) struct Engine {
    broker: Broker,
    clock: Clock,
    inbox: mpsc::UnboundedReceiver<(ConnId, Report)>,
    intake: Intake,
    connections: HashMap<ConnId, Connection>,
    holders: Holders,
    /// Connections that have become congested, for the next report to the broker.
    congested: Vec<ConnId>,
    outboxes: Outboxes,
    /// The time of the next search for connections that do not read.
    next_look: Time,
    /// A timeout is due, and is handled after this row of the intake.
    timeout_after: Option<u64>,
    /// Whether to print events.
    verbose: bool,
}

impl Engine {
    pub(crate) fn new(
        broker: Broker,
        turn_work_max: usize,
        outboxes: Outboxes,
        verbose: bool,
    ) -> (Self, ToEngine) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let engine = Self {
            broker,
            clock: Clock::start(),
            inbox,
            intake: Intake::new(turn_work_max),
            connections: HashMap::new(),
            holders: Holders::default(),
            congested: Vec::new(),
            outboxes,
            next_look: Time::default(),
            timeout_after: None,
            verbose,
        };
        (engine, ToEngine(sender))
    }

    /// Runs until `end` is given or dropped. Then it disconnects the clients, and returns after all connections have
    /// ended.
    pub(crate) async fn run(mut self, mut end: oneshot::Receiver<()>) {
        let mut out = Vec::new();
        let mut turns = 0_u32;
        loop {
            if self.intake.is_empty() {
                turns = 0;
                let timeout = self.broker.next_timeout();
                let silence = timeout.map(|time| self.clock.until(time));
                let time_is_up = async {
                    match silence {
                        Some(duration) => sleep(duration).await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    _ = &mut end => break,
                    // Packets come before timeouts, so that a busy broker closes no client that has sent in time.
                    report = self.inbox.recv() => match report {
                        Some((conn, report)) => self.take_in(conn, report, &mut out),
                        None => return,
                    },
                    () = time_is_up => {}
                }
            } else {
                // Other threads read and write sockets meanwhile, but a system with one core has no other thread.
                turns += 1;
                if turns.is_multiple_of(TURNS_IN_A_ROW) {
                    yield_now().await;
                }
                if end.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
                    break;
                }
            }
            self.turn(&mut out);
        }
        self.handle(Input::Shutdown, &mut out);
        self.connections.clear();
        self.intake = Intake::new(1);
        while self.inbox.recv().await.is_some() {}
    }

    /// Takes in all reports, and has the broker handle a slice of them and a few ends of connections.
    fn turn(&mut self, out: &mut Vec<Output>) {
        self.take_in_all(out);
        self.intake.begin_slice();
        while self.intake.has_time()
            && let Some((conn, queue)) = self.intake.next_row()
        {
            self.serve(conn, queue, out);
        }
        self.intake.begin_slice();
        for _ in 0..ENDS_AT_ONCE {
            if !self.intake.has_time() {
                break;
            }
            let Some((conn, queue)) = self.intake.next_end() else {
                break;
            };
            if let Some(Waiting::End(End::NoRoom)) = queue.front() {
                self.refuse(conn);
            }
            self.forget(conn);
            self.handle(Input::Gone(conn), out);
            // Dropping the requests that waited for this end answers them.
            drop(queue);
        }
        self.check_timeout(out);
        self.check_outboxes();
    }

    /// Closes connections that do not read, if there is no room for the others. The cost is linear in all connections.
    fn check_outboxes(&mut self) {
        if !self.outboxes.exceed() {
            return;
        }
        let now = self.clock.now();
        if now < self.next_look {
            return;
        }
        self.next_look = now.plus_ms(LOOK_PAUSE_MS);
        let count = self.outboxes.discard_still(Instant::now());
        if count > 0 {
            eprintln!(
                "{count} connections are closed because they do not read, and more than outboxes_bytes_max bytes wait."
            );
        }
    }

    /// A client whose packets wait is not silent, so a timeout follows the packets that waited when it became due.
    fn check_timeout(&mut self, out: &mut Vec<Output>) {
        let now = self.clock.now();
        if self.broker.next_timeout().is_none_or(|due| due > now) {
            self.timeout_after = None;
            return;
        }
        let last_row = self.intake.last_row();
        let row = *self.timeout_after.get_or_insert(last_row);
        if self.intake.has_passed(row) {
            self.timeout_after = None;
            self.handle(Input::Timeout, out);
        }
    }

    fn take_in_all(&mut self, out: &mut Vec<Output>) {
        // Only the present ones, because others may report endlessly.
        for _ in 0..self.inbox.len() {
            if let Ok((conn, report)) = self.inbox.try_recv() {
                self.take_in(conn, report, out);
            }
        }
    }

    fn take_in(&mut self, conn: ConnId, report: Report, out: &mut Vec<Output>) {
        match report {
            Report::Opened { outbox, ask, place } => {
                let connection = Connection {
                    outbox,
                    version: ProtocolVersion::default(),
                    takes_reasons: false,
                    ask,
                    place: Some(place),
                    client_id: None,
                };
                self.connections.insert(conn, connection);
                self.handle(Input::Opened(conn), out);
            }
            Report::Arriving(client_id, request) => self.arrive(conn, client_id, &request),
            Report::Packets(batch) => self.wait(conn, Waiting::Packets(batch)),
            Report::Malformed(error) => self.wait(conn, Waiting::Malformed(error)),
            Report::HasRoom => self.wait(conn, Waiting::HasRoom),
            Report::HandedIn(requests) => self.wait(conn, Waiting::ReadFirst(requests)),
            Report::Gone => self.wait(conn, Waiting::End(End::Gone)),
            Report::NoRoom => self.wait(conn, Waiting::End(End::NoRoom)),
        }
    }

    /// Puts a report into the queue of its connection. The broker has no use for reports of a connection that is closed.
    fn wait(&mut self, conn: ConnId, waiting: Waiting) {
        if self.connections.contains_key(&conn) {
            self.intake.push(conn, waiting);
        }
    }

    /// Handles a row of a connection's reports.
    fn serve(&mut self, conn: ConnId, mut queue: Queue, out: &mut Vec<Output>) {
        let enough = self.intake.work().saturating_add(ROW_WORK);
        while self.intake.has_time() && self.intake.work() < enough {
            match queue.front_mut() {
                Some(Waiting::Packets(batch)) => {
                    if let Some(packet) = batch.packets.next() {
                        self.on_packet(conn, packet, out);
                    }
                    if batch.packets.len() > 0 {
                        continue;
                    }
                }
                Some(Waiting::Malformed(_)) => {
                    if let Some(Waiting::Malformed(error)) = queue.pop_front() {
                        self.handle(Input::Malformed(conn, error), out);
                    }
                    continue;
                }
                Some(Waiting::HasRoom) => {
                    // If it is congested again, it reports again.
                    let connection = self.connections.get(&conn);
                    if connection.is_some_and(|connection| !connection.outbox.is_congested()) {
                        self.handle(Input::Congested(conn, false), out);
                    }
                }
                Some(Waiting::ReadFirst(_)) => {}
                Some(Waiting::End(_)) | None => break,
            }
            queue.pop_front();
        }
        // The broker may have closed it.
        if self.connections.contains_key(&conn) {
            self.intake.put_back(conn, queue);
        }
    }

    fn on_packet(&mut self, conn: ConnId, packet: Packet, out: &mut Vec<Output>) {
        if let (Packet::Connect(connect), Some(connection)) =
            (&packet, self.connections.get_mut(&conn))
        {
            connection.version = ProtocolVersion::of(connect);
            // A client with a limit gets the reason code alone, which always fits.
            connection.takes_reasons = connect.properties.get_maximum_packet_size().is_none();
            if let Some(place) = &mut connection.place {
                place.has_sent_connect();
            }
        }
        self.handle(Input::Packet(conn, packet), out);
    }

    /// Sends a client the reason for the end of its connection. Its session continues as after any lost connection.
    fn refuse(&mut self, conn: ConnId) {
        eprintln!("Connection {} is closed: {NO_ROOM}.", conn.0);
        // Before CONNACK a server sends no DISCONNECT, and before MQTT 5.0 it has none.
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        if connection.place.is_some() || connection.version != ProtocolVersion::V5 {
            return;
        }
        let mut disconnect = DisconnectPacket::new(ReasonCode::QuotaExceeded);
        if connection.takes_reasons {
            disconnect = disconnect.with_reason_string(NO_ROOM.to_owned());
        }
        let packet = Packet::Disconnect(disconnect);
        self.send(conn, |version| Encoded::answer(&packet, version));
    }

    /// Asks the connections with a client's identifier to read their arrived bytes before that client connects.
    fn arrive(&mut self, conn: ConnId, client_id: Arc<str>, request: &ReadFirst) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        connection.client_id = Some(Arc::clone(&client_id));
        for other in self.holders.arriving(client_id, conn) {
            if let Some(connection) = self.connections.get(&other)
                // An ending connection reads nothing more, but its last reports may wait.
                && let Err(unsent) = connection.ask.send(request.clone())
            {
                self.intake.push(other, Waiting::ReadFirst(vec![unsent.0]));
            }
        }
    }

    fn handle(&mut self, input: Input, out: &mut Vec<Output>) {
        self.handle_one(input, out);
        while let Some(conn) = self.congested.pop() {
            self.handle_one(Input::Congested(conn, true), out);
        }
    }

    fn handle_one(&mut self, input: Input, out: &mut Vec<Output>) {
        self.intake.count(self.broker.work_of(&input));
        self.broker.handle(self.clock.now(), input, out);
        self.carry_out(out);
    }

    /// Closes a connection on the front's decision. The broker learns of it in the order of the reports.
    fn give_up(&mut self, conn: ConnId) {
        self.forget(conn);
        self.intake.push(conn, Waiting::End(End::Gone));
    }

    /// Sends nothing more to a connection and drops its waiting reports.
    fn forget(&mut self, conn: ConnId) {
        self.intake.forget(conn);
        if let Some(connection) = self.connections.remove(&conn)
            && let Some(client_id) = connection.client_id
        {
            self.holders.gone(&client_id, conn);
        }
    }

    /// The client of a connection was accepted.
    fn accepted(&mut self, conn: ConnId, client_id: &Arc<str>) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.place = None;
            connection.client_id = Some(Arc::clone(client_id));
            self.holders.accepted(Arc::clone(client_id), conn);
        }
    }

    fn carry_out(&mut self, out: &mut Vec<Output>) {
        for output in out.drain(..) {
            match output {
                Output::Send(conn, packet) => {
                    self.intake.count(1);
                    self.send(conn, |version| Encoded::answer(&packet, version));
                }
                Output::Publish(conn, publish) => {
                    self.intake.count(publish.work());
                    self.send(conn, |version| Encoded::message(publish, version));
                }
                Output::Close(conn, _) => {
                    self.forget(conn);
                }
                // The broker is not durable.
                Output::Persist(..) => {}
                Output::Event(event) => {
                    if let BrokerEvent::Connected {
                        conn, client_id, ..
                    } = &event
                    {
                        self.accepted(*conn, client_id);
                    }
                    if self.verbose {
                        eprintln!("{event}");
                    }
                }
            }
        }
    }

    fn send(
        &mut self,
        conn: ConnId,
        encode: impl FnOnce(ProtocolVersion) -> Result<Encoded, EncodeError>,
    ) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let encoded = match encode(connection.version) {
            Ok(encoded) => encoded,
            Err(error) => {
                eprintln!("A packet to connection {} was not sent: {error}.", conn.0);
                return;
            }
        };
        let may_be_lost = encoded.may_be_lost();
        match connection.outbox.push(encoded) {
            Ok(Pushed::Waits) => {}
            Ok(Pushed::Congested) => self.congested.push(conn),
            // The broker learns of a congestion after the present outputs.
            Err(Full) if may_be_lost => {}
            Err(Full) => {
                eprintln!("Connection {} is closed because it does not read.", conn.0);
                self.give_up(conn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use broker::codec;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use tokio::sync::Semaphore;
    use tokio::sync::mpsc::error::TryRecvError;

    use super::*;
    use crate::outbox::Outgoing;
    use crate::places::Places;
    use crate::takeover::{Asked, read_first};

    /// The work of a slice in these tests.
    const WORK: usize = 200;
    const OUTBOXES_BYTES: usize = 100_000_000;

    struct World {
        engine: Engine,
        to_engine: ToEngine,
        out: Vec<Output>,
        last: u64,
    }

    struct Client {
        conn: ConnId,
        outgoing: Outgoing,
        asked: Asked,
    }

    impl World {
        fn new(config: broker::Config) -> Self {
            let (engine, to_engine) = Engine::new(
                Broker::new(config),
                WORK,
                Outboxes::new(OUTBOXES_BYTES),
                false,
            );
            Self {
                engine,
                to_engine,
                out: Vec::new(),
                last: 0,
            }
        }

        fn turn(&mut self) {
            self.engine.turn(&mut self.out);
        }

        fn turn_until_idle(&mut self) {
            self.turn();
            while !self.engine.intake.is_empty() {
                self.turn();
            }
        }

        fn open(&mut self) -> Client {
            self.last += 1;
            let conn = ConnId(self.last);
            let (outbox, outgoing, _closed) = self.engine.outboxes.open(10_000_000);
            let (ask, asked) = Asked::new();
            let places = Places::new(1);
            let (place, _lost) = places
                .take(Ipv4Addr::LOCALHOST.into())
                .now_or_never()
                .unwrap();
            self.send(conn, Report::Opened { outbox, ask, place });
            Client {
                conn,
                outgoing,
                asked,
            }
        }

        fn connect(&mut self) -> Client {
            let mut client = self.open();
            self.packets(&client, &connect(client.conn.0));
            self.turn_until_idle();
            assert_eq!(client.received(), [0x20]);
            client
        }

        fn subscribe(&mut self) -> Client {
            let mut client = self.connect();
            self.packets(&client, b"\x82\x07\x00\x01\x00\x00\x01t\x00");
            self.turn_until_idle();
            assert_eq!(client.received(), [0x90]);
            client
        }

        fn send(&self, conn: ConnId, report: Report) {
            self.to_engine.send(conn, report);
        }

        fn packets(&self, client: &Client, bytes: &[u8]) {
            let mut bytes = Bytes::copy_from_slice(bytes);
            let mut packets = Vec::new();
            while let Some(packet) =
                codec::decode(&mut bytes, ProtocolVersion::V5, 1_000_000).unwrap()
            {
                packets.push(packet);
            }
            let credit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            self.send(
                client.conn,
                Report::Packets(Batch::new(packets, credit, None)),
            );
        }
    }

    impl Client {
        /// The first bytes of the packets that came.
        fn received(&mut self) -> Vec<u8> {
            let mut received = Vec::new();
            let mut batch = Vec::new();
            while let Some(true) = self.outgoing.next(&mut batch).now_or_never() {
                received.extend(batch.iter().map(|packet| {
                    let head = packet.parts().next().unwrap();
                    head[0]
                }));
                let _ = self.outgoing.written(&batch);
                batch.clear();
            }
            received
        }
    }

    fn connect(number: u64) -> Vec<u8> {
        let start = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01";
        [&start[..], &[b'A' + (number % 50) as u8]].concat()
    }

    const PUBLISH: &[u8] = b"\x30\x04\x00\x01t\x00";
    const PINGREQ: &[u8] = b"\xc0\x00";

    #[test]
    fn a_flood_to_many_receivers_delays_another_client_by_one_row() {
        let mut world = World::new(broker::Config::default());
        let mut receivers: Vec<_> = (0..40).map(|_| world.subscribe()).collect();
        let flooder = world.connect();
        let mut other = world.connect();
        world.packets(&flooder, &PUBLISH.repeat(200));
        world.packets(&other, PINGREQ);
        world.turn();
        assert_eq!(other.received(), [0xd0]);
        let messages = receivers[0].received().len();
        // Each has 41 units of work: two fill a row, and the slice has room for three rows.
        assert_eq!(messages, 5);
        world.turn_until_idle();
        assert_eq!(receivers[0].received().len(), 200 - messages);
    }

    #[test]
    fn the_payload_counts_as_work() {
        let mut world = World::new(broker::Config::default());
        let mut receiver = world.subscribe();
        let flooder = world.connect();
        // 100 KiB each.
        let packet = [&b"\x30\x84\xa0\x06\x00\x01t\x00"[..], &[7; 100 * 1024]].concat();
        world.packets(&flooder, &packet.repeat(20));
        world.turn();
        assert_eq!(receiver.received().len(), 2);
    }

    #[test]
    fn a_subscribe_counts_with_all_its_filters() {
        let mut world = World::new(broker::Config::default());
        let mut subscriber = world.connect();
        let mut other = world.connect();
        // 26 filters, "a" to "z", and so 27 units each.
        let filters: Vec<u8> = (b'a'..=b'z').flat_map(|name| [0, 1, name, 0]).collect();
        let subscribe = [&b"\x82\x6b\x00\x01\x00"[..], &filters].concat();
        world.packets(&subscriber, &subscribe.repeat(WORK));
        world.packets(&other, PINGREQ);
        world.turn();
        assert_eq!(other.received(), [0xd0]);
        // Each is answered, which is another unit: three fill a row, and the slice has room for three rows.
        assert_eq!(subscriber.received().len(), 8);
    }

    #[test]
    fn each_turn_handles_a_few_ended_connections() {
        let mut world = World::new(broker::Config::default());
        let ending: Vec<_> = (0..3 * ENDS_AT_ONCE).map(|_| world.open()).collect();
        world.turn_until_idle();
        let mut other = world.connect();
        for client in &ending {
            world.send(client.conn, Report::Gone);
        }
        world.packets(&other, PINGREQ);
        let mut connections = world.engine.connections.len();
        world.turn();
        assert_eq!(
            other.received(),
            [0xd0],
            "it is not served before the ended connections"
        );
        while !world.engine.intake.is_empty() {
            world.turn();
            connections -= ENDS_AT_ONCE;
            assert_eq!(world.engine.connections.len(), connections - ENDS_AT_ONCE);
        }
        assert_eq!(world.engine.connections.len(), 1);
    }

    #[test]
    fn ended_connections_are_handled_during_a_flood() {
        let mut world = World::new(broker::Config::default());
        let ending: Vec<_> = (0..3 * ENDS_AT_ONCE).map(|_| world.open()).collect();
        let flooder = world.connect();
        world.packets(&flooder, &PINGREQ.repeat(2 * WORK));
        for client in &ending {
            world.send(client.conn, Report::Gone);
        }
        for _ in 0..3 {
            assert!(world.engine.connections.len() > 1);
            world.turn();
        }
        assert_eq!(world.engine.connections.len(), 1);
    }

    #[test]
    fn a_client_that_reconnects_waits_for_the_packets_of_its_old_connection() {
        let mut world = World::new(broker::Config::default());
        let mut receiver = world.subscribe();
        let old = world.connect();
        let new = world.open();
        world.packets(&old, &PUBLISH.repeat(WORK));
        let (request, mut answer) = read_first();
        world.send(old.conn, Report::Gone);
        world.send(old.conn, Report::HandedIn(vec![request]));
        world.turn();
        assert!(!answer.is_there());
        let mut messages = receiver.received().len();
        assert!(messages < WORK);
        while world.engine.connections.contains_key(&old.conn) {
            assert!(!answer.is_there());
            world.turn();
        }
        messages += receiver.received().len();
        assert_eq!(messages, WORK);
        assert!(answer.is_there());
        drop(new);
    }

    #[test]
    fn a_request_to_a_connection_that_has_stopped_reading_waits_for_its_reports() {
        let mut world = World::new(broker::Config::default());
        let mut old = world.connect();
        let new = world.open();
        world.packets(&old, &PINGREQ.repeat(WORK));
        world.turn();
        // Its reading task has ended.
        drop(old.asked.end());
        let (request, mut answer) = read_first();
        let client_id = Arc::from(format!("{}", char::from(connect(old.conn.0)[15])).as_str());
        world.send(new.conn, Report::Arriving(client_id, request));
        let mut turns = 0;
        loop {
            world.turn();
            turns += 1;
            if answer.is_there() {
                break;
            }
        }
        assert!(turns > 1, "{turns}");
        old.outgoing.next(&mut Vec::new()).now_or_never().unwrap();
    }

    #[test]
    fn a_timeout_follows_the_packets_that_waited_when_it_was_due() {
        let config = broker::Config {
            connect_timeout_ms: 1,
            ..broker::Config::default()
        };
        let mut world = World::new(config);
        let flooders: Vec<_> = (0..5).map(|_| world.connect()).collect();
        let mut client = world.open();
        let silent = world.open();
        world.engine.take_in_all(&mut world.out);
        thread::sleep(Duration::from_millis(5));
        for flooder in &flooders {
            world.packets(flooder, &PINGREQ.repeat(10 * WORK));
        }
        world.packets(&client, &connect(client.conn.0));
        world.turn();
        assert!(
            client.received().is_empty(),
            "the slice ended before its row"
        );
        assert!(world.engine.connections.contains_key(&silent.conn));
        world.turn();
        world.turn();
        assert_eq!(client.received(), [0x20]);
        assert!(!world.engine.connections.contains_key(&silent.conn));
        assert!(!world.engine.intake.is_empty(), "the flood has ended early");
    }

    #[test]
    fn reports_of_a_closed_connection_are_dropped() {
        let mut world = World::new(broker::Config::default());
        let client = world.connect();
        let credits = Arc::new(Semaphore::new(1));
        let credit = Arc::clone(&credits).try_acquire_owned().unwrap();
        // A second CONNECT closes the connection.
        world.packets(&client, &connect(client.conn.0).repeat(2));
        let batch = Batch::new(vec![Packet::PingReq], credit, None);
        world.send(client.conn, Report::Packets(batch));
        world.send(client.conn, Report::Gone);
        world.turn();
        assert!(world.engine.intake.is_empty());
        assert_eq!(credits.available_permits(), 1);
        assert!(matches!(
            world.engine.inbox.try_recv(),
            Err(TryRecvError::Empty)
        ));
    }
}

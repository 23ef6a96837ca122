//! The task that owns the broker: the only one that ever touches it.

use std::collections::HashMap;
use std::future::pending;

use broker::codec::{self, DecodeError, ProtocolVersion};
use broker::{Broker, BrokerEvent, ConnId, Input, Output, Packet, QoS};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::outbox::{Full, Outbox, Pushed};

/// How many things connections have said may wait for the broker; whoever wants to say more waits, and so does whoever
/// sends to it.
const INBOX: usize = 256;

/// One of the places for connections whose client is not accepted yet; dropped when it is, or with the connection.
pub(crate) type Place = OwnedSemaphorePermit;

/// What a connection says.
#[derive(Debug)]
pub(crate) enum Said {
    /// It is open; what the broker sends to it goes to the outbox.
    Opened { outbox: Outbox, place: Place },
    /// Packets came.
    Packets(Vec<Packet>),
    /// What came is no packet.
    Malformed(DecodeError),
    /// It is not congested any more.
    HasRoom,
    /// It ended.
    Gone,
}

/// The way to the broker, for a connection.
#[derive(Clone, Debug)]
pub(crate) struct ToEngine(mpsc::Sender<(ConnId, Said)>);

impl ToEngine {
    /// Waits while the broker is behind. Once the broker has ended, nothing is said to anyone.
    pub(crate) async fn say(&self, conn: ConnId, said: Said) {
        let _ = self.0.send((conn, said)).await;
    }
}

/// The way to a connection.
#[derive(Debug)]
struct Link {
    outbox: Outbox,
    version: ProtocolVersion,
    /// None since its client was accepted.
    place: Option<Place>,
}

/// The broker and what it has to do with the connections.
#[derive(Debug)]
pub(crate) struct Engine {
    broker: Broker,
    clock: Clock,
    inbox: mpsc::Receiver<(ConnId, Said)>,
    links: HashMap<ConnId, Link>,
    /// Connections that have become congested, of which the broker is to be told.
    congested: Vec<ConnId>,
    /// Connections that do not read, to be given up.
    stuck: Vec<ConnId>,
    /// Whether to tell what happens.
    verbose: bool,
}

impl Engine {
    pub(crate) fn new(broker: Broker, verbose: bool) -> (Self, ToEngine) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let engine = Self {
            broker,
            clock: Clock::start(),
            inbox,
            links: HashMap::new(),
            congested: Vec::new(),
            stuck: Vec::new(),
            verbose,
        };
        (engine, ToEngine(sender))
    }

    /// Runs until `end` is given or dropped; then tells the clients, and returns when all connections have ended as well.
    pub(crate) async fn run(mut self, mut end: oneshot::Receiver<()>) {
        let mut said = Vec::with_capacity(INBOX);
        let mut out = Vec::new();
        loop {
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
                // First what came, then the silences: a broker that was busy must not give up who was not silent.
                count = self.inbox.recv_many(&mut said, INBOX) => if count == 0 {
                    return;
                },
                () = time_is_up => {}
            }
            for (conn, said) in said.drain(..) {
                self.hear(conn, said, &mut out);
            }
            let now = self.clock.now();
            if self.broker.next_timeout().is_some_and(|due| due <= now) {
                self.handle(Input::Timeout, &mut out);
            }
        }
        self.handle(Input::Shutdown, &mut out);
        self.links.clear();
        while self.inbox.recv_many(&mut said, INBOX).await > 0 {
            said.clear();
        }
    }

    fn hear(&mut self, conn: ConnId, said: Said, out: &mut Vec<Output>) {
        match said {
            Said::Opened { outbox, place } => {
                let link = Link {
                    outbox,
                    version: ProtocolVersion::default(),
                    place: Some(place),
                };
                self.links.insert(conn, link);
                self.handle(Input::Opened(conn), out);
            }
            Said::Packets(packets) => {
                for packet in packets {
                    if let (Packet::Connect(connect), Some(link)) =
                        (&packet, self.links.get_mut(&conn))
                    {
                        link.version = ProtocolVersion::of(connect);
                    }
                    self.handle(Input::Packet(conn, packet), out);
                }
            }
            Said::Malformed(error) => self.handle(Input::Malformed(conn, error), out),
            Said::HasRoom => {
                // It may be congested anew by now; then it says this again.
                let link = self.links.get(&conn);
                if link.is_some_and(|link| !link.outbox.is_congested()) {
                    self.handle(Input::Congested(conn, false), out);
                }
            }
            Said::Gone => {
                self.links.remove(&conn);
                self.handle(Input::Gone(conn), out);
            }
        }
    }

    fn handle(&mut self, input: Input, out: &mut Vec<Output>) {
        self.broker.handle(self.clock.now(), input, out);
        self.carry_out(out);
        loop {
            let input = if let Some(conn) = self.stuck.pop() {
                if self.links.remove(&conn).is_none() {
                    continue;
                }
                Input::Gone(conn)
            } else if let Some(conn) = self.congested.pop() {
                Input::Congested(conn, true)
            } else {
                break;
            };
            self.broker.handle(self.clock.now(), input, out);
            self.carry_out(out);
        }
    }

    fn carry_out(&mut self, out: &mut Vec<Output>) {
        for output in out.drain(..) {
            match output {
                Output::Send(conn, packet) => self.send(conn, &packet),
                Output::Close(conn, _) => {
                    self.links.remove(&conn);
                }
                // The broker is not durable.
                Output::Persist(..) => {}
                Output::Event(event) => {
                    if let BrokerEvent::Connected { conn, .. } = &event
                        && let Some(link) = self.links.get_mut(conn)
                    {
                        link.place = None;
                    }
                    if self.verbose {
                        eprintln!("{event}");
                    }
                }
            }
        }
    }

    fn send(&mut self, conn: ConnId, packet: &Packet) {
        let Some(link) = self.links.get(&conn) else {
            return;
        };
        let mut bytes = Vec::new();
        if let Err(error) = codec::encode(packet, link.version, &mut bytes) {
            eprintln!("A packet to connection {} was not sent: {error}.", conn.0);
            return;
        }
        match link.outbox.push(Bytes::from(bytes)) {
            Ok(Pushed::Waits) => {}
            Ok(Pushed::Congested) => self.congested.push(conn),
            // The broker learns of a congestion after what it has just sent.
            Err(Full) if may_be_lost(packet) => {}
            Err(Full) => {
                eprintln!(
                    "Connection {} does not read what it is sent, and is closed.",
                    conn.0
                );
                self.stuck.push(conn);
            }
        }
    }
}

/// Whether nothing but this packet is lost with it. One that gives a topic its alias is needed to read those after it.
fn may_be_lost(packet: &Packet) -> bool {
    matches!(packet, Packet::Publish(publish)
        if publish.qos == QoS::AtMostOnce
            && (publish.topic_name.is_empty() || publish.properties.get_topic_alias().is_none()))
}

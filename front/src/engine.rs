//! The task that owns the broker: the only one that ever touches it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use broker::codec::{self, DecodeError, EncodeError, ProtocolVersion};
use broker::packet::publish::PublishPacket;
use broker::{Broker, BrokerEvent, ConnId, Input, Output, Packet, QoS};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::outbox::{Full, Outbox, Pushed};
use crate::takeover::{Ask, Holders, ReadFirst};

/// The capacity of the queue to the broker. A connection with more waits, and so does its client.
const INBOX: usize = 256;

/// One of the places for connections whose client is not accepted yet; dropped when it is, or with the connection.
pub(crate) type Place = OwnedSemaphorePermit;

/// A report of a connection to the engine.
#[derive(Debug)]
pub(crate) enum Said {
    /// It is open; the broker's packets go to the outbox.
    Opened {
        outbox: Outbox,
        ask: Ask,
        place: Place,
    },
    /// A client with this identifier is about to connect.
    Arriving(Arc<str>, ReadFirst),
    /// Packets arrived.
    Packets(Vec<Packet>),
    /// Invalid bytes arrived.
    Malformed(DecodeError),
    /// It is no longer congested.
    HasRoom,
    /// It ended.
    Gone,
}

/// The way to the broker, for a connection.
#[derive(Clone, Debug)]
pub(crate) struct ToEngine(mpsc::Sender<(ConnId, Said)>);

impl ToEngine {
    /// Waits while the queue is full. After the broker's end, reports are dropped.
    pub(crate) async fn say(&self, conn: ConnId, said: Said) {
        let _ = self.0.send((conn, said)).await;
    }
}

/// The way to a connection.
#[derive(Debug)]
struct Link {
    outbox: Outbox,
    version: ProtocolVersion,
    /// Where it is asked to read its socket.
    ask: Ask,
    /// None since its client was accepted.
    place: Option<Place>,
    /// The client identifier.
    client_id: Option<Arc<str>>,
}

/// The broker and what it has to do with the connections.
#[derive(Debug)]
pub(crate) struct Engine {
    broker: Broker,
    clock: Clock,
    inbox: mpsc::Receiver<(ConnId, Said)>,
    links: HashMap<ConnId, Link>,
    holders: Holders,
    /// Connections that have become congested, for the next report to the broker.
    congested: Vec<ConnId>,
    /// Connections that do not read, to be closed.
    stuck: Vec<ConnId>,
    /// Whether to print events.
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
            holders: Holders::default(),
            congested: Vec::new(),
            stuck: Vec::new(),
            verbose,
        };
        (engine, ToEngine(sender))
    }

    /// Runs until `end` is given or dropped. Then it disconnects the clients, and returns after all connections have
    /// ended.
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
                // Packets come before timeouts, so that a busy broker closes no client that has sent in time.
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
            Said::Opened { outbox, ask, place } => {
                let link = Link {
                    outbox,
                    version: ProtocolVersion::default(),
                    ask,
                    place: Some(place),
                    client_id: None,
                };
                self.links.insert(conn, link);
                self.handle(Input::Opened(conn), out);
            }
            Said::Arriving(client_id, request) => self.arrive(conn, client_id, &request),
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
                // It may be congested again by now, and then reports again.
                let link = self.links.get(&conn);
                if link.is_some_and(|link| !link.outbox.is_congested()) {
                    self.handle(Input::Congested(conn, false), out);
                }
            }
            Said::Gone => {
                self.forget(conn);
                self.handle(Input::Gone(conn), out);
            }
        }
    }

    /// Asks the connections that have the identifier of a client to read what has arrived there, before that client connects.
    fn arrive(&mut self, conn: ConnId, client_id: Arc<str>, request: &ReadFirst) {
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        link.client_id = Some(Arc::clone(&client_id));
        for other in self.holders.arriving(client_id, conn) {
            if let Some(link) = self.links.get(&other) {
                // An ending connection reads no more.
                let _ = link.ask.send(request.clone());
            }
        }
    }

    fn handle(&mut self, input: Input, out: &mut Vec<Output>) {
        self.broker.handle(self.clock.now(), input, out);
        self.carry_out(out);
        loop {
            let input = if let Some(conn) = self.stuck.pop() {
                if !self.forget(conn) {
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

    /// Sends nothing more to a connection; returns whether it was there.
    fn forget(&mut self, conn: ConnId) -> bool {
        let Some(link) = self.links.remove(&conn) else {
            return false;
        };
        if let Some(client_id) = link.client_id {
            self.holders.gone(&client_id, conn);
        }
        true
    }

    /// The client of a connection was accepted.
    fn accepted(&mut self, conn: ConnId, client_id: &Arc<str>) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.place = None;
            link.client_id = Some(Arc::clone(client_id));
            self.holders.accepted(Arc::clone(client_id), conn);
        }
    }

    fn carry_out(&mut self, out: &mut Vec<Output>) {
        for output in out.drain(..) {
            match output {
                Output::Send(conn, packet) => {
                    self.send(conn, false, |version, bytes| {
                        codec::encode(&packet, version, bytes)
                    });
                }
                Output::Publish(conn, publication) => {
                    let may_be_lost = may_be_lost(&publication.packet);
                    self.send(conn, may_be_lost, |version, bytes| {
                        publication.encode(version, bytes)
                    });
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
        may_be_lost: bool,
        encode: impl FnOnce(ProtocolVersion, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        let Some(link) = self.links.get(&conn) else {
            return;
        };
        let mut bytes = Vec::new();
        if let Err(error) = encode(link.version, &mut bytes) {
            eprintln!("A packet to connection {} was not sent: {error}.", conn.0);
            return;
        }
        match link.outbox.push(Bytes::from(bytes)) {
            Ok(Pushed::Waits) => {}
            Ok(Pushed::Congested) => self.congested.push(conn),
            // The broker learns of a congestion after what it has just sent.
            Err(Full) if may_be_lost => {}
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
fn may_be_lost(publish: &PublishPacket) -> bool {
    publish.qos == QoS::AtMostOnce
        && (publish.topic_name.is_empty() || publish.properties.get_topic_alias().is_none())
}

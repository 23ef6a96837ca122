//! One connection over any transport: bytes in, packets to the broker; packets from the broker, bytes out.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use broker::codec::{self, DecodeError, ProtocolVersion};
use broker::{ConnId, Packet};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use crate::encoded::Encoded;
use crate::engine::{Report, ToEngine};
use crate::intake::Batch;
use crate::outbox::{Outboxes, Outgoing};
use crate::places::Place;
use crate::receive_budget::{NO_ROOM, ReceiveBudget, Receiving};
use crate::takeover::{Asked, ReadFirst, read_first};

/// How long a client may take to read what was sent before its connection is closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to end a closed connection. If the front ended it earlier, the client could lose bytes: a
/// socket that is closed with unread input discards its sent bytes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest packet that may open a connection, in bytes.
pub(crate) const CONNECT_BYTES_MAX: u32 = 1024 * 1024;

/// The maximum of packets in one batch for the engine, because a packet of two bytes is many times larger in memory.
const PACKETS_AT_ONCE: usize = 256;

/// The bytes of packets that are written at once, unless one packet has more.
const PART_BYTES: usize = 256 * 1024;

/// Where bytes come from.
pub(crate) trait Source: Send {
    /// Waits for bytes and appends them; false when no more will come.
    fn read(
        &mut self,
        buffer: &mut BytesMut,
    ) -> impl Future<Output = Result<bool, SourceError>> + Send;

    /// The client has sent its CONNECT, so its packets may now be large.
    fn trust(&mut self);
}

/// Where packets go.
pub(crate) trait Sink: Send {
    fn write(&mut self, packets: &[Encoded]) -> impl Future<Output = io::Result<()>> + Send;

    /// Ends the stream to the client.
    fn finish(&mut self, ending: Ending) -> impl Future<Output = io::Result<()>> + Send;
}

/// Why no more bytes arrive.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// The connection broke.
    Broken,
    /// A WebSocket message is not binary. [MQTT-6.0.0-1]
    NotBinary,
    /// A WebSocket message or frame is too long, or breaks the protocol.
    NotAllowed,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Normal,
    NotBinary,
    NotAllowed,
    /// The unfinished packets of all connections take all room, and its own is the largest.
    NoRoom,
}

/// The limits of every connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) maximum_packet_size: u32,
    pub(crate) outbox_bytes_max: usize,
    /// How long a CONNECT waits for another connection of its client to be read.
    pub(crate) takeover_wait: Duration,
}

/// A connection's part of the limits for all connections.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) place: Place,
    pub(crate) budget: ReceiveBudget,
    pub(crate) receiving: Arc<Receiving>,
    pub(crate) outboxes: Outboxes,
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    conn: ConnId,
    mut source: impl Source,
    mut sink: impl Sink,
    engine: ToEngine,
    bounds: Bounds,
    admission: Admission,
) {
    let Admission {
        place,
        budget,
        receiving,
        outboxes,
    } = admission;
    let (outbox, outgoing, closed) = outboxes.open(bounds.outbox_bytes_max);
    let (ask, asked) = Asked::new();
    engine.send(conn, Report::Opened { outbox, ask, place });

    let mut ending = Ending::Normal;
    let sent = {
        // On the heap, so that it can be dropped early.
        let mut reading = Box::pin(read(
            conn,
            &mut source,
            &engine,
            asked,
            bounds,
            &budget,
            &receiving,
        ));
        let mut writing = pin!(write(conn, &mut sink, &engine, outgoing));
        tokio::select! {
            sent = &mut writing => {
                if sent.is_err() {
                    // Bytes from before the end of the connection are still decoded, because a DISCONNECT may be among them.
                    let _ = timeout(CLOSE_TIMEOUT, &mut reading).await;
                }
                sent
            }
            end = &mut reading => {
                ending = end;
                // Answers to the last packets are still sent, because the client may still read.
                within(FLUSH_TIMEOUT, &mut writing).await
            }
            _ = closed => {
                // Later packets of this client have no effect, so no other connection waits for them.
                drop(reading);
                within(FLUSH_TIMEOUT, &mut writing).await
            }
        }
    };
    // If the broker closed the connection, it ignores this.
    engine.send(conn, Report::Gone);
    if sent.is_ok() && within(CLOSE_TIMEOUT, sink.finish(ending)).await.is_ok() {
        // The result does not matter: the client has ended it, or the time is over.
        let _ = timeout(CLOSE_TIMEOUT, drain(&mut source, &receiving)).await;
    }
}

async fn within<F: Future<Output = io::Result<()>>>(limit: Duration, task: F) -> io::Result<()> {
    timeout(limit, task)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn read(
    conn: ConnId,
    source: &mut impl Source,
    engine: &ToEngine,
    mut asked: Asked,
    bounds: Bounds,
    budget: &ReceiveBudget,
    receiving: &Receiving,
) -> Ending {
    // When reading ends, its buffer is dropped and no longer counts.
    let _keeps_nothing = KeepsNothing(receiving);
    let mut frames = Frames::new(bounds.maximum_packet_size);
    let ending = loop {
        let before = frames.buffer.len();
        let read = tokio::select! {
            biased;
            () = receiving.end() => break Ending::NoRoom,
            read = source.read(&mut frames.buffer) => read,
            done = asked.nothing_to_read() => {
                hand_in(conn, done, engine);
                continue;
            }
        };
        match read {
            Ok(true) => {}
            Ok(false) | Err(SourceError::Broken) => break Ending::Normal,
            Err(SourceError::NotBinary) => break Ending::NotBinary,
            Err(SourceError::NotAllowed) => break Ending::NotAllowed,
        }
        let count = frames.buffer.len() - before;
        loop {
            let is_first = frames.version.is_none();
            let mut packets = Vec::new();
            let before = frames.taken.len() + frames.buffer.len();
            let decoded = frames.decode(&mut packets);
            let bytes = before - frames.taken.len() - frames.buffer.len();
            if !packets.is_empty() {
                source.trust();
                if is_first {
                    let_the_other_be_read(conn, packets.first(), engine, bounds).await;
                }
                // While earlier packets wait, nothing more is read. The credits are never closed.
                let Some(credit) = receiving.batch().await else {
                    return Ending::Normal;
                };
                let room = budget.complete(bytes).await;
                engine.send(conn, Report::Packets(Batch::new(packets, credit, room)));
            }
            match decoded {
                Ok(true) => {}
                Ok(false) => {
                    receiving.keeps(frames.buffer.len());
                    break;
                }
                Err(error) => {
                    engine.send(conn, Report::Malformed(error));
                    hand_in(conn, asked.end(), engine);
                    return Ending::Normal;
                }
            }
        }
        hand_in(conn, asked.handed_in(count), engine);
    };
    engine.send(
        conn,
        match ending {
            Ending::Normal | Ending::NotBinary | Ending::NotAllowed => Report::Gone,
            Ending::NoRoom => Report::NoRoom,
        },
    );
    // A reconnecting client also waits for the end of this connection.
    hand_in(conn, asked.end(), engine);
    ending
}

/// The room that a connection takes is free again when this is dropped.
struct KeepsNothing<'a>(&'a Receiving);

impl Drop for KeepsNothing<'_> {
    fn drop(&mut self) {
        self.0.keeps(0);
    }
}

/// Answers requests after all packets that were handed in before.
fn hand_in(conn: ConnId, done: Vec<ReadFirst>, engine: &ToEngine) {
    if !done.is_empty() {
        engine.send(conn, Report::HandedIn(done));
    }
}

/// A reconnecting client may have sent more on its old connection: see [`crate::takeover`].
async fn let_the_other_be_read(
    conn: ConnId,
    first: Option<&Packet>,
    engine: &ToEngine,
    bounds: Bounds,
) {
    if let Some(Packet::Connect(connect)) = first
        && !connect.client_id.is_empty()
    {
        let (request, answer) = read_first();
        let client_id = connect.client_id.as_str().into();
        engine.send(conn, Report::Arriving(client_id, request));
        answer.within(bounds.takeover_wait).await;
    }
}

async fn write(
    conn: ConnId,
    sink: &mut impl Sink,
    engine: &ToEngine,
    mut outgoing: Outgoing,
) -> io::Result<()> {
    let discarded = outgoing.discarded();
    let writing = async {
        let mut batch = Vec::new();
        while outgoing.next(&mut batch).await {
            let mut rest = &batch[..];
            while let Some(part) = first_part(&mut rest) {
                sink.write(part).await?;
                if outgoing.written(part) {
                    engine.send(conn, Report::HasRoom);
                }
            }
            batch.clear();
        }
        Ok(())
    };
    tokio::select! {
        biased;
        // A client that does not read gets none of it.
        () = discarded => Err(io::ErrorKind::TimedOut.into()),
        sent = writing => sent,
    }
}

/// Takes the first packets, which are written together. Their room is free before later ones are written.
fn first_part<'a>(packets: &mut &'a [Encoded]) -> Option<&'a [Encoded]> {
    let mut bytes = 0;
    let count = packets
        .iter()
        .take_while(|packet| {
            let fits = bytes == 0 || bytes + packet.len() <= PART_BYTES;
            bytes += packet.len();
            fits
        })
        .count();
    let (part, rest) = packets.split_at_checked(count)?;
    *packets = rest;
    (!part.is_empty()).then_some(part)
}

async fn drain(source: &mut impl Source, receiving: &Receiving) {
    let mut ignored = BytesMut::new();
    while let Ok(true) = source.read(&mut ignored).await {
        ignored.clear();
        receiving.keeps(0);
    }
}

/// Splits a stream of bytes into packets.
#[derive(Debug)]
struct Frames {
    buffer: BytesMut,
    /// Bytes taken out of the buffer and not decoded yet, and their number.
    taken: Bytes,
    chunk: usize,
    maximum_packet_size: u32,
    /// None before CONNECT.
    version: Option<ProtocolVersion>,
}

impl Frames {
    fn new(maximum_packet_size: u32) -> Self {
        Self {
            buffer: BytesMut::new(),
            taken: Bytes::new(),
            chunk: 0,
            maximum_packet_size,
            version: None,
        }
    }

    /// Takes whole packets out of the buffer, a limited number at once; returns whether there may be more.
    fn decode(&mut self, packets: &mut Vec<Packet>) -> Result<bool, DecodeError> {
        if self.taken.is_empty() {
            // `split` would leave a second handle on the memory, and the way back would copy it.
            self.taken = mem::take(&mut self.buffer).freeze();
            self.chunk = self.taken.len();
        }
        while packets.len() < PACKETS_AT_ONCE {
            let maximum = match self.version {
                Some(_) => self.maximum_packet_size,
                None => self.maximum_packet_size.min(CONNECT_BYTES_MAX),
            };
            let version = self.version.unwrap_or_default();
            let Some(mut packet) = codec::decode(&mut self.taken, version, maximum)? else {
                // The beginning of a large packet is not copied: decoded packets have let go of its memory.
                self.buffer = BytesMut::from(mem::take(&mut self.taken));
                return Ok(false);
            };
            self.version = Some(match &packet {
                Packet::Connect(connect) => ProtocolVersion::of(connect),
                // The broker accepts no other first packet.
                _ => version,
            });
            let_go(&mut packet, self.chunk);
            packets.push(packet);
        }
        Ok(true)
    }
}

/// Copies a small payload. Otherwise a message that is kept for long would keep all bytes it arrived with.
fn let_go(packet: &mut Packet, chunk: usize) {
    if let Packet::Publish(publish) = packet
        && publish.payload.len() < chunk / 2
    {
        publish.payload = Bytes::copy_from_slice(&publish.payload);
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "",
            Self::NotBinary => "MQTT needs binary messages, and this is a text message",
            Self::NotAllowed => "the message is too long, or breaks the WebSocket protocol",
            Self::NoRoom => NO_ROOM,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_written_in_parts() {
        let packets = [1, PART_BYTES - 1, 1, PART_BYTES + 1, 0, 2]
            .map(|bytes| Encoded::test(bytes, true, false));
        let mut rest = &packets[..];
        let counts: Vec<_> = std::iter::from_fn(|| first_part(&mut rest))
            .map(<[Encoded]>::len)
            .collect();
        assert_eq!(counts, [2, 1, 1, 2]);
    }

    #[test]
    fn many_packets_are_handed_over_in_several_steps() {
        let mut frames = Frames::new(1000);
        frames.version = Some(ProtocolVersion::V5);
        let count = 2 * PACKETS_AT_ONCE + 1;
        frames.buffer.extend(b"\xc0\x00".repeat(count));
        frames.buffer.extend(b"\xc0");
        let mut step = || {
            let mut packets = Vec::new();
            let more = frames.decode(&mut packets).unwrap();
            (packets.len(), more)
        };
        assert_eq!(step(), (PACKETS_AT_ONCE, true));
        assert_eq!(step(), (PACKETS_AT_ONCE, true));
        assert_eq!(step(), (1, false));
        assert_eq!(frames.buffer[..], b"\xc0"[..]);
    }

    #[test]
    fn the_beginning_of_a_large_packet_is_not_copied() {
        let mut frames = Frames::new(10_000_000);
        frames.version = Some(ProtocolVersion::V5);
        frames.buffer.reserve(1_000_000);
        let place = frames.buffer.as_ptr();
        // A PUBLISH of 900,000 bytes.
        frames.buffer.extend(b"\x30\xa0\xf7\x36\x00\x01t\x00");
        let mut packets = Vec::new();
        for _ in 0..899 {
            frames.buffer.extend([7; 1_000]);
            assert_eq!(frames.decode(&mut packets), Ok(false));
            assert_eq!(frames.buffer.as_ptr(), place);
        }
        frames.buffer.extend([7; 996]);
        assert_eq!(frames.decode(&mut packets), Ok(false));
        assert_eq!(packets.len(), 1);
    }
}

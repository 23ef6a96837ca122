//! MQTT over TCP.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::connection::{Ending, Sink, Source, SourceError};
use crate::encoded::Encoded;
use crate::receive_budget::Receiving;

/// The minimum size of a read in bytes.
const READ_BYTES: usize = 16 * 1024;
/// The maximum size of a read in bytes. The bound for all connections may be exceeded by this.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Packets below this size are written together.
const JOIN_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(crate) struct TcpSource {
    socket: OwnedReadHalf,
    receiving: Arc<Receiving>,
}

#[derive(Debug)]
pub(crate) struct TcpSink {
    socket: OwnedWriteHalf,
    joined: Vec<u8>,
}

pub(crate) fn split(socket: TcpStream, receiving: Arc<Receiving>) -> (TcpSource, TcpSink) {
    let (reader, writer) = socket.into_split();
    let sink = TcpSink {
        socket: writer,
        joined: Vec::new(),
    };
    let source = TcpSource {
        socket: reader,
        receiving,
    };
    (source, sink)
}

impl Source for TcpSource {
    async fn read(&mut self, buffer: &mut BytesMut) -> Result<bool, SourceError> {
        poll_fn(|context| self.receiving.poll_room(context)).await;
        buffer.reserve(READ_BYTES);
        let mut room = buffer.limit(READ_BYTES_MAX);
        match self.socket.read_buf(&mut room).await {
            Ok(count) => {
                self.receiving.received(count);
                Ok(count > 0)
            }
            Err(_) => Err(SourceError::Broken),
        }
    }

    fn trust(&mut self) {
        // The codec reads a packet's length before the packet is complete.
    }
}

impl Sink for TcpSink {
    async fn write(&mut self, packets: &[Encoded]) -> io::Result<()> {
        for part in packets.iter().flat_map(Encoded::parts) {
            if self.joined.len() + part.len() > JOIN_BYTES {
                self.flush().await?;
            }
            if part.len() > JOIN_BYTES {
                self.socket.write_all(part).await?;
            } else {
                self.joined.extend_from_slice(part);
            }
        }
        self.flush().await
    }

    async fn finish(&mut self, _: Ending) -> io::Result<()> {
        self.socket.shutdown().await
    }
}

impl TcpSink {
    async fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.joined).await?;
        self.joined.clear();
        Ok(())
    }
}

//! MQTT over TCP.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::connection::{Ending, Sink, Source, SourceError};

/// How much is read at once at least, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// Packets below this size are written together.
const JOIN_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(crate) struct TcpSource(OwnedReadHalf);

#[derive(Debug)]
pub(crate) struct TcpSink {
    socket: OwnedWriteHalf,
    joined: Vec<u8>,
}

pub(crate) fn split(socket: TcpStream) -> (TcpSource, TcpSink) {
    let (reader, writer) = socket.into_split();
    let sink = TcpSink {
        socket: writer,
        joined: Vec::new(),
    };
    (TcpSource(reader), sink)
}

impl Source for TcpSource {
    async fn read(&mut self, buffer: &mut BytesMut) -> Result<bool, SourceError> {
        buffer.reserve(READ_BYTES);
        match self.0.read_buf(buffer).await {
            Ok(count) => Ok(count > 0),
            Err(_) => Err(SourceError::Broken),
        }
    }

    fn trust(&mut self) {
        // The codec sees a packet's length before the packet is here.
    }
}

impl Sink for TcpSink {
    async fn write(&mut self, packets: &[Bytes]) -> io::Result<()> {
        for packet in packets {
            if self.joined.len() + packet.len() > JOIN_BYTES {
                self.flush().await?;
            }
            if packet.len() > JOIN_BYTES {
                self.socket.write_all(packet).await?;
            } else {
                self.joined.extend_from_slice(packet);
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

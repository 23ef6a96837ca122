//! MQTT over WebSocket: binary messages under the subprotocol `mqtt`. Packets may share a message or span several.
//! [MQTT-6.0.0-1] [MQTT-6.0.0-2] [MQTT-6.0.0-4]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::connection::{CONNECT_BYTES_MAX, Ending, Sink, Source, SourceError};
use crate::encoded::Encoded;
use crate::receive_budget::Receiving;

/// The subprotocol names of MQTT: since 3.1.1, and before.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// The bytes that a message may have beside the largest packet: other packets, whole or in part.
const MESSAGE_EXTRA_BYTES: usize = 1024 * 1024;
/// The bytes of a message that is sent. A packet with more spans several, because the WebSocket library copies a whole message.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// How much is read before other tasks run. The library reads frames in a loop until a message is complete, and a frame may be
/// empty.
const TURN_BYTES: usize = 32 * 1024;
/// The bytes of a client's control frame before its payload: two, and the mask.
const CONTROL_HEADER_BYTES: usize = 6;

#[derive(Debug)]
pub(crate) struct WebSocketSource {
    messages: SplitStream<WebSocketStream<Gate>>,
    allowance: Arc<AtomicUsize>,
    receiving: Arc<Receiving>,
}

#[derive(Debug)]
pub(crate) struct WebSocketSink(SplitSink<WebSocketStream<Gate>, Message>);

/// Performs the handshake. None if the other side does not offer MQTT over WebSocket, or not in time.
pub(crate) async fn accept(
    socket: TcpStream,
    receiving: Arc<Receiving>,
    maximum_packet_size: u32,
    time: Duration,
) -> Option<(WebSocketSource, WebSocketSink)> {
    let allowance = Arc::new(AtomicUsize::new(
        CONNECT_BYTES_MAX as usize + MESSAGE_EXTRA_BYTES,
    ));
    let gate = Gate {
        socket,
        allowance: Arc::clone(&allowance),
        receiving: Arc::clone(&receiving),
        turn_bytes: 0,
    };
    let message_bytes_max = maximum_packet_size as usize + MESSAGE_EXTRA_BYTES;
    let config = WebSocketConfig::default()
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
        .read_buffer_size(TURN_BYTES);
    let handshake = accept_hdr_async_with_config(gate, choose_subprotocol, Some(config));
    let (sink, messages) = timeout(time, handshake).await.ok()?.ok()?.split();
    let source = WebSocketSource {
        messages,
        allowance,
        receiving,
    };
    Some((source, WebSocketSink(sink)))
}

/// Selects the client's first subprotocol that is MQTT. [MQTT-6.0.0-3] [MQTT-6.0.0-4]
#[expect(
    clippy::result_large_err,
    reason = "the type is the WebSocket library's"
)]
fn choose_subprotocol(
    request: &Request,
    mut response: Response,
) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let chosen = offered
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .find_map(|name| SUBPROTOCOLS.into_iter().find(|known| *known == name.trim()));
    if let Some(name) = chosen {
        let header = HeaderValue::from_static(name);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, header);
        Ok(response)
    } else {
        let mut refusal = ErrorResponse::new(Some("Offer the subprotocol mqtt.\n".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    }
}

impl Source for WebSocketSource {
    async fn read(&mut self, buffer: &mut BytesMut) -> Result<bool, SourceError> {
        loop {
            match self.messages.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    buffer.extend_from_slice(&bytes);
                    return Ok(true);
                }
                Some(Ok(Message::Text(_)) | Err(Error::Utf8(_))) => {
                    return Err(SourceError::NotBinary);
                }
                Some(Ok(Message::Ping(bytes) | Message::Pong(bytes))) => {
                    // A control frame may be between two parts of a message.
                    self.receiving.dropped(CONTROL_HEADER_BYTES + bytes.len());
                }
                Some(Ok(Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(false),
                Some(Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    return Err(SourceError::Broken);
                }
                Some(Err(_)) => return Err(SourceError::NotAllowed),
            }
        }
    }

    fn trust(&mut self) {
        self.allowance.store(usize::MAX, Ordering::Relaxed);
    }
}

impl Sink for WebSocketSink {
    async fn write(&mut self, packets: &[Encoded]) -> io::Result<()> {
        for part in packets.iter().flat_map(Encoded::parts) {
            let mut rest = part.clone();
            while !rest.is_empty() {
                let message = rest.split_to(rest.len().min(MESSAGE_BYTES_MAX));
                let message = Message::Binary(message);
                self.0.feed(message).await.map_err(io::Error::other)?;
            }
        }
        self.0.flush().await.map_err(io::Error::other)
    }

    async fn finish(&mut self, ending: Ending) -> io::Result<()> {
        let code = match ending {
            Ending::Normal => CloseCode::Normal,
            Ending::NotBinary => CloseCode::Unsupported,
            Ending::NotAllowed => CloseCode::Policy,
            Ending::NoRoom => CloseCode::Again,
        };
        let frame = CloseFrame {
            code,
            reason: ending.to_string().into(),
        };
        let closed = self.0.send(Message::Close(Some(frame))).await;
        match closed {
            // The client has closed it already.
            Ok(()) | Err(Error::ConnectionClosed | Error::Protocol(_)) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// A socket that yields a limited number of bytes, and only while there is room for them. The WebSocket library buffers a whole
/// message, which must stay small before CONNECT.
#[derive(Debug)]
struct Gate {
    socket: TcpStream,
    /// The bytes that may still be read; `usize::MAX` is no limit.
    allowance: Arc<AtomicUsize>,
    receiving: Arc<Receiving>,
    /// Read since other tasks ran.
    turn_bytes: usize,
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn_bytes >= TURN_BYTES {
            self.turn_bytes = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.receiving.poll_room(context));
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        self.receiving.received(count);
        self.turn_bytes += count;
        let allowance = self.allowance.load(Ordering::Relaxed);
        if allowance != usize::MAX {
            let Some(left) = allowance.checked_sub(count) else {
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            };
            self.allowance.store(left, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::receive_budget::ReceiveBudget;

    #[tokio::test]
    async fn other_tasks_run_while_a_client_sends_without_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        client.write_all(&vec![0; 2 * TURN_BYTES]).await.unwrap();
        drop(client);
        let receiving = ReceiveBudget::new(1 << 30).connection();
        let mut gate = Gate {
            socket,
            allowance: Arc::new(AtomicUsize::new(usize::MAX)),
            receiving: Arc::new(receiving),
            turn_bytes: 0,
        };
        gate.socket.readable().await.unwrap();
        let mut context = Context::from_waker(futures_util::task::noop_waker_ref());
        let mut bytes = [0; 1_024];
        let mut read = 0;
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut gate).poll_read(&mut context, &mut buffer) {
                Poll::Ready(read_one) => {
                    read_one.unwrap();
                    read += buffer.filled().len();
                }
                Poll::Pending => break,
            }
        }
        assert_eq!(read, TURN_BYTES);
    }
}

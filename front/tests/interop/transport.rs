//! The front's behaviour towards clients, byte by byte: answers, limits and refusals.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use crate::harness::{Front, PATIENCE};

/// Protocol level 5, clean start, no keep alive, no properties, the client identifier `a`.
pub(crate) const CONNECT: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a";
pub(crate) const PINGREQ: &[u8] = b"\xc0\x00";
pub(crate) const PINGRESP: &[u8] = b"\xd0\x00";
const DISCONNECT: &[u8] = b"\xe0\x00";

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// The next packet, whole; its fixed header has two bytes.
pub(crate) fn packet(stream: &mut impl Read) -> Vec<u8> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).unwrap();
    assert!(packet[1] < 0x80);
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).unwrap();
    packet
}

/// The next packet, whole, of any length.
pub(crate) fn any_packet(stream: &mut impl Read) -> Vec<u8> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).unwrap();
    let mut length = usize::from(packet[1] & 0x7f);
    for shift in [7, 14, 21] {
        if packet[packet.len() - 1] < 0x80 {
            break;
        }
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        packet.extend(byte);
        length |= usize::from(byte[0] & 0x7f) << shift;
    }
    let header = packet.len();
    packet.resize(header + length, 0);
    stream.read_exact(&mut packet[header..]).unwrap();
    packet
}

/// [`CONNECT`] with another client identifier of one byte.
pub(crate) fn connect_as(client_id: &[u8; 1]) -> Vec<u8> {
    let start = CONNECT.strip_suffix(b"a").unwrap();
    [start, client_id].concat()
}

/// Whether the front has ended the connection without another byte.
pub(crate) fn has_ended(socket: &mut TcpStream) -> bool {
    match socket.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A QoS 0 PUBLISH of the topic `t`.
pub(crate) fn publish(payload: &[u8]) -> Vec<u8> {
    let mut length = payload.len() + 4;
    let mut packet = vec![0x30];
    while length >= 0x80 {
        packet.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(b"\x00\x01t\x00");
    packet.extend(payload);
    packet
}

#[test]
fn packets_may_come_byte_by_byte_or_all_at_once() {
    let front = Front::start();
    let mut socket = connect(front.tcp);
    for byte in CONNECT {
        socket.write_all(&[*byte]).unwrap();
    }
    assert_eq!(packet(&mut socket)[0], 0x20);
    socket.write_all(&PINGREQ.repeat(1000)).unwrap();
    for _ in 0..1000 {
        assert_eq!(packet(&mut socket), PINGRESP);
    }
}

#[test]
fn a_client_that_stops_sending_still_gets_the_answers() {
    let front = Front::start();
    let mut socket = connect(front.tcp);
    socket.write_all(&[CONNECT, PINGREQ].concat()).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(packet(&mut socket)[0], 0x20);
    assert_eq!(packet(&mut socket), PINGRESP);
    assert!(has_ended(&mut socket));
}

#[test]
fn the_reason_arrives_before_the_end() {
    let front = Front::start();
    let mut socket = connect(front.tcp);
    socket.write_all(CONNECT).unwrap();
    assert_eq!(packet(&mut socket)[0], 0x20);
    // A second CONNECT, and many bytes that the front will not read.
    socket.write_all(CONNECT).unwrap();
    let _ = socket.write_all(&PINGREQ.repeat(100_000));
    let disconnect = packet(&mut socket);
    assert_eq!((disconnect[0], disconnect[2]), (0xe0, 0x82));
    assert!(has_ended(&mut socket));
}

#[test]
fn by_default_connack_has_two_limits_and_no_other() {
    let front = Front::start();
    let mut socket = connect(front.tcp);
    socket.write_all(CONNECT).unwrap();
    // Receive Maximum 20, Topic Alias Maximum 10.
    assert_eq!(
        packet(&mut socket),
        b"\x20\x09\x00\x00\x06\x21\x00\x14\x22\x00\x0a"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_tells_clients_that_the_server_shuts_down() {
    let front = Front::start();
    let mut over_tcp = connect(front.tcp);
    over_tcp.write_all(CONNECT).unwrap();
    assert_eq!(packet(&mut over_tcp)[0], 0x20);
    let mut over_websocket = handshake(front.ws, "mqtt").0;
    over_websocket
        .write_all(&frame(BINARY, &connect_as(b"b")))
        .unwrap();
    assert_eq!(next_frame(&mut over_websocket).1[0], 0x20);

    let ending = thread::spawn(|| front.interrupt());
    let disconnect = packet(&mut over_tcp);
    assert_eq!((disconnect[0], disconnect[2]), (0xe0, 0x8b));
    assert!(has_ended(&mut over_tcp));
    let (_, disconnect) = next_frame(&mut over_websocket);
    assert_eq!((disconnect[0], disconnect[2]), (0xe0, 0x8b));
    assert!(ending.join().unwrap().success());
}

#[test]
fn a_large_packet_before_connect_closes_the_connection_early() {
    let front = Front::start();
    let mut socket = connect(front.tcp);
    // A CONNECT that announces 100 MB.
    socket.write_all(b"\x10\x80\xc2\xd7\x2f").unwrap();
    let begin = Instant::now();
    let _ = socket.read(&mut [0; 64]).unwrap();
    assert!(begin.elapsed().as_secs() < 5);
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_websocket_message_before_connect_is_not_buffered() {
    let front = Front::start();
    let before = front.memory();
    let mut sockets: Vec<_> = (0..4).map(|_| handshake(front.ws, "mqtt").0).collect();
    for socket in &mut sockets {
        // A binary message that announces 30 MB: allowed for a packet, but not before CONNECT.
        let header = [&[0x82, 0xff][..], &30_000_000_u64.to_be_bytes(), &[0; 4]].concat();
        socket.write_all(&header).unwrap();
        let megabyte = vec![0; 1_000_000];
        while socket.write_all(&megabyte).is_ok() {}
    }
    let kept = front.memory().saturating_sub(before);
    assert!(kept < 40_000_000, "{kept} bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_does_not_read_loses_qos_0_and_its_memory_is_bounded() {
    let front = Front::configured(r#"{"outbox_bytes_max": 1000000}"#);
    let mut idle = connect(front.tcp);
    // SUBSCRIBE to `t` with QoS 0.
    let subscribe = b"\x82\x07\x00\x01\x00\x00\x01t\x00";
    idle.write_all(&[CONNECT, subscribe].concat()).unwrap();
    assert_eq!(packet(&mut idle)[0], 0x20);
    assert_eq!(packet(&mut idle)[0], 0x90);

    let before = front.memory();
    let mut publisher = connect(front.tcp);
    publisher.write_all(&connect_as(b"b")).unwrap();
    assert_eq!(packet(&mut publisher)[0], 0x20);
    let message = publish(&[7; 100_000]);
    for _ in 0..1000 {
        publisher.write_all(&message).unwrap();
    }
    publisher.write_all(PINGREQ).unwrap();
    assert_eq!(packet(&mut publisher), PINGRESP);
    let kept = front.memory().saturating_sub(before);
    assert!(kept < 40_000_000, "{kept} bytes");

    // The received messages are complete, and it is still connected.
    idle.write_all(PINGREQ).unwrap();
    let mut got = 0;
    loop {
        let mut first = [0];
        idle.read_exact(&mut first).unwrap();
        if first[0] == PINGRESP[0] {
            break;
        }
        let mut rest = vec![0; message.len() - 1];
        idle.read_exact(&mut rest).unwrap();
        assert!(first[0] == message[0] && rest == message[1..]);
        got += 1;
    }
    assert!((1..1000).contains(&got), "{got} messages");
}

#[test]
fn a_slow_reader_is_still_answered_and_keeps_qos_1_and_2() {
    let front = Front::configured(r#"{"outbox_bytes_max": 1000000}"#);
    let mut slow = connect(front.tcp);
    // SUBSCRIBE to `t` with QoS 0 and to `q` with QoS 1.
    let subscribe = b"\x82\x0b\x00\x01\x00\x00\x01t\x00\x00\x01q\x01";
    slow.write_all(&[CONNECT, subscribe].concat()).unwrap();
    assert_eq!(packet(&mut slow)[0], 0x20);
    assert_eq!(packet(&mut slow)[0], 0x90);

    let mut publisher = connect(front.tcp);
    publisher.write_all(&connect_as(b"b")).unwrap();
    assert_eq!(packet(&mut publisher)[0], 0x20);
    // The first messages fill the system's buffers, the next ones fill the outbox to the last byte.
    let large = publish(&[7; 100_000]);
    for _ in 0..500 {
        publisher.write_all(&large).unwrap();
    }
    publisher.write_all(&publish(b"").repeat(20_000)).unwrap();
    let kept = 10;
    for id in 1..=kept {
        publisher
            .write_all(&[0x32, 6, 0, 1, b'q', 0, id, 0])
            .unwrap();
        assert_eq!(packet(&mut publisher)[0], 0x40);
    }

    let questions = 100;
    slow.write_all(&PINGREQ.repeat(questions)).unwrap();
    let (mut answers, mut of_qos_1) = (0, 0);
    while answers < questions || of_qos_1 < kept {
        match any_packet(&mut slow)[0] {
            0xd0 => answers += 1,
            0x32 => of_qos_1 += 1,
            first => assert_eq!(first, 0x30),
        }
    }
}

/// A client with a will publishes, disconnects, and connects again at once. `send` opens a connection with its CONNECT and
/// waits for the CONNACK. Then it sends its packets and closes.
fn reconnect_at_once(front: &Front, send: impl Fn(&[u8], &[u8])) {
    let mut observer = connect(front.tcp);
    let subscribe = b"\x82\x07\x00\x01\x00\x00\x01#\x00";
    observer
        .write_all(&[&connect_as(b"o")[..], subscribe].concat())
        .unwrap();
    assert_eq!(packet(&mut observer)[0], 0x20);
    assert_eq!(packet(&mut observer)[0], 0x90);

    // Clean start, the will `dead` of QoS 0 at the topic `w`.
    let hello = b"\x10\x18\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x01a\x00\x00\x01w\x00\x04dead";
    let rounds = 500_u16;
    for round in 0..rounds {
        let message = publish(&round.to_be_bytes());
        send(hello, &[&message[..], DISCONNECT].concat());
    }
    for round in 0..rounds {
        let message = any_packet(&mut observer);
        assert_eq!(message, publish(&round.to_be_bytes()), "round {round}");
    }
}

#[test]
fn packets_of_the_old_connection_precede_a_reconnect() {
    let front = Front::start();
    reconnect_at_once(&front, |hello, rest| {
        let mut socket = connect(front.tcp);
        socket.write_all(hello).unwrap();
        assert_eq!(packet(&mut socket)[0], 0x20);
        socket.write_all(rest).unwrap();
    });
}

#[test]
fn packets_of_the_old_websocket_precede_a_reconnect() {
    let front = Front::start();
    reconnect_at_once(&front, |hello, rest| {
        let (mut socket, _) = handshake(front.ws, "mqtt");
        socket.write_all(&frame(BINARY, hello)).unwrap();
        assert_eq!(next_frame(&mut socket).1[0], 0x20);
        socket.write_all(&frame(BINARY, rest)).unwrap();
    });
}

#[test]
fn a_client_that_never_stops_sending_can_be_taken_over() {
    let front = Front::start();
    let mut old = connect(front.tcp);
    old.write_all(CONNECT).unwrap();
    assert_eq!(packet(&mut old)[0], 0x20);
    let flood = thread::spawn(move || {
        let messages = publish(&[7; 1000]).repeat(100);
        while old.write_all(&messages).is_ok() {}
    });
    let mut new = connect(front.tcp);
    new.write_all(CONNECT).unwrap();
    assert_eq!(packet(&mut new)[0], 0x20);
    flood.join().unwrap();
}

/// Performs the WebSocket handshake. Returns the socket and the head of the answer.
pub(crate) fn handshake(address: SocketAddr, subprotocols: &str) -> (TcpStream, String) {
    let mut socket = connect(address);
    let mut request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    if !subprotocols.is_empty() {
        request += &format!("Sec-WebSocket-Protocol: {subprotocols}\r\n");
    }
    request += "\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (socket, String::from_utf8(head).unwrap().to_lowercase())
}

/// A frame from a client, with a mask of zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let length = 0x80 | payload.len() as u8;
    [&[first, length, 0, 0, 0, 0], payload].concat()
}

/// The next frame from the front: its first byte and its payload.
pub(crate) fn next_frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let frame = packet(socket);
    (frame[0], frame[2..].to_vec())
}

pub(crate) const BINARY: u8 = 0x82;
const BINARY_BEGIN: u8 = 0x02;
const CONTINUATION_END: u8 = 0x80;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

#[test]
fn the_server_selects_an_offered_mqtt_subprotocol_or_refuses() {
    let front = Front::start();
    for (offered, answered) in [
        ("mqtt", "mqtt"),
        ("mqttv3.1", "mqttv3.1"),
        ("chat, mqtt", "mqtt"),
    ] {
        let (_, head) = handshake(front.ws, offered);
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let line = format!("\r\nsec-websocket-protocol: {answered}\r\n");
        assert!(head.contains(&line), "{head}");
    }
    for offered in ["", "chat", "mqttt"] {
        let (_, head) = handshake(front.ws, offered);
        assert!(head.starts_with("http/1.1 400 "), "{head}");
    }
}

#[test]
fn packets_may_span_and_share_messages() {
    let front = Front::start();
    let (mut socket, _) = handshake(front.ws, "mqtt");
    // CONNECT in two messages. The second one has two frames, and the beginning of the next packet.
    socket.write_all(&frame(BINARY, &CONNECT[..3])).unwrap();
    socket.write_all(&frame(PING, b"hi")).unwrap();
    socket
        .write_all(&frame(BINARY_BEGIN, &CONNECT[3..9]))
        .unwrap();
    let rest = [&CONNECT[9..], PINGREQ, &PINGREQ[..1]].concat();
    socket.write_all(&frame(CONTINUATION_END, &rest)).unwrap();
    socket.write_all(&frame(BINARY, &PINGREQ[1..])).unwrap();

    assert_eq!(next_frame(&mut socket), (PONG, b"hi".to_vec()));
    let mut stream = Vec::new();
    let connack = loop {
        let (first, payload) = next_frame(&mut socket);
        assert_eq!(first, BINARY);
        stream.extend(payload);
        let connack = stream.get(1).map_or(0, |length| 2 + usize::from(*length));
        if connack > 0 && stream.len() >= connack + 2 * PINGRESP.len() {
            break connack;
        }
    };
    assert_eq!(stream[0], 0x20);
    assert_eq!(stream[connack..], PINGRESP.repeat(2));

    socket.write_all(&frame(BINARY, DISCONNECT)).unwrap();
    let (first, payload) = next_frame(&mut socket);
    assert_eq!((first, &payload[..2]), (CLOSE, &1000_u16.to_be_bytes()[..]));
}

#[test]
fn a_text_message_ends_the_connection() {
    let front = Front::start();
    for text in ["hello".as_bytes(), PINGREQ] {
        let (mut socket, _) = handshake(front.ws, "mqtt");
        socket.write_all(&frame(BINARY, CONNECT)).unwrap();
        assert_eq!(next_frame(&mut socket).0, BINARY);
        socket.write_all(&frame(TEXT, text)).unwrap();
        let (first, payload) = next_frame(&mut socket);
        assert_eq!((first, &payload[..2]), (CLOSE, &1003_u16.to_be_bytes()[..]));
        socket.write_all(&frame(CLOSE, &payload[..2])).unwrap();
        assert!(has_ended(&mut socket));
    }
}

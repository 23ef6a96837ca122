//! One client cannot harm the others. The tests count packets and connections, and measure no times.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::harness::{Front, PATIENCE};
use crate::transport::{
    BINARY, CONNECT, PINGREQ, PINGRESP, any_packet, connect, connect_as, frame, handshake,
    has_ended, next_frame, packet, publish,
};

const SUBSCRIBE_T: &[u8] = b"\x82\x07\x00\x01\x00\x00\x01t\x00";

/// A client with this identifier of one byte.
fn client(front: &Front, client_id: &[u8; 1]) -> TcpStream {
    let mut socket = connect(front.tcp);
    socket.write_all(&connect_as(client_id)).unwrap();
    assert_eq!(packet(&mut socket)[0], 0x20);
    socket
}

fn subscriber(front: &Front, client_id: &[u8; 1]) -> TcpStream {
    let mut socket = client(front, client_id);
    socket.write_all(SUBSCRIBE_T).unwrap();
    assert_eq!(packet(&mut socket)[0], 0x90);
    socket
}

/// Reads and drops everything that arrives.
fn read_on(mut socket: TcpStream) {
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
}

#[test]
fn a_flood_of_one_client_delays_a_message_of_another_by_little() {
    let front = Front::start();
    let mut observer = subscriber(&front, b"0");
    for number in 0..50 {
        read_on(subscriber(&front, &[b'A' + number]));
    }
    let mut flooder = client(&front, b"1");
    let mut other = client(&front, b"2");

    let count = 20_000;
    let flood = publish(b"").repeat(count);
    let flooding = thread::spawn(move || {
        flooder.write_all(&flood).unwrap();
        flooder
    });
    // The flood has begun.
    for _ in 0..100 {
        assert_eq!(any_packet(&mut observer), publish(b""));
    }
    // During the flood, each answer arrives with a message of this client to the observer.
    let rounds = 20;
    for round in 0..rounds {
        other.write_all(&publish(&[round])).unwrap();
        other.write_all(PINGREQ).unwrap();
        assert_eq!(packet(&mut other), PINGRESP);
    }
    let mut flooded = 100;
    let mut next = 0;
    let mut before_last = 0;
    while flooded < count || next < rounds {
        let message = any_packet(&mut observer);
        if message == publish(b"") {
            flooded += 1;
        } else {
            assert_eq!(message, publish(&[next]));
            next += 1;
            before_last = flooded;
        }
    }
    assert!(
        before_last < count,
        "the flood was over before the messages of the other client"
    );
    drop(flooding.join().unwrap());
}

#[test]
fn a_client_reconnects_among_many_connections_that_end() {
    let front = Front::start();
    let mut observer = subscriber(&front, b"o");
    let many: Vec<_> = (0..200).map(|_| connect(front.tcp)).collect();
    let mut other = client(&front, b"a");
    drop(many);
    other.write_all(&publish(b"x")).unwrap();
    assert_eq!(any_packet(&mut observer), publish(b"x"));
    // The same client connects again.
    let mut again = connect(front.tcp);
    again.write_all(CONNECT).unwrap();
    assert_eq!(packet(&mut again)[0], 0x20);
    let _ = packet(&mut other);
    assert!(has_ended(&mut other));
}

#[test]
fn silent_connections_do_not_block_new_ones() {
    let front = Front::configured(r#"{"connecting_max": 4, "connect_timeout_ms": 60000}"#);
    // The accepted connection needs no place.
    let mut accepted = client(&front, b"1");
    let mut silent: Vec<_> = (0..12).map(|_| connect(front.tcp)).collect();
    let mut newcomer = client(&front, b"2");
    // The earlier ones lost their places, and the last three keep theirs.
    for socket in &mut silent[..9] {
        assert!(has_ended(socket));
    }
    for socket in &mut silent[9..] {
        let briefly = Some(Duration::from_millis(20));
        socket.set_read_timeout(briefly).unwrap();
        socket.read(&mut [0]).unwrap_err();
    }
    // Over WebSocket, silent connections wait for the handshake.
    let silent: Vec<_> = (0..12).map(|_| connect(front.ws)).collect();
    let (_, head) = handshake(front.ws, "mqtt");
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    drop(silent);
    for socket in [&mut accepted, &mut newcomer] {
        socket.write_all(PINGREQ).unwrap();
        assert_eq!(packet(socket), PINGRESP);
    }
}

/// A client that has sent a part of a large PUBLISH with QoS 1.
struct Sender {
    socket: TcpStream,
    over_websocket: bool,
    rest: Vec<u8>,
}

impl Sender {
    fn new(front: &Front, over_websocket: bool, client_id: &[u8; 1]) -> Self {
        // 3 MiB, with the packet identifier 1.
        let mut message = b"\x32\x86\x80\xc0\x01\x00\x01u\x00\x01\x00".to_vec();
        message.resize(message.len() + (3 << 20), 7);
        let mut socket = if over_websocket {
            let mut socket = handshake(front.ws, "mqtt").0;
            let hello = connect_as(client_id);
            socket.write_all(&frame(BINARY, &hello)).unwrap();
            assert_eq!(next_frame(&mut socket).1[0], 0x20);
            let length = (message.len() as u64).to_be_bytes();
            let header = [&[BINARY, 0xff][..], &length, &[0; 4]].concat();
            socket.write_all(&header).unwrap();
            socket
        } else {
            client(front, client_id)
        };
        let rest = message.split_off(1_900_000);
        socket.write_all(&message).unwrap();
        Self {
            socket,
            over_websocket,
            rest,
        }
    }

    fn next_packet(&mut self) -> Vec<u8> {
        if self.over_websocket {
            next_frame(&mut self.socket).1
        } else {
            packet(&mut self.socket)
        }
    }

    /// Whether something can be read.
    fn has_news(&self) -> bool {
        let briefly = Some(Duration::from_millis(10));
        self.socket.set_read_timeout(briefly).unwrap();
        let has_news = self.socket.peek(&mut [0]).is_ok();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        has_news
    }
}

#[test]
fn without_room_for_unfinished_packets_one_client_is_closed_and_the_others_go_on() {
    for over_websocket in [false, true] {
        // 2 MiB for unfinished packets.
        let front = Front::configured(r#"{"received_bytes_max": 4194304}"#);
        let mut small = client(&front, b"s");
        let mut two: Vec<_> = [b"1", b"2"]
            .map(|client_id| Sender::new(&front, over_websocket, client_id))
            .into();
        let ended = loop {
            if let Some(ended) = two.iter().position(Sender::has_news) {
                break ended;
            }
        };
        let disconnect = two[ended].next_packet();
        assert_eq!((disconnect[0], disconnect[2]), (0xe0, 0x97));
        let mut other = two.remove(1 - ended);
        other.socket.write_all(&other.rest).unwrap();
        assert_eq!(other.next_packet()[0], 0x40);
        small.write_all(PINGREQ).unwrap();
        assert_eq!(packet(&mut small), PINGRESP);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn unfinished_packets_of_many_clients_take_bounded_memory() {
    let front = Front::configured(r#"{"received_bytes_max": 8388608}"#);
    let before = front.memory();
    let unfinished = [&b"\x30\x80\x80\x80\x01"[..], &[0, 1, b't'], &[0; 1_500_000]].concat();
    let mut sockets = Vec::new();
    for number in 0..50 {
        let mut socket = client(&front, &[b'A' + number]);
        // It may be closed meanwhile.
        let _ = socket.write_all(&unfinished);
        sockets.push(socket);
    }
    let mut other = client(&front, b"1");
    other.write_all(PINGREQ).unwrap();
    assert_eq!(packet(&mut other), PINGRESP);
    let kept = front.memory().saturating_sub(before);
    assert!(kept < 40_000_000, "{kept} bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn clients_that_do_not_read_take_bounded_memory_and_leave_room_for_one_that_does() {
    let front = Front::configured(r#"{"outboxes_bytes_max": 4000000}"#);
    let idle: Vec<_> = (0..20)
        .map(|number| subscriber(&front, &[b'A' + number]))
        .collect();
    let mut reader = subscriber(&front, b"r");
    let mut publisher = client(&front, b"p");
    let before = front.memory();
    let message = publish(&[7; 10_000]);
    // More than the system keeps for the sockets.
    let flooding = thread::spawn(move || {
        for _ in 0..10_000 {
            publisher.write_all(&message).unwrap();
        }
        publisher.write_all(PINGREQ).unwrap();
        assert_eq!(packet(&mut publisher), PINGRESP);
        publisher
    });
    let mut messages = 0;
    let mut read_until_answered = |socket: &mut TcpStream| {
        socket.write_all(PINGREQ).unwrap();
        let mut last = Vec::new();
        loop {
            let packet = any_packet(socket);
            if packet == PINGRESP {
                return last;
            }
            messages += 1;
            last = packet;
        }
    };
    while !flooding.is_finished() {
        read_until_answered(&mut reader);
    }
    let mut publisher = flooding.join().unwrap();
    let kept = front.memory().saturating_sub(before);
    assert!(kept < 40_000_000, "{kept} bytes");
    // The reader may still be congested at first.
    let found = (0..100).any(|_| {
        let last_message = publish(b"last");
        publisher.write_all(&last_message).unwrap();
        publisher.write_all(PINGREQ).unwrap();
        assert_eq!(packet(&mut publisher), PINGRESP);
        read_until_answered(&mut reader) == last_message
    });
    assert!(found);
    assert!(messages > 100, "{messages} messages");
    drop(idle);
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_message_to_many_receivers_is_in_memory_once() {
    let front = Front::start();
    // SUBSCRIBE to `u` with QoS 1.
    let subscribe = b"\x82\x07\x00\x01\x00\x00\x01u\x01";
    let mut over_tcp: Vec<_> = (0..20)
        .map(|number| {
            let mut socket = client(&front, &[b'A' + number]);
            socket.write_all(subscribe).unwrap();
            assert_eq!(packet(&mut socket)[0], 0x90);
            socket
        })
        .collect();
    let over_websocket: Vec<_> = (0..20)
        .map(|number| {
            let mut socket = handshake(front.ws, "mqtt").0;
            let hello = connect_as(&[b'a' + number]);
            socket.write_all(&frame(BINARY, &hello)).unwrap();
            assert_eq!(next_frame(&mut socket).1[0], 0x20);
            socket.write_all(&frame(BINARY, subscribe)).unwrap();
            assert_eq!(next_frame(&mut socket).1[0], 0x90);
            socket
        })
        .collect();
    let mut publisher = client(&front, b"1");
    let before = front.memory();
    // 12 MiB, with the packet identifier 1.
    let mut message = b"\x32\x86\x80\x80\x06\x00\x01u\x00\x01\x00".to_vec();
    message.resize(message.len() + (12 << 20), 7);
    publisher.write_all(&message).unwrap();
    assert_eq!(packet(&mut publisher)[0], 0x40);
    let kept = front.memory().saturating_sub(before);
    assert!(kept < 100_000_000, "{kept} bytes");
    // It arrives as it was sent.
    assert_eq!(any_packet(&mut over_tcp[0]), message);
    drop(over_websocket);
}

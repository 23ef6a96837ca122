use super::*;
use crate::api::Term;
use crate::protocol::frame::MAGIC;
use crate::protocol::names::TabId;

const LANE: Lane = Lane {
    tab: TabId::from_entropy(1),
    broker: TabId::from_entropy(2),
    term: Term(5),
};

const WINDOW_BYTES: usize = 4 << 20;

const LIMITS: Limits = Limits {
    window_bytes: WINDOW_BYTES,
    unacked_bytes: WINDOW_BYTES / 32,
    maximum_packet_size: 16 << 20,
};

fn end(binding: u32) -> LaneEnd {
    LaneEnd::new(LANE, binding, LIMITS)
}

fn flushed(end: &mut LaneEnd) -> Vec<Frame> {
    let mut frames = Vec::new();
    end.flush(|_, bytes| frames.push(Frame::decode(&bytes).unwrap()));
    frames
}

fn next_frame(end: &mut LaneEnd) -> Frame {
    end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
        .unwrap();
    flushed(end).remove(0)
}

#[test]
fn one_turn_is_one_frame_and_one_connection_is_one_message() {
    let mut end = end(1);
    end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
        .unwrap();
    end.push(ConnectionNo(1), ProtocolVersion::V5, &Packet::PingReq)
        .unwrap();
    end.push(ConnectionNo(2), ProtocolVersion::V5, &Packet::PingReq)
        .unwrap();
    end.push_closed(ConnectionNo(2), ReasonCode::SessionTakenOver);
    assert_eq!(
        flushed(&mut end),
        [Frame {
            term: Term(5),
            binding: 1,
            seq: 0,
            acked: 0,
            messages: vec![
                LaneMessage::Packets {
                    connection: ConnectionNo(1),
                    bytes: vec![0xc0, 0, 0xc0, 0]
                },
                LaneMessage::Packets {
                    connection: ConnectionNo(2),
                    bytes: vec![0xc0, 0]
                },
                LaneMessage::Closed {
                    connection: ConnectionNo(2),
                    reason_code: 0x8e,
                },
            ],
        }]
    );
    assert!(flushed(&mut end).is_empty());
}

#[test]
fn frames_arrive_in_order_or_the_lane_is_broken() {
    let mut from = end(1);
    let mut to = end(1);
    let first = Frame::decode(&from.confirmation()).unwrap();
    let (second, third) = (next_frame(&mut from), next_frame(&mut from));
    assert_eq!(to.accept(first.clone(), 100), Arrival::Next(vec![]));
    assert_eq!(to.accept(third, 100), Arrival::Gap);
    let messages = second.messages.clone();
    assert_eq!(to.accept(second, 100), Arrival::Next(messages));
    assert_eq!(to.accept(first.clone(), 100), Arrival::Stale);
    let mut later_binding = end(2);
    assert_eq!(later_binding.accept(first.clone(), 100), Arrival::Stale);
    let mut later_term = LaneEnd::new(
        Lane {
            term: Term(6),
            ..LANE
        },
        1,
        LIMITS,
    );
    assert_eq!(later_term.accept(first, 100), Arrival::Stale);
}

#[test]
fn a_repeated_bind_is_confirmed_again_without_a_gap() {
    let mut from = end(1);
    let mut to = end(1);
    let lost = from.confirmation();
    let again = from.confirmation();
    assert_eq!(lost, again);
    let confirmation = Frame::decode(&again).unwrap();
    assert_eq!(to.accept(confirmation, 100), Arrival::Next(vec![]));
    assert!(matches!(
        to.accept(next_frame(&mut from), 100),
        Arrival::Next(_)
    ));
}

#[test]
fn foreign_bytes_are_no_frame() {
    let frame = end(1).confirmation();
    for end in 0..frame.len() {
        assert_eq!(Frame::decode(&frame[..end]), None);
    }
    let mut longer = frame.clone();
    longer.push(0);
    assert_eq!(Frame::decode(&longer), None);
    // A length of 2^64 - 1 must be refused.
    let mut lie = MAGIC.to_vec();
    lie.extend([1, 1, 0, 253, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert_eq!(Frame::decode(&lie), None);
}

/// A pseudorandom sequence that is the same each time.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize % below
    }
}

#[test]
fn every_decoded_frame_encodes_to_itself() {
    let mut below = numbers();
    let mut end = end(1);
    end.push(ConnectionNo(300), ProtocolVersion::V5, &Packet::PingReq)
        .unwrap();
    end.push_closed(ConnectionNo(70_000), ReasonCode::Success);
    end.push(ConnectionNo(2), ProtocolVersion::V5, &Packet::PingResp)
        .unwrap();
    let mut frames = Vec::new();
    end.flush(|_, bytes| frames.push(bytes));
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..50_000 {
        let bytes: Vec<u8> = if round % 2 == 0 {
            let mut bytes = frames[0].clone();
            for _ in 0..=below(3) {
                let place = below(bytes.len());
                bytes[place] = below(256) as u8;
            }
            bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
            bytes
        } else {
            let rest = (0..below(40)).map(|_| below(256) as u8);
            MAGIC.into_iter().chain(rest).collect()
        };
        if let Some(frame) = Frame::decode(&bytes) {
            accepted += 1;
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        } else {
            refused += 1;
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
}

fn publish(payload: usize) -> Packet {
    use broker::packet::publish::PublishPacket;
    Packet::Publish(PublishPacket::new(
        "t",
        vec![7; payload],
        broker::QoS::AtMostOnce,
    ))
}

fn push(end: &mut LaneEnd, connection: u64, packet: &Packet) {
    let connection = ConnectionNo(connection);
    end.push(connection, ProtocolVersion::V5, packet).unwrap();
}

fn posted(end: &mut LaneEnd) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    end.flush(|_, bytes| frames.push(bytes));
    frames
}

/// The other end accepts these frames. Returns its messages.
fn take(end: &mut LaneEnd, frames: Vec<Vec<u8>>) -> Vec<LaneMessage> {
    let arrivals = frames.into_iter().map(|bytes| {
        match end.accept(Frame::decode(&bytes).unwrap(), bytes.len()) {
            Arrival::Next(messages) => messages,
            other => panic!("{other:?}"),
        }
    });
    arrivals.flatten().collect()
}

/// The bytes of one connection that have arrived.
fn sent_bytes(messages: &[LaneMessage], by: u64) -> Vec<u8> {
    let of_it = messages.iter().flat_map(|message| match message {
        LaneMessage::Packets { connection, bytes } if *connection == ConnectionNo(by) => bytes,
        _ => &[][..],
    });
    of_it.copied().collect()
}

fn encoded(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        codec::encode(packet, ProtocolVersion::V5, &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn a_large_turn_is_split_between_packets() {
    let mut end = end(1);
    for _ in 0..40 {
        push(&mut end, 1, &publish(60_000));
    }
    let sizes: Vec<usize> = posted(&mut end).iter().map(Vec::len).collect();
    assert_eq!(sizes.len(), 3, "{sizes:?}");
}

#[test]
fn a_long_packet_goes_in_parts_and_others_pass_it() {
    let (mut from, mut to) = (end(1), end(1));
    push(&mut from, 1, &publish(16_000_000));
    push(&mut from, 1, &Packet::PingReq);
    push(&mut from, 2, &Packet::PingReq);
    let first = posted(&mut from);
    assert!(first.iter().all(|frame| frame.len() < 600_000));
    let mut messages = take(&mut to, first);
    assert_eq!(sent_bytes(&messages, 2), [0xc0, 0]);
    assert!(sent_bytes(&messages, 1).is_empty());
    assert!(!from.is_full() && from.room() >= WINDOW_BYTES / 4 - 600_000);
    // The rest follows as the other end acknowledges, between other packets.
    let mut rounds = 0;
    while sent_bytes(&messages, 1).is_empty() {
        rounds += 1;
        assert!(rounds < 40);
        take(&mut from, posted(&mut to));
        push(&mut from, 2, &Packet::PingReq);
        let more = posted(&mut from);
        assert!(more.iter().map(Vec::len).sum::<usize>() <= WINDOW_BYTES + 600_000);
        messages.extend(take(&mut to, more));
    }
    assert_eq!(sent_bytes(&messages, 2).len(), 2 + 2 * rounds);
    let expected = encoded(&[publish(16_000_000), Packet::PingReq]);
    assert!(sent_bytes(&messages, 1) == expected);
    take(&mut from, posted(&mut to));
    assert!(!from.is_full());
}

#[test]
fn nothing_overtakes_the_end_of_a_connection() {
    let (mut from, mut to) = (end(1), end(1));
    let sent_last = [publish(9_000_000), Packet::PingReq, publish(3_000_000)];
    for packet in &sent_last {
        push(&mut from, 1, packet);
    }
    from.push_closed(ConnectionNo(1), ReasonCode::Success);
    push(&mut from, 2, &Packet::PingReq);
    let messages = take(&mut to, posted(&mut from));
    assert!(sent_bytes(&messages, 1) == encoded(&sent_last));
    let [.., closed, next] = &messages[..] else {
        panic!("{} parcels", messages.len())
    };
    let connection = ConnectionNo(1);
    let reason_code = 0;
    assert_eq!(
        *closed,
        LaneMessage::Closed {
            connection,
            reason_code
        }
    );
    assert!(matches!(
        next,
        LaneMessage::Packets {
            connection: ConnectionNo(2),
            ..
        }
    ));
    // Frames that are not acknowledged fill the lane nevertheless.
    assert!(from.is_full());
}

#[test]
fn an_end_that_acknowledges_nothing_gets_at_most_half_a_window_of_parts() {
    let mut from = end(1);
    for connection in 1..=8 {
        push(&mut from, connection, &publish(4_000_000));
    }
    let posted_bytes = |end: &mut LaneEnd| posted(end).iter().map(Vec::len).sum::<usize>();
    let first = posted_bytes(&mut from);
    let half = WINDOW_BYTES / 2;
    assert!((half..half + 600_000).contains(&first), "{first}");
    assert_eq!(posted_bytes(&mut from), 0);
    assert!(from.is_full());
}

#[test]
fn held_frames_are_not_acknowledged_until_released() {
    let (mut from, mut to) = (end(1), end(1));
    to.hold(true);
    while !from.is_full() {
        push(&mut from, 1, &publish(50_000));
        let frames = posted(&mut from);
        take(&mut to, frames);
        let silence = posted(&mut to);
        assert!(silence.is_empty());
    }
    // Other frames do not acknowledge it.
    push(&mut to, 1, &Packet::PingResp);
    take(&mut from, posted(&mut to));
    assert!(from.is_full());
    to.hold(false);
    take(&mut from, posted(&mut to));
    assert!(!from.is_full());
    assert!(from.room() > WINDOW_BYTES / 2);
}

#[test]
fn an_acknowledgement_covers_at_most_the_posted_frames() {
    let (mut from, mut to) = (end(1), end(1));
    push(&mut from, 1, &publish(1_000));
    let frames = posted(&mut from);
    take(&mut to, frames);
    push(&mut to, 1, &Packet::PingResp);
    let mut answer = Frame::decode(&posted(&mut to)[0]).unwrap();
    answer.acked = u64::MAX;
    assert!(matches!(from.accept(answer, 100), Arrival::Next(_)));
    assert_eq!(from.room(), WINDOW_BYTES);
    push(&mut from, 1, &publish(1_000));
    assert!(from.room() < WINDOW_BYTES);
}

#[test]
fn an_oversized_packet_in_parts_is_passed_on_early() {
    let mut to = LaneEnd::new(
        LANE,
        1,
        Limits {
            maximum_packet_size: 1_000,
            ..LIMITS
        },
    );
    let part = |seq| Frame {
        term: LANE.term,
        binding: 1,
        seq,
        acked: 0,
        messages: vec![LaneMessage::Part {
            connection: ConnectionNo(1),
            is_last: false,
            bytes: vec![0x30; 600],
        }],
    };
    assert_eq!(to.accept(part(0), 700), Arrival::Next(vec![]));
    let Arrival::Next(messages) = to.accept(part(1), 700) else {
        panic!("the frame is not the next one")
    };
    assert_eq!(sent_bytes(&messages, 1).len(), 1_200);
    assert!(to.parts.is_empty());
}

#[test]
fn pushed_packets_arrive_whole_and_in_the_order_of_their_connection() {
    let mut below = numbers();
    for _ in 0..30 {
        let (mut from, mut to) = (end(1), end(1));
        let mut pushed = vec![Vec::new(); 4];
        let mut messages = Vec::new();
        let mut in_flight: Vec<Vec<u8>> = Vec::new();
        for _ in 0..200 {
            match below(6) {
                0..3 => {
                    let by = below(pushed.len());
                    let packet = publish([10, 1_000, 70_000, 900_000][below(4)]);
                    push(&mut from, by as u64, &packet);
                    pushed[by].push(packet);
                }
                3 => in_flight.extend(posted(&mut from)),
                4 => {
                    let some = in_flight.drain(..below(in_flight.len() + 1)).collect();
                    messages.extend(take(&mut to, some));
                }
                _ => drop(take(&mut from, posted(&mut to))),
            }
        }
        // Both ends take turns until nothing is left to send.
        loop {
            in_flight.extend(posted(&mut from));
            let is_over = in_flight.is_empty() && from.outbox.waiting_cost() == 0;
            messages.extend(take(&mut to, core::mem::take(&mut in_flight)));
            take(&mut from, posted(&mut to));
            if is_over {
                break;
            }
        }
        for (by, packets) in pushed.iter().enumerate() {
            assert!(sent_bytes(&messages, by as u64) == encoded(packets));
        }
        assert!(!from.is_full());
    }
}

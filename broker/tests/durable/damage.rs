//! Damaged logs: the broker does not panic, counts the skipped records and restores the others.

use broker::access::AllowAll;
use broker::{Broker, Config, Input, Output, RecordError, Restored, Time};

use crate::harness::*;

const NOW: Time = Time::from_ms(1_000_000);

fn restore(blocks: &[Vec<u8>]) -> (Broker, Restored) {
    let blocks = blocks.iter().map(Vec::as_slice);
    Broker::restore(Config::default(), Box::new(AllowAll), blocks, NOW)
}

/// The log of a client that published a retained message on each of `t/0`, `t/1`, …: one block for its connection, then
/// one for each message.
fn log_of_retained(count: u16) -> Vec<Vec<u8>> {
    let mut broker = Broker::new(Config {
        durable: true,
        ..Config::default()
    });
    let mut out = Vec::new();
    broker.handle(NOW, Input::Opened(A), &mut out);
    broker.handle(NOW, Input::Packet(A, lasting("a", 100).packet()), &mut out);
    for number in 0..count {
        let publish = publish1(1 + number, &format!("t/{number}"), "x").with_retain(true);
        broker.handle(NOW, Input::Packet(A, publish.packet()), &mut out);
    }
    let batches = out.into_iter().filter_map(|output| match output {
        Output::Persist(_, bytes) => Some(bytes),
        _ => None,
    });
    batches.collect()
}

/// The retained messages, by the number in their topic.
fn retained(broker: &mut Broker) -> Vec<u16> {
    let mut out = Vec::new();
    broker.handle(NOW, Input::Opened(B), &mut out);
    broker.handle(NOW, Input::Packet(B, client("b").packet()), &mut out);
    broker.handle(
        NOW,
        Input::Packet(B, subscribe(1, "t/#", QOS0).packet()),
        &mut out,
    );
    let topics = out.iter().filter_map(|output| match output {
        Output::Publish(_, publish) => publish.packet.topic_name.strip_prefix("t/"),
        _ => None,
    });
    let mut numbers: Vec<u16> = topics.map(|number| number.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_flipped_bit_damages_no_other_block() {
    let log = log_of_retained(3);
    for bit in 0..log[2].len() * 8 {
        let mut log = log.clone();
        log[2][bit / 8] ^= 1 << (bit % 8);
        let (mut broker, restored) = restore(&log);
        assert!(restored.skipped > 0, "bit {bit} is not noticed");
        assert_eq!(retained(&mut broker), [0, 2], "bit {bit}");
    }
}

#[test]
fn a_truncated_block_damages_no_other_block() {
    let log = log_of_retained(3);
    for length in 0..log[2].len() {
        let mut log = log.clone();
        log[2].truncate(length);
        let (mut broker, restored) = restore(&log);
        // A block that ends before or directly after the version byte has no record to count.
        assert_eq!(restored.skipped, u64::from(length > 1), "{length} bytes");
        assert_eq!(retained(&mut broker), [0, 2], "{length} bytes");
    }
}

#[test]
fn a_missing_block_damages_no_other_block() {
    let mut log = log_of_retained(3);
    log.remove(2);
    let (mut broker, restored) = restore(&log);
    assert_eq!((restored.skipped, retained(&mut broker)), (0, vec![0, 2]));
}

#[test]
fn several_batches_may_form_one_block() {
    let log = log_of_retained(3);
    let (mut broker, restored) = restore(&[log.concat()]);
    assert_eq!(
        (restored.skipped, retained(&mut broker)),
        (0, vec![0, 1, 2])
    );
}

#[test]
fn a_damaged_record_is_skipped_and_the_next_one_is_read() {
    let log = log_of_retained(3);
    let mut joined = log.concat();
    let body = log[0].len() + log[1].len() + 20;
    joined[body] ^= 1;
    let (mut broker, restored) = restore(&[joined]);
    let offset = log[0].len() + log[1].len() + 1;
    assert_eq!(restored.errors, [RecordError::Damaged { offset }]);
    assert_eq!(retained(&mut broker), [0, 2]);
}

#[test]
fn records_about_a_lost_session_are_skipped_and_counted() {
    let mut log = log_of_retained(2);
    let last = log[0].len() - 1;
    log[0].truncate(last);
    let (mut broker, restored) = restore(&log);
    // The record of its connection is lost, its messages are not.
    assert_eq!(restored.skipped, 1);
    assert_eq!(restored.sessions, 1);
    assert_eq!(retained(&mut broker), [0, 1]);
    log.remove(0);
    let (mut broker, restored) = restore(&log);
    assert_eq!(restored.sessions, 0);
    assert_eq!(retained(&mut broker), [0, 1]);
}

#[test]
fn blocks_of_another_version_are_skipped_and_reported() {
    let mut log = log_of_retained(2);
    log[1][0] = 0xF2;
    let (mut broker, restored) = restore(&log);
    assert_eq!(
        restored.errors,
        [RecordError::UnknownVersion {
            offset: 0,
            version: 0xF2
        }]
    );
    assert_eq!(retained(&mut broker), [1]);
}

#[test]
fn the_first_errors_are_kept_and_all_are_counted() {
    let blocks = vec![vec![0xF1, 1, 2, 3]; 100];
    let (_, restored) = restore(&blocks);
    assert_eq!(restored.skipped, 100);
    assert_eq!(restored.errors.len(), 8);
    assert_eq!(
        restored.errors[0].to_string(),
        "only 3 bytes of a record at byte 1"
    );
}

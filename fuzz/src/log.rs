//! Checks a log of any bytes: the broker restored from it can be stored and restored again, and keeps the rules
//! of `script`. The first two bytes are the length of the log; a script for the restored broker follows.
//!
//! Changed bytes usually have a wrong checksum, and are skipped. So the log is checked a second time, with correct
//! checksums and contents that no broker wrote.

use broker::{Broker, Config, Time};
use crc::{CRC_32_ISO_HDLC, Crc, Table};

use super::script::{check_restored, restore_and_snapshot, users};

const NOW: Time = Time::from_ms(1_000_000);
static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
const HEADER_BYTES: usize = 8;

/// Restores a broker from `input`, and runs the script that follows.
pub fn check(input: &[u8]) {
    let Some((length, rest)) = input.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (log, script) = rest.split_at(length);
    check_log(log, script);
    check_log(&with_check_sums(log), script);
}

fn check_log(log: &[u8], script: &[u8]) {
    // In two parts, and as a whole.
    let (first, second) = log.split_at(log.len() / 2);
    let _ = restore(&[first, second]);
    let broker = restore(&[log]);
    let snapshot = broker.snapshot();
    let again = restore_and_snapshot(&snapshot, NOW);
    assert!(
        again == snapshot,
        "a broker restored from a snapshot has another snapshot"
    );
    check_restored(broker, NOW, script);
}

fn restore(pieces: &[&[u8]]) -> Broker {
    let access = Box::new(users());
    let config = Config::default();
    let (broker, restored) = Broker::restore(config, access, pieces.iter().copied(), NOW);
    assert!(restored.errors.len() as u64 <= restored.skipped);
    assert_eq!(restored.sessions, broker.stats().sessions);
    restored
        .errors
        .iter()
        .for_each(|error| drop(error.to_string()));
    broker
}

/// Corrects lengths and checksums in a log.
fn with_check_sums(log: &[u8]) -> Vec<u8> {
    let mut log = log.to_vec();
    if let Some(version) = log.first_mut() {
        *version = 0xF1;
    }
    let mut at = 1;
    while at + HEADER_BYTES <= log.len() {
        if log[at] >= 0xF0 {
            log[at] = 0xF1;
            at += 1;
            continue;
        }
        // A record that is too long ends with the log.
        let left = log.len() - at - HEADER_BYTES;
        let length = log[at..at + 4]
            .iter()
            .fold(0, |n, byte| n << 8 | u32::from(*byte));
        let length = length.min(left as u32).to_be_bytes();
        let end = at + HEADER_BYTES + u32::from_be_bytes(length) as usize;
        let mut digest = CRC.digest();
        digest.update(&length);
        digest.update(&log[at + HEADER_BYTES..end]);
        log[at..at + 4].copy_from_slice(&length);
        log[at + 4..at + HEADER_BYTES].copy_from_slice(&digest.finalize().to_be_bytes());
        at = end;
    }
    log
}

//! The fuzz target `cost` on the stable toolchain: it counts the memory that received bytes make the broker allocate. It is
//! a program of its own with one test, because the allocator counts for all threads.

#![expect(
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[expect(unreachable_pub, reason = "the fuzz target reaches it")]
#[path = "../../fuzz/src/cost.rs"]
mod cost;

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/raw.rs"]
mod raw;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of single-bit changes tried for each file of the corpus.
const CHANGES: u64 = 6;

#[test]
fn allocated_memory_is_linear_in_the_received_bytes() {
    let allocated = || ALLOCATOR.stats().bytes_allocated;
    let connect = [
        0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 3, b'b', b'a', b'd',
    ];
    let mut number = 1_u64;
    for bytes in corpus::corpus("packets") {
        for _ in 0..CHANGES {
            // An accepted client, then the bytes that it sends.
            let mut bytes = [&connect[..], &bytes].concat();
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = (number >> 33) as usize % bytes.len();
            bytes[place] ^= 1 << (number >> 30 & 7);
            cost::check(&bytes, &allocated);
        }
    }
    for costly in [
        subscribe(&["#"; 1_000]),
        subscribe(&[""; 10]),
        raw::publish_with_user_properties(b't', 1_000),
        raw::publish_with_user_properties(b't', 12_000),
    ] {
        cost::check(&[&connect[..], &costly].concat(), &allocated);
    }
}

fn subscribe(filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 1, 0];
    for filter in filters {
        body.extend((filter.len() as u16).to_be_bytes());
        body.extend(filter.as_bytes());
        body.push(0);
    }
    raw::framed(0x82, &body)
}

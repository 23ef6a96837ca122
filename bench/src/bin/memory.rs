//! Prints the memory (bytes) of a session, a subscription and a retained message, one in a line. It is a separate program,
//! because counting makes allocation slower.

use std::alloc::System;

use bench::{Clients, RetainedLookup, workload};
use broker::QoS;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 10_000;

fn main() {
    let mut clients = Clients::none();
    let connected = bytes(|| (0..SESSIONS).for_each(|client| clients.connect(client)));
    println!("session,connected {}", connected / SESSIONS);

    let mut lost = Clients::none();
    let away = bytes(|| {
        for client in 0..SESSIONS {
            lost.connect(client);
            lost.lose(client);
        }
    });
    println!("session,away {}", away / SESSIONS);

    let filters = workload::filters();
    let subscriptions = bytes(|| {
        for (index, filter) in filters.iter().enumerate() {
            clients.subscribe(index % SESSIONS, filter, QoS::AtMostOnce);
        }
    });
    println!("subscription {}", subscriptions / filters.len());

    let mut retained = None;
    let messages = bytes(|| retained = Some(RetainedLookup::new()));
    println!("retained {}", messages / RetainedLookup::MESSAGES);
}

/// The bytes that `make` leaves allocated.
fn bytes(make: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    make();
    let change = region.change();
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

//! Fuzzes the cost of received bytes: `cargo +nightly fuzz run cost`.

#![no_main]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    broker_fuzz::cost::check(bytes, &|| ALLOCATOR.stats().bytes_allocated);
});

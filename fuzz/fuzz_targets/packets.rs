//! Fuzzes the codec with any bytes: `cargo +nightly fuzz run packets`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| broker_fuzz::packets::check(bytes));

//! Fuzzes the log with any bytes: `cargo +nightly fuzz run log`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| broker_fuzz::log::check(input));

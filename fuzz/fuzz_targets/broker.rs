//! Fuzzes the broker with any packets at any time: `cargo +nightly fuzz run broker`.

#![no_main]

libfuzzer_sys::fuzz_target!(|script: &[u8]| broker_fuzz::script::check(script));

//! Numbers, counts and durations as text.

use tabmq_worker::api::QoS;

/// MQTT's number of a QoS.
pub(crate) fn qos_level(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}

pub(crate) fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// When a session expires.
pub(crate) fn expiry(interval_s: u32) -> String {
    match interval_s {
        0 => "on disconnect".to_owned(),
        u32::MAX => "never".to_owned(),
        seconds => format!("{} after disconnect", duration(u64::from(seconds) * 1_000)),
    }
}

/// A duration in the largest unit of which it has at least one: `7 s`, `12 min`, `3 h`, `2 d`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long a step took.
pub(crate) fn step_ms(ms: f64) -> String {
    if ms < 1.0 {
        "< 1 ms".to_owned()
    } else {
        format!("{ms:.0} ms")
    }
}

/// A count with thousands separators: `12,345`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 message`, `1,234 messages`.
pub(crate) fn messages(number: u64) -> String {
    counted(number, "message", "messages")
}

/// A number of things: `1 topic`, `1,234 topics`.
pub(crate) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// The summary of folded content, with the number of its filled fields.
pub(super) fn folded(name: &str, filled: usize) -> String {
    if filled == 0 {
        name.to_owned()
    } else {
        format!("{name} ({filled})")
    }
}

/// The size of a storage: `1 MB`, `10.7 GB`.
pub(super) fn storage_size(bytes: u64) -> String {
    match bytes.div_ceil(1_000_000) {
        megabytes @ 0..1_000 => format!("{megabytes} MB"),
        _ => {
            let gigabytes = format!("{:.1}", bytes as f64 / 1e9);
            format!("{} GB", gigabytes.trim_end_matches(".0"))
        }
    }
}

/// A limit in bytes: `16 MiB`, `64 KiB`, `1,000 bytes`.
pub(super) fn limit(bytes: u32) -> String {
    const MIB: u32 = 1 << 20;
    const KIB: u32 = 1 << 10;
    match bytes {
        MIB.. if bytes.is_multiple_of(MIB) => format!("{} MiB", count((bytes / MIB).into())),
        KIB.. if bytes.is_multiple_of(KIB) => format!("{} KiB", count((bytes / KIB).into())),
        _ => counted(bytes.into(), "byte", "bytes"),
    }
}

//! Values and times of a chart as text.

use super::ValueKind;
use crate::browser::time;
use crate::labels;

/// The unit that has prefixes for thousands and millions.
pub(super) const BYTES: &str = "B";

/// The unit that has one decimal digit.
const PERCENT: &str = "%";

/// The unit that has three digits, because the last ones of a rate change all the time.
const RATE: &str = "messages/s";

/// The placeholder of a missing value.
pub(super) const NONE: &str = "–";

/// A value without its unit, which the sentence has named before.
pub(super) fn bare(value: Option<f64>, value_kind: ValueKind, unit: &str) -> String {
    match (value_kind, unit, value) {
        (ValueKind::Number, BYTES | "", _) | (ValueKind::OnOff, ..) | (.., None) => {
            read(value, value_kind, "")
        }
        (ValueKind::Number, RATE, Some(value)) => rate(value),
        (ValueKind::Number, _, Some(value)) => number(value),
    }
}

/// A value for places with enough room.
pub(super) fn read(value: Option<f64>, value_kind: ValueKind, unit: &str) -> String {
    match (value_kind, value) {
        (ValueKind::OnOff, Some(value)) if value.is_finite() => {
            labels::payload::on_or_off(value != 0.0).to_owned()
        }
        (ValueKind::OnOff | ValueKind::Number, value) => with_unit(value, unit),
    }
}

/// A value with thousands separators and its unit. A value without a unit comes from a message and keeps its digits; our own
/// figures have four significant digits.
fn with_unit(value: Option<f64>, unit: &str) -> String {
    match (value.filter(|it| it.is_finite()), unit) {
        (None, _) => NONE.to_owned(),
        (Some(value), "") => exact(value),
        (Some(value), PERCENT) => format!("{} {PERCENT}", grouped(&format!("{value:.1}"))),
        (Some(value), BYTES) => {
            let (value, prefix) = with_prefix(value);
            format!("{} {prefix}B", number(value))
        }
        (Some(value), RATE) => format!("{} {RATE}", rate(value)),
        (Some(value), unit) => format!("{} {unit}", number(value)),
    }
}

/// A value at its axis, in little room. It keeps all digits, because neighbours can differ only in the last one.
pub(super) fn tick(value: f64, unit: &str) -> String {
    let (scaled, prefix) = match value.abs() {
        0.0..10_000.0 if unit != BYTES => (value, ""),
        _ => with_prefix(value),
    };
    // Removes the rounding errors of the division.
    let scaled = (scaled * 1e9).round() / 1e9;
    match unit {
        BYTES => format!("{scaled} {prefix}B"),
        _ => format!("{scaled}{prefix}"),
    }
}

fn with_prefix(value: f64) -> (f64, &'static str) {
    match value.abs() {
        1e12.. => (value / 1e12, "T"),
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (value, ""),
    }
}

/// A number with four significant digits, or with all digits before its decimal point.
fn number(value: f64) -> String {
    let places = match value.abs() {
        1e15.. => return format!("{value:.3e}"),
        1_000.0.. | 0.0 => 0,
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        0.001.. => 4,
        _ => return format!("{value:.3e}"),
    };
    grouped(&format!("{value:.places$}"))
}

/// A number with three significant digits, or with all digits before its decimal point.
fn rate(value: f64) -> String {
    let places = match value.abs() {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    grouped(&format!("{value:.places$}"))
}

/// A number with all its digits, unless they are more than a measurement has.
fn exact(value: f64) -> String {
    const DIGITS_MAX: usize = 12;
    let digits = value.to_string();
    if digits.len() <= DIGITS_MAX {
        grouped(&digits)
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        grouped(&format!("{value:.0}"))
    } else {
        number(value)
    }
}

/// Decimal digits with thousands separators and without trailing zeros.
fn grouped(digits: &str) -> String {
    let (sign, unsigned) = match digits.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", digits),
    };
    let (whole, rest) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = labels::count(whole.parse().unwrap_or_default());
    match rest.trim_end_matches('0') {
        "" if whole == "0" => whole,
        "" => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{rest}"),
    }
}

/// A moment, as precise as the distance to the next one requires: `14:03`, `14:03:07`, `14:03:07.250`.
pub(super) fn time_tick(seconds: f64, step: f64) -> String {
    let mut time = time::time_of_day((seconds * 1e3).max(0.0).round() as u64);
    if step >= 60.0 {
        time.truncate("14:03".len());
    } else if step >= 1.0 {
        time.truncate("14:03:07".len());
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_significant_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (999.9, "1,000"),
            (12_345.6, "12,346"),
            (99.97, "100"),
            (12.34, "12.3"),
            (1.234, "1.23"),
        ] {
            assert_eq!(
                read(Some(value), ValueKind::Number, RATE),
                format!("{shown} messages/s")
            );
        }
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.000_012_34, "1.234e-5"),
            (0.012_345, "0.0123"),
            (1.5, "1.5"),
            (21.456, "21.46"),
            (1_013.25, "1,013"),
            (-1_234_567.8, "-1,234,568"),
            (999.96, "1,000"),
            (2e15, "2.000e15"),
        ] {
            assert_eq!(number(value), shown, "{value}");
        }
    }

    #[test]
    fn a_value_has_its_unit_and_a_gap_has_none() {
        assert_eq!(with_unit(Some(12_345.6), "messages/s"), "12,346 messages/s");
        assert_eq!(with_unit(Some(5_123_456.0), "B"), "5.123 MB");
        assert_eq!(with_unit(Some(7.0), ""), "7");
        assert_eq!(with_unit(Some(f64::NAN), "ms"), NONE);
        assert_eq!(with_unit(None, "ms"), NONE);
    }

    #[test]
    fn values_from_messages_keep_their_digits() {
        for (value, shown) in [
            (1_013.25, "1,013.25"),
            (-0.0, "0"),
            (-1_234_567.5, "-1,234,567.5"),
            (1_796_000_000_000.0, "1,796,000,000,000"),
            (0.1 + 0.2, "0.3"),
            (1e300, "1.000e300"),
        ] {
            assert_eq!(with_unit(Some(value), ""), shown);
        }
        assert_eq!(with_unit(Some(0.9777), "%"), "1 %");
        assert_eq!(with_unit(Some(12.34), "%"), "12.3 %");
    }

    #[test]
    fn on_and_off_are_words() {
        assert_eq!(read(Some(1.0), ValueKind::OnOff, ""), "on");
        assert_eq!(read(Some(0.0), ValueKind::OnOff, ""), "off");
        assert_eq!(read(Some(f64::NAN), ValueKind::OnOff, ""), NONE);
    }

    #[test]
    fn ticks_that_are_near_each_other_differ() {
        assert_eq!(tick(1_013.25, ""), "1013.25");
        assert_eq!(tick(1_013.5, ""), "1013.5");
        assert_eq!(tick(12_500.0, "messages/s"), "12.5k");
        assert_eq!(tick(-2_000_000.0, ""), "-2M");
        assert_eq!(tick(1_500.0, "B"), "1.5 kB");
        assert_eq!(tick(0.0, "B"), "0 B");
        assert_eq!(tick(f64::NAN, ""), "NaN");
    }
}

use std::fmt::Write;
use std::fs;
use std::path::Path;

use bench::workload;
use serde_json::json;

use crate::error::Error;
use crate::measure::{Measure, Series, Unit};
use crate::memory::Memory;

/// The report as a table.
pub(crate) fn table(measures: &[Measure], memory: &[Memory], rounds: usize) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{} filters, {} topics; {rounds} rounds. The ratio compares times: above 1 is slower than native.\n\n\
         {:<36}{:<24}{:>8}{:>12}{:>12}{:>12}{:>9}",
        workload::FILTERS,
        workload::TOPICS,
        "what",
        "who",
        "unit",
        "min",
        "median",
        "max",
        "ratio"
    );
    for measure in measures {
        for (index, series) in measure.series.iter().enumerate() {
            let name = if index == 0 { measure.name } else { "" };
            let [min, median, max] = series.range().map(|value| number(value, measure.unit));
            let ratio = measure.ratio(series);
            let _ = writeln!(
                text,
                "{name:<36}{:<24}{:>8}{min:>12}{median:>12}{max:>12}{ratio:>9.2}{}",
                series.who,
                measure.unit.name(),
                series.verdict(measure.unit),
            );
        }
    }
    let _ = writeln!(text, "\n{:<48}{:>8}", "memory, native", "bytes");
    for Memory { what, bytes } in memory {
        let _ = writeln!(text, "{what:<48}{bytes:>8}");
    }
    text
}

/// Writes the report as JSON.
pub(crate) fn write(
    path: &Path,
    measures: &[Measure],
    memory: &[Memory],
    rounds: usize,
) -> Result<(), Error> {
    let speed: Vec<_> = measures
        .iter()
        .flat_map(|measure| {
            measure.series.iter().map(|series| {
                let [min, median, max] = series.range();
                json!({
                    "what": measure.name,
                    "who": series.who,
                    "unit": measure.unit.name(),
                    "min": min,
                    "median": median,
                    "max": max,
                    "ratio": measure.ratio(series),
                })
            })
        })
        .collect();
    let memory: Vec<_> = memory
        .iter()
        .map(|Memory { what, bytes }| json!({ "what": what, "bytes": bytes }))
        .collect();
    let all = json!({
        "filters": workload::FILTERS,
        "topics": workload::TOPICS,
        "rounds": rounds,
        "speed": speed,
        "memory": memory,
    });
    fs::write(path, format!("{all:#}\n")).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

impl Measure {
    /// The time of an implementation, divided by that of the first one.
    fn ratio(&self, series: &Series) -> f64 {
        let Some(first) = self.series.first() else {
            return 1.0;
        };
        let [_, base, _] = first.range();
        let [_, other, _] = series.range();
        match self.unit {
            Unit::NanosecondsEach | Unit::Milliseconds => other / base,
            Unit::PerSecond => base / other,
        }
    }
}

/// Longest time (ms) that other clients may wait while one client causes as much work as it can.
const LATENCY_GOAL_MS: f64 = 50.0;

impl Series {
    /// Whether the goal is met; empty without a goal.
    fn verdict(&self, unit: Unit) -> &'static str {
        let [_, _, worst] = self.range();
        match unit {
            Unit::Milliseconds if worst <= LATENCY_GOAL_MS => "  <= 50 met",
            Unit::Milliseconds => "  <= 50 MISSED",
            Unit::NanosecondsEach | Unit::PerSecond => "",
        }
    }

    /// Minimum, median and maximum.
    fn range(&self) -> [f64; 3] {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) && middle > 0 {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        [at(0), median, at(values.len().saturating_sub(1))]
    }
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::NanosecondsEach => "ns each",
            Self::PerSecond => "per s",
            Self::Milliseconds => "ms",
        }
    }
}

/// Rounds large numbers to thousands or millions.
fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if value >= 1e6 => format!("{:.2} M", value / 1e6),
        Unit::PerSecond if value >= 1e4 => format!("{:.0} k", value / 1e3),
        Unit::NanosecondsEach if value >= 1e5 => format!("{:.0} k", value / 1e3),
        Unit::Milliseconds => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(who: &'static str, values: &[f64]) -> Series {
        Series {
            who,
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(series("a", &[3.0, 1.0, 2.0]).range(), [1.0, 2.0, 3.0]);
        assert_eq!(series("a", &[4.0, 1.0, 2.0, 3.0]).range(), [1.0, 2.5, 4.0]);
    }

    #[test]
    fn a_ratio_above_1_is_slower_in_every_unit() {
        for (unit, slower) in [
            (Unit::NanosecondsEach, 20.0),
            (Unit::PerSecond, 5.0),
            (Unit::Milliseconds, 20.0),
        ] {
            let measure = Measure {
                name: "m",
                unit,
                series: vec![series("native", &[10.0]), series("other", &[slower])],
            };
            assert_eq!(measure.ratio(&measure.series[1]), 2.0, "{unit:?}");
        }
    }
}

//! The figures of all systems as a table, as JSON and as a picture.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cases::{Measured, OURS, Results, SYSTEMS};

/// A goal for a ratio.
struct Goal {
    what: String,
    ratio: Option<f64>,
    least: f64,
}

/// The ratio of medians. Above 1, `ours` is better: a higher rate, or a shorter time.
fn ratio(ours: &Measured, other: &Measured) -> f64 {
    let (ours, other) = match ours.is_rate {
        true => (ours.values.median(), other.values.median()),
        false => (other.values.median(), ours.values.median()),
    };
    ours / other
}

impl Results {
    fn find(&self, case: &str, system: &str) -> Option<&Measured> {
        let mut all = self.0.iter();
        all.find(|it| it.case == case && it.system == system)
    }

    /// In the order in which they were measured.
    fn cases(&self) -> Vec<&str> {
        let mut cases: Vec<&str> = Vec::new();
        for it in &self.0 {
            if !cases.contains(&it.case.as_str()) {
                cases.push(&it.case);
            }
        }
        cases
    }

    /// None if one of the two lost messages, because then their figures cannot be compared.
    fn ratio(&self, case: &str, system: &str) -> Option<f64> {
        let (ours, other) = (self.find(case, OURS)?, self.find(case, system)?);
        (ours.missing + other.missing == 0).then(|| ratio(ours, other))
    }

    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let mut goal = |what: String, ratio, least| goals.push(Goal { what, ratio, least });
        for (system, least) in [("mqtt5-wasm", 10.0), ("raw", 2.5)] {
            let case = "tab to tab, 64 B, QoS 0";
            goal(
                format!("{case}, beside {system}"),
                self.ratio(case, system),
                least,
            );
        }
        for system in ["mqtt5-wasm", "MQTT.js, Mosquitto", "broadcast-channel"] {
            for qos in 0..=2 {
                let case = format!("echo, QoS {qos}, p50");
                if self.find(&case, system).is_some() {
                    goal(
                        format!("{case}, beside {system}"),
                        self.ratio(&case, system),
                        1.0,
                    );
                }
            }
        }
        let of = |tabs: usize| self.find(&format!("one of {tabs} tabs, 64 B, QoS 0"), OURS);
        let flat = of(2).zip(of(32));
        // A message may take 1.2 times as long.
        goal(
            "one of 32 tabs, beside one of 2".to_owned(),
            flat.map(|(few, many)| many.values.median() / few.values.median()),
            1.0 / 1.2,
        );
        let case = "to 32 tabs, 64 B, QoS 0, all together";
        goal(format!("{case}, beside raw"), self.ratio(case, "raw"), 1.0);
        goals
    }
}

fn number(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "–".to_owned(),
        _ if value >= 100.0 => {
            let digits = format!("{value:.0}");
            let first = (digits.len() - 1) % 3 + 1;
            let (head, rest) = digits.split_at(first);
            let groups = rest.as_bytes().chunks(3).map(String::from_utf8_lossy);
            groups.fold(head.to_owned(), |text, group| format!("{text},{group}"))
        }
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn print(results: &Results, rounds: usize) {
    println!("{rounds} rounds. \"TabMQ is\" is the ratio of medians: above 1, TabMQ is better.\n");
    println!(
        "{:<42}{:<20}{:>6}{:>12}{:>12}{:>12}{:>10}{:>9}",
        "case", "system", "unit", "min", "median", "max", "TabMQ is", "missing"
    );
    for case in results.cases() {
        for system in SYSTEMS {
            let Some(it) = results.find(case, system) else {
                continue;
            };
            let ratio = results.ratio(case, system).filter(|_| system != OURS);
            println!(
                "{case:<42}{system:<20}{:>6}{:>12}{:>12}{:>12}{:>10}{:>9}",
                it.unit,
                number(it.values.min()),
                number(it.values.median()),
                number(it.values.max()),
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×")),
                it.missing,
            );
        }
        println!();
    }
    println!("{:<70}{:>9}{:>9}", "goal", "ratio", "wanted");
    for Goal { what, ratio, least } in results.goals() {
        let Some(ratio) = ratio else { continue };
        let word = if ratio >= least { "met" } else { "MISSED" };
        println!("{what:<70}{ratio:>8.2}×{least:>8.2}× {word}");
    }
}

pub(crate) fn to_json(results: &Results, rounds: usize) -> Value {
    let figures: Vec<Value> = results
        .0
        .iter()
        .map(|it| {
            json!({
                "case": it.case,
                "system": it.system,
                "unit": it.unit,
                "min": it.values.min(),
                "median": it.values.median(),
                "max": it.values.max(),
                "missing": it.missing,
                "tabmqIs": results.ratio(&it.case, it.system),
            })
        })
        .collect();
    let goals: Vec<Value> = results
        .goals()
        .iter()
        .map(|it| json!({ "what": it.what, "ratio": it.ratio, "wanted": it.least }))
        .collect();
    json!({ "rounds": rounds, "figures": figures, "goals": goals })
}

const ROW: f64 = 26.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 64.0;
const WIDTH: f64 = 980.0;
/// The ratios at the ends of the picture.
const ENDS: (f64, f64) = (0.1, 100.0);

/// The ratios of all cases on a logarithmic axis.
pub(crate) fn to_svg(results: &Results) -> String {
    let cases = results.cases();
    let height = TOP + ROW * cases.len() as f64 + 40.0;
    let x = |ratio: f64| {
        let part = (ratio.clamp(ENDS.0, ENDS.1) / ENDS.0).log10() / (ENDS.1 / ENDS.0).log10();
        LEFT + part * (WIDTH - LEFT - RIGHT)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"600\">TabMQ compared with other systems: right of 1, TabMQ is better</text>\n"
    );
    let others: Vec<&str> = SYSTEMS
        .into_iter()
        .filter(|system| *system != OURS)
        .collect();
    let mut legend = 16.0;
    for (place, system) in others.iter().enumerate() {
        // Writing to a string never fails.
        let _ = writeln!(
            svg,
            "<circle cx=\"{}\" cy=\"44\" r=\"5\" fill=\"{}\"/><text x=\"{}\" y=\"48\">{system}</text>",
            legend + 5.0,
            COLOURS[place],
            legend + 16.0,
        );
        legend += 34.0 + 7.5 * system.len() as f64;
    }
    for ratio in [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0] {
        let stroke = if ratio == 1.0 { "#333" } else { "#ddd" };
        let x = x(ratio);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"{stroke}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{ratio}×</text>",
            height - 34.0,
            height - 16.0,
        );
    }
    for (row, case) in cases.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{case}</text>",
            LEFT - 14.0,
            y + 4.0
        );
        for (place, system) in others.iter().enumerate() {
            if let Some(ratio) = results.ratio(case, system) {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"6\" fill=\"{}\" fill-opacity=\"0.85\"><title>{case}: {ratio:.2}× {system}</title></circle>",
                    x(ratio),
                    COLOURS[place],
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// The colours of the other systems, in their order.
const COLOURS: [&str; 6] = [
    "#555555", "#9a9a9a", "#7a3fc4", "#0969da", "#1a7f37", "#b35900",
];

#[cfg(test)]
mod tests {
    use super::*;
    use bench_browser::Series;

    fn results() -> Results {
        let measured = |case: &str, system, unit, is_rate, value| Measured {
            case: case.to_owned(),
            system,
            unit,
            is_rate,
            values: Series::from_iter([value]),
            missing: 0,
        };
        let flood = "tab to tab, 64 B, QoS 0";
        Results(vec![
            measured(flood, OURS, "per s", true, 200_000.0),
            measured(flood, "mqtt5-wasm", "per s", true, 10_000.0),
            measured("echo, QoS 0, p50", OURS, "ms", false, 1.0),
            measured("echo, QoS 0, p50", "mqtt5-wasm", "ms", false, 4.0),
        ])
    }

    #[test]
    fn a_higher_rate_and_a_shorter_time_are_better() {
        let results = results();
        let ratio = |case| results.ratio(case, "mqtt5-wasm");
        assert_eq!(ratio("tab to tab, 64 B, QoS 0"), Some(20.0));
        assert_eq!(ratio("echo, QoS 0, p50"), Some(4.0));
        assert_eq!(ratio("nothing"), None);
        let svg = to_svg(&results);
        assert!(svg.contains("20.00× mqtt5-wasm") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn large_numbers_have_commas() {
        let cases = [
            (1.234, "1.23"),
            (999.4, "999"),
            (1_234.0, "1,234"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(f64::NAN), "–");
    }
}

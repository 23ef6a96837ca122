//! The figures as a table and as JSON.

use serde_json::{Value, json};

use crate::options::LoadOptions;
use crate::promises::{broken, memory_growth};
use crate::record::{Action, Record};

pub(crate) const PERCENTILES: [f64; 4] = [50.0, 95.0, 99.0, 99.9];

/// The names and values of all figures.
pub(crate) fn rows(options: &LoadOptions, record: &Record) -> Vec<(String, String)> {
    let Record {
        seconds,
        incidents,
        totals,
        verdict,
        dropped,
        published_s,
    } = record;
    let per_s = |count: u64| format!("{:.0}", count as f64 / published_s);
    let of = |what: Action| incidents.iter().filter(|it| it.what == what).count();
    let mut rows = vec![
        ("sent".to_owned(), totals.sent.to_string()),
        ("sent, per s".to_owned(), per_s(totals.sent)),
        ("acknowledged".to_owned(), totals.acknowledged.to_string()),
        ("refused".to_owned(), totals.refused.to_string()),
        (
            "delivered, summed over subscribers".to_owned(),
            totals.received.to_string(),
        ),
        ("delivered, per s".to_owned(), per_s(totals.received)),
        (
            match options.qos {
                0 => "sent and not delivered".to_owned(),
                _ => "acknowledged and lost".to_owned(),
            },
            format!("{} of {}", verdict.lost, verdict.owed),
        ),
        ("arrived twice".to_owned(), totals.duplicates.to_string()),
        ("out of order".to_owned(), totals.out_of_order.to_string()),
        (
            "dropped, as the brokers report".to_owned(),
            dropped.to_string(),
        ),
    ];
    for percent in PERCENTILES {
        let ms = totals.percentile(percent);
        rows.push((format!("latency p{percent}, ms"), format!("{ms:.2}")));
    }
    rows.push((
        "longest time without an acknowledgement, ms".to_owned(),
        format!("{:.0}", totals.gap_ms),
    ));
    if options.loses_tabs() {
        let killed = of(Action::BrokerCrashed) + of(Action::BrokerClosed);
        rows.push(("brokers killed".to_owned(), killed.to_string()));
        rows.push((
            "tabs replaced".to_owned(),
            of(Action::TabReplaced).to_string(),
        ));
    }
    let cpu: Vec<f64> = seconds.iter().map(|it| it.cpu_percent()).collect();
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    rows.push((
        "processor time of all pages, % of one processor".to_owned(),
        format!("{:.0}", mean(&cpu)),
    ));
    let memory: Vec<f64> = seconds.iter().filter_map(|it| it.memory_mb()).collect();
    if !memory.is_empty() {
        let most = memory.iter().copied().fold(0.0, f64::max);
        rows.push((
            "memory of all pages, MB: mean, most".to_owned(),
            format!("{:.0}, {most:.0}", mean(&memory)),
        ));
    }
    if let Some(growth) = memory_growth(record) {
        rows.push((
            "memory in the last quarter, relative to the second".to_owned(),
            format!("{growth:.2}"),
        ));
    }
    rows
}

pub(crate) fn print(options: &LoadOptions, record: &Record) {
    println!("{}.\n", options.description());
    for (name, value) in rows(options, record) {
        println!("{name:<55}{value:>20}");
    }
    println!();
}

pub(crate) fn to_json(options: &LoadOptions, record: &Record) -> Value {
    let rows: serde_json::Map<String, Value> = rows(options, record)
        .into_iter()
        .map(|(name, value)| {
            let number = value.parse::<f64>().map(Value::from);
            (name, number.unwrap_or_else(|_| value.into()))
        })
        .collect();
    let seconds: Vec<Value> = record
        .seconds
        .iter()
        .map(|it| {
            let usage: Vec<Value> = it
                .usage
                .iter()
                .map(|(id, usage)| {
                    json!({ "process": id, "cpuPercent": usage.cpu_percent, "memoryMb": usage.memory_mb })
                })
                .collect();
            json!({
                "atS": it.at_s,
                "seconds": it.seconds,
                "sent": it.counts.sent,
                "acknowledged": it.counts.acknowledged,
                "received": it.counts.received,
                "gapMs": it.counts.gap_ms,
                "latencyMs": PERCENTILES.map(|percent| it.counts.percentile(percent)),
                "processes": usage,
            })
        })
        .collect();
    let incidents: Vec<Value> = record
        .incidents
        .iter()
        .map(|it| json!({ "atS": it.at_s, "what": it.what.text() }))
        .collect();
    json!({
        "load": options.description(),
        "results": rows,
        "broken": broken(options, record),
        "percentiles": PERCENTILES,
        "seconds": seconds,
        "incidents": incidents,
    })
}

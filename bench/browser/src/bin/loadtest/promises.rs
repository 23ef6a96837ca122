//! Checks the results against what TabMQ promises.

use crate::options::LoadOptions;
use crate::record::Record;

/// Highest ratio of the memory in the last quarter of a run to that in the second quarter.
const GROWTH_MAX: f64 = 1.5;

/// Shortest run (s) for a check of growing memory.
const GROWTH_S: f64 = 60.0;

/// The broken promises, a sentence each.
pub(crate) fn broken(options: &LoadOptions, record: &Record) -> Vec<String> {
    let Record {
        totals,
        verdict,
        dropped,
        ..
    } = record;
    let mut broken = Vec::new();
    let lost = verdict.lost;
    if options.promises_delivery() && lost > 0 {
        broken.push(format!("{lost} messages were acknowledged and lost"));
    }
    if options.qos == 0 && !options.loses_tabs() && lost > *dropped {
        broken.push(format!(
            "{lost} messages did not arrive, and the broker reports {dropped} as dropped"
        ));
    }
    let duplicates = totals.duplicates;
    if options.qos != 1 && duplicates > 0 {
        broken.push(format!("{duplicates} messages arrived twice"));
    }
    let out_of_order = totals.out_of_order;
    if out_of_order > 0 {
        broken.push(format!("{out_of_order} messages arrived out of order"));
    }
    if totals.sent == 0 || totals.received == 0 {
        broken.push("no message arrived at all".to_owned());
    }
    if let Some(growth) = memory_growth(record).filter(|growth| *growth > GROWTH_MAX) {
        broken.push(format!(
            "memory grew: in the last quarter it was {growth:.2} times that of the second"
        ));
    }
    broken
}

/// The mean memory of all processes in the last quarter, divided by that in the second quarter. In the first quarter memory
/// still grows. None if the run was too short, or the system does not report memory.
pub(crate) fn memory_growth(record: &Record) -> Option<f64> {
    let whole = record.published_s;
    if whole < GROWTH_S {
        return None;
    }
    let mean = |from: f64, to: f64| {
        let within = record.seconds.iter();
        let within = within.filter(|it| (from..to).contains(&(it.at_s / whole)));
        let all: Vec<f64> = within
            .filter_map(crate::seconds::Second::memory_mb)
            .collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    };
    Some(mean(0.75, 1.0)? / mean(0.25, 0.5)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seconds::PageSample;
    use crate::verdict::Verdict;

    fn record(lost: u64, duplicates: u64, dropped: u64) -> Record {
        Record {
            seconds: Vec::new(),
            incidents: Vec::new(),
            totals: PageSample {
                sent: 10,
                received: 10,
                duplicates,
                ..PageSample::default()
            },
            verdict: Verdict {
                lost,
                ..Verdict::default()
            },
            dropped,
            published_s: 10.0,
        }
    }

    #[test]
    fn each_qos_has_its_promise() {
        let broken = |qos, record: &Record| {
            let options = LoadOptions {
                qos,
                ..LoadOptions::default()
            };
            super::broken(&options, record).len()
        };
        for qos in 0..=2 {
            assert_eq!(broken(qos, &record(0, 0, 0)), 0);
        }
        assert_eq!(
            [0, 1, 2].map(|qos| broken(qos, &record(1, 0, 1))),
            [0, 1, 1]
        );
        assert_eq!(
            [0, 1, 2].map(|qos| broken(qos, &record(1, 0, 0))),
            [1, 1, 1]
        );
        assert_eq!(
            [0, 1, 2].map(|qos| broken(qos, &record(0, 1, 0))),
            [1, 0, 1]
        );
    }
}

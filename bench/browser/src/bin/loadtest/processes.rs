//! Processor time and memory of the pages' processes. Usually Chromium has one process for each tab.

use std::collections::BTreeMap;
use std::fs;

use e2e::Chromium;

/// The resources of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, in per cent of one processor.
    pub(crate) cpu_percent: f64,
    /// Its share of physical memory (MB); none if the system does not report it.
    pub(crate) memory_mb: Option<f64>,
}

/// Keeps each process's processor time of the last call.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    before: BTreeMap<u32, f64>,
}

impl Processes {
    /// The usage of each process in the `seconds` since the last call.
    pub(crate) fn usage(&mut self, chromium: &Chromium, seconds: f64) -> BTreeMap<u32, Usage> {
        let now: BTreeMap<u32, f64> = chromium.renderers().into_iter().collect();
        let usage = now.iter().map(|(id, cpu_s)| {
            let before = self.before.get(id).copied();
            let usage = Usage {
                cpu_percent: (cpu_s - before.unwrap_or(*cpu_s)) / seconds * 100.0,
                memory_mb: memory_mb(*id),
            };
            (*id, usage)
        });
        let usage = usage.collect();
        self.before = now;
        usage
    }
}

/// Proportional set size: shared memory counts in part for each process that shares it.
fn memory_mb(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    let kb: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb * 1_024.0 / 1e6)
}

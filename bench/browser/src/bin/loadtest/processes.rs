//! What the processes of pages take: one for each tab, as long as Chromium gives each its own.

use std::collections::BTreeMap;
use std::fs;

use e2e::Chromium;

/// What one process takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Of one processor, in per cent.
    pub(crate) cpu_percent: f64,
    /// Its share of physical memory, in MB; none where the system does not tell.
    pub(crate) memory_mb: Option<f64>,
}

/// Remembers how much processor time each has had.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    before: BTreeMap<u32, f64>,
}

impl Processes {
    /// What each has taken in the seconds since this was called last.
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

/// Proportional set size: what is shared counts for each who shares it in part.
fn memory_mb(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    let kb: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb * 1_024.0 / 1e6)
}

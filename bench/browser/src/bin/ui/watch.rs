//! Observes the app's page: long tasks, frames, memory, received messages.

use e2e::{Chromium, Page};
use serde::Deserialize;
use serde_json::json;

/// Longest task (ms) that a person does not notice.
pub(crate) const TASK_MS_MAX: f64 = 50.0;
pub(crate) const WINDOW: (u32, u32) = (1440, 900);

/// The script that records a page's long tasks, frames, memory and loading times from its beginning.
pub(crate) const WATCH: &str = include_str!("watch.js");

/// True when the app is subscribed.
pub(crate) const IS_SUBSCRIBED: &str =
    "document.querySelector('[data-testid=status][data-status=connected]') !== null
    && document.querySelector('[data-testid=subscription][data-granted=\"2\"]') !== null";

/// Opens the app on a channel, with [`WATCH`] from its beginning.
pub(crate) fn open_app<'c>(chromium: &'c Chromium, channel: &str) -> Page<'c> {
    let page = chromium.open_blank();
    let (width, height) = WINDOW;
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    page.command("Emulation.setDeviceMetricsOverride", size);
    page.before_each_page(WATCH);
    page.navigate(&format!("{}?channel={channel}", chromium.server().url()));
    page
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Observed {
    pub(crate) ms: f64,
    pub(crate) frames: u32,
    pub(crate) longest_frame: f64,
    /// Time (ms) until the page showed the last message.
    pub(crate) arrived_ms: f64,
    /// Tasks over 50 ms.
    pub(crate) tasks: Vec<LongTask>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct LongTask {
    /// Its beginning (ms).
    pub(crate) at: f64,
    pub(crate) ms: f64,
}

impl Observed {
    pub(crate) fn longest_task(&self) -> f64 {
        self.tasks.iter().map(|it| it.ms).fold(0.0, f64::max)
    }

    /// The beginning (ms) of the longest task; NaN without a task.
    pub(crate) fn longest_task_at(&self) -> f64 {
        let longest = self.tasks.iter().max_by(|a, b| a.ms.total_cmp(&b.ms));
        longest.map_or(f64::NAN, |it| it.at)
    }

    pub(crate) fn frames_per_second(&self) -> f64 {
        f64::from(self.frames) * 1_000.0 / self.ms
    }
}

pub(crate) fn observe(page: &Page<'_>) -> Observed {
    page.evaluate_as("watch.report()")
}

/// The memory (bytes) of a page's scripts and of the app's WebAssembly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) script: f64,
    pub(crate) wasm: f64,
}

pub(crate) fn memory(page: &Page<'_>) -> Memory {
    let metrics = page.command("Performance.getMetrics", json!({}));
    let mut metrics = metrics["metrics"].as_array().into_iter().flatten();
    let heap = metrics.find(|it| it["name"] == "JSHeapUsedSize");
    Memory {
        script: heap.and_then(|it| it["value"].as_f64()).unwrap_or(f64::NAN),
        wasm: page.evaluate_as("watch.wasm()"),
    }
}

pub(crate) fn received(page: &Page<'_>) -> f64 {
    page.evaluate_as("watch.received()")
}

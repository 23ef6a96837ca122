//! The load generator, and the charts of throughput, latency and load.

pub(crate) const LOAD: &str = "Load generator";
pub(crate) const LOAD_HINT: &str = "Publishes numbered messages under load/ and measures how they come back. Other tabs receive them if subscribed.";
pub(crate) const RATE: &str = "Messages per second";
pub(crate) const PAYLOAD: &str = "Payload size (bytes)";
pub(crate) const TOPICS: &str = "Topics";
pub(crate) const SECONDS: &str = "Seconds";
pub(crate) const SECONDS_HINT: &str = "0 = until stopped";
pub(crate) const MAXIMUM: &str = "As fast as possible";
pub(crate) const STOP: &str = "Stop";
pub(crate) const PROGRESS: &str = "Progress of the load";

pub(crate) const PUBLISHED: &str = "Published";
pub(crate) const ACKNOWLEDGED: &str = "Acknowledged";
pub(crate) const RECEIVED: &str = "Received";
pub(crate) const IN_TRANSIT: &str = "In transit";
pub(crate) const FAILED: &str = "Failed";
pub(crate) const LOST: &str = "Lost";
pub(crate) const DROPPED: &str = "Dropped for other tabs";
pub(crate) const DUPLICATES: &str = "Duplicates";
pub(crate) const LONGEST_PAUSE: &str = "Longest pause";

pub(crate) const THROUGHPUT: &str = "Throughput (this page)";
pub(crate) const LATENCY: &str = "Round-trip latency (load generator)";
pub(crate) const CPU: &str = "CPU time";
pub(crate) const QUEUES: &str = "Broker queues";
pub(crate) const MESSAGES: &str = "messages";
pub(crate) const LINE_RECEIVED: &str = "received";
pub(crate) const LINE_PUBLISHED: &str = "published by the load generator";
pub(crate) const LINE_WORKER: &str = "this tab’s worker";
pub(crate) const LINE_PAGE: &str = "this page";
pub(crate) const LINE_QUEUED: &str = "queued";
pub(crate) const LINE_IN_FLIGHT: &str = "in flight";
pub(crate) const LINE_DROPPED: &str = "dropped (total)";

/// The columns of a chart's table, after the names of its series.
pub(crate) const COLUMNS: [&str; 4] = ["Series", "Latest", "Min", "Max"];
pub(crate) const CHART_NOT_LOADED: &str =
    "The chart cannot be drawn here, because the script that draws it was not loaded. Its values:";
pub(crate) const NO_VALUES: &str = "No values yet.";
pub(crate) const CHART_FAILED: &str = "The chart cannot be drawn in this browser. Its values:";

pub(crate) fn start(is_running: bool) -> &'static str {
    if is_running { "Restart" } else { "Start" }
}

/// How long the load has run.
pub(crate) fn ran(seconds: f64, is_running: bool) -> String {
    match is_running {
        true => format!("Running for {seconds:.0} s."),
        false => format!("Ran for {seconds:.1} s."),
    }
}

//! The tabs of a load test: publishers, subscribers and idle tabs.

use std::collections::BTreeMap;

use e2e::{Chromium, Ending, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::options::LoadOptions;
use crate::seconds::PageSample;

/// Highest number of unacknowledged messages of a publisher.
const WINDOW: u32 = 1_000;

/// Ascending ranges of numbers. The end of a range is not included.
pub(crate) type Ranges = Vec<(u64, u64)>;

/// The final report of a page: see `traffic::Outcome` in the page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Outcome {
    name: Option<String>,
    acknowledged: Option<Ranges>,
    pub(crate) received: BTreeMap<String, Ranges>,
}

/// A tab of the load test.
#[derive(Debug)]
pub(crate) struct LoadTab<'c> {
    pub(crate) page: Page<'c>,
    publishes: bool,
    pub(crate) receives: bool,
    /// Its counts at the last sample.
    counted: PageSample,
}

/// All open tabs, and the counts of ended ones.
#[derive(Debug)]
pub(crate) struct Tabs<'c> {
    chromium: &'c Chromium,
    options: LoadOptions,
    pub(crate) open: Vec<LoadTab<'c>>,
    /// The acknowledged numbers of each publisher.
    pub(crate) acknowledged: BTreeMap<String, Ranges>,
    /// Counts of ended tabs that no sample has yet.
    rest: PageSample,
    /// Messages that ended brokers dropped.
    dropped: u64,
    names: usize,
}

impl<'c> Tabs<'c> {
    pub(crate) fn new(chromium: &'c Chromium, options: &LoadOptions) -> Self {
        Self {
            chromium,
            options: options.clone(),
            open: Vec::new(),
            acknowledged: BTreeMap::new(),
            rest: PageSample::default(),
            dropped: 0,
            names: 0,
        }
    }

    /// Opens the tab of this number. The first tabs publish, and the last ones receive.
    pub(crate) fn open(&mut self, number: usize) {
        let options = &self.options;
        let publishes = number < options.publishers;
        let receives = number >= options.tabs - options.subscribers;
        self.join(publishes, receives);
    }

    fn join(&mut self, publishes: bool, receives: bool) {
        // A tab that is never the broker is never killed.
        let role = match receives && self.options.loses_tabs() {
            true => "client",
            false => "auto",
        };
        let page = self.chromium.open_blank();
        let url = self.chromium.server().url();
        let durability = &self.options.durability;
        page.load(&format!(
            "{url}?channel=loadtest&durability={durability}&role={role}"
        ));
        page.evaluate("tab.open()");
        let connected = page.evaluate("tab.connect()");
        assert!(connected["disconnected"].is_null(), "{connected}");
        if receives {
            let qos = self.options.qos;
            page.evaluate(&format!("tab.subscribe('traffic/#', {{ qos: {qos} }})"));
        }
        self.open.push(LoadTab {
            page,
            publishes,
            receives,
            counted: PageSample::default(),
        });
    }

    /// Starts all publishers, or only the newest one.
    pub(crate) fn start(&mut self, newest_only: bool) {
        let from = match newest_only {
            true => self.open.len() - 1,
            false => 0,
        };
        for tab in self.open.iter().skip(from).filter(|tab| tab.publishes) {
            self.names += 1;
            let options = &self.options;
            let plan = json!({
                "name": format!("p{}", self.names),
                "topics": options.topics,
                "qos": options.qos,
                "bytes": options.payload,
                "rate": options.rate.map(|rate| rate / options.publishers as f64),
                "window": WINDOW,
            });
            tab.page.evaluate(&format!("tab.traffic.start({plan})"));
        }
    }

    pub(crate) fn stop(&self) {
        for tab in self.open.iter().filter(|tab| tab.publishes) {
            tab.page.evaluate("tab.traffic.stop()");
        }
    }

    pub(crate) fn are_done(&self) -> bool {
        let mut publishers = self.open.iter().filter(|tab| tab.publishes);
        publishers.all(|tab| tab.page.evaluate("tab.traffic.isDone()") == true)
    }

    /// The counts since the last sample.
    pub(crate) fn sample(&mut self) -> PageSample {
        const SAMPLE: &str = "tab.traffic.sample()";
        let mut all = std::mem::take(&mut self.rest);
        // All tabs are asked at once, because each answer takes time.
        let tickets: Vec<_> = self.open.iter().map(|it| it.page.begin(SAMPLE)).collect();
        for (tab, ticket) in self.open.iter_mut().zip(tickets) {
            let now: PageSample = parse(tab.page.end(ticket, SAMPLE));
            all.add(&now.since(&tab.counted));
            tab.counted = now;
        }
        all
    }

    /// The place of the tab with the broker, if there is one.
    pub(crate) fn broker(&self) -> Option<usize> {
        self.open.iter().position(|tab| tab.page.is_broker())
    }

    /// The place of the oldest tab that neither has the broker nor receives.
    pub(crate) fn bystander(&self) -> Option<usize> {
        let broker = self.broker();
        let places = 0..self.open.len();
        let mut places = places.filter(|place| Some(*place) != broker);
        places.find(|place| !self.open[*place].receives)
    }

    /// Ends a tab and opens another one with the same task.
    pub(crate) fn replace(&mut self, place: usize, ending: Ending) {
        let tab = self.open.remove(place);
        if tab.page.is_broker() {
            self.dropped += dropped(&tab.page);
        }
        let now: PageSample = parse(tab.page.evaluate("tab.traffic.sample()"));
        self.rest.add(&now.since(&tab.counted));
        let outcome = outcome(&tab.page);
        self.keep(&outcome);
        tab.page.end_by(ending);
        self.join(tab.publishes, false);
        self.start(true);
    }

    /// The reports of all subscribers. The acknowledged numbers of all publishers are kept.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        let mut received = Vec::new();
        for (outcome, receives) in self
            .open
            .iter()
            .map(|tab| (outcome(&tab.page), tab.receives))
            .collect::<Vec<_>>()
        {
            self.keep(&outcome);
            if receives {
                received.push(outcome);
            }
        }
        received
    }

    fn keep(&mut self, outcome: &Outcome) {
        if let (Some(name), Some(ranges)) = (&outcome.name, &outcome.acknowledged) {
            self.acknowledged.insert(name.clone(), ranges.clone());
        }
    }

    /// Number of messages that all brokers have dropped.
    pub(crate) fn dropped(&self) -> u64 {
        let broker = self.broker().map(|place| dropped(&self.open[place].page));
        self.dropped + broker.unwrap_or_default()
    }
}

fn outcome(page: &Page<'_>) -> Outcome {
    parse(page.evaluate("tab.traffic.outcome()"))
}

/// Number of messages that the broker in this tab has dropped.
fn dropped(page: &Page<'_>) -> u64 {
    let answer = page.evaluate("tab.ask('Load')");
    let dropped = &answer["Load"]["stats"]["messages_dropped"];
    dropped.as_u64().unwrap_or_default()
}

fn parse<T: for<'de> Deserialize<'de>>(value: Value) -> T {
    match serde_json::from_value(value) {
        Ok(value) => value,
        Err(error) => panic!("invalid answer of the page: {error}"),
    }
}

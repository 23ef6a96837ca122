//! The cases, which are measured for each system in turn.

use std::time::Duration;

use bench_browser::{Options, Series, progress};
use e2e::Chromium;
use serde_json::{Value, json};

use crate::mosquitto::Mosquitto;
use crate::tabs::{ComparisonTab, flood};

/// The systems, in the order of the tables.
pub(crate) const SYSTEMS: [&str; 7] = [
    "raw",
    "raw, batched",
    OURS,
    OURS_IN_MEMORY,
    "mqtt5-wasm",
    "MQTT.js, Mosquitto",
    "broadcast-channel",
];
pub(crate) const OURS: &str = "TabMQ";
/// TabMQ without storage, like the other systems.
pub(crate) const OURS_IN_MEMORY: &str = "TabMQ, memory";

/// The systems with QoS, wildcards and a broker.
const MQTT: [&str; 4] = [OURS, OURS_IN_MEMORY, "mqtt5-wasm", "MQTT.js, Mosquitto"];

/// Payload length (bytes) and number of messages of each flood.
const FLOODS: [(usize, u64); 3] = [(64, 50_000), (1_024, 20_000), (65_536, 400)];
const FANS: [usize; 3] = [1, 8, 32];
/// Messages to each tab of a fan-out.
const FAN_COUNT: u64 = 2_000;
/// Number of tabs of a system while two of them exchange messages.
const CROWDS: [usize; 2] = [2, 32];
const PINGS: usize = 200;
/// Number of first pings that are not counted.
const WARM_UP: usize = 20;
const TOPICS: u32 = 10_000;
const LONGEST: Duration = Duration::from_secs(120);

/// One case of one system.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: String,
    pub(crate) system: &'static str,
    pub(crate) unit: &'static str,
    /// Whether a higher value is better.
    pub(crate) is_rate: bool,
    pub(crate) values: Series,
    /// Lost messages of all rounds.
    pub(crate) missing: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Results(pub(crate) Vec<Measured>);

impl Results {
    fn add(&mut self, case: &str, system: &'static str, unit: &'static str, value: f64) {
        self.with(case, system, unit).values.push(value);
    }

    fn with(&mut self, case: &str, system: &'static str, unit: &'static str) -> &mut Measured {
        let place = self
            .0
            .iter()
            .position(|it| it.case == case && it.system == system);
        let place = place.unwrap_or_else(|| {
            self.0.push(Measured {
                case: case.to_owned(),
                system,
                unit,
                is_rate: unit == PER_S,
                values: Series::default(),
                missing: 0,
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

const PER_S: &str = "per s";

pub(crate) fn measure(options: &Options) -> Results {
    let mosquitto = Mosquitto::start();
    let setup = json!({ "mosquitto": mosquitto.url() });
    let mut results = Results::default();
    for round in 1..=options.rounds {
        for system in SYSTEMS {
            if options.wants(system) {
                let round = format!("round {round} of {}: {system}", options.rounds);
                one_round(system, &setup, &round, &mut results);
            }
        }
    }
    results
}

/// Measures one system in its own browser, so that no earlier system affects it.
fn one_round(system: &'static str, setup: &Value, round: &str, results: &mut Results) {
    let chromium = Chromium::start();
    chromium.wait_at_most(LONGEST);
    let open = || ComparisonTab::open(&chromium);
    let is_mqtt = MQTT.contains(&system);

    // The first tab is idle. If the broker is in a tab, it is in this one, so messages between the other two cross two channels.
    let keeper = open();
    progress(&format!("{round}: start"));
    let ready = format!("comparison.ready({}, {setup})", json!(system));
    results.add(
        "start to ready, first tab",
        system,
        "ms",
        keeper.0.evaluate_as(&ready),
    );
    let from = open();
    let first = open();
    results.add(
        "start to ready, next tab",
        system,
        "ms",
        from.0.evaluate_as(&ready),
    );
    first.join(system, setup);
    if system == OURS || system == OURS_IN_MEMORY {
        assert_eq!(keeper.0.evaluate("comparison.role()"), "broker");
    }

    for qos in 0..=2 {
        if qos > 0 && !is_mqtt {
            continue;
        }
        progress(&format!("{round}: echo, QoS {qos}"));
        first.0.evaluate(&format!("comparison.echo({qos})"));
        let times: Vec<f64> = from
            .0
            .evaluate_as(&format!("comparison.ping({qos}, {PINGS}, 64)"));
        let times: Series = times.into_iter().skip(WARM_UP).collect();
        let case = format!("echo, QoS {qos}, p50");
        results.add(&case, system, "ms", times.median());
    }

    let mut receivers = vec![first];
    // Subscribe before any flood: some brokers close connections under a flood, and clients need time to reconnect.
    receivers[0].count("flood");
    if is_mqtt {
        receivers[0].count("many/#");
    }
    for (bytes, count) in FLOODS {
        progress(&format!("{round}: {bytes} bytes"));
        let case = format!("tab to tab, {bytes} B, QoS 0");
        measure_flood(&case, system, results, || {
            flood(&from, &receivers, ("flood", "flood"), (count, bytes, 1))
        });
    }
    if is_mqtt {
        progress(&format!("{round}: many topics"));
        let (bytes, count) = FLOODS[0];
        let case = format!("tab to tab, {bytes} B, {TOPICS} topics");
        measure_flood(&case, system, results, || {
            flood(
                &from,
                &receivers,
                ("many", "many/#"),
                (count, bytes, TOPICS),
            )
        });
    }

    let mut idle = Vec::new();
    for tabs in CROWDS {
        while idle.len() + 2 < tabs {
            progress(&format!("{round}: tab {} of {tabs}", idle.len() + 3));
            let tab = open();
            tab.join(system, setup);
            tab.count("idle");
            idle.push(tab);
        }
        let (bytes, count) = FLOODS[0];
        let case = format!("one of {tabs} tabs, {bytes} B, QoS 0");
        measure_flood(&case, system, results, || {
            flood(&from, &receivers, ("flood", "flood"), (count / 2, bytes, 1))
        });
    }
    receivers.extend(idle);
    for fan in FANS {
        while receivers.len() < fan {
            let tab = open();
            tab.join(system, setup);
            receivers.push(tab);
        }
        // Each fan-out has its own topic, so the other tabs do not receive it.
        let topic = format!("fan/{fan}");
        for tab in &receivers[..fan] {
            tab.count(&topic);
        }
        progress(&format!("{round}: to {fan} tabs"));
        let case = format!("to {fan} tabs, 64 B, QoS 0, all together");
        measure_flood(&case, system, results, || {
            flood(
                &from,
                &receivers[..fan],
                (&topic, &topic),
                (FAN_COUNT, 64, 1),
            )
        });
    }
    for tab in receivers.iter().chain([&from, &keeper]) {
        tab.leave();
    }
}

fn measure_flood(
    case: &str,
    system: &'static str,
    results: &mut Results,
    flood: impl FnOnce() -> crate::tabs::Flood,
) {
    let flood = flood();
    let measured = results.with(case, system, PER_S);
    measured.values.push(flood.per_s);
    measured.missing += flood.missing;
}

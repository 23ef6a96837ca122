//! MQTT.js, for Node. The checks are in `../mqttjs/client.cjs`.

use std::path::Path;
use std::process::Command;

use crate::harness::{Front, run, tool};

const BOTH: [&str; 2] = ["4", "5"];

fn check(scenario: &str, versions: &[&str]) {
    let front = Front::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mqttjs/client.cjs");
    for version in versions {
        for url in [
            format!("mqtt://{}", front.tcp),
            format!("ws://{}/mqtt", front.ws),
        ] {
            let output = run(Command::new("node")
                .env("NODE_PATH", tool("TABMQ_NODE_PATH"))
                .arg(&script)
                .args([scenario, version, &url]));
            assert_eq!(output.stdout, format!("{scenario}: passed\n").as_bytes());
        }
    }
}

#[test]
fn every_qos_arrives_once_and_in_order() {
    check("qos", &BOTH);
}

#[test]
fn a_retained_message_waits_for_later_subscribers() {
    check("retained", &BOTH);
}

#[test]
fn a_will_is_sent_for_a_killed_client() {
    check("will", &BOTH);
}

#[test]
fn the_members_of_a_group_share_its_messages() {
    check("shared", &BOTH);
}

#[test]
fn a_session_outlives_its_connection() {
    check("offline", &BOTH);
}

#[test]
fn megabytes_arrive_as_they_were_sent() {
    check("large", &BOTH);
}

#[test]
fn no_message_of_a_flood_is_lost_or_duplicated() {
    check("flood", &BOTH);
}

#[test]
fn properties_are_passed_on_unaltered() {
    check("properties", &["5"]);
}

#[test]
fn topic_aliases_work_in_both_directions() {
    check("aliases", &["5"]);
}

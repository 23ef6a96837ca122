//! paho-mqtt, for Python. The checks are in `../paho/client.py`.

use std::path::Path;
use std::process::Command;

use crate::harness::{Front, run, tool};

const BOTH: [&str; 2] = ["3", "5"];

fn check(scenario: &str, versions: &[&str]) {
    let front = Front::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/paho/client.py");
    for version in versions {
        for transport in ["tcp", "websockets"] {
            let output = run(Command::new(tool("TABMQ_PYTHON"))
                .arg(&script)
                .args([scenario, version, transport])
                .args([front.tcp.port().to_string(), front.ws.port().to_string()]));
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
fn both_versions_and_both_transports_reach_one_another() {
    check("mixed", &["5"]);
}

#[test]
fn a_second_connection_takes_over() {
    check("takeover", &BOTH);
}

#[test]
fn no_message_of_a_flood_is_lost_or_duplicated() {
    check("flood", &BOTH);
}

#[test]
fn connack_has_the_configured_limits() {
    check("announced", &["5"]);
}

#[test]
fn properties_are_passed_on_unaltered() {
    check("passed_on", &["5"]);
}

#[test]
fn a_topic_alias_stands_for_its_topic() {
    check("aliases", &["5"]);
}

#[test]
fn subscription_options_have_their_specified_effect() {
    check("options", &["5"]);
}

#[test]
fn a_will_is_published_after_its_delay() {
    check("late_will", &["5"]);
}

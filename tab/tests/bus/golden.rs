//! Logs that earlier builds wrote, one file for each state of the format in `tests/golden`. Every later build reads them.
//!
//! After a change of the format, `cargo test -p tab --test bus -- --ignored writes_a_golden_log` writes another file. It needs a
//! new name, and the files before it stay.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

use std::fmt::Write as _;
use std::{fs, path::PathBuf};

use tab::api::{
    Answer, ClientCommand, ClientNo, Command, ConnectOptions, MessageProperties, Notice,
    Publication, QoS, Question, RequestId, Subscription, Term, Will,
};
use tab::loaded::Snapshot;
use tab::storage::{Row, RowKind, Seq};
use tab::{TabId, Time};

use crate::disk::Disk;
use crate::world::{World, id};

/// As many rows as a log has before a checkpoint.
const ROWS: usize = 1_024;
const YEAR_S: u32 = 365 * 24 * 3_600;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn text(disk: &Disk) -> String {
    let mut text = String::new();
    for (seq, row) in &disk.rows {
        let kind = match &row.kind {
            RowKind::Fence => "fence".to_owned(),
            RowKind::Checkpoint => "checkpoint".to_owned(),
            RowKind::Segment(bytes) => format!("segment {}", hex(bytes)),
        };
        writeln!(text, "row {seq} {} {kind}", row.term.0).unwrap();
    }
    if let Some(snapshot) = &disk.snapshot {
        for piece in &snapshot.pieces {
            writeln!(text, "piece {} {}", snapshot.up_to, hex(piece)).unwrap();
        }
    }
    text
}

fn disk(text: &str) -> Disk {
    let mut disk = Disk::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let seq = Seq(words[1].parse().unwrap());
        let mut row = |kind| {
            let term = Term(words[2].parse().unwrap());
            disk.rows.insert(seq, Row { term, kind });
        };
        match words[..] {
            ["row", _, _, "fence"] => row(RowKind::Fence),
            ["row", _, _, "checkpoint"] => row(RowKind::Checkpoint),
            ["row", _, _, "segment", hex] => row(RowKind::Segment(bytes(hex))),
            // An empty row, which only checks that the broker may still write.
            ["row", _, _, "segment"] => row(RowKind::Segment(Vec::new())),
            ["piece", _, hex] => {
                let snapshot = disk.snapshot.get_or_insert(Snapshot {
                    up_to: seq,
                    pieces: Vec::new(),
                });
                snapshot.pieces.push(bytes(hex));
            }
            _ => panic!("{line}"),
        }
    }
    disk
}

fn persistent(client_id: &str) -> ConnectOptions {
    ConnectOptions {
        client_id: client_id.to_owned(),
        session_expiry_interval: YEAR_S,
        clean_start: false,
        ..ConnectOptions::default()
    }
}

fn rich(topic: &str, payload: &str, qos: QoS) -> Publication {
    Publication {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos,
        properties: MessageProperties {
            payload_is_utf8: Some(true),
            message_expiry_interval: Some(YEAR_S),
            content_type: Some("text/plain".to_owned()),
            response_topic: Some("answers".to_owned()),
            correlation_data: Some(vec![0, 255]),
            user_properties: vec![("b".to_owned(), "1".to_owned())],
        },
        ..Publication::default()
    }
}

/// Makes a log with a checkpoint, rows behind it, and as many kinds of records as clients can cause.
fn write(world: &mut World) {
    let no = ClientNo(7);
    let mut requests = 10_000;
    let mut client = |world: &mut World, command: &dyn Fn(RequestId) -> ClientCommand| {
        requests += 1;
        world.command(id(1), Command::Client(no, command(RequestId(requests))));
        world.pass(1_000);
    };
    let subscription = |topic_filter: &str, identifier| Subscription {
        topic_filter: topic_filter.to_owned(),
        qos: QoS::ExactlyOnce,
        retain_as_published: true,
        identifier,
        ..Subscription::default()
    };
    client(world, &|_| ClientCommand::Connect(persistent("away")));
    let wanted = [
        subscription("a/#", Some(7)),
        subscription("$share/group/jobs", None),
    ];
    for wanted in wanted {
        client(world, &|no| {
            ClientCommand::Subscribe(no, vec![wanted.clone()])
        });
    }
    client(world, &|_| ClientCommand::Disconnect { with_will: false });
    let publish = |world: &mut World, publication: Publication| {
        let publish = ClientCommand::Publish(RequestId(20_000), publication);
        world.client(id(2), publish);
        world.pass(1_000);
    };
    publish(
        world,
        rich("a/1", "queued in the snapshot", QoS::AtLeastOnce),
    );
    for number in 0..ROWS {
        world.retain(id(2), "r", &format!("retained {number}"));
        world.pass(1);
    }
    world.pass(1_000);
    publish(world, rich("a/2", "queued in a row", QoS::ExactlyOnce));
    publish(world, rich("jobs", "shared", QoS::AtLeastOnce));
    let retained = Publication {
        retain: true,
        ..rich("r/rich", "retained in a row", QoS::AtLeastOnce)
    };
    publish(world, retained);
    let will = Will {
        publication: rich("a/will", "will", QoS::AtLeastOnce),
        delay_interval: 1,
    };
    client(world, &|_| {
        ClientCommand::Connect(ConnectOptions {
            will: Some(will.clone()),
            ..persistent("lost")
        })
    });
    world.crash(id(2));
    world.crash(id(1));
}

fn answer(world: &mut World, tab: TabId, question: Question) -> Answer {
    world.command(tab, Command::Ask(RequestId(30_000), question));
    world.pass(100);
    let answers = world.notices(tab).filter_map(|notice| match notice {
        Notice::Answer(_, answer) => Some(answer.clone()),
        _ => None,
    });
    answers.last().unwrap()
}

#[test]
#[ignore = "it writes a file, and is run by hand after a change of the format"]
fn writes_a_golden_log() {
    let mut world = World::durable_connected(2);
    write(&mut world);
    let text = text(&world.disk);
    assert!(text.contains("piece "), "the log has no checkpoint");
    fs::write(folder().join("log-new.txt"), text).unwrap();
}

#[test]
fn every_golden_log_is_read_whole() {
    let mut read = 0;
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if !name.starts_with("log-") {
            continue;
        }
        read += 1;
        let mut world = World::durable(0);
        // The rows were written before this moment.
        world.now = Time::from_ms(1_700_000_000_000 + 3_600_000);
        world.disk = disk(&fs::read_to_string(&path).unwrap());
        world.open(id(3));
        // The will of the lost client is due after the reconnect grace.
        world.pass(120_000);
        let events = format!("{:?}", world.events(id(3)));
        assert!(events.contains("Restored"), "{name}: {events}");
        for failure in ["RecordsSkipped", "StorageDamaged", "InMemory", "Foreign"] {
            assert!(!events.contains(failure), "{name}: {events}");
        }
        let Answer::Sessions { sessions, .. } =
            answer(&mut world, id(3), Question::Sessions { at_most: 10 })
        else {
            panic!("{name}: no sessions")
        };
        let away = sessions.iter().find(|it| it.client_id == "away").unwrap();
        let subscriptions = format!("{:?}", away.subscriptions);
        assert_eq!(
            subscriptions,
            "[Granted { topic_filter: \"$share/group/jobs\", qos: ExactlyOnce, no_local: false, retain_as_published: true, \
             identifier: None }, Granted { topic_filter: \"a/#\", qos: ExactlyOnce, no_local: false, \
             retain_as_published: true, identifier: Some(7) }]",
            "{name}"
        );
        world.client(id(3), ClientCommand::Connect(persistent("away")));
        world.pass(1_000);
        let messages: Vec<_> = world.messages(id(3)).into_iter().cloned().collect();
        let payload = |it: &tab::api::Message| String::from_utf8(it.payload.clone()).unwrap();
        assert_eq!(
            messages.iter().map(payload).collect::<Vec<_>>(),
            [
                "queued in the snapshot",
                "queued in a row",
                "shared",
                "will"
            ],
            "{name}"
        );
        let expected = rich("", "", QoS::AtMostOnce).properties;
        for message in &messages {
            let mut properties = message.properties.clone();
            // It has become smaller while the message waited.
            properties.message_expiry_interval = expected.message_expiry_interval;
            assert_eq!(properties, expected, "{name}");
        }
        assert_eq!(messages[0].subscription_identifiers, [7], "{name}");
        assert_eq!(messages[1].qos, QoS::ExactlyOnce, "{name}");
        world.subscribe(id(3), "r/#");
        world.pass(1_000);
        let payloads = world.payloads(id(3)).split_off(messages.len());
        assert_eq!(payloads, ["retained 1023", "retained in a row"], "{name}");
    }
    assert!(read > 0);
}

use tabmq_worker::api::{DropReason, Durability, EventKind, Problem, QoS, Role, StorageState};
use tabmq_worker::hooks::{PublishStatus, Published};
use tabmq_worker::{Reason, RequestError, StorageStatus};

use super::*;
use crate::state::drops::Loss;

#[test]
fn counts_and_durations_are_short() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(1_234_567), "1,234,567");
    assert_eq!(duration(59_999), "59 s");
    assert_eq!(duration(3_599_999), "59 min");
    assert_eq!(duration(90_000_000), "1 d");
}

#[test]
fn the_note_about_storage_matches_its_state() {
    let kept = |state| connection::kept(Some(Durability::Relaxed), state);
    assert!(kept(StorageState::Ok).contains("as long as the browser"));
    assert!(kept(StorageState::Memory).contains("In memory"));
    assert!(kept(StorageState::Full).contains("full"));
    assert_eq!(persistence(&StorageStatus::default()), None);
    let status = StorageStatus {
        is_persistent: Some(false),
        usage_bytes: Some(1),
        quota_bytes: Some(10_737_418_240),
        ..StorageStatus::default()
    };
    assert_eq!(
        persistence(&status).as_deref(),
        Some(
            "The browser may remove it when space runs low, and does when a private window closes. 1 MB of 10.7 GB used."
        )
    );
}

#[test]
fn a_publish_says_whether_it_waits_for_a_broker_or_for_its_answer() {
    let waiting = PublishStatus {
        pending: 2,
        ..PublishStatus::default()
    };
    assert_eq!(
        publish_result(&waiting, Role::Waiting),
        "2 messages queued, to be sent in order once there is a broker."
    );
    let answered = PublishStatus {
        last: Some(Published {
            number: 2,
            qos: QoS::AtLeastOnce,
            result: Ok(Reason(0x10)),
        }),
        ..PublishStatus::default()
    };
    assert_eq!(
        publish_result(&answered, Role::Waiting),
        "Message 2 published, but nobody is subscribed to its topic (0x10)."
    );
}

#[test]
fn a_message_above_the_limit_is_refused_with_a_readable_limit() {
    let refused = |maximum| {
        let status = PublishStatus {
            last: Some(Published {
                number: 1,
                qos: QoS::AtLeastOnce,
                result: Err(RequestError::Problem(Problem::TooLarge { maximum })),
            }),
            ..PublishStatus::default()
        };
        publish_result(&status, Role::Waiting)
    };
    assert_eq!(
        refused(16_777_216),
        "Not sent. The message is larger than the 16 MiB that the broker accepts."
    );
    assert!(refused(65_536).contains("64 KiB"));
    assert!(refused(1_001).contains("1,001 bytes"));
}

#[test]
fn tab_ids_are_as_short_as_in_the_list_of_tabs() {
    let event =
        "tab-10d1aabbccddeeff connected; 8f07aabbccddeeff left after 1234567890123456789 ms.";
    assert_eq!(
        short_ids(event),
        "tab-10d1 connected; 8f07 left after 1234567890123456789 ms."
    );
    assert_eq!(
        short_ids("Grüße, x10d1aabbccddeeff"),
        "Grüße, x10d1aabbccddeeff"
    );
}

#[test]
fn an_invalid_filter_is_explained() {
    for valid in ["#", "a/+/b", "+", "/", "a//b", "$share/g/a/#", "a b"] {
        assert_eq!(filter_problem(valid), None, "{valid}");
    }
    for (wrong, why) in [
        ("a/#/b", "# must be the last level"),
        ("a#", "# must be a level"),
        ("a/b+", "+ must be a level"),
        ("$share/g", "needs a group and a filter"),
        ("$share/+/a", "without wildcards"),
        ("", "empty"),
    ] {
        assert!(
            filter_problem(wrong).is_some_and(|it| it.contains(why)),
            "{wrong}"
        );
    }
}

#[test]
fn losses_name_the_affected_tab() {
    let loss = |client_id: &str, messages, seconds| {
        loss(&Loss {
            client_id: client_id.to_owned(),
            reason: DropReason::QueueFull,
            messages,
            seconds,
        })
    };
    assert_eq!(
        loss("tab-d3ef000000000001", 25_094, 1),
        "Dropped 25,094 messages for d3ef in the last second: its queue is full."
    );
    assert_eq!(
        loss("tab-oven", 1, 3),
        "Dropped 1 message for tab-oven in the last 3 seconds: its queue is full."
    );
}

#[test]
fn invisible_characters_are_marked_and_others_left_alone() {
    for (text, marked) in [
        ("temp/é", "temp/é"),
        ("a\u{202e}txt", "a⟨U+202E⟩txt"),
        (" a b ", "␠a b␠"),
        ("e\u{301}", "e◌\u{301}"),
        ("a\tb", "a⟨U+0009⟩b"),
        ("  ", "␠␠"),
    ] {
        assert_eq!(visible(text), marked);
    }
}

#[test]
fn an_invalid_topic_name_is_explained_with_its_place() {
    assert_eq!(topic_problem("a/b"), None);
    assert_eq!(
        topic_problem("ü/+/x").as_deref(),
        Some("Not a topic name: + is not allowed (character 3).")
    );
}

#[test]
fn pop_ups_are_not_mentioned_once_several_tabs_have_joined() {
    assert!(joined(1, 12).is_some_and(|it| it.contains("pop-ups")));
    assert!(joined(5, 12).is_some_and(|it| !it.contains("pop-ups")));
    assert_eq!(joined(12, 12), None);
    assert!(joined(0, 1).is_some_and(|it| it.contains("0 of 1")));
}

#[test]
fn the_hint_shows_both_steps_until_they_are_done() {
    assert!(hint(1, false, 0).is_some_and(|it| it.contains("second tab")));
    assert!(hint(2, true, 0).is_some_and(|it| it.starts_with('✓') && it.contains("stop")));
    assert!(hint(1, true, 0).is_some_and(|it| it.starts_with('1')));
    assert_eq!(hint(1, true, 1), None);
    assert_eq!(hint(2, true, 1), None);
    assert_eq!(hint(9, true, 0), None);
}

#[test]
fn a_drop_is_recognised_by_the_broker_s_sentence() {
    let event = |what: &str| EventKind::Broker(what.to_owned());
    assert!(is_about_a_drop(&event(
        "A message on a for b was dropped: it expired."
    )));
    assert!(!is_about_a_drop(&event("oven connected.")));
}

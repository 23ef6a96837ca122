use serde_json::Value as Json;

use super::*;

fn parse(json: &str) -> Option<ControlMessage> {
    let json: Json = serde_json::from_str(json).unwrap();
    ControlMessage::from_fields(&|name| field(&json[name]))
}

fn field(json: &Json) -> Field {
    match json {
        Json::Null => Field::Missing,
        json => value(json).map_or(Field::Foreign, Field::Value),
    }
}

fn value(json: &Json) -> Option<Value> {
    match json {
        Json::Null | Json::Object(_) => None,
        Json::Bool(truth) => Some(Value::Truth(*truth)),
        Json::Number(number) => number.as_u64().map(Value::Number),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Array(values) => values
            .iter()
            .map(value)
            .collect::<Option<_>>()
            .map(Value::List),
    }
}

/// The object as a browser would print it.
fn print(message: &ControlMessage) -> String {
    fn value(it: &Value) -> String {
        match it {
            Value::Text(text) => format!("{text:?}"),
            Value::Number(number) => number.to_string(),
            Value::Truth(truth) => truth.to_string(),
            Value::List(values) => {
                let values: Vec<String> = values.iter().map(value).collect();
                format!("[{}]", values.join(","))
            }
        }
    }
    let fields = message.fields();
    let fields = fields
        .iter()
        .map(|(name, it)| format!("{name:?}:{}", value(it)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn announcement() -> Announcement {
    Announcement {
        tab_id: TabId::from_entropy(1),
        is_broker: true,
        timestamp: 5,
        term: Some(Term(7)),
        since: 3,
        build: "b".to_owned(),
        protocol: (1, 1),
        clients: 2,
        visibility: Visibility::Hidden,
        durability: Durability::Strict,
        lanes: Vec::new(),
        leadership: None,
        log: None,
        storage: StorageState::Ok,
    }
}

#[test]
fn messages_are_objects_with_readable_fields() {
    let lane = Lane {
        tab: TabId::from_entropy(1),
        broker: TabId::from_entropy(2),
        term: Term(7),
    };
    let cases = [
        (
            ControlMessage::Announce(announcement()),
            r#"{"type":"announce","tabId":"0000000000000001","isBroker":true,"timestamp":5,"term":7,"since":3,"build":"b","protocol":[1,1],"clients":2,"visibility":"hidden","durability":"strict"}"#,
        ),
        (
            ControlMessage::Probe {
                tab_id: TabId::from_entropy(1),
                number: 3,
            },
            r#"{"type":"probe","tabId":"0000000000000001","number":3}"#,
        ),
        (
            ControlMessage::Pong {
                tab_id: TabId::from_entropy(1),
                number: 3,
                term: Term(7),
                committed: 9,
            },
            r#"{"type":"pong","tabId":"0000000000000001","number":3,"term":7,"committed":9}"#,
        ),
        (
            ControlMessage::Who {
                tab_id: TabId::from_entropy(1),
            },
            r#"{"type":"who","tabId":"0000000000000001"}"#,
        ),
        (
            ControlMessage::Goodbye {
                tab_id: TabId::from_entropy(1),
                is_lost: false,
            },
            r#"{"type":"goodbye","tabId":"0000000000000001"}"#,
        ),
        (
            ControlMessage::Goodbye {
                tab_id: TabId::from_entropy(1),
                is_lost: true,
            },
            r#"{"type":"goodbye","tabId":"0000000000000001","isLost":true}"#,
        ),
        (
            ControlMessage::Bind { lane, binding: 2 },
            r#"{"type":"bind","tabId":"0000000000000001","broker":"0000000000000002","term":7,"binding":2}"#,
        ),
        (
            ControlMessage::Unbind { lane, binding: 2 },
            r#"{"type":"unbind","tabId":"0000000000000001","broker":"0000000000000002","term":7,"binding":2}"#,
        ),
    ];
    for (message, json) in cases {
        assert_eq!(print(&message), json);
        assert_eq!(parse(json), Some(message));
    }
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
    let short = r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"mood":"good"}"#;
    let expected = Announcement {
        is_broker: false,
        term: None,
        since: 0,
        build: String::new(),
        protocol: (0, 0),
        clients: 0,
        visibility: Visibility::Visible,
        durability: Durability::Relaxed,
        ..announcement()
    };
    assert_eq!(parse(short), Some(ControlMessage::Announce(expected)));
}

#[test]
fn foreign_messages_are_refused() {
    for json in [
        r#"{"type":"shout","tabId":"0000000000000001"}"#,
        r#"{"tabId":"0000000000000001"}"#,
        r#"{"type":"who"}"#,
        r#"{"type":"who","tabId":"1"}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":true}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":1,"timestamp":5}"#,
        r#"{"type":"bind","tabId":"0000000000000001","broker":"0000000000000002","term":-7,"binding":2}"#,
        r#"{"type":"bind","tabId":"0000000000000001","broker":"0000000000000002","term":7,"binding":4294967296}"#,
        r#"{"type":"bind","tabId":"0000000000000001","broker":"2","term":7,"binding":2}"#,
        r#"{"type":"bind","tabId":"0000000000000001","term":7,"binding":2}"#,
        r#"{"type":"unbind","tabId":"0000000000000001","term":7,"binding":2}"#,
        r#"{"type":"bind","tabId":"0000000000000001","broker":"0000000000000002","term":7.5,"binding":2}"#,
        r#"{"type":"probe","tabId":"0000000000000001","number":"3"}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"protocol":[1]}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"protocol":[]}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"lanes":["x"]}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"lanes":{}}"#,
        r#"{"type":"announce","tabId":"0000000000000001","isBroker":false,"timestamp":5,"visibility":"blue"}"#,
        r#""who""#,
        "null",
    ] {
        assert_eq!(parse(json), None, "{json}");
    }
}

#[test]
fn impossible_leadership_times_are_left_out_of_an_announcement() {
    let parse_times = |times: &str| {
        let json = format!(
            r#"{{"type":"announce","tabId":"0000000000000001","isBroker":true,"timestamp":5,"term":7{times}}}"#
        );
        match parse(&json) {
            Some(ControlMessage::Announce(announcement)) => announcement.leadership,
            other => panic!("{other:?}"),
        }
    };
    let times = LeadershipTimes {
        elected: Time::from_ms(3),
        restored: Time::from_ms(4),
    };
    assert_eq!(parse_times(r#","elected":3,"restored":4"#), Some(times));
    for times in [
        "",
        r#","elected":3"#,
        r#","restored":4"#,
        r#","elected":5,"restored":4"#,
    ] {
        assert_eq!(parse_times(times), None, "{times}");
    }
}

#[test]
fn the_storage_state_is_announced_and_unknown_states_are_ignored() {
    let parse_state = |storage: &str| {
        let json = format!(
            r#"{{"type":"announce","tabId":"0000000000000001","isBroker":true,"timestamp":5,"term":7{storage}}}"#
        );
        match parse(&json) {
            Some(ControlMessage::Announce(announcement)) => announcement.storage,
            other => panic!("{other:?}"),
        }
    };
    for state in [
        StorageState::Ok,
        StorageState::Full,
        StorageState::Failing,
        StorageState::Memory,
    ] {
        let announced = ControlMessage::Announce(Announcement {
            storage: state,
            ..announcement()
        });
        assert_eq!(parse(&print(&announced)), Some(announced));
        let named = parse_state(&format!(r#","storage":{:?}"#, state.name()));
        assert_eq!(named, state);
    }
    for garbage in [
        "",
        r#","storage":"on fire""#,
        r#","storage":7"#,
        r#","storage":{}"#,
    ] {
        assert_eq!(parse_state(garbage), StorageState::Ok, "{garbage}");
    }
}

#[test]
fn values_out_of_range_are_not_plausible() {
    let beyond = SAFE_INTEGER_MAX + 1;
    let plausible = |announcement| ControlMessage::Announce(announcement).is_plausible();
    assert!(plausible(announcement()));
    for announcement in [
        Announcement {
            timestamp: beyond,
            ..announcement()
        },
        Announcement {
            since: beyond,
            ..announcement()
        },
        Announcement {
            term: Some(Term(beyond)),
            ..announcement()
        },
        Announcement {
            term: None,
            ..announcement()
        },
        Announcement {
            build: "x".repeat(BUILD_BYTES_MAX + 1),
            ..announcement()
        },
        Announcement {
            lanes: vec![TabId::from_entropy(1); VALUES_MAX + 1],
            ..announcement()
        },
    ] {
        assert!(!plausible(announcement));
    }
}

//! Every kind of frame has the bytes that earlier builds wrote and read: `tests/golden/frames-1.txt`.
//!
//! A changed line is a change of the format, for which `docs/formats.md` has the rules.

use broker::{Stats, Time};

use super::*;
use crate::api::{
    DropReason, Dropped, Granted, Load, Message, MessageProperties, Problem, QoS, Receiver,
    SessionInfo,
};
use crate::protocol::names::TabId;

const GOLDEN: &str = include_str!("../../../tests/golden/frames-1.txt");

fn granted() -> Granted {
    Granted {
        topic_filter: "a/#".to_owned(),
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: false,
        identifier: Some(7),
    }
}

fn message() -> Message {
    Message {
        topic: "a".to_owned(),
        payload: vec![0, 255],
        qos: QoS::AtLeastOnce,
        retain: true,
        dup: false,
        properties: MessageProperties {
            payload_is_utf8: Some(true),
            message_expiry_interval: Some(60),
            content_type: Some("text".to_owned()),
            response_topic: Some("r".to_owned()),
            correlation_data: Some(vec![1, 2]),
            user_properties: vec![("b".to_owned(), "1".to_owned())],
        },
        subscription_identifiers: vec![268_435_455],
        received_at: Time::from_ms(1_700_000_000_000),
    }
}

fn questions() -> Vec<Question> {
    vec![
        Question::Load,
        Question::Sessions { at_most: 1_000 },
        Question::Receivers {
            topic: "a".to_owned(),
        },
        Question::Retained {
            topic_filter: "#".to_owned(),
            after: Some("a".to_owned()),
            at_most: 10,
            payload_bytes: 65_536,
        },
        Question::Dropped,
    ]
}

fn answers() -> Vec<Answer> {
    let stats = Stats {
        connections: 1,
        sessions: 2,
        subscriptions: 3,
        retained_messages: 4,
        messages_received: 5,
        messages_delivered: 6,
        messages_dropped: 7,
    };
    let reasons = [
        DropReason::Expired,
        DropReason::QueueFull,
        DropReason::TooLarge,
        DropReason::Congested,
    ];
    let dropped = reasons.map(|reason| Dropped {
        client_id: "ann".to_owned(),
        reason,
        messages: 300,
    });
    vec![
        Answer::Load(Load {
            stats,
            queued: 8,
            in_flight: 9,
        }),
        Answer::Sessions {
            sessions: vec![SessionInfo {
                client_id: "ann".to_owned(),
                tab: Some(TabId::from_entropy(1)),
                session_expiry_interval: u32::MAX,
                queued: 1,
                in_flight: 2,
                subscriptions: vec![granted()],
            }],
            left_out: 3,
        },
        Answer::Receivers {
            receivers: vec![Receiver {
                client_id: "ann".to_owned(),
                tab: None,
                subscription: granted(),
            }],
            left_out: 0,
        },
        Answer::Refused(Problem::TopicFilter("why".to_owned())),
        Answer::Retained {
            messages: vec![message()],
            reached: Some("a".to_owned()),
        },
        Answer::Dropped {
            drops: dropped.to_vec(),
        },
    ]
}

/// Problems that a broker answers with.
fn problems() -> Vec<Problem> {
    vec![
        Problem::AlreadyOpen,
        Problem::NotOpen,
        Problem::NotConnected,
        Problem::Topic(String::new()),
        Problem::TopicFilter(String::new()),
        Problem::NoTopicFilter,
        Problem::TooLarge { maximum: 251 },
        Problem::NotEncodable(String::new()),
        Problem::TooManyInFlight,
        Problem::Replaced,
        Problem::NoBroker,
        Problem::TooMuchWaiting,
    ]
}

fn messages() -> Vec<LaneMessage> {
    let no = RequestId(300);
    let connection = ConnectionNo(70_000);
    let bytes = vec![0xc0, 0];
    let mut messages = vec![
        LaneMessage::Packets {
            connection,
            bytes: bytes.clone(),
        },
        LaneMessage::Part {
            connection,
            is_last: true,
            bytes,
        },
        LaneMessage::Closed {
            connection,
            reason_code: 0x8e,
        },
        LaneMessage::Resume { connection },
    ];
    let questions = questions().into_iter();
    messages.extend(questions.map(|question| LaneMessage::Question { no, question }));
    let problems = problems().into_iter().map(Answer::Refused);
    let answers = answers().into_iter().chain(problems);
    messages.extend(answers.map(|answer| LaneMessage::Answer { no, answer }));
    messages
}

fn frames() -> Vec<Frame> {
    let frame = |messages| Frame {
        term: Term(1_700_000_000_000),
        binding: 1,
        seq: 250,
        acked: 251,
        messages,
    };
    let single = messages().into_iter().map(|message| frame(vec![message]));
    [frame(Vec::new())].into_iter().chain(single).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_kind_of_frame_has_the_bytes_that_it_always_had() {
    let written: Vec<_> = frames().iter().map(|it| hex(&it.encode())).collect();
    let golden: Vec<_> = GOLDEN.lines().collect();
    for (frame, (written, golden)) in frames().iter().zip(written.iter().zip(&golden)) {
        assert_eq!(written, golden, "{frame:?}");
    }
    assert_eq!(written.len(), golden.len(), "{}", written.join("\n"));
}

#[test]
fn every_kind_of_frame_is_read_as_it_was_written() {
    for frame in frames() {
        assert_eq!(Frame::decode(&frame.encode()), Some(frame));
    }
}

#[test]
fn a_frame_with_an_unknown_kind_or_trailing_bytes_is_foreign() {
    let [empty, ..] = &frames()[..] else {
        unreachable!()
    };
    let mut unknown = empty.encode();
    // One message, of the kind after the last.
    *unknown.last_mut().unwrap() = 1;
    unknown.push(6);
    assert_eq!(Frame::decode(&unknown), None);
    let mut longer = empty.encode();
    longer.push(0);
    assert_eq!(Frame::decode(&longer), None);
}

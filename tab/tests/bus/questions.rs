//! The broker's answers to questions of a page.

use tab::api::{
    Answer, Command, EventKind, Notice, Problem, QoS, Question, RequestId, Subscription,
};
use tab::{Input, Settings, TabId};

use crate::world::{World, id};

const QUESTION: Question = Question::Sessions { at_most: 10 };

fn ask(world: &mut World, tab: TabId, question: Question) -> RequestId {
    let no = RequestId(1_000 + answers(world, tab).len() as u64);
    world.command(tab, Command::Ask(no, question));
    no
}

fn answers(world: &World, tab: TabId) -> Vec<(RequestId, Answer)> {
    let answers = world.notices(tab).filter_map(|notice| match notice {
        Notice::Answer(no, answer) => Some((*no, answer.clone())),
        _ => None,
    });
    answers.collect()
}

/// The answer to the only question since the last call.
fn answer_to(world: &mut World, tab: TabId, question: Question) -> Answer {
    let before = answers(world, tab).len();
    let no = ask(world, tab, question);
    let answers = answers(world, tab).split_off(before);
    assert_eq!(answers.len(), 1, "{answers:?}");
    let (answered, answer) = answers[0].clone();
    assert_eq!(answered, no);
    answer
}

fn clients(answer: &Answer) -> Vec<(&str, Option<TabId>)> {
    match answer {
        Answer::Sessions { sessions, .. } => sessions
            .iter()
            .map(|it| (it.client_id.as_str(), it.tab))
            .collect(),
        Answer::Receivers { receivers, .. } => receivers
            .iter()
            .map(|it| (it.client_id.as_str(), it.tab))
            .collect(),
        Answer::Load(_) | Answer::Retained { .. } | Answer::Dropped { .. } | Answer::Refused(_) => {
            Vec::new()
        }
    }
}

#[test]
fn every_tab_gives_the_same_answer_whichever_tab_has_the_broker() {
    let mut world = World::connected(3);
    world.subscribe(id(3), "a/+");
    let all: Vec<Answer> = (1..=3)
        .map(|number| answer_to(&mut world, id(number), QUESTION))
        .collect();
    assert!(all.iter().all(|answer| *answer == all[0]));
    let names: Vec<String> = (1..=3)
        .map(|number| format!("tab-{}", id(number)))
        .collect();
    let expected: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, number)| (name.as_str(), Some(id(number))))
        .collect();
    assert_eq!(clients(&all[0]), expected);
    let Answer::Sessions { sessions, left_out } = &all[0] else {
        panic!("{:?}", all[0])
    };
    assert_eq!(*left_out, 0);
    let filters = sessions[2].subscriptions.iter();
    let filters: Vec<&str> = filters.map(|it| it.topic_filter.as_str()).collect();
    assert_eq!(filters, ["a/+"]);
}

#[test]
fn the_predicted_receivers_get_the_message() {
    let mut world = World::connected(3);
    for (number, filter) in [
        (1, "b"),
        (2, "a/+"),
        (2, "#"),
        (3, "$share/g/a/b"),
        (1, "$share/g/a/b"),
    ] {
        world.subscribe(id(number), filter);
    }
    let topic = "a/b".to_owned();
    let answer = answer_to(&mut world, id(3), Question::Receivers { topic });
    let Answer::Receivers { receivers, .. } = &answer else {
        panic!("{answer:?}")
    };
    let shown: Vec<_> = receivers
        .iter()
        .map(|it| (it.tab, it.subscription.topic_filter.as_str()))
        .collect();
    let expected = [
        (1, "$share/g/a/b"),
        (2, "#"),
        (2, "a/+"),
        (3, "$share/g/a/b"),
    ];
    assert_eq!(
        shown,
        expected.map(|(number, filter)| (Some(id(number)), filter))
    );
    world.publish(id(1), "a/b", "x", QoS::AtMostOnce);
    let received = (1..=3).map(|number| world.messages(id(number)).len());
    let received: Vec<usize> = received.collect();
    // One member of the shared subscription, and each other client once.
    assert_eq!((received[0] + received[2], received[1]), (1, 1));
}

#[test]
fn an_answer_has_the_requested_length() {
    let mut world = World::connected(3);
    let Answer::Sessions { sessions, left_out } =
        answer_to(&mut world, id(2), Question::Sessions { at_most: 1 })
    else {
        panic!("no sessions")
    };
    assert_eq!((sessions.len(), left_out), (1, 2));
}

#[test]
fn a_topic_that_cannot_be_published_to_has_no_receivers() {
    let mut world = World::connected(2);
    for number in [1, 2] {
        let topic = "a/#".to_owned();
        let answer = answer_to(&mut world, id(number), Question::Receivers { topic });
        assert!(
            matches!(answer, Answer::Refused(Problem::Topic(_))),
            "{answer:?}"
        );
    }
}

#[test]
fn waiting_and_dropped_messages_are_counted() {
    let mut world = World::connected(2);
    let away = tab::api::ClientNo(7);
    let options = tab::api::ConnectOptions {
        client_id: "away".to_owned(),
        session_expiry_interval: 60,
        ..Default::default()
    };
    let wanted = Subscription {
        topic_filter: "a".to_owned(),
        qos: QoS::AtLeastOnce,
        ..Default::default()
    };
    for command in [
        tab::api::ClientCommand::Connect(options),
        tab::api::ClientCommand::Subscribe(RequestId(1), vec![wanted]),
        tab::api::ClientCommand::Disconnect { with_will: false },
    ] {
        world.command(id(1), Command::Client(away, command));
    }
    for _ in 0..3 {
        world.publish(id(2), "a", "x", QoS::AtLeastOnce);
    }
    match answer_to(&mut world, id(2), Question::Load) {
        Answer::Load(load) => {
            assert_eq!((load.queued, load.in_flight), (3, 0));
            assert_eq!(load.stats.sessions, 3);
        }
        other => panic!("{other:?}"),
    }
    let answer = answer_to(&mut world, id(2), QUESTION);
    assert_eq!(clients(&answer)[0], ("away", None));
}

#[test]
fn a_question_without_a_broker_is_refused_at_once() {
    let mut world = World::connected(2);
    let refused = Answer::Refused(Problem::NoBroker);
    // The broker hangs: the question is in flight when another tab takes over.
    world.freeze(id(1));
    ask(&mut world, id(2), QUESTION);
    assert_eq!(answers(&world, id(2)), []);
    world.crash(id(1));
    assert_eq!(answers(&world, id(2)).pop().map(|it| it.1), Some(refused));
    world.pass(1_000);
    let answer = answer_to(&mut world, id(2), QUESTION);
    assert!(matches!(answer, Answer::Sessions { .. }), "{answer:?}");
}

#[test]
fn a_lost_question_ends_without_further_traffic() {
    let mut world = World::connected(2);
    for lost in ["the question", "the answer"] {
        let before = answers(&world, id(2)).len();
        if lost == "the question" {
            world.frames_to_lose = 1;
            ask(&mut world, id(2), QUESTION);
        } else {
            world.freeze(id(1));
            ask(&mut world, id(2), QUESTION);
            world.frames_to_lose = 1;
            world.thaw(id(1));
        }
        assert_eq!(world.frames_to_lose, 0);
        world.pass(Settings::default().answer_ms - 1);
        assert_eq!(answers(&world, id(2)).len(), before, "{lost}");
        world.pass(1);
        let (_, last) = answers(&world, id(2)).pop().unwrap();
        assert_eq!(last, Answer::Refused(Problem::NoBroker), "{lost}");
        // Now the gap is noticed and repaired.
        ask(&mut world, id(2), QUESTION);
        world.pass(1_000);
        let answer = answer_to(&mut world, id(2), QUESTION);
        assert!(matches!(answer, Answer::Sessions { .. }), "{answer:?}");
    }
}

#[test]
fn a_shared_subscription_is_shown_as_it_was_granted() {
    let mut world = World::connected(1);
    let own = Subscription {
        topic_filter: "a".to_owned(),
        no_local: true,
        ..Default::default()
    };
    let shared = Subscription {
        topic_filter: "$share/g/a".to_owned(),
        qos: QoS::ExactlyOnce,
        ..Default::default()
    };
    let subscribe = tab::api::ClientCommand::Subscribe(RequestId(1), vec![own, shared]);
    world.client(id(1), subscribe);
    let topic = "a".to_owned();
    let Answer::Receivers { receivers, .. } =
        answer_to(&mut world, id(1), Question::Receivers { topic })
    else {
        panic!("no receivers")
    };
    let granted: Vec<_> = receivers
        .iter()
        .map(|it| {
            let it = &it.subscription;
            (it.topic_filter.as_str(), it.qos, it.no_local)
        })
        .collect();
    let expected = [
        ("$share/g/a", QoS::ExactlyOnce, false),
        ("a", QoS::AtMostOnce, true),
    ];
    assert_eq!(granted, expected);
}

#[test]
fn an_answer_does_not_hold_up_the_lane_however_long_the_names_are() {
    let mut world = World::connected(2);
    // The first session has more than 1 MiB. The second is included nevertheless.
    let filters = (0..300).map(|number| Subscription {
        topic_filter: format!("{number:x>4000}"),
        ..Default::default()
    });
    let subscribe = tab::api::ClientCommand::Subscribe(RequestId(1), filters.collect());
    world.client(id(1), subscribe);
    let Answer::Sessions { sessions, left_out } = answer_to(&mut world, id(2), QUESTION) else {
        panic!("no sessions")
    };
    let second = format!("tab-{}", id(2));
    let ids: Vec<&str> = sessions.iter().map(|it| it.client_id.as_str()).collect();
    assert_eq!((ids, left_out), (vec![second.as_str()], 1));
}

#[test]
fn a_tab_refuses_questions_before_it_has_joined() {
    let mut world = World::with_tabs(1);
    world.start(id(5));
    world.input(id(5), Input::Command(Command::Ask(RequestId(1), QUESTION)));
    let refused = Notice::Refused(Problem::NotOpen);
    assert!(world.notices(id(5)).any(|it| *it == refused));
}

#[test]
fn a_new_broker_announces_when_it_was_elected_and_restored() {
    let mut world = World::durable(3);
    for number in 1..=3 {
        world.connect(id(number));
    }
    world.pass(1_000);
    let lost = world.now;
    world.crash(id(1));
    world.pass(1_000);
    let followed = world
        .events(id(3))
        .into_iter()
        .rev()
        .find_map(|it| match it {
            EventKind::Following { leadership, .. } => *leadership,
            _ => None,
        });
    let times = followed.unwrap();
    assert!(
        lost <= times.elected && times.elected <= times.restored && times.restored <= world.now
    );
}

fn resent(world: &World, tab: TabId) -> u64 {
    world.stats(tab).map_or(0, |it| it.resent)
}

#[test]
fn resent_packets_are_counted() {
    // With a log the session resumes. Without one, messages are published anew to a broker without the session.
    for mut world in [World::durable(2), World::with_tabs(2)] {
        for number in [1, 2] {
            world.connect(id(number));
        }
        world.freeze(id(1));
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            world.publish(id(2), "a", "x", qos);
        }
        assert_eq!(resent(&world, id(2)), 0);
        world.crash(id(1));
        world.pass(1_000);
        let published = world.published(id(2)).len();
        assert_eq!((resent(&world, id(2)), published), (2, 3));
    }
}

/// Retained messages with this many bytes of each payload, and the topic to continue after. A refusal is empty.
fn retained(
    world: &mut World,
    after: Option<&str>,
    at_most: u32,
) -> (Vec<(String, Vec<u8>)>, Option<String>) {
    let question = Question::Retained {
        topic_filter: "#".to_owned(),
        after: after.map(str::to_owned),
        at_most,
        payload_bytes: 2,
    };
    match answer_to(world, id(2), question) {
        Answer::Retained { messages, reached } => {
            let messages = messages.into_iter().map(|it| (it.topic, it.payload));
            (messages.collect(), reached)
        }
        _ => Default::default(),
    }
}

#[test]
fn retained_messages_are_listed_page_by_page() {
    let mut world = World::connected(2);
    for topic in ["b", "a", "c", "$x"] {
        world.retain(id(1), topic, "value");
    }
    let entry = |topic: &str| (topic.to_owned(), b"va".to_vec());
    let (messages, reached) = retained(&mut world, None, 2);
    assert_eq!(messages, [entry("a"), entry("b")]);
    assert_eq!(reached.as_deref(), Some("b"));
    let (messages, reached) = retained(&mut world, reached.as_deref(), 2);
    assert_eq!((messages, reached), (vec![entry("c")], None));
    // An answer contains at least one message, so repeated questions end.
    let (messages, reached) = retained(&mut world, None, 0);
    assert_eq!((messages.len(), reached.as_deref()), (1, Some("a")));
    let wrong = Question::Retained {
        topic_filter: "a/#/b".to_owned(),
        after: None,
        at_most: 1,
        payload_bytes: 0,
    };
    let answer = answer_to(&mut world, id(2), wrong);
    assert!(
        matches!(answer, Answer::Refused(Problem::TopicFilter(_))),
        "{answer:?}"
    );
}

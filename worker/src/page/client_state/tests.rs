use tab::api::{Audience, MessageProperties, Term};

use super::*;

/// A client state, and its effects.
struct Page {
    state: ClientState,
    effects: Vec<Effect>,
}

impl Page {
    fn new() -> Self {
        Self {
            state: ClientState::new(ConnectOptions::default()),
            effects: Vec::new(),
        }
    }

    fn open() -> Self {
        let mut page = Self::new();
        page.state.open(&mut page.effects);
        page.on_notice(ClientNotice::Status(connected()));
        page.effects.clear();
        page
    }

    fn on_notice(&mut self, notice: ClientNotice) {
        self.state.on_notice(notice, &mut self.effects);
    }

    fn subscribe(&mut self, topic_filter: &str) -> SubscriberId {
        let subscription = Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        };
        self.state.subscribe(subscription, &mut self.effects)
    }

    fn publish(&mut self, topic: &str) -> RequestId {
        self.publish_with(topic, QoS::AtMostOnce)
    }

    fn publish_with(&mut self, topic: &str, qos: QoS) -> RequestId {
        let publication = Publication {
            topic: topic.to_owned(),
            qos,
            ..Publication::default()
        };
        self.state.publish(publication, &mut self.effects)
    }

    /// Delivers a message on the topic "a" to these readers. Returns the subscribers that get it.
    fn message(&mut self, readers: &[ReaderNo]) -> Vec<SubscriberId> {
        let message = Message {
            topic: "a".to_owned(),
            payload: Vec::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Default::default(),
        };
        let audience = Audience {
            is_own: readers.is_empty(),
            readers: readers.to_vec(),
        };
        self.effects.clear();
        self.on_notice(ClientNotice::Message(message, audience));
        match self.effects.as_slice() {
            [Effect::Message(_, subscribers)] => subscribers.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The worker ends, and another one opens.
    fn change_worker(&mut self) {
        self.state.suspend(&mut self.effects);
        self.state.open(&mut self.effects);
    }

    /// The readers in the commands since the last call of `sent`.
    fn readers(&self) -> Vec<ReaderNo> {
        let read = |effect: &Effect| match effect {
            Effect::Send(ClientCommand::Read(no, _)) => Some(*no),
            _ => None,
        };
        self.effects.iter().filter_map(read).collect()
    }

    /// The last CONNECT: its client id, and whether it starts clean.
    fn connect(&self) -> (String, bool) {
        let connect = |effect: &Effect| match effect {
            Effect::Send(ClientCommand::Connect(it)) => {
                Some((it.client_id.clone(), it.clean_start))
            }
            _ => None,
        };
        let mut connects = self.effects.iter().rev().filter_map(connect);
        connects.next().expect("a CONNECT")
    }

    /// A short form of the commands since the last call.
    fn sent(&mut self) -> Vec<String> {
        let (sent, rest) = core::mem::take(&mut self.effects)
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Send(_)));
        self.effects = rest;
        let sent: Vec<_> = sent;
        sent.into_iter()
            .map(|effect| match effect {
                Effect::Send(ClientCommand::Connect(_)) => "connect".to_owned(),
                Effect::Send(ClientCommand::Disconnect { .. }) => "disconnect".to_owned(),
                Effect::Send(ClientCommand::Listen(is_listening)) => {
                    if is_listening { "listen" } else { "deaf" }.to_owned()
                }
                Effect::Send(ClientCommand::Read(_, wanted)) => {
                    format!("+{}", wanted.topic_filter)
                }
                Effect::Send(ClientCommand::Release(_, no)) => format!("-{}", no.0),
                Effect::Send(ClientCommand::Publish(_, it)) => format!("!{}", it.topic),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// The answers since the last call.
    fn answers(&mut self) -> Vec<(RequestId, Answer)> {
        core::mem::take(&mut self.effects)
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Answer(id, answer) => Some((id, answer)),
                _ => None,
            })
            .collect()
    }

    fn status(&self, id: SubscriberId) -> SubscriptionStatus {
        self.state.subscribers.status(id)
    }
}

fn connected() -> ClientStatus {
    ClientStatus::Connected {
        client_id: "me".to_owned(),
        session_present: false,
        term: Term(1),
    }
}

fn disconnected(reason_code: u8) -> ClientNotice {
    ClientNotice::Status(ClientStatus::Disconnected(DisconnectCause::ByBroker(
        reason_code,
    )))
}

const SUSPENDED: SubscriptionStatus = SubscriptionStatus::Suspended;
const REQUESTED: SubscriptionStatus = SubscriptionStatus::Requested;

/// Options of a client whose session outlives its connection.
fn lasting() -> ConnectOptions {
    ConnectOptions {
        session_expiry_interval: 60,
        ..ConnectOptions::default()
    }
}

#[test]
fn each_new_worker_gets_a_connect_and_a_reader_for_each_subscriber() {
    let mut page = Page::new();
    let a = page.subscribe("a");
    let also = page.subscribe("a");
    assert!(page.sent().is_empty());
    page.state.open(&mut page.effects);
    let readers = page.readers();
    assert_eq!(page.sent(), ["connect", "deaf", "+a", "+a"]);
    page.on_notice(ClientNotice::Status(connected()));
    page.on_notice(ClientNotice::Granted(readers[0], 1));
    let granted = SubscriptionStatus::Granted(QoS::AtLeastOnce);
    assert_eq!(page.status(a), granted);
    assert!(page.effects.contains(&Effect::Subscription(a, granted)));
    assert_eq!(page.status(also), REQUESTED);

    page.state.suspend(&mut page.effects);
    assert_eq!(page.status(a), SUSPENDED);
    assert_eq!(page.state.status(), &ClientStatus::Waiting);
    page.sent();
    page.state.open(&mut page.effects);
    assert!(page.readers().iter().all(|no| !readers.contains(no)));
    assert_eq!(page.sent(), ["connect", "deaf", "+a", "+a"]);
    assert_eq!(page.status(a), REQUESTED);
    // This answer is for a reader of the previous worker.
    page.on_notice(ClientNotice::Granted(readers[0], 1));
    assert_eq!(page.status(a), REQUESTED);
}

#[test]
fn messages_published_without_a_worker_leave_in_order() {
    let mut page = Page::new();
    page.publish("1");
    page.publish("2");
    page.state.open(&mut page.effects);
    assert_eq!(page.sent(), ["connect", "deaf", "!1", "!2"]);
    page.on_notice(ClientNotice::Status(connected()));
    page.state.suspend(&mut page.effects);
    page.effects.clear();
    page.publish("3");
    page.publish_with("4", QoS::ExactlyOnce);
    assert!(page.sent().is_empty() && page.answers().is_empty());
    page.state.open(&mut page.effects);
    assert_eq!(page.sent(), ["connect", "deaf", "!3", "!4"]);
}

#[test]
fn messages_that_wait_for_a_worker_are_bounded() {
    let mut page = Page::new();
    let large = || Publication {
        topic: "a".to_owned(),
        payload: vec![0; WAITING_BYTES_MAX],
        ..Publication::default()
    };
    page.state.publish(large(), &mut page.effects);
    let refused = page.state.publish(large(), &mut page.effects);
    let problem = RequestError::Problem(Problem::TooMuchWaiting);
    assert_eq!(page.answers(), [(refused, Err(problem))]);
    page.state.open(&mut page.effects);
    assert_eq!(page.sent(), ["connect", "deaf", "!a"]);
    page.state.suspend(&mut page.effects);
    page.effects.clear();
    page.state.publish(large(), &mut page.effects);
    assert!(page.answers().is_empty());
}

#[test]
fn a_publish_ends_with_its_reason_code() {
    let mut page = Page::open();
    let ids = ["1", "2", "3"].map(|topic| page.publish(topic));
    page.on_notice(ClientNotice::Published(ids[0], 0x10));
    page.on_notice(ClientNotice::Published(ids[1], 0x97));
    page.on_notice(ClientNotice::Refused(ids[2], Problem::TooManyInFlight));
    // Answers without a request have no effect.
    page.on_notice(ClientNotice::Published(ids[0], 0));
    page.on_notice(ClientNotice::Published(RequestId(77), 0));
    let refused = RequestError::Reason(Reason(0x97));
    let problem = RequestError::Problem(Problem::TooManyInFlight);
    assert_eq!(
        page.answers(),
        [
            (ids[0], Ok(Reason(0x10))),
            (ids[1], Err(refused)),
            (ids[2], Err(problem))
        ]
    );
}

#[test]
fn an_unanswered_message_is_sent_again_with_qos_1_and_ends_otherwise() {
    let mut page = Page::open();
    let none = page.publish_with("0", QoS::AtMostOnce);
    let first = page.publish_with("1", QoS::AtLeastOnce);
    let two = page.publish_with("2", QoS::ExactlyOnce);
    let second = page.publish_with("3", QoS::AtLeastOnce);
    let answered = page.publish_with("4", QoS::AtLeastOnce);
    page.on_notice(ClientNotice::Published(answered, 0));
    page.effects.clear();
    page.state.suspend(&mut page.effects);
    let closed = || Err(RequestError::Closed);
    assert_eq!(page.answers(), [(none, closed()), (two, closed())]);
    page.publish("5");
    // Several workers may end before the answer.
    for _ in 0..2 {
        page.state.open(&mut page.effects);
        assert_eq!(page.sent()[..4], ["connect", "deaf", "!1", "!3"]);
        page.state.suspend(&mut page.effects);
    }
    page.state.open(&mut page.effects);
    page.effects.clear();
    page.on_notice(ClientNotice::Published(first, 0));
    page.on_notice(ClientNotice::Published(second, 0x10));
    let answers = [(first, Ok(Reason(0))), (second, Ok(Reason(0x10)))];
    assert_eq!(page.answers(), answers);
}

#[test]
fn a_disconnection_and_a_failed_worker_end_all_that_waits() {
    let end: [fn(&mut Page); 2] = [
        |page| page.state.disconnect(false, &mut page.effects),
        |page| {
            let failed = RequestError::Problem(Problem::NotConnected);
            page.state.close(failed, &mut page.effects);
        },
    ];
    for end in end {
        let mut page = Page::open();
        let sent = page.publish_with("1", QoS::AtLeastOnce);
        page.state.suspend(&mut page.effects);
        let waiting = page.publish_with("2", QoS::AtLeastOnce);
        page.effects.clear();
        end(&mut page);
        let unsent = RequestError::Problem(Problem::NotConnected);
        let answers = [(sent, Err(RequestError::Closed)), (waiting, Err(unsent))];
        assert_eq!(page.answers(), answers);
        page.state.open(&mut page.effects);
        assert!(!page.sent().iter().any(|it| it.starts_with('!')));
    }
}

#[test]
fn without_a_connection_nothing_is_published() {
    let mut page = Page::open();
    page.state.disconnect(false, &mut page.effects);
    assert_eq!(page.sent(), ["disconnect"]);
    let id = page.publish("1");
    let refused = RequestError::Problem(Problem::NotConnected);
    assert_eq!(page.answers(), [(id, Err(refused))]);
    // A new worker does not connect either.
    page.change_worker();
    assert!(page.sent().is_empty());
}

#[test]
fn a_new_worker_resumes_the_client_id_and_its_session() {
    let mut page = Page::new();
    page.state.options = lasting();
    page.state.open(&mut page.effects);
    // The previous worker was not connected, so there is no session to resume.
    page.change_worker();
    assert_eq!(page.connect(), (String::new(), true));
    page.on_notice(ClientNotice::Status(connected()));
    page.change_worker();
    assert_eq!(page.connect(), ("me".to_owned(), false));

    // A connect of the app starts a new session, with the same client id.
    page.state.connect(lasting(), &mut page.effects);
    assert_eq!(page.connect(), ("me".to_owned(), true));
    let named = ConnectOptions {
        client_id: "you".to_owned(),
        ..ConnectOptions::default()
    };
    page.state.connect(named, &mut page.effects);
    page.on_notice(ClientNotice::Status(connected()));
    page.change_worker();
    assert_eq!(page.connect(), ("you".to_owned(), true));
}

#[test]
fn the_worker_learns_whether_the_app_listens_for_all_messages() {
    let mut page = Page::new();
    page.state.listen(true, &mut page.effects);
    assert!(page.sent().is_empty());
    page.state.open(&mut page.effects);
    assert_eq!(page.sent(), ["connect", "listen"]);
    page.state.listen(true, &mut page.effects);
    page.state.listen(false, &mut page.effects);
    page.state.listen(false, &mut page.effects);
    assert_eq!(page.sent(), ["deaf"]);
    page.state.listen(true, &mut page.effects);
    page.state
        .connect(ConnectOptions::default(), &mut page.effects);
    assert_eq!(page.sent(), ["listen", "connect", "listen"]);
    page.effects.clear();
    page.on_notice(ClientNotice::Unheard);
    assert_eq!(page.effects, [Effect::Unheard]);
}

#[test]
fn connecting_again_subscribes_again_before_or_after_the_disconnection_arrives() {
    let mut page = Page::open();
    page.subscribe("a");
    page.state.disconnect(true, &mut page.effects);
    page.state
        .connect(ConnectOptions::default(), &mut page.effects);
    assert_eq!(page.sent(), ["+a", "disconnect", "connect", "deaf", "+a"]);
    page.on_notice(ClientNotice::Status(ClientStatus::Disconnected(
        DisconnectCause::Requested,
    )));
    assert_eq!(page.state.status(), &ClientStatus::Waiting);
}

#[test]
fn a_client_that_the_broker_disconnected_connects_through_the_next_worker() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    page.on_notice(disconnected(0x8E));
    assert_eq!(page.status(a), SUSPENDED);
    page.sent();
    page.subscribe("b");
    assert!(page.sent().is_empty());
    page.change_worker();
    assert_eq!(page.sent(), ["connect", "deaf", "+a", "+b"]);
}

#[test]
fn an_unsubscribe_gets_its_answer() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    let no = page.readers()[0];
    let request = page.state.unsubscribe(a, &mut page.effects);
    assert_eq!(page.sent(), ["+a".to_owned(), format!("-{}", no.0)]);
    assert_eq!(page.message(&[no]), []);
    page.effects.clear();
    page.on_notice(ClientNotice::Unsubscribed(request, vec![0x83]));
    let refused = RequestError::Reason(Reason(0x83));
    assert_eq!(page.answers(), [(request, Err(refused))]);
    let again = page.state.unsubscribe(a, &mut page.effects);
    assert_eq!(page.answers(), [(again, Ok(Reason(0)))]);
}

#[test]
fn a_changed_filter_replaces_the_old_one_without_a_gap() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    let before = page.readers()[0];
    page.sent();
    let wanted = |topic_filter: &str| Subscription {
        topic_filter: topic_filter.to_owned(),
        ..Subscription::default()
    };
    page.state.change(a, wanted("+"), &mut page.effects);
    let after = page.readers()[0];
    let release = page.state.requests.keys().next().copied();
    assert_eq!(page.sent(), ["++".to_owned(), format!("-{}", before.0)]);
    // A message for the old filter arrives once if the new filter matches it.
    assert_eq!(page.message(&[before]), [a]);
    assert_eq!(page.message(&[before, after]), [a]);
    // An answer for the old filter does not change the status.
    page.on_notice(ClientNotice::Granted(before, 2));
    assert_eq!(page.status(a), REQUESTED);
    page.on_notice(ClientNotice::Unsubscribed(
        release.expect("a request"),
        vec![0],
    ));
    assert_eq!(page.message(&[before]), []);

    page.state.change(a, wanted("b"), &mut page.effects);
    assert_eq!(page.message(&[after]), []);
}

#[test]
fn a_refused_subscription_has_its_error_and_affects_no_other() {
    let mut page = Page::open();
    let (bad, wrong, good) = (
        page.subscribe("bad"),
        page.subscribe("#/"),
        page.subscribe("a"),
    );
    let readers = page.readers();
    page.on_notice(ClientNotice::Granted(readers[0], 0x87));
    let problem = Problem::TopicFilter("why".to_owned());
    page.on_notice(ClientNotice::ReaderRefused(readers[1], problem.clone()));
    page.on_notice(ClientNotice::Granted(readers[2], 2));
    let refused = SubscriptionStatus::Refused(RequestError::Reason(Reason(0x87)));
    assert_eq!(page.status(bad), refused);
    let refused = SubscriptionStatus::Refused(RequestError::Problem(problem));
    assert_eq!(page.status(wrong), refused);
    assert_eq!(
        page.status(good),
        SubscriptionStatus::Granted(QoS::ExactlyOnce)
    );
    page.sent();
    // The worker does not know these readers.
    let request = page.state.unsubscribe(bad, &mut page.effects);
    assert!(page.sent().is_empty());
    assert_eq!(page.answers(), [(request, Ok(Reason(0)))]);
    page.change_worker();
    assert_eq!(page.sent(), ["connect", "deaf", "+#/", "+a"]);
    let readers = page.readers();
    assert_eq!(page.message(&readers), []);
}

#[test]
fn a_resumed_session_unsubscribes_from_filters_without_subscribers() {
    let mut page = Page::new();
    page.state.options = lasting();
    page.state.open(&mut page.effects);
    page.on_notice(ClientNotice::Status(connected()));
    let (a, b, c) = (
        page.subscribe("a"),
        page.subscribe("b"),
        page.subscribe("c"),
    );
    let (also_c, never) = (page.subscribe("c"), page.subscribe("never"));
    page.state.unsubscribe(a, &mut page.effects);
    page.state.suspend(&mut page.effects);
    let _late = page.subscribe("late");
    let later = page.subscribe("later");
    page.state.unsubscribe(later, &mut page.effects);
    page.state.unsubscribe(b, &mut page.effects);
    page.state.unsubscribe(c, &mut page.effects);
    page.state.unsubscribe(never, &mut page.effects);
    page.subscribe("never");
    page.effects.clear();
    page.state.open(&mut page.effects);
    let readers = page.readers();
    assert_eq!(
        page.sent(),
        ["connect", "deaf", "+c", "+late", "+never", "+a", "+b"]
    );
    // A reader without a receiver takes its messages, so that they do not wait.
    assert_eq!(
        page.message(&readers),
        [also_c, SubscriberId(6), SubscriberId(8)]
    );
    page.effects.clear();
    page.on_notice(ClientNotice::Granted(readers[3], 0));
    assert_eq!(page.sent(), [format!("-{}", readers[3].0)]);
    // The worker ends before the other unsubscribes.
    page.change_worker();
    assert_eq!(
        page.sent(),
        ["connect", "deaf", "+c", "+late", "+never", "+a", "+b"]
    );
    // A new session has none of them.
    page.state.connect(lasting(), &mut page.effects);
    assert_eq!(page.sent(), ["connect", "deaf", "+c", "+late", "+never"]);
}

#[test]
fn a_failed_worker_ends_all_that_waits_until_another_one_opens() {
    let mut page = Page::new();
    let waiting = page.publish("1");
    page.state.close(RequestError::Closed, &mut page.effects);
    let late = page.publish("2");
    let closed = || Err(RequestError::Closed);
    assert_eq!(page.answers(), [(waiting, closed()), (late, closed())]);
    page.state.open(&mut page.effects);
    assert_eq!(page.sent(), ["connect", "deaf"]);
}

#[test]
fn notices_of_an_ended_worker_are_void() {
    let mut page = Page::open();
    let id = page.publish("1");
    page.state.close(RequestError::Closed, &mut page.effects);
    page.effects.clear();
    page.on_notice(ClientNotice::Published(id, 0));
    page.on_notice(ClientNotice::Status(connected()));
    assert!(page.effects.is_empty());
}

#[test]
fn a_message_goes_to_the_subscribers_that_the_worker_names() {
    let mut page = Page::open();
    let (a, all) = (page.subscribe("a"), page.subscribe("#"));
    let readers = page.readers();
    assert_eq!(page.message(&readers), [a, all]);
    assert_eq!(page.message(&readers[1..]), [all]);
    assert_eq!(page.message(&[]), []);
    assert_eq!(page.message(&[ReaderNo(77)]), []);
}

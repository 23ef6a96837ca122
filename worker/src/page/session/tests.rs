use tab::api::{MessageProperties, Term};

use super::*;

/// A session, and what its worker is told.
struct Page {
    session: Session,
    effects: Vec<Effect>,
}

impl Page {
    fn new() -> Self {
        Self {
            session: Session::new(ConnectOptions::default()),
            effects: Vec::new(),
        }
    }

    fn open() -> Self {
        let mut page = Self::new();
        page.session.open(&mut page.effects);
        page.hear(ClientNotice::Status(connected()));
        page.effects.clear();
        page
    }

    fn hear(&mut self, notice: ClientNotice) {
        self.session.hear(notice, &mut self.effects);
    }

    fn subscribe(&mut self, topic_filter: &str) -> SubscriberId {
        let subscription = Subscription {
            topic_filter: topic_filter.to_owned(),
            ..Subscription::default()
        };
        self.session
            .subscribe(subscription, None, &mut self.effects)
    }

    fn publish(&mut self, topic: &str) -> RequestId {
        let publication = Publication {
            topic: topic.to_owned(),
            ..Publication::default()
        };
        self.session.publish(publication, &mut self.effects)
    }

    /// The commands in short, since the last time.
    fn told(&mut self) -> Vec<String> {
        let (sent, rest) = core::mem::take(&mut self.effects)
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Send(_)));
        self.effects = rest;
        let sent: Vec<_> = sent;
        sent.into_iter()
            .map(|effect| match effect {
                Effect::Send(ClientCommand::Connect(_)) => "connect".to_owned(),
                Effect::Send(ClientCommand::Disconnect { .. }) => "disconnect".to_owned(),
                Effect::Send(ClientCommand::Subscribe(_, wanted)) => {
                    format!("+{}", wanted[0].topic_filter)
                }
                Effect::Send(ClientCommand::Unsubscribe(_, filters)) => format!("-{}", filters[0]),
                Effect::Send(ClientCommand::Publish(_, it)) => format!("!{}", it.topic),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// The answers since the last time.
    fn answers(&mut self) -> Vec<(RequestId, Answer)> {
        core::mem::take(&mut self.effects)
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Answer(id, answer) => Some((id, answer)),
                _ => None,
            })
            .collect()
    }

    /// The request of the last SUBSCRIBE or UNSUBSCRIBE.
    fn last_request(&self) -> RequestId {
        *self.session.requests.keys().last().expect("a request")
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

#[test]
fn every_worker_that_opens_is_connected_with_and_subscribed_to() {
    let mut page = Page::new();
    let a = page.subscribe("a");
    assert!(page.told().is_empty());
    page.session.open(&mut page.effects);
    assert_eq!(page.told(), ["connect", "+a"]);
    page.hear(ClientNotice::Status(connected()));
    page.hear(ClientNotice::Subscribed(page.last_request(), vec![1]));
    let granted = SubscriptionStatus::Granted(QoS::AtLeastOnce);
    assert_eq!(page.session.filters.status(a), granted);
    assert!(page.effects.contains(&Effect::Subscription(a, granted)));

    page.session.open(&mut page.effects);
    assert_eq!(page.told(), ["connect", "+a"]);
    let requested = SubscriptionStatus::Requested;
    assert_eq!(page.session.filters.status(a), requested);
    assert_eq!(page.session.status(), &ClientStatus::Waiting);
}

#[test]
fn what_is_published_before_the_worker_opens_goes_out_in_order() {
    let mut page = Page::new();
    page.publish("1");
    page.publish("2");
    page.session.open(&mut page.effects);
    assert_eq!(page.told(), ["connect", "!1", "!2"]);
}

#[test]
fn a_publish_ends_with_its_reason_code() {
    let mut page = Page::open();
    let ids = ["1", "2", "3"].map(|topic| page.publish(topic));
    page.hear(ClientNotice::Published(ids[0], 0x10));
    page.hear(ClientNotice::Published(ids[1], 0x97));
    page.hear(ClientNotice::Refused(ids[2], Problem::TooManyInFlight));
    // Answers that nobody waits for are nothing.
    page.hear(ClientNotice::Published(ids[0], 0));
    page.hear(ClientNotice::Published(RequestId(77), 0));
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
fn what_has_no_answer_when_a_new_worker_opens_gets_none() {
    let mut page = Page::open();
    let id = page.publish("1");
    page.session.open(&mut page.effects);
    assert_eq!(page.told(), ["!1", "connect"]);
    assert_eq!(page.answers(), [(id, Err(RequestError::Closed))]);
}

#[test]
fn without_a_connection_nothing_is_published() {
    let mut page = Page::open();
    page.session.disconnect(false, &mut page.effects);
    assert_eq!(page.told(), ["disconnect"]);
    let id = page.publish("1");
    let refused = RequestError::Problem(Problem::NotConnected);
    assert_eq!(page.answers(), [(id, Err(refused))]);
    // Nor does a new worker bring it back.
    page.session.open(&mut page.effects);
    assert!(page.told().is_empty());
}

#[test]
fn connecting_again_subscribes_again_whenever_the_disconnection_is_heard() {
    let mut page = Page::open();
    page.subscribe("a");
    page.session.disconnect(true, &mut page.effects);
    page.session
        .connect(ConnectOptions::default(), &mut page.effects);
    assert_eq!(page.told(), ["+a", "disconnect", "connect", "+a"]);
    page.hear(ClientNotice::Status(ClientStatus::Disconnected(
        DisconnectCause::Requested,
    )));
    assert_eq!(page.session.status(), &ClientStatus::Waiting);
}

#[test]
fn a_client_that_the_broker_has_disconnected_comes_back_with_the_next_worker() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    page.hear(disconnected(0x8E));
    let suspended = SubscriptionStatus::Suspended;
    assert_eq!(page.session.filters.status(a), suspended);
    page.told();
    page.subscribe("b");
    assert!(page.told().is_empty());
    page.session.open(&mut page.effects);
    assert_eq!(page.told(), ["connect", "+a", "+b"]);
}

#[test]
fn the_last_who_wants_a_filter_unsubscribes_and_hears_how_it_went() {
    let mut page = Page::open();
    let (first, second) = (page.subscribe("a"), page.subscribe("a"));
    assert_eq!(page.told(), ["+a"]);
    let request = page.session.unsubscribe(first, &mut page.effects);
    assert_eq!(page.answers(), [(request, Ok(Reason(0)))]);
    let request = page.session.unsubscribe(second, &mut page.effects);
    assert_eq!(page.told(), ["-a"]);
    page.hear(ClientNotice::Unsubscribed(request, vec![0x83]));
    let refused = RequestError::Reason(Reason(0x83));
    assert_eq!(page.answers(), [(request, Err(refused))]);
}

#[test]
fn another_filter_takes_the_place_of_one_without_a_gap() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    page.told();
    let subscription = Subscription {
        topic_filter: "b".to_owned(),
        ..Subscription::default()
    };
    page.session
        .subscribe(subscription, Some(a), &mut page.effects);
    assert_eq!(page.told(), ["+b", "-a"]);
}

#[test]
fn only_those_who_share_a_filter_are_told_of_it() {
    let mut page = Page::open();
    let (a, b) = (page.subscribe("a"), page.subscribe("b"));
    page.effects.clear();
    let late = page.subscribe("a");
    let told = |effect: &Effect| match effect {
        Effect::Subscription(id, _) => Some(*id),
        _ => None,
    };
    let told: Vec<_> = page.effects.iter().filter_map(told).collect();
    assert_eq!(told, [a, late]);
    assert_ne!(b, late);
}

#[test]
fn a_refused_subscription_says_why() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    page.hear(ClientNotice::Subscribed(page.last_request(), vec![0x87]));
    let refused = SubscriptionStatus::Refused(RequestError::Reason(Reason(0x87)));
    assert_eq!(page.session.filters.status(a), refused);
}

#[test]
fn a_failed_worker_ends_all_that_waits_until_another_one_opens() {
    let mut page = Page::new();
    let waiting = page.publish("1");
    page.session.close(RequestError::Closed, &mut page.effects);
    let late = page.publish("2");
    let closed = || Err(RequestError::Closed);
    assert_eq!(page.answers(), [(waiting, closed()), (late, closed())]);
    page.session.open(&mut page.effects);
    assert_eq!(page.told(), ["connect"]);
}

#[test]
fn a_message_goes_to_its_subscribers_with_the_apps_identifiers_only() {
    let mut page = Page::open();
    let a = page.subscribe("a");
    page.effects.clear();
    page.hear(ClientNotice::Message(Message {
        topic: "a".to_owned(),
        payload: Vec::new(),
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties: MessageProperties::default(),
        subscription_identifiers: vec![1],
        received_at: Default::default(),
    }));
    match page.effects.as_slice() {
        [Effect::Message(message, subscribers)] => {
            assert_eq!(subscribers, &[a]);
            assert!(message.subscription_identifiers.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

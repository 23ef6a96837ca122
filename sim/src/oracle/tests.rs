use tab::api::{
    Audience, ClientCommand, ClientNotice, ClientStatus, Command, DisconnectCause, Durability,
    Message, Notice, Publication, ReaderNo,
};
use tab::storage::{Row, RowKind, StorageAnswer};

use super::*;

const OWN: Audience = Audience {
    is_own: true,
    readers: Vec::new(),
};
use crate::browser::disk::Change;
use crate::plan::Plan;
use crate::prng::Prng;
use crate::scenario::Scenario;
use crate::workload::page::{Act, PROBER, Page};

const A: TabId = TabId::from_entropy(1);
const B: TabId = TabId::from_entropy(2);
const TERM: Term = Term(1);

fn plan(guarantee: Guarantee) -> Plan {
    Plan {
        guarantee,
        delivery_ms: 1_000,
        ..Plan::new(&mut Prng::new(1), &Scenario::default())
    }
}

/// A world of two tabs with one client each, controlled by the test.
struct Fixture {
    oracle: Oracle,
    pages: [Page; 2],
    now_ms: u64,
}

impl Fixture {
    /// Tab A is the broker, and both clients are connected and subscribed to all topics.
    fn new() -> Self {
        let mut fixture = Self {
            oracle: Oracle::new(plan(Guarantee::Memory)),
            pages: [0, 1].map(|no| {
                let prng = Prng::new(1);
                Page::new(prng, no, no, Guarantee::Memory, Durability::Memory, 0)
            }),
            now_ms: 0,
        };
        for (page, tab) in [A, B].into_iter().enumerate() {
            fixture.oracle.on_tab_opened(tab);
            if tab == A {
                let role = Role::Broker { term: TERM };
                fixture.oracle.on_role(fixture.now(), A, role).unwrap();
            }
            for act in fixture.pages[page].probe_subscribe(PROBER) {
                fixture.oracle.on_act(fixture.now(), tab, &act);
                if let Command::Client(_, ClientCommand::Subscribe(request, _)) = act.command {
                    fixture.connected(tab, false, TERM).unwrap();
                    let answer = ClientNotice::Subscribed(request, vec![2]);
                    fixture.notify(tab, answer).unwrap();
                }
            }
        }
        fixture.now_ms = 10_000;
        fixture
    }

    /// Two tabs without clients. The first became the broker of these terms.
    fn without_clients(guarantee: Guarantee, terms: &[Term]) -> Self {
        let mut fixture = Self::new();
        fixture.oracle = Oracle::new(plan(guarantee));
        fixture.oracle.on_tab_opened(A);
        fixture.oracle.on_tab_opened(B);
        for term in terms {
            let role = Role::Broker { term: *term };
            fixture.oracle.on_role(fixture.now(), A, role).unwrap();
        }
        fixture
    }

    /// The client of tab A executes these commands, and then the client of tab B resumes its session. With `waits`, the
    /// latter has been waiting for a broker all the time.
    fn of_one_client_id(waits: bool, commands: Vec<ClientCommand>) -> Self {
        let mut fixture = Self::without_clients(Guarantee::Durable, &[TERM]);
        fixture.connect(A);
        fixture.connected(A, false, TERM).unwrap();
        if waits {
            fixture.connect(B);
        }
        for command in commands {
            let now = fixture.now();
            fixture.oracle.on_reader_command(now, A, PROBER, &command);
            let act = Act {
                command: Command::Client(PROBER, command),
                valid: true,
            };
            fixture.oracle.on_act(now, A, &act);
        }
        if !waits {
            fixture.connect(B);
        }
        fixture.connected(B, true, TERM).unwrap();
        fixture
    }

    /// The page requests the session that the clients of both tabs share.
    fn connect(&mut self, tab: TabId) {
        let connect = self.pages[0].resume_session(PROBER, "id".to_owned());
        self.oracle.on_act(self.now(), tab, &connect);
    }

    fn now(&self) -> Time {
        Time::from_ms(self.now_ms)
    }

    fn notify(&mut self, tab: TabId, notice: ClientNotice) -> Result<(), Violation> {
        let notice = Notice::Client(PROBER, notice);
        self.oracle.on_notice(self.now(), tab, notice)?;
        self.oracle.check_refusals(tab)
    }

    fn connected(
        &mut self,
        tab: TabId,
        session_present: bool,
        term: Term,
    ) -> Result<(), Violation> {
        let client_id = String::new();
        let status = ClientStatus::Connected {
            client_id,
            session_present,
            term,
        };
        self.notify(tab, ClientNotice::Status(status))
    }

    /// The client of tab A publishes. Nothing else happens.
    fn publish(&mut self, qos: QoS, retain: bool) -> (RequestId, Publication) {
        let mut act = self.pages[0].probe_publish("a", qos);
        if let Command::Client(_, ClientCommand::Publish(_, publication)) = &mut act.command {
            publication.retain = retain;
        }
        self.oracle.on_act(self.now(), A, &act);
        match act.command {
            Command::Client(_, ClientCommand::Publish(request, publication)) => {
                (request, publication)
            }
            other => panic!("{other:?}"),
        }
    }

    fn acknowledge(&mut self, request: RequestId) -> Result<(), Violation> {
        self.notify(A, ClientNotice::Published(request, 0))
    }

    /// The client of tab B gets the message.
    fn deliver(&mut self, publication: &Publication, retain: bool) -> Result<(), Violation> {
        let message = Message {
            topic: publication.topic.clone(),
            payload: publication.payload.clone(),
            qos: publication.qos,
            retain,
            dup: false,
            properties: publication.properties.clone(),
            subscription_identifiers: Vec::new(),
            received_at: self.now(),
        };
        self.notify(B, ClientNotice::Message(message, OWN))
    }
}

#[test]
fn a_second_broker_and_a_term_that_does_not_rise_are_found() {
    let mut fixture = Fixture::new();
    let broker = |term| Role::Broker { term: Term(term) };
    let outcome = fixture.oracle.on_role(fixture.now(), B, broker(2));
    assert!(matches!(outcome, Err(Violation::TwoBrokers { .. })));
    let mut fixture = Fixture::new();
    fixture.oracle.on_tab_ended(fixture.now(), A, true);
    let outcome = fixture.oracle.on_role(fixture.now(), B, broker(1));
    assert!(matches!(outcome, Err(Violation::TermNotRising { .. })));
    assert!(
        fixture
            .oracle
            .on_role(fixture.now(), B, Role::Waiting)
            .is_ok()
    );
    assert!(fixture.oracle.on_role(fixture.now(), B, broker(2)).is_ok());
}

#[test]
fn a_request_is_answered_exactly_once() {
    let mut fixture = Fixture::new();
    let (request, _) = fixture.publish(QoS::AtLeastOnce, false);
    let now = fixture.now();
    fixture
        .oracle
        .on_role(
            now,
            B,
            Role::Client {
                broker: A,
                term: TERM,
            },
        )
        .unwrap();
    let outcome = fixture.oracle.check_settled(fixture.now());
    assert!(matches!(outcome, Err(Violation::RequestUnanswered { .. })));
    fixture.acknowledge(request).unwrap();
    assert!(fixture.oracle.check_settled(fixture.now()).is_ok());
    let outcome = fixture.acknowledge(request);
    assert!(matches!(outcome, Err(Violation::UnexpectedAnswer { .. })));
}

#[test]
fn a_valid_request_of_a_connected_client_is_not_refused() {
    let mut fixture = Fixture::new();
    let (request, _) = fixture.publish(QoS::AtLeastOnce, false);
    let refused = ClientNotice::Refused(request, tab::api::Problem::NotConnected);
    let outcome = fixture.notify(A, refused);
    assert!(matches!(outcome, Err(Violation::RequestRefused { .. })));
}

#[test]
fn a_second_copy_is_found_unless_the_publisher_had_to_publish_again() {
    let mut fixture = Fixture::new();
    let (_, publication) = fixture.publish(QoS::ExactlyOnce, false);
    fixture.deliver(&publication, false).unwrap();
    let outcome = fixture.deliver(&publication, false);
    assert!(matches!(
        outcome,
        Err(Violation::TooManyCopies { copies: 2, .. })
    ));

    let mut fixture = Fixture::new();
    let (_, publication) = fixture.publish(QoS::ExactlyOnce, false);
    fixture.deliver(&publication, false).unwrap();
    fixture.connected(A, true, TERM).unwrap();
    let outcome = fixture.deliver(&publication, false);
    assert!(matches!(
        outcome,
        Err(Violation::TooManyCopies { copies: 2, .. })
    ));

    let mut fixture = Fixture::new();
    let (_, publication) = fixture.publish(QoS::ExactlyOnce, false);
    fixture.deliver(&publication, false).unwrap();
    fixture.connected(A, false, TERM).unwrap();
    fixture.deliver(&publication, false).unwrap();
    assert!(fixture.deliver(&publication, false).is_err());
}

#[test]
fn an_acknowledged_message_that_does_not_arrive_is_found() {
    let mut fixture = Fixture::new();
    let (request, _) = fixture.publish(QoS::AtLeastOnce, false);
    fixture.acknowledge(request).unwrap();
    assert!(fixture.oracle.check_due(Time::from_ms(10_999)).is_ok());
    let outcome = fixture.oracle.check_due(Time::from_ms(11_000));
    assert!(matches!(outcome, Err(Violation::MessageLost { .. })));

    // An unacknowledged message may be lost with the broker.
    let mut fixture = Fixture::new();
    let (request, _) = fixture.publish(QoS::AtLeastOnce, false);
    fixture.acknowledge(request).unwrap();
    fixture.oracle.on_tab_ended(fixture.now(), A, true);
    assert!(fixture.oracle.check_due(Time::from_ms(11_000)).is_ok());
    assert_eq!(fixture.oracle.tally.timed_obligations_void, 1 + 1);
}

#[test]
fn messages_out_of_order_are_found() {
    let mut fixture = Fixture::new();
    let (_, first) = fixture.publish(QoS::AtLeastOnce, false);
    let (_, second) = fixture.publish(QoS::AtLeastOnce, false);
    fixture.deliver(&second, false).unwrap();
    let outcome = fixture.deliver(&first, false);
    assert!(matches!(outcome, Err(Violation::OutOfOrder { .. })));
}

#[test]
fn an_unpublished_or_altered_message_is_found() {
    let mut fixture = Fixture::new();
    let (_, mut publication) = fixture.publish(QoS::AtLeastOnce, false);
    publication.payload.push(0);
    let outcome = fixture.deliver(&publication, false);
    assert!(matches!(outcome, Err(Violation::MessageAltered { .. })));
    publication.payload.clear();
    publication.properties.user_properties.clear();
    let outcome = fixture.deliver(&publication, false);
    assert!(matches!(outcome, Err(Violation::UnknownMessage { .. })));
}

#[test]
fn only_the_last_acknowledged_message_may_be_retained() {
    let asker = ClientKey { tab: B, no: PROBER };
    for (found, is_right) in [(None, false), (Some(0), false), (Some(1), true)] {
        let mut fixture = Fixture::new();
        let mut publications = Vec::new();
        for _ in 0..2 {
            let (request, publication) = fixture.publish(QoS::AtLeastOnce, true);
            fixture.now_ms += 5;
            fixture.acknowledge(request).unwrap();
            fixture.now_ms += 5;
            publications.push(publication);
        }
        if let Some(index) = found {
            let publication: &Publication = &publications[index];
            fixture.deliver(publication, true).unwrap();
        }
        let outcome = fixture.oracle.check_retained(fixture.now(), asker);
        assert_eq!(outcome.is_ok(), is_right, "{found:?}");
    }
}

#[test]
fn a_member_list_without_a_tab_is_found() {
    let mut fixture = Fixture::new();
    let notice = Notice::Members(Vec::new());
    fixture.oracle.on_notice(fixture.now(), A, notice).unwrap();
    let outcome = fixture.oracle.check_members();
    assert!(matches!(
        outcome,
        Err(Violation::WrongMembers { tab: A, .. })
    ));
}

#[test]
fn an_earlier_broker_remains_if_a_later_one_ends_without_a_stored_fence() {
    for is_fenced in [false, true] {
        let mut oracle = Oracle::new(Plan {
            has_web_locks: false,
            ..plan(Guarantee::Durable)
        });
        for (tab, term, is_stored) in [(A, Term(1), true), (B, Term(2), is_fenced)] {
            oracle.on_tab_opened(tab);
            let kind = RowKind::Fence;
            if is_stored {
                oracle
                    .on_change(tab, &Change::Row(Row { term, kind }))
                    .unwrap();
            }
            oracle
                .on_role(Time::from_ms(0), tab, Role::Broker { term })
                .unwrap();
        }
        assert_eq!(oracle.broker(), Some(B));
        oracle.on_tab_ended(Time::from_ms(1), B, false);
        assert_eq!(oracle.broker(), Some(A).filter(|_| !is_fenced));
    }
}

#[test]
fn a_page_may_get_notices_of_an_ended_connection_before_those_of_the_next() {
    let key = ClientKey { tab: A, no: PROBER };
    for gives_up in [false, true] {
        let mut fixture = Fixture::without_clients(Guarantee::Durable, &[TERM]);
        let connect = fixture.pages[0].resume_session(PROBER, "id".to_owned());
        fixture.oracle.on_act(fixture.now(), A, &connect);
        fixture
            .notify(A, ClientNotice::Status(ClientStatus::Connecting))
            .unwrap();
        if gives_up {
            let command = ClientCommand::Disconnect { with_will: false };
            let disconnect = Act {
                command: Command::Client(PROBER, command),
                valid: true,
            };
            fixture.oracle.on_act(fixture.now(), A, &disconnect);
            fixture.oracle.on_act(fixture.now(), A, &connect);
        }
        fixture.connected(A, false, TERM).unwrap();
        let is_certain = fixture.oracle.sessions["id"].since.is_some();
        assert_eq!(is_certain, !gives_up);
        if gives_up {
            let ended = ClientStatus::Disconnected(DisconnectCause::Requested);
            fixture.notify(A, ClientNotice::Status(ended)).unwrap();
            fixture.connected(A, false, TERM).unwrap();
        }
        let outcome = fixture.connected(A, false, TERM);
        assert!(matches!(outcome, Err(Violation::SessionLost { client }) if client == key));
    }
}

#[test]
fn a_client_inherits_the_options_of_a_reader_that_shares_a_filter_with_another_subscription() {
    let subscription = |qos, no_local| Subscription {
        topic_filter: "a".to_owned(),
        qos,
        no_local,
        ..Subscription::default()
    };
    let local = subscription(QoS::AtMostOnce, false);
    let remote = subscription(QoS::AtLeastOnce, true);
    let subscribe = |request, subscription: &Subscription| {
        ClientCommand::Subscribe(RequestId(request), vec![subscription.clone()])
    };
    let read = || ClientCommand::Read(ReaderNo(1), local.clone());
    let shared = || vec![subscribe(1, &remote), read()];
    // The reader uses the same options as its client.
    let shared_by_same = || vec![subscribe(1, &local), read(), subscribe(2, &remote)];
    let unshared = || vec![subscribe(1, &local), subscribe(2, &remote)];
    for (commands, waits, may_be_own) in [
        (shared(), true, true),
        (shared(), false, true),
        (shared_by_same(), true, true),
        (shared_by_same(), false, true),
        (unshared(), true, false),
        (unshared(), false, false),
    ] {
        let mut fixture = Fixture::of_one_client_id(waits, commands);
        let publish = fixture.pages[1].probe_publish("a", QoS::ExactlyOnce);
        fixture.oracle.on_act(fixture.now(), B, &publish);
        let Command::Client(_, ClientCommand::Publish(_, publication)) = publish.command else {
            panic!("{publish:?}");
        };
        let delivered = Publication {
            qos: QoS::AtLeastOnce,
            ..publication
        };
        let outcome = fixture.deliver(&delivered, false);
        let is_right = match may_be_own {
            true => outcome.is_ok(),
            false => matches!(outcome, Err(Violation::QoSTooHigh { .. })),
        };
        assert!(is_right, "waits: {waits}: {outcome:?}");
    }
}

#[test]
fn a_small_window_may_drop_a_message_only_with_qos_0() {
    let key = ClientKey { tab: B, no: PROBER };
    let mut fixture = Fixture::new();
    let (_, publication) = fixture.publish(QoS::AtLeastOnce, false);
    let id = MessageId::in_properties(&publication.properties).unwrap();
    let published = &fixture.oracle.messages[&id];
    let now = Moment {
        step: 0,
        at: fixture.now(),
    };
    let mut client = Client::default();
    client.connect();
    for (no, qos, must_come_if_narrow) in [(1, QoS::AtMostOnce, false), (2, QoS::AtLeastOnce, true)]
    {
        let subscription = Subscription {
            topic_filter: ["+", "#"][no - 1].to_owned(),
            qos,
            ..Subscription::default()
        };
        let request = RequestId(no as u64);
        client.subscribe(now, request, &[subscription]);
        client.subscribed(now, request);
        assert!(client.is_subscribed(key, published, QoS::AtMostOnce));
        assert_eq!(
            client.is_subscribed(key, published, QoS::AtLeastOnce),
            must_come_if_narrow
        );
    }
}

#[test]
fn a_client_may_get_its_own_message_only_if_the_record_of_its_session_may_be_damaged() {
    let key = ClientKey { tab: A, no: PROBER };
    let mut fixture = Fixture::new();
    let (_, before) = fixture.publish(QoS::AtLeastOnce, false);
    fixture.oracle.on_flip();
    let (_, after) = fixture.publish(QoS::AtLeastOnce, false);
    let role = Role::Broker { term: Term(2) };
    fixture.oracle.on_role(fixture.now(), A, role).unwrap();
    fixture.connected(A, true, Term(2)).unwrap();
    let (_, in_the_next_term) = fixture.publish(QoS::AtLeastOnce, false);
    let options = Subscription {
        topic_filter: "#".to_owned(),
        no_local: true,
        ..Subscription::default()
    };
    for (publication, is_match) in [(before, true), (after, true), (in_the_next_term, false)] {
        let id = MessageId::in_properties(&publication.properties).unwrap();
        let published = &fixture.oracle.messages[&id];
        assert_eq!(client::is_match(&options, key, published), is_match);
    }
}

#[test]
fn the_connack_of_an_ended_connection_does_not_affect_the_next_session() {
    let now = |step| Moment {
        step,
        at: Time::from_ms(step),
    };
    let subscription = Subscription {
        topic_filter: "#".to_owned(),
        ..Subscription::default()
    };
    for (is_given_up, left) in [(true, 1), (false, 0)] {
        let mut client = Client::default();
        client.connect();
        client.subscribe(now(1), RequestId(1), core::slice::from_ref(&subscription));
        client.connect();
        if !is_given_up {
            client.lost();
        }
        client.connected(now(2), TERM, false, true, false, false);
        assert_eq!(client.subscriptions.len(), left);
    }
}

#[test]
fn another_broker_may_resume_an_older_session_than_the_one_reported_as_new() {
    let (first, without_disk, with_disk) = (TERM, Term(2), Term(3));
    for (last, may_come_again) in [(with_disk, true), (without_disk, false)] {
        let terms = [first, without_disk, with_disk];
        let mut fixture = Fixture::without_clients(Guarantee::Recovery, &terms);
        let connect = fixture.pages[0].resume_session(PROBER, "publisher".to_owned());
        fixture.oracle.on_act(fixture.now(), A, &connect);
        let [connect, subscribe] = fixture.pages[1].probe_subscribe(PROBER);
        fixture.oracle.on_act(fixture.now(), B, &connect);
        fixture.oracle.on_act(fixture.now(), B, &subscribe);
        fixture.connected(B, false, first).unwrap();
        let (_, publication) = fixture.publish(QoS::ExactlyOnce, true);
        fixture.oracle.on_tab_ended(fixture.now(), B, true);
        fixture.oracle.on_tab_opened(B);
        fixture.oracle.on_act(fixture.now(), B, &connect);
        fixture.connected(B, false, without_disk).unwrap();
        fixture.connected(B, true, last).unwrap();
        fixture.deliver(&publication, true).unwrap();
        let again = fixture.deliver(&publication, true);
        assert_eq!(again.is_ok(), may_come_again, "{last:?}");
    }
}

#[test]
fn a_message_with_a_damaged_acknowledgement_may_arrive_after_later_ones() {
    let mut fixture = Fixture::new();
    let (_, published) = fixture.publish(QoS::AtLeastOnce, false);
    let id = MessageId::in_properties(&published.properties).unwrap();
    assert!(!fixture.oracle.messages[&id].is_resent());
    fixture.oracle.on_flip();
    assert!(fixture.oracle.messages[&id].is_resent());
}

#[test]
fn a_broker_that_was_denied_the_database_may_have_the_term_of_another_one() {
    let fence = || {
        Change::Row(Row {
            term: TERM,
            kind: RowKind::Fence,
        })
    };
    let denied = || StorageAnswer::Unavailable {
        why: String::new(),
        is_lasting: true,
    };
    for (guarantee, is_denied, may_lead) in [
        (Guarantee::Recovery, true, true),
        (Guarantee::Recovery, false, false),
        (Guarantee::Durable, true, false),
    ] {
        let mut oracle = Oracle::new(plan(guarantee));
        let now = Time::default();
        oracle.on_tab_opened(A);
        oracle.on_tab_opened(B);
        oracle.on_change(A, &fence()).unwrap();
        oracle.on_answer(now, B, &StorageAnswer::Opened);
        if is_denied {
            oracle.on_answer(now, B, &denied());
        }
        let role = Role::Broker { term: TERM };
        assert_eq!(oracle.on_role(now, B, role).is_ok(), may_lead);
    }
}

use tab::api::{
    ClientCommand, ClientNotice, ClientStatus, Command, Durability, Message, Notice, Publication,
};

use super::*;
use crate::page::{PROBER, Page};
use crate::plan::Plan;
use crate::prng::Prng;
use crate::scenario::Scenario;

const A: TabId = TabId::from_entropy(1);
const B: TabId = TabId::from_entropy(2);
const TERM: Term = Term(1);

fn plan(promise: Promise) -> Plan {
    Plan {
        promise,
        delivery_ms: 1_000,
        ..Plan::new(&mut Prng::new(1), &Scenario::default())
    }
}

/// A world of two tabs, told by hand; both pages have one client.
struct Story {
    oracle: Oracle,
    pages: [Page; 2],
    now_ms: u64,
}

impl Story {
    /// Tab A is the broker, and both clients are connected and subscribed to everything.
    fn new() -> Self {
        let mut story = Self {
            oracle: Oracle::new(plan(Promise::Memory)),
            pages: [0, 1].map(|no| {
                let prng = Prng::new(1);
                Page::new(prng, no, no, Promise::Memory, Durability::Memory)
            }),
            now_ms: 0,
        };
        for (page, tab) in [A, B].into_iter().enumerate() {
            story.oracle.on_birth(tab);
            if tab == A {
                let role = Role::Broker { term: TERM };
                story.oracle.on_role(story.now(), A, role).unwrap();
            }
            for act in story.pages[page].probe_subscribe(PROBER) {
                story.oracle.on_act(story.now(), tab, &act);
                if let Command::Client(_, ClientCommand::Subscribe(request, _)) = act.command {
                    story.connected(tab, false, TERM).unwrap();
                    let answer = ClientNotice::Subscribed(request, vec![2]);
                    story.tell(tab, answer).unwrap();
                }
            }
        }
        story.now_ms = 10_000;
        story
    }

    fn now(&self) -> Time {
        Time::from_ms(self.now_ms)
    }

    fn tell(&mut self, tab: TabId, notice: ClientNotice) -> Result<(), Violation> {
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
        self.tell(tab, ClientNotice::Status(status))
    }

    /// The client of tab A publishes; nothing has happened yet but that.
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
        self.tell(A, ClientNotice::Published(request, 0))
    }

    /// The client of tab B gets it.
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
        self.tell(B, ClientNotice::Message(message))
    }
}

#[test]
fn a_second_broker_and_a_term_that_does_not_rise_are_found() {
    let mut story = Story::new();
    let broker = |term| Role::Broker { term: Term(term) };
    let outcome = story.oracle.on_role(story.now(), B, broker(2));
    assert!(matches!(outcome, Err(Violation::TwoBrokers { .. })));
    let mut story = Story::new();
    story.oracle.on_death(story.now(), A, true);
    let outcome = story.oracle.on_role(story.now(), B, broker(1));
    assert!(matches!(outcome, Err(Violation::TermNotRising { .. })));
    assert!(story.oracle.on_role(story.now(), B, Role::Waiting).is_ok());
    assert!(story.oracle.on_role(story.now(), B, broker(2)).is_ok());
}

#[test]
fn a_request_is_answered_exactly_once() {
    let mut story = Story::new();
    let (request, _) = story.publish(QoS::AtLeastOnce, false);
    let now = story.now();
    story
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
    let outcome = story.oracle.check_settled(story.now());
    assert!(matches!(outcome, Err(Violation::Unanswered { .. })));
    story.acknowledge(request).unwrap();
    assert!(story.oracle.check_settled(story.now()).is_ok());
    let outcome = story.acknowledge(request);
    assert!(matches!(outcome, Err(Violation::AnsweredUnasked { .. })));
}

#[test]
fn a_valid_request_of_a_connected_client_is_not_refused() {
    let mut story = Story::new();
    let (request, _) = story.publish(QoS::AtLeastOnce, false);
    let refused = ClientNotice::Refused(request, tab::api::Problem::NotConnected);
    let outcome = story.tell(A, refused);
    assert!(matches!(outcome, Err(Violation::Refused { .. })));
}

#[test]
fn a_second_copy_is_found_unless_the_publisher_had_to_start_over() {
    let mut story = Story::new();
    let (_, publication) = story.publish(QoS::ExactlyOnce, false);
    story.deliver(&publication, false).unwrap();
    let outcome = story.deliver(&publication, false);
    assert!(matches!(
        outcome,
        Err(Violation::Duplicate { copies: 2, .. })
    ));

    let mut story = Story::new();
    let (_, publication) = story.publish(QoS::ExactlyOnce, false);
    story.deliver(&publication, false).unwrap();
    story.connected(A, true, TERM).unwrap();
    let outcome = story.deliver(&publication, false);
    assert!(matches!(
        outcome,
        Err(Violation::Duplicate { copies: 2, .. })
    ));

    let mut story = Story::new();
    let (_, publication) = story.publish(QoS::ExactlyOnce, false);
    story.deliver(&publication, false).unwrap();
    story.connected(A, false, TERM).unwrap();
    story.deliver(&publication, false).unwrap();
    assert!(story.deliver(&publication, false).is_err());
}

#[test]
fn an_acknowledged_message_that_does_not_arrive_is_found() {
    let mut story = Story::new();
    let (request, _) = story.publish(QoS::AtLeastOnce, false);
    story.acknowledge(request).unwrap();
    assert!(story.oracle.check_due(Time::from_ms(10_999)).is_ok());
    let outcome = story.oracle.check_due(Time::from_ms(11_000));
    assert!(matches!(outcome, Err(Violation::Lost { .. })));

    // What the broker had not acknowledged may go with it.
    let mut story = Story::new();
    let (request, _) = story.publish(QoS::AtLeastOnce, false);
    story.acknowledge(request).unwrap();
    story.oracle.on_death(story.now(), A, true);
    assert!(story.oracle.check_due(Time::from_ms(11_000)).is_ok());
    assert_eq!(story.oracle.tally.obligations_void, 1 + 1);
}

#[test]
fn messages_out_of_order_are_found() {
    let mut story = Story::new();
    let (_, first) = story.publish(QoS::AtLeastOnce, false);
    let (_, second) = story.publish(QoS::AtLeastOnce, false);
    story.deliver(&second, false).unwrap();
    let outcome = story.deliver(&first, false);
    assert!(matches!(outcome, Err(Violation::OutOfOrder { .. })));
}

#[test]
fn a_message_that_nobody_published_or_that_changed_is_found() {
    let mut story = Story::new();
    let (_, mut publication) = story.publish(QoS::AtLeastOnce, false);
    publication.payload.push(0);
    let outcome = story.deliver(&publication, false);
    assert!(matches!(outcome, Err(Violation::Altered { .. })));
    publication.payload.clear();
    publication.properties.user_properties.clear();
    let outcome = story.deliver(&publication, false);
    assert!(matches!(outcome, Err(Violation::Invented { .. })));
}

#[test]
fn only_the_last_acknowledged_message_may_be_retained() {
    let asker = ClientKey { tab: B, no: PROBER };
    for (found, is_right) in [(None, false), (Some(0), false), (Some(1), true)] {
        let mut story = Story::new();
        let mut publications = Vec::new();
        for _ in 0..2 {
            let (request, publication) = story.publish(QoS::AtLeastOnce, true);
            story.now_ms += 5;
            story.acknowledge(request).unwrap();
            story.now_ms += 5;
            publications.push(publication);
        }
        if let Some(index) = found {
            let publication: &Publication = &publications[index];
            story.deliver(publication, true).unwrap();
        }
        let outcome = story.oracle.check_retained(story.now(), asker);
        assert_eq!(outcome.is_ok(), is_right, "{found:?}");
    }
}

#[test]
fn a_roster_that_misses_a_tab_is_found() {
    let mut story = Story::new();
    let notice = Notice::Roster(Vec::new());
    story.oracle.on_notice(story.now(), A, notice).unwrap();
    let outcome = story.oracle.check_rosters();
    assert!(matches!(
        outcome,
        Err(Violation::WrongRoster { tab: A, .. })
    ));
}

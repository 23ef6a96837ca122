//! Clients of a bus.

use std::cell::RefCell;
use std::rc::Rc;

use tabmq_worker::api::{
    ClientStatus, ConnectOptions, Message, Notice, Problem, Publication, QoS, Question,
    RetainHandling, Subscription,
};
use tabmq_worker::{BusOptions, BusStatus, Client, Reason, RequestError, SubscriptionStatus};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{dispatch, message, open, options, retained, to, until};

type Payloads = Rc<RefCell<Vec<String>>>;

/// Collects payloads.
fn collect(payloads: &Payloads) -> impl Fn(Rc<Message>) + 'static {
    let payloads = Rc::clone(payloads);
    move |message| {
        let payload = String::from_utf8_lossy(&message.payload).into_owned();
        payloads.borrow_mut().push(payload);
    }
}

#[wasm_bindgen_test]
async fn a_published_message_arrives_and_is_answered() {
    let client = open("answers").client(ConnectOptions::default());
    let payloads = Payloads::default();
    let subscriber = client.subscribe(to("a/+"), collect(&payloads));
    assert_eq!(subscriber.granted().await, Ok(QoS::ExactlyOnce));
    assert_eq!(client.publish(message("a/b", "1")).await, Ok(Reason(0)));
    assert_eq!(client.publish(message("c", "2")).await, Ok(Reason(0x10)));
    until("a message", || *payloads.borrow() == ["1"]).await;

    assert_eq!(subscriber.unsubscribe().await, Ok(Reason(0)));
    assert_eq!(client.publish(message("a/b", "3")).await, Ok(Reason(0x10)));
    assert_eq!(*payloads.borrow(), ["1"]);
}

#[wasm_bindgen_test]
async fn a_refused_request_has_its_error() {
    let client = open("problems").client(ConnectOptions::default());
    let answer = client.publish(message("a/#", "")).await;
    assert!(
        matches!(answer, Err(RequestError::Problem(Problem::Topic(_)))),
        "{answer:?}"
    );
    let subscriber = client.subscribe(to("a#"), |_| {});
    let answer = subscriber.granted().await;
    assert!(
        matches!(answer, Err(RequestError::Problem(Problem::TopicFilter(_)))),
        "{answer:?}"
    );
    client.disconnect(false);
    let refused = Err(RequestError::Problem(Problem::NotConnected));
    assert_eq!(client.publish(message("a", "")).await, refused);
    assert_eq!(subscriber.status(), SubscriptionStatus::Suspended);
}

#[wasm_bindgen_test]
async fn overlapping_filters_deliver_once_each_and_later_ones_get_retained_messages() {
    let client = open("overlap").client(ConnectOptions::default());
    let (all, one, late) = (
        Payloads::default(),
        Payloads::default(),
        Payloads::default(),
    );
    let first = client.subscribe(to("#"), collect(&all));
    let second = client.subscribe(to("a"), collect(&one));
    assert!(first.granted().await.is_ok() && second.granted().await.is_ok());
    assert!(client.publish(retained("a", "1")).await.is_ok());
    until("both", || {
        all.borrow().len() == 1 && one.borrow().len() == 1
    })
    .await;

    let third = client.subscribe(to("a"), collect(&late));
    until("what is retained", || *late.borrow() == ["1"]).await;
    assert!(client.publish(message("a", "2")).await.is_ok());
    for payloads in [&all, &one, &late] {
        until("both messages", || *payloads.borrow() == ["1", "2"]).await;
    }
    // Two subscribers share the filter, so the end of the first does not affect the second.
    drop(second);
    assert!(client.publish(message("a", "3")).await.is_ok());
    until("the third", || late.borrow().len() == 3).await;
    assert_eq!(one.borrow().len(), 2);
    drop(third);
}

#[wasm_bindgen_test]
async fn messages_carry_the_identifiers_of_the_app() {
    let client = open("identifiers").client(ConnectOptions::default());
    let wanted = Subscription {
        identifier: Some(42),
        ..to("a")
    };
    let mut messages = client.messages(wanted, 1);
    let _other = client.subscribe(to("#"), |_| {});
    for payload in ["1", "2"] {
        assert!(client.publish(message("a", payload)).await.is_ok());
    }
    until("one too many", || messages.dropped() == 1).await;
    let newest = messages.recv().await;
    assert_eq!(
        (&*newest.payload, &*newest.subscription_identifiers),
        (&b"2"[..], &[42][..])
    );
}

#[wasm_bindgen_test]
async fn a_client_outlives_its_worker() {
    let bus = open("workers");
    let client = bus.client(ConnectOptions::default());
    let payloads = Payloads::default();
    let subscriber = client.subscribe(to("a"), collect(&payloads));
    assert!(subscriber.granted().await.is_ok());
    let tab_id = bus.tab_id();
    assert!(tab_id.is_some());

    // The worker ends before it receives these.
    let again = client.publish(message("a", "1"));
    let lost = client.publish(Publication {
        qos: QoS::ExactlyOnce,
        ..message("a", "lost")
    });
    dispatch("freeze");
    assert_eq!(bus.status(), BusStatus::Starting);
    let frozen = client.publish(message("a", "2"));
    let asked = bus.ask(Question::Load);
    let late = client.subscribe(to("late"), |_| {});
    dispatch("resume");
    let resumed = client.publish(message("a", "3"));
    assert_eq!(lost.await, Err(RequestError::Closed));
    for request in [again, frozen, resumed] {
        assert_eq!(request.await, Ok(Reason(0)));
    }
    // The question goes to the next worker, which may not have a broker yet.
    let answer = asked.await;
    let no_broker = Err(RequestError::Problem(Problem::NoBroker));
    assert!(answer.is_ok() || answer == no_broker, "{answer:?}");
    assert_ne!(bus.tab_id(), tab_id);
    for subscriber in [subscriber, late] {
        assert_eq!(subscriber.granted().await, Ok(QoS::ExactlyOnce));
    }
    until("all in order", || *payloads.borrow() == ["1", "2", "3"]).await;
}

/// Options of a client with a session that outlives its connection.
fn lasting(client_id: &str) -> ConnectOptions {
    ConnectOptions {
        client_id: client_id.to_owned(),
        clean_start: false,
        session_expiry_interval: 600,
        ..ConnectOptions::default()
    }
}

/// The client id in use, and whether the session was there, once it is connected.
async fn connected(client: &Client) -> (String, bool) {
    let mut found = None;
    until("a connection", || {
        if let ClientStatus::Connected {
            client_id,
            session_present,
            ..
        } = client.status()
        {
            found = Some((client_id, session_present));
        }
        found.is_some()
    })
    .await;
    found.expect("it is connected")
}

#[wasm_bindgen_test]
async fn a_session_continues_with_another_worker_without_unwanted_filters() {
    let bus = open("sessions");
    let client = bus.client(lasting(""));
    let (kept, gone) = (Payloads::default(), Payloads::default());
    let keeper = client.subscribe(to("kept"), collect(&kept));
    let leaver = client.subscribe(to("gone"), collect(&gone));
    assert!(keeper.granted().await.is_ok() && leaver.granted().await.is_ok());
    let (client_id, _) = connected(&client).await;

    dispatch("freeze");
    drop(leaver);
    dispatch("resume");
    assert_eq!(connected(&client).await, (client_id, true));
    assert!(keeper.granted().await.is_ok());
    let other = bus.client(ConnectOptions::default());
    let mut nobody = false;
    for _ in 0..100 {
        // By then the broker has the UNSUBSCRIBE.
        nobody = other.publish(message("gone", "")).await == Ok(Reason(0x10));
        if nobody {
            break;
        }
    }
    assert!(nobody, "somebody is subscribed still");
    assert_eq!(other.publish(message("kept", "1")).await, Ok(Reason(0)));
    until("a message", || *kept.borrow() == ["1"]).await;
    assert!(gone.borrow().is_empty());
}

#[wasm_bindgen_test]
async fn messages_that_wait_in_a_session_reach_a_later_subscriber() {
    let bus = open("late");
    let other = bus.client(ConnectOptions::default());
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for number in 0..200 {
        all.push(message("q/x", &number.to_string()));
        expected.push(number.to_string());
    }
    for listens in [false, true] {
        let client = bus.client(lasting("lasting"));
        let subscriber = client.subscribe(to("q/#"), |_| {});
        assert!(subscriber.granted().await.is_ok());
        client.disconnect(false);
        drop((subscriber, client));
        for publication in &all {
            assert_eq!(other.publish(publication.clone()).await, Ok(Reason(0)));
        }

        let client = bus.client(lasting("lasting"));
        assert!(connected(&client).await.1);
        // All messages would have arrived by now.
        assert!(bus.ask(Question::Load).await.is_ok());
        let payloads = Payloads::default();
        let (mut subscriber, mut listening) = (None, None);
        if listens {
            let collect = collect(&payloads);
            listening = Some(client.on_message(move |message| collect(Rc::clone(message))));
        } else {
            subscriber = Some(client.subscribe(to("q/#"), collect(&payloads)));
        }
        until("all", || *payloads.borrow() == expected).await;
        drop((subscriber, listening));
    }
}

#[wasm_bindgen_test]
async fn a_refused_filter_does_not_affect_others_on_another_worker() {
    let client = open("refused").client(ConnectOptions::default());
    let payloads = Payloads::default();
    let good = client.subscribe(to("good"), collect(&payloads));
    let bad = client.subscribe(to("bad/#/x"), |_| {});
    assert!(good.granted().await.is_ok() && bad.granted().await.is_err());
    dispatch("freeze");
    dispatch("resume");
    assert_eq!(client.publish(message("good", "1")).await, Ok(Reason(0)));
    until("a message", || *payloads.borrow() == ["1"]).await;
    assert!(bad.granted().await.is_err());
}

#[wasm_bindgen_test]
async fn a_subscriber_that_leaves_restores_the_options_of_the_others() {
    let client = open("leaving").client(ConnectOptions::default());
    let other = client.bus().client(ConnectOptions::default());
    let qos = Rc::new(RefCell::new(Vec::new()));
    let payloads = Rc::clone(&qos);
    let quiet = Subscription {
        qos: QoS::AtMostOnce,
        no_local: true,
        ..to("a")
    };
    let stays = client.subscribe(quiet, move |message| {
        payloads.borrow_mut().push(message.qos)
    });
    let leaves = client.subscribe(to("a"), |_| {});
    assert!(stays.granted().await.is_ok() && leaves.granted().await.is_ok());
    assert!(client.publish(message("a", "own")).await.is_ok());
    until("its own, for the other", || {
        *qos.borrow() == [QoS::AtLeastOnce]
    })
    .await;
    assert_eq!(leaves.unsubscribe().await, Ok(Reason(0)));
    assert!(client.publish(message("a", "own")).await.is_ok());
    assert!(other.publish(message("a", "1")).await.is_ok());
    let expected = [QoS::AtLeastOnce, QoS::AtMostOnce];
    until("only the other's", || *qos.borrow() == expected).await;
}

#[wasm_bindgen_test]
async fn one_channel_has_one_worker_until_the_last_handle_is_gone() {
    let (first, second) = (open("shared"), open("shared"));
    assert_eq!(first, second);
    let client = second.client(ConnectOptions::default());
    drop((first, second));
    let connected = || matches!(client.status(), ClientStatus::Connected { .. });
    until("a connection", connected).await;
    let bus = client.bus().clone();
    until("members", || bus.members().len() == 1).await;
    let tab_id = bus.tab_id();
    drop((client, bus));

    let again = open("shared");
    until("another tab", || again.tab_id().is_some()).await;
    assert_ne!(again.tab_id(), tab_id);
}

#[wasm_bindgen_test]
async fn callbacks_are_called_until_they_are_removed() {
    let bus = open("listeners");
    let (roles, others) = (Payloads::default(), Payloads::default());
    let listening = bus.on_notice({
        let others = Rc::clone(&others);
        move |_| others.borrow_mut().push(String::new())
    });
    drop(listening);
    let _listening = bus.on_notice({
        let roles = Rc::clone(&roles);
        move |notice| {
            if let Notice::Role(role) = notice {
                roles.borrow_mut().push(format!("{role:?}"));
            }
        }
    });
    until("a role", || !roles.borrow().is_empty()).await;
    assert_eq!(
        *roles.borrow().last().expect("one"),
        format!("{:?}", bus.role())
    );
    assert!(others.borrow().is_empty());
}

#[wasm_bindgen_test]
async fn a_client_that_is_dropped_disconnects() {
    let bus = open("dropped");
    let client = bus.client(ConnectOptions::default());
    let other = bus.client(ConnectOptions::default());
    let subscriber = other.subscribe(to("a"), |_| {});
    assert!(subscriber.granted().await.is_ok());
    drop(other);
    assert_eq!(client.publish(message("a", "")).await, Ok(Reason(0)));
    drop(subscriber);
    until("no client", || {
        bus.members()
            .iter()
            .all(|tab| !tab.is_self || tab.clients == 1)
    })
    .await;
    assert_eq!(client.publish(message("a", "")).await, Ok(Reason(0x10)));
}

#[wasm_bindgen_test]
async fn a_subscriber_without_retained_messages_joins_without_a_packet() {
    let client = open("silence").client(ConnectOptions::default());
    assert!(client.publish(retained("a", "1")).await.is_ok());
    let (loud, quiet) = (Payloads::default(), Payloads::default());
    let _loud = client.subscribe(to("a"), collect(&loud));
    let wanted = Subscription {
        retain_handling: RetainHandling::DoNotSend,
        ..to("a")
    };
    let _quiet = client.subscribe(wanted, collect(&quiet));
    assert!(client.publish(message("a", "2")).await.is_ok());
    until("both", || *loud.borrow() == ["1", "2"]).await;
    assert_eq!(*quiet.borrow(), ["2"]);
}

#[wasm_bindgen_test]
async fn an_invalid_channel_or_a_missing_worker_ends_requests() {
    let bus = open("no channel");
    let client = bus.client(ConnectOptions::default());
    let answer = client.publish(message("a", "")).await;
    assert!(
        matches!(answer, Err(RequestError::Problem(Problem::Channel(_)))),
        "{answer:?}"
    );
    assert!(matches!(bus.status(), BusStatus::Refused(_)));

    let bus = tabmq_worker::BusHandle::open(BusOptions {
        worker_url: Some("/tests/nothing.js".to_owned()),
        ..options("no-worker")
    });
    let failures = Payloads::default();
    let _listening = bus.on_failure({
        let failures = Rc::clone(&failures);
        move |why| failures.borrow_mut().push(why.to_owned())
    });
    let client = bus.client(ConnectOptions::default());
    let answer = client.publish(message("a", "")).await;
    assert_eq!(answer, Err(RequestError::Closed));
    assert_eq!(
        bus.status(),
        BusStatus::Failed(failures.borrow()[0].clone())
    );
}

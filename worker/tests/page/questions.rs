//! Questions of a page to the broker, and injected faults of its worker.

use tabmq_worker::api::{Answer, ConnectOptions, Problem, Question, Role};
use tabmq_worker::{BusStatus, Fault, Reason, RequestError};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{message, open, to, until};

fn receivers_of(topic: &str) -> Question {
    Question::Receivers {
        topic: topic.to_owned(),
    }
}

#[wasm_bindgen_test]
async fn a_page_asks_its_broker_who_would_receive_a_message() {
    let bus = open("asking");
    let client = bus.client(ConnectOptions::default());
    let subscriber = client.subscribe(to("a/+"), |_| {});
    assert!(subscriber.granted().await.is_ok());
    let answer = bus.ask(receivers_of("a/b")).await;
    let Ok(Answer::Receivers {
        receivers,
        left_out,
    }) = answer
    else {
        panic!("{answer:?}")
    };
    let told: Vec<_> = receivers
        .iter()
        .map(|it| (it.tab, it.subscription.topic_filter.as_str()))
        .collect();
    assert_eq!((told, left_out), (vec![(bus.tab_id(), "a/+")], 0));
    let answer = bus.ask(receivers_of("a/#")).await;
    assert!(
        matches!(answer, Err(RequestError::Problem(Problem::Topic(_)))),
        "{answer:?}"
    );
}

#[wasm_bindgen_test]
async fn a_question_on_a_refused_channel_ends() {
    let bus = open("no/channel");
    // Before the refusal, and after it.
    let early = bus.ask(Question::Load);
    let refused = |answer: &Result<Answer, RequestError>| {
        matches!(answer, Err(RequestError::Problem(Problem::Channel(_))))
    };
    let answer = early.await;
    assert!(refused(&answer), "{answer:?}");
    assert!(matches!(bus.status(), BusStatus::Refused(_)));
    let answer = bus.ask(Question::Load).await;
    assert!(refused(&answer), "{answer:?}");
}

#[wasm_bindgen_test]
async fn questions_to_a_crashed_worker_end_with_closed() {
    let bus = open("crashing");
    until("it is the broker", || {
        matches!(bus.role(), Role::Broker { .. })
    })
    .await;
    assert!(bus.ask(Question::Load).await.is_ok());
    let asked = bus.ask(Question::Load);
    bus.cause(Fault::Crash);
    assert_eq!(asked.await, Err(RequestError::Closed));
    assert!(matches!(bus.status(), BusStatus::Failed(_)));
    assert_eq!(bus.ask(Question::Load).await, Err(RequestError::Closed));
}

#[wasm_bindgen_test]
async fn a_worker_that_hangs_does_nothing_for_as_long() {
    let bus = open("hanging");
    let client = bus.client(ConnectOptions::default());
    assert_eq!(client.publish(message("a", "1")).await, Ok(Reason(0x10)));
    let began = js_sys::Date::now();
    bus.cause(Fault::Hang { ms: 500 });
    assert_eq!(client.publish(message("a", "2")).await, Ok(Reason(0x10)));
    let took_ms = js_sys::Date::now() - began;
    assert!(took_ms >= 490.0, "{took_ms} ms");
}

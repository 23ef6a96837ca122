//! Components that use the hooks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tabmq_worker::api::{Answer, ConnectOptions, Publication, QoS, Question, Role};
use tabmq_worker::hooks::{
    BusProvider, SubscriptionOptions, use_answer, use_bus_status, use_members, use_publish,
    use_retained, use_role, use_subscription, use_subscription_with_options,
};
use tabmq_worker::{BusStatus, Client, Reason, SubscriptionStatus};
use wasm_bindgen_test::wasm_bindgen_test;
use yew::platform::time::sleep;
use yew::prelude::*;

use super::{message, open, options, retained, to, until};

/// The drawn contents of the components, and the number of drawings.
#[derive(Clone, Default)]
struct Drawn(Rc<RefCell<(String, u32)>>);

impl PartialEq for Drawn {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Drawn {
    fn draw(&self, text: String) -> Html {
        let mut drawn = self.0.borrow_mut();
        *drawn = (text, drawn.1 + 1);
        Html::default()
    }

    fn is(&self, text: &str) -> bool {
        self.0.borrow().0 == text
    }

    fn count(&self) -> u32 {
        self.0.borrow().1
    }
}

#[derive(Clone, PartialEq, Properties)]
struct Props {
    channel: &'static str,
    drawn: Drawn,
    #[prop_or_default]
    topic_filter: &'static str,
    #[prop_or(100)]
    buffer: usize,
    /// Whether the component with the hooks is mounted.
    #[prop_or(true)]
    is_mounted: bool,
    #[prop_or_default]
    connect: ConnectOptions,
}

/// A component below a provider.
struct App<C: BaseComponent<Properties = Props>>(AppHandle<Page<C>>);

#[component]
fn Page<C: BaseComponent<Properties = Props>>(props: &Props) -> Html {
    html! {
        <BusProvider options={options(props.channel)} connect={props.connect.clone()}>
            if props.is_mounted {
                <C ..props.clone() />
            }
        </BusProvider>
    }
}

impl<C: BaseComponent<Properties = Props>> App<C> {
    fn mount(props: &Props) -> Self {
        let root = gloo_utils::document()
            .create_element("div")
            .expect("a root");
        Self(yew::Renderer::<Page<C>>::with_root_and_props(root, props.clone()).render())
    }

    fn update(&mut self, props: Props) {
        self.0.update(props);
    }
}

fn props(channel: &'static str, topic_filter: &'static str) -> Props {
    Props {
        channel,
        drawn: Drawn::default(),
        topic_filter,
        buffer: 100,
        is_mounted: true,
        connect: ConnectOptions::default(),
    }
}

/// Another client of the same worker.
fn client(channel: &'static str) -> Client {
    open(channel).client(ConnectOptions::default())
}

fn status(status: &SubscriptionStatus) -> &'static str {
    match status {
        SubscriptionStatus::Suspended => "suspended",
        SubscriptionStatus::Requested => "requested",
        SubscriptionStatus::Granted(QoS::ExactlyOnce) => "granted",
        SubscriptionStatus::Granted(_) => "less",
        SubscriptionStatus::Refused(_) => "refused",
    }
}

#[component]
fn Log(props: &Props) -> Html {
    let options = SubscriptionOptions {
        buffer: props.buffer,
        ..SubscriptionOptions::default()
    };
    let log = use_subscription_with_options(props.topic_filter, options);
    let payloads: Vec<_> = log
        .messages()
        .map(|it| String::from_utf8_lossy(&it.payload).into_owned())
        .collect();
    props
        .drawn
        .draw(format!("{} {}", status(log.status()), payloads.join(",")))
}

#[wasm_bindgen_test]
async fn a_subscription_lives_as_long_as_its_component_and_follows_its_filter() {
    let mut props = props("log", "a");
    let mut app = App::<Log>::mount(&props);
    let drawn = props.drawn.clone();
    until("a grant", || drawn.is("granted ")).await;
    let client = client("log");
    for payload in ["1", "2"] {
        assert_eq!(client.publish(message("a", payload)).await, Ok(Reason(0)));
    }
    until("messages", || drawn.is("granted 1,2")).await;

    props.buffer = 1;
    app.update(props.clone());
    until("fewer messages", || drawn.is("granted 2")).await;

    props.topic_filter = "b";
    app.update(props.clone());
    until("another filter", || drawn.is("granted ")).await;
    assert_eq!(client.publish(message("a", "3")).await, Ok(Reason(0x10)));
    assert_eq!(client.publish(message("b", "4")).await, Ok(Reason(0)));
    until("its message", || drawn.is("granted 4")).await;

    // Published before the component is unmounted, and delivered after that.
    let late = client.publish(message("b", "5"));
    props.is_mounted = false;
    app.update(props.clone());
    assert!(late.await.is_ok());
    assert_eq!(client.publish(message("b", "6")).await, Ok(Reason(0x10)));
    let count = drawn.count();
    yew::platform::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(drawn.count(), count);

    props.is_mounted = true;
    props.topic_filter = "b#";
    app.update(props);
    until("a refusal", || drawn.is("refused ")).await;
}

#[wasm_bindgen_test]
async fn messages_that_waited_in_a_session_reach_a_new_component() {
    let bus = open("waited");
    let connect = ConnectOptions {
        client_id: "lasting".to_owned(),
        clean_start: false,
        session_expiry_interval: 600,
        ..ConnectOptions::default()
    };
    let before = bus.client(connect.clone());
    let subscriber = before.subscribe(to("a"), |_| {});
    assert!(subscriber.granted().await.is_ok());
    before.disconnect(false);
    drop((subscriber, before));
    let client = client("waited");
    for payload in ["1", "2"] {
        assert_eq!(client.publish(message("a", payload)).await, Ok(Reason(0)));
    }

    let mut props = props("waited", "a");
    props.connect = connect;
    props.is_mounted = false;
    let mut app = App::<Log>::mount(&props);
    until("both clients", || {
        bus.members()
            .iter()
            .any(|tab| tab.is_self && tab.clients == 2)
    })
    .await;
    // The broker has sent the waiting messages by now.
    assert_eq!(client.publish(message("a", "3")).await, Ok(Reason(0)));
    props.is_mounted = true;
    app.update(props.clone());
    until("what waited", || props.drawn.is("granted 1,2,3")).await;
}

#[component]
fn Counter(props: &Props) -> Html {
    let all = use_subscription(props.topic_filter);
    props
        .drawn
        .draw(format!("{} {}", status(all.status()), all.received()))
}

#[wasm_bindgen_test]
async fn many_messages_are_drawn_a_few_times() {
    let props = props("many", "#");
    let _app = App::<Counter>::mount(&props);
    let client = client("many");
    until("a grant", || props.drawn.is("granted 0")).await;
    let count = props.drawn.count();
    for _ in 0..300 {
        drop(client.publish(Publication {
            qos: QoS::AtMostOnce,
            ..message("a", "")
        }));
    }
    until("all", || props.drawn.is("granted 300")).await;
    let count = props.drawn.count() - count;
    assert!(count < 100, "drawn {count} times");
}

#[component]
fn Lamp(props: &Props) -> Html {
    let lamp = use_retained(props.topic_filter);
    let state = lamp.get("lamp").map_or("none".into(), |it| {
        String::from_utf8_lossy(&it.payload).into_owned()
    });
    props.drawn.draw(state)
}

#[wasm_bindgen_test]
async fn retained_messages_are_shown_and_updated() {
    let client = client("lamp");
    assert!(client.publish(retained("lamp", "off")).await.is_ok());
    let props = props("lamp", "#");
    let _app = App::<Lamp>::mount(&props);
    until("the retained message", || props.drawn.is("off")).await;
    assert!(client.publish(retained("lamp", "on")).await.is_ok());
    until("the new one", || props.drawn.is("on")).await;
    assert!(client.publish(retained("lamp", "")).await.is_ok());
    until("none", || props.drawn.is("none")).await;
}

#[component]
fn Talker(props: &Props) -> Html {
    let publish = use_publish();
    let first = use_mut_ref(|| true);
    if first.replace(false) {
        // The message waits for the worker.
        drop(publish.publish("a", "1"));
        drop(publish.publish("a/#", "not a topic name"));
    }
    let status = publish.status();
    let last = status
        .last
        .as_ref()
        .map(|last| (last.number, last.result.is_ok()));
    props.drawn.draw(format!(
        "{} {} {last:?}",
        status.pending, status.acknowledged
    ))
}

#[wasm_bindgen_test]
async fn publishing_reports_its_outcome() {
    let props = props("talk", "");
    let _app = App::<Talker>::mount(&props);
    until("both answers", || {
        props.drawn.is("0 1 Some((1, true))") || props.drawn.is("0 1 Some((2, false))")
    })
    .await;
}

#[component]
fn Badge(props: &Props) -> Html {
    let role = use_role();
    let is_broker = matches!(role, Role::Broker { .. });
    let members = use_members();
    let clients = members.iter().map(|tab| tab.clients).sum::<u32>();
    props.drawn.draw(format!("{is_broker} {clients}"))
}

#[wasm_bindgen_test]
async fn role_and_members_are_drawn_and_providers_share_a_worker() {
    let (one, other) = (props("roles", ""), props("roles", ""));
    let _one = App::<Badge>::mount(&one);
    until("the broker", || one.drawn.is("true 1")).await;
    let _other = App::<Badge>::mount(&other);
    for it in [&one, &other] {
        until("the same tab with two clients", || it.drawn.is("true 2")).await;
    }
}

#[component]
fn Lost(props: &Props) -> Html {
    let status = use_bus_status();
    let status = match status {
        BusStatus::Failed(why) => why,
        other => format!("{other:?}"),
    };
    let log = use_subscription("a");
    props.drawn.draw(format!("{status} {}", log.received()))
}

#[wasm_bindgen_test]
async fn hooks_without_a_provider_report_it_and_do_nothing() {
    let props = props("", "");
    let root = gloo_utils::document()
        .create_element("div")
        .expect("a root");
    let _app = yew::Renderer::<Lost>::with_root_and_props(root, props.clone()).render();
    until("an explanation", || {
        props.drawn.0.borrow().0.contains("BusProvider")
    })
    .await;
}

/// The filters of the receivers of a message on the topic.
#[component]
fn Receivers(props: &Props) -> Html {
    let question = (!props.topic_filter.is_empty()).then(|| Question::Receivers {
        topic: props.topic_filter.to_owned(),
    });
    let words = match use_answer(question, 20) {
        None => "nothing".to_owned(),
        Some(Err(why)) => why.to_string(),
        Some(Ok(answer)) => match &*answer {
            Answer::Receivers { receivers, .. } => receivers
                .iter()
                .map(|it| it.subscription.topic_filter.as_str())
                .collect::<Vec<_>>()
                .join(","),
            other => format!("{other:?}"),
        },
    };
    props.drawn.draw(words)
}

#[wasm_bindgen_test]
async fn an_answer_follows_the_question_and_what_has_changed() {
    let mut props = props("questions", "a/b");
    let drawn = props.drawn.clone();
    let mut app = App::<Receivers>::mount(&props);
    until("an answer", || drawn.is("")).await;
    let client = client("questions");
    let subscriber = client.subscribe(to("a/#"), |_| {});
    until("another answer", || drawn.is("a/#")).await;

    // The same answer causes no new drawing.
    let count = drawn.count();
    assert!(client.publish(message("c", "1")).await.is_ok());
    sleep(Duration::from_millis(100)).await;
    assert_eq!(drawn.count(), count);

    props.topic_filter = "c";
    app.update(props.clone());
    until("the answer to the other question", || drawn.is("")).await;
    props.topic_filter = "a/#";
    app.update(props.clone());
    until("what is wrong with it", || {
        drawn.0.borrow().0.contains("wildcard")
    })
    .await;
    props.topic_filter = "";
    app.update(props);
    until("no answer", || drawn.is("nothing")).await;
    drop(subscriber);
}

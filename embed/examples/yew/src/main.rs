//! A chat and a lamp that the tabs of one browser share.

use tabmq_worker::BusOptions;
use tabmq_worker::api::{Publication, QoS, Role};
use tabmq_worker::hooks::{
    BusProvider, use_members, use_publish, use_retained, use_role, use_subscription,
};
use web_sys::HtmlInputElement;
use yew::prelude::*;

#[component]
fn App() -> Html {
    html! { <BusProvider options={BusOptions::new("yew-example")}><Tab /><Lamp /><Chat /></BusProvider> }
}

#[component]
fn Tab() -> Html {
    let (role, members) = (use_role(), use_members());
    let role = match role {
        Role::Waiting => "waiting",
        Role::Client { .. } => "client",
        Role::Broker { .. } => "broker",
    };
    html! { <p><b id="role">{ role }</b>{ " among " }<b id="tabs">{ members.len() }</b>{ " tabs" }</p> }
}

/// The lamp's state is a retained message, so that later tabs get it.
#[component]
fn Lamp() -> Html {
    let lamp = use_retained("lamp");
    let publish = use_publish();
    let is_on = lamp.latest().is_some_and(|it| it.payload == b"on");
    let switch = move |_: MouseEvent| {
        drop(publish.publish_with_options(Publication {
            topic: "lamp".to_owned(),
            payload: if is_on { "off" } else { "on" }.into(),
            qos: QoS::AtLeastOnce,
            retain: true,
            ..Publication::default()
        }));
    };
    html! { <button id="lamp" onclick={switch}>{ if is_on { "on" } else { "off" } }</button> }
}

#[component]
fn Chat() -> Html {
    let chat = use_subscription("chat");
    let publish = use_publish();
    let input = use_node_ref();
    let acknowledged = publish.status().acknowledged;
    let say = {
        let input = input.clone();
        move |event: SubmitEvent| {
            event.prevent_default();
            if let Some(input) = input.cast::<HtmlInputElement>() {
                drop(publish.publish("chat", input.value()));
                input.set_value("");
            }
        }
    };
    let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
    html! {
        <form onsubmit={say}>
            <input id="text" ref={input} aria-label="Message" />
            <button id="send">{ "Say" }</button>
            <ul id="messages">{ for chat.messages().map(|it| html! { <li>{ text(&it.payload) }</li> }) }</ul>
            <p>{ "Acknowledged: " }<span id="acknowledged">{ acknowledged }</span></p>
        </form>
    }
}

fn main() {
    yew::Renderer::<App>::new().render();
}

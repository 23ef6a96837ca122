//! Hooks for Yew (feature `yew`).
//!
//! A [`BusProvider`] joins a channel, and the components below it read, publish and subscribe with hooks. A subscription ends when
//! its component is unmounted. A component is drawn again at most once per animation frame. In a hidden page, which gets no frames,
//! it is drawn at most four times a second.
//!
//! ```no_run
//! use std::rc::Rc;
//!
//! use tabmq_worker::BusOptions;
//! use tabmq_worker::api::Message;
//! use tabmq_worker::hooks::{BusProvider, use_publish, use_subscription};
//! use yew::prelude::*;
//!
//! #[component]
//! fn App() -> Html {
//!     html! { <BusProvider options={BusOptions::new("chat")}><Chat /></BusProvider> }
//! }
//!
//! #[component]
//! fn Chat() -> Html {
//!     let chat = use_subscription("chat/#");
//!     let publish = use_publish();
//!     let say = move |_: MouseEvent| drop(publish.publish("chat/all", "Hello, tabs!"));
//!     let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
//!     let line = |message: &Rc<Message>| html! { <p>{ text(&message.payload) }</p> };
//!     let lines: Html = chat.messages().map(line).collect();
//!     html! { <><button onclick={say}>{ "Hello" }</button>{ lines }</> }
//! }
//! # fn main() { yew::Renderer::<App>::new().render(); }
//! ```

mod ask;
mod inbox;
mod provider;
mod publish;
mod read;
mod retained;
mod subscription;

pub use ask::use_answer;
pub use provider::{BusProvider, BusProviderProps};
pub use publish::{PublishHandle, PublishStatus, Published, use_publish};
pub use read::{
    use_bus, use_bus_status, use_client, use_client_status, use_members, use_redraw, use_role,
    use_storage,
};
pub use retained::{RetainedHandle, RetainedOptions, use_retained, use_retained_with_options};
pub use subscription::{
    SubscriptionHandle, SubscriptionOptions, use_subscription, use_subscription_with_options,
};

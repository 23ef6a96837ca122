//! Hooks that read the state of the bus.

use std::rc::Rc;

use tab::api::{ClientStatus, Role, TabInfo};
use yew::prelude::*;

use super::provider::{BusContext, use_bus_context};
use crate::page::{AnimationFrame, BusHandle, BusStatus, Client, StorageStatus};

/// The bus of the [`BusProvider`](super::BusProvider) above, for listeners and further clients.
///
/// ```no_run
/// # use tabmq_worker::hooks::use_bus;
/// # use yew::prelude::*;
/// #[component]
/// fn ChannelName() -> Html {
///     let bus = use_bus();
///     html! { <b>{ bus.channel() }</b> }
/// }
/// ```
#[hook]
pub fn use_bus() -> BusHandle {
    use_bus_context().bus
}

/// The client that the hooks below a [`BusProvider`](super::BusProvider) share.
///
/// ```no_run
/// # use tabmq_worker::hooks::use_client;
/// # use yew::prelude::*;
/// #[component]
/// fn Leave() -> Html {
///     let client = use_client();
///     html! { <button onclick={move |_| client.disconnect(false)}>{ "Leave" }</button> }
/// }
/// ```
#[hook]
pub fn use_client() -> Client {
    use_bus_context().client
}

/// State of the worker: whether the page is on its channel, or the reason that it is not.
///
/// ```no_run
/// # use tabmq_worker::{BusStatus, hooks::use_bus_status};
/// # use yew::prelude::*;
/// #[component]
/// fn Alert() -> Html {
///     let status = use_bus_status();
///     match status {
///         BusStatus::Failed(why) => html! { <p role="alert">{ why }</p> },
///         BusStatus::Refused(problem) => html! { <p role="alert">{ problem.to_string() }</p> },
///         BusStatus::Starting | BusStatus::Open(_) => html! {},
///     }
/// }
/// ```
#[hook]
pub fn use_bus_status() -> BusStatus {
    use_read(|context| context.bus.status())
}

/// State of the shared client's connection.
///
/// ```no_run
/// # use tabmq_worker::{api::ClientStatus, hooks::use_client_status};
/// # use yew::prelude::*;
/// #[component]
/// fn Online() -> Html {
///     let status = use_client_status();
///     let is_online = matches!(status, ClientStatus::Connected { .. });
///     html! { { if is_online { "online" } else { "offline" } } }
/// }
/// ```
#[hook]
pub fn use_client_status() -> ClientStatus {
    use_read(|context| context.client.status())
}

/// Role of this tab on the channel.
///
/// ```no_run
/// # use tabmq_worker::{api::Role, hooks::use_role};
/// # use yew::prelude::*;
/// #[component]
/// fn Badge() -> Html {
///     let role = use_role();
///     html! { { if matches!(role, Role::Broker { .. }) { "Broker" } else { "Client" } } }
/// }
/// ```
#[hook]
pub fn use_role() -> Role {
    use_read(|context| context.bus.role())
}

/// The tabs on the channel, including this one, ordered by id.
///
/// ```no_run
/// # use tabmq_worker::hooks::use_members;
/// # use yew::prelude::*;
/// #[component]
/// fn Tabs() -> Html {
///     let members = use_members();
///     members.iter().map(|tab| html! { <li>{ tab.tab_id.short() }</li> }).collect()
/// }
/// ```
#[hook]
pub fn use_members() -> Rc<[TabInfo]> {
    use_read(|context| context.bus.members())
}

/// State of the broker's storage, and whether the browser keeps this site's data.
///
/// ```no_run
/// # use tabmq_worker::{api::StorageState, hooks::use_storage};
/// # use yew::prelude::*;
/// #[component]
/// fn Alert() -> Html {
///     let storage = use_storage();
///     html! { if storage.state == StorageState::Full { <p role="alert">{ "No room." }</p> } }
/// }
/// ```
#[hook]
pub fn use_storage() -> StorageStatus {
    use_read(|context| context.bus.storage())
}

/// A value that changes with notices. The component is drawn again when it changes.
#[hook]
fn use_read<T: Clone + PartialEq + 'static>(read: fn(&BusContext) -> T) -> T {
    let context = use_bus_context();
    let redraw = use_redraw();
    let drawn = use_mut_ref(|| None);
    {
        let drawn = Rc::clone(&drawn);
        use_effect_with(context.clone(), move |context| {
            let check = {
                let context = context.clone();
                Rc::new(move || {
                    if drawn.borrow().as_ref() != Some(&read(&context)) {
                        redraw.ask();
                    }
                })
            };
            // The value may have changed between the drawing and now.
            check();
            let listening = (
                context.bus.on_notice({
                    let check = Rc::clone(&check);
                    move |_| check()
                }),
                context.bus.on_failure({
                    let check = Rc::clone(&check);
                    move |_| check()
                }),
                context.bus.on_storage({
                    let check = Rc::clone(&check);
                    move |_| check()
                }),
                context.client.on_status(move |_| check()),
            );
            move || drop(listening)
        });
    }
    let value = read(&context);
    drawn.replace(Some(value.clone()));
    value
}

/// Draws the component again in the next animation frame after a request, for changes that Yew does not see.
///
/// ```no_run
/// # use tabmq_worker::hooks::use_redraw;
/// # use yew::prelude::*;
/// #[component]
/// fn Clock() -> Html {
///     let redraw = use_redraw();
///     // A timer calls `redraw.ask()`.
///     # drop(redraw);
///     html! { "noon" }
/// }
/// ```
#[hook]
pub fn use_redraw() -> Rc<AnimationFrame> {
    let update = use_force_update();
    let frame = use_memo((), |()| AnimationFrame::new(move || update.force_update()));
    {
        let frame = Rc::clone(&frame);
        use_effect_with((), move |()| move || frame.cancel());
    }
    frame
}

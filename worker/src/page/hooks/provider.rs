//! What the hooks below it talk to.

use tab::api::ConnectOptions;
use yew::prelude::*;

use crate::page::BusOptions;
use crate::page::{BusHandle, Client};

/// The bus, and the client that the hooks share.
#[derive(Clone, PartialEq)]
pub(super) struct BusContext {
    pub(super) bus: BusHandle,
    pub(super) client: Client,
}

impl BusContext {
    /// Where hooks are that have no provider above them: nothing comes of what they ask for, and the status says why.
    fn missing() -> Self {
        let why = "There is no <BusProvider> above a component that uses TabMQ's hooks.";
        web_sys::console::error_1(&why.into());
        let bus = BusHandle::failed(why);
        let client = bus.client(ConnectOptions::default());
        Self { bus, client }
    }
}

/// Properties of [`BusProvider`].
#[derive(Clone, Debug, PartialEq, Properties)]
pub struct BusProviderProps {
    /// The channel to join. Another channel is joined when it changes; the other options count when a page joins.
    pub options: BusOptions,
    /// How the client connects. It connects anew when this changes.
    #[prop_or_default]
    pub connect: ConnectOptions,
    /// Who may use the hooks.
    #[prop_or_default]
    pub children: Html,
}

/// Joins a channel for the components below it, and gives them one client to share.
///
/// Providers on the same channel share one worker, which ends with the last of them, and have a client each.
///
/// ```no_run
/// # use tabmq_worker::{BusOptions, api::{ConnectOptions, Durability}, hooks::BusProvider};
/// # use yew::prelude::*;
/// #[component]
/// fn App() -> Html {
///     let options = BusOptions { durability: Durability::Strict, ..BusOptions::new("kitchen") };
///     let connect = ConnectOptions { keep_alive: 0, ..ConnectOptions::default() };
///     html! { <BusProvider {options} {connect}>{ "components with hooks" }</BusProvider> }
/// }
/// ```
#[component]
pub fn BusProvider(props: &BusProviderProps) -> Html {
    let bus = use_memo(props.options.clone(), |options| {
        BusHandle::open(options.clone())
    });
    let client = use_memo((*bus).clone(), |bus| bus.client(props.connect.clone()));
    let connect = use_mut_ref(|| props.connect.clone());
    use_effect_with(
        (props.connect.clone(), (*client).clone()),
        move |(wanted, client)| {
            if connect.replace(wanted.clone()) != *wanted {
                client.connect(wanted.clone());
            }
        },
    );
    let context = BusContext {
        bus: (*bus).clone(),
        client: (*client).clone(),
    };
    html! {
        <ContextProvider<BusContext> context={context}>{ props.children.clone() }</ContextProvider<BusContext>>
    }
}

#[hook]
pub(super) fn use_bus_context() -> BusContext {
    let context = use_context::<BusContext>();
    let missing = use_memo(context.is_none(), |is_missing| {
        is_missing.then(BusContext::missing)
    });
    let context = context.or_else(|| (*missing).clone());
    context.unwrap_or_else(BusContext::missing)
}

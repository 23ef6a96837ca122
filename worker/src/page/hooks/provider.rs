//! The provider of the bus for hooks.

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
    /// The context of hooks without a provider: a bus that has failed, with the reason as its status.
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
    /// The channel to join. When it changes, the provider joins the other channel. The other options count when a page joins.
    pub options: BusOptions,
    /// Options of the client. It connects again when they change.
    #[prop_or_default]
    pub connect: ConnectOptions,
    /// Components that may use the hooks.
    #[prop_or_default]
    pub children: Html,
}

/// Joins a channel for the components below it, which share one client.
///
/// Providers of one channel share a worker, which ends with the last of them. Each has its own client.
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

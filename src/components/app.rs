//! The page.

use tabmq_worker::BusStatus;
use tabmq_worker::hooks::{BusProvider, use_bus_status, use_client_status, use_role};
use yew::prelude::*;

use super::alerts::Alerts;
use super::connection::Connection;
use super::events::Events;
use super::header::Header;
use super::messages::Messages;
use super::publish::Publish;
use super::subscriptions::SubscriptionList;
use super::tabs::Tabs;
use crate::link::Link;
use crate::state::Action;
use crate::store::{use_state_of, use_store};
use crate::{icon, page, words};

#[derive(PartialEq, Properties)]
pub(crate) struct AppProps {
    pub(crate) link: Link,
}

/// The whole page, on the channel of its link.
#[component]
pub(crate) fn App(props: &AppProps) -> Html {
    html! {
        <BusProvider options={props.link.bus_options()} connect={props.link.connect_options()}>
            <Page link={props.link.clone()} />
        </BusProvider>
    }
}

#[component]
fn Page(props: &AppProps) -> Html {
    let store = use_store(&props.link);
    let state = use_state_of(&store);
    let dispatch = use_callback(store, |action: Action, store| store.dispatch(action));
    let role = use_role();
    use_effect_with((role, state.channel.clone()), |(role, channel)| {
        let title = format!("{} · {channel} · TabMQ", words::role(*role));
        page::show_title(&title, &icon::data_url(*role));
    });
    let link = state.link();
    use_effect_with(link.query(), |query| page::show_query(query));

    let bus = use_bus_status();
    let client = use_client_status();
    let tab_id = match bus {
        BusStatus::Open(tab_id) => Some(tab_id),
        BusStatus::Starting | BusStatus::Refused(_) | BusStatus::Failed(_) => None,
    };
    let (status, status_words) = words::status(&bus, &client);
    html! {
        <>
            <Header channel={state.channel.clone()} {tab_id} {role} />
            <main class="page">
                <div class="column column-bus">
                    <Tabs link={link.clone().for_another_tab()} />
                    <Connection
                        {link}
                        {status}
                        {status_words}
                        can_connect={tab_id.is_some()}
                        options={state.connect_options.clone()}
                        dispatch={dispatch.clone()}
                    />
                </div>
                <div class="column column-talk">
                    <Publish />
                    <Messages log={state.messages.clone()} dispatch={dispatch.clone()} />
                </div>
                <div class="column column-watch">
                    <SubscriptionList
                        subscriptions={state.subscriptions.clone()}
                        dispatch={dispatch.clone()}
                    />
                    <Events log={state.events.clone()} />
                </div>
            </main>
            <Alerts {bus} refusal={state.refusal.clone()} {dispatch} />
        </>
    }
}

//! The page.

use yew::prelude::*;

use super::alerts::Alerts;
use super::connection::Connection;
use super::events::Events;
use super::header::Header;
use super::messages::Messages;
use super::publish::Publish;
use super::subscriptions::SubscriptionList;
use super::tabs::Tabs;
use crate::state::{Action, Worker};
use crate::store::{Store, use_state_of};
use crate::{icon, page, words};

#[derive(PartialEq, Properties)]
pub(crate) struct AppProps {
    pub(crate) store: Store,
}

/// The whole page.
#[component]
pub(crate) fn App(props: &AppProps) -> Html {
    let state = use_state_of(&props.store);
    let dispatch = use_callback(props.store.clone(), |action: Action, store| {
        store.dispatch(action);
    });
    let role = state.role;
    use_effect_with((role, state.channel.clone()), |(role, channel)| {
        let title = format!("{} · {channel} · TabMQ", words::role(*role));
        page::show_title(&title, &icon::data_url(*role));
    });
    let link = state.link();
    use_effect_with(link.query(), |query| page::show_query(query));

    let tab_id = match state.worker {
        Worker::Running(tab_id) => Some(tab_id),
        Worker::Starting | Worker::OnNoChannel | Worker::Failed(_) => None,
    };
    let (status, status_words) = words::status(&state);
    html! {
        <>
            <Header channel={state.channel.clone()} {tab_id} {role} />
            <main class="page">
                <div class="column column-bus">
                    <Tabs
                        roster={state.roster.clone()}
                        kept={state.kept()}
                        link={link.clone().for_another_tab()}
                        hint={!state.met_another_tab}
                    />
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
                    <Publish
                        result={words::publish_result(&state.publishing, role)}
                        acknowledged={state.publishing.acknowledged()}
                        dispatch={dispatch.clone()}
                    />
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
            <Alerts
                worker={state.worker.clone()}
                refusal={state.refusal.clone()}
                {dispatch}
            />
        </>
    }
}

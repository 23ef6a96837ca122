//! The page.

use std::rc::Rc;

use tabmq_worker::BusStatus;
use tabmq_worker::hooks::{BusProvider, use_bus_status, use_client, use_client_status, use_role};
use yew::prelude::*;

use super::alerts::Alerts;
use super::connection::Connection;
use super::events::Events;
use super::failover::Timeline;
use super::header::Header;
use super::messages::Messages;
use super::performance::Performance;
use super::publish::Publish;
use super::routing::Routing;
use super::subscriptions::SubscriptionList;
use super::tabs::Tabs;
use super::topics::TopicTree;
use crate::link::{Link, View};
use crate::load::LoadGenerator;
use crate::orders::use_orders;
use crate::sampler::use_samples;
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
    let shared_client = use_client();
    let load = use_memo(shared_client, |client| {
        LoadGenerator::new(client.clone(), "load")
    });
    use_samples(&store, &load, state.view);
    use_orders();
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
    let view = state.view;
    // What subscribes or is being typed stays while another view is shown.
    let is_hidden = view != View::Messages;
    // Where the page is too narrow for columns, Publish comes up over it, so that the log stays in sight.
    let sheet = use_state(|| false);
    let opener = use_node_ref();
    let open_sheet = use_callback(sheet.setter(), |_: MouseEvent, sheet| sheet.set(true));
    let close_sheet = use_callback((sheet.setter(), opener.clone()), |(), (sheet, opener)| {
        sheet.set(false);
        page::focus(opener);
    });
    html! {
        <>
            <Header link={link.clone()} {tab_id} {role} dispatch={dispatch.clone()} />
            <main class="page" data-view={view.name()}>
                <div class="column column-bus">
                    <Tabs link={link.clone().for_another_tab()} dispatch={dispatch.clone()} />
                    <Connection
                        {link}
                        {status}
                        {status_words}
                        can_connect={tab_id.is_some()}
                        options={state.connect_options.clone()}
                        dispatch={dispatch.clone()}
                    />
                    <SubscriptionList
                        {is_hidden}
                        subscriptions={Rc::clone(&state.subscriptions)}
                        dispatch={dispatch.clone()}
                    />
                </div>
                // One colour on every row would say nothing.
                <div
                    class="column column-log"
                    hidden={is_hidden}
                    data-colours={(state.subscriptions.iter().count() > 1).to_string()}
                >
                    if view == View::Messages {
                        <Messages
                            log={Rc::clone(&state.messages)}
                            topic_filter={state.topic_filter.clone()}
                            dispatch={dispatch.clone()}
                        />
                    }
                    <button
                        ref={opener}
                        type="button"
                        class="primary publish-open"
                        onclick={open_sheet}
                        aria-expanded={sheet.to_string()}
                        data-testid="publish-open"
                    >
                        { words::publish::OPEN }
                    </button>
                </div>
                <div class="column column-publish" hidden={is_hidden}>
                    <Publish is_sheet={*sheet} onclose={close_sheet} />
                    if view == View::Messages {
                        <Events log={Rc::clone(&state.events)} />
                    }
                </div>
                <div class="column column-view" hidden={view == View::Messages}>
                    { match view {
                        View::Messages => html! {},
                        View::Topics => html! {
                            <TopicTree
                                topics={state.topics.clone()}
                                charts={state.charts.clone()}
                                log={Rc::clone(&state.messages)}
                                dispatch={dispatch.clone()}
                            />
                        },
                        View::Routing => html! { <Routing /> },
                        View::Failover => html! {
                            <div class="two">
                                <Timeline failovers={Rc::clone(&state.failovers)} />
                                <Events log={Rc::clone(&state.events)} />
                            </div>
                        },
                        View::Performance => html! {
                            <Performance
                                samples={Rc::clone(&state.samples)}
                                load={(*load).clone()}
                            />
                        },
                    } }
                </div>
            </main>
            <Alerts {bus} refusal={state.refusal.clone()} {dispatch} />
        </>
    }
}

//! The root component: the page.

use std::rc::Rc;

use tabmq_worker::BusStatus;
use tabmq_worker::api::{Message, Role};
use tabmq_worker::hooks::{BusProvider, use_bus_status, use_client, use_client_status, use_role};
use yew::prelude::*;

use super::alerts::Alerts;
use super::connection::Connection;
use super::event_log::Events;
use super::failover_timeline::Timeline;
use super::header::Header;
use super::message_log::Messages;
use super::performance::Performance;
use super::publish::Publish;
use super::retained_clearing::RetainedClearing;
use super::routing::Routing;
use super::subscriptions::SubscriptionList;
use super::tabs::Tabs;
use super::topic_tree::TopicTree;
use crate::app::broker_polling::use_drops;
use crate::app::load_generator::LoadGenerator;
use crate::app::remote_commands::use_remote_commands;
use crate::app::sampler::use_samples;
use crate::app::store::{use_state_of, use_store};
use crate::browser::favicon;
use crate::browser::{address, dom, focus};
use crate::labels;
use crate::labels::Halt;
use crate::state::share_url::{ShareUrl, View, is_grantable};
use crate::state::{Action, State};

#[derive(PartialEq, Properties)]
pub(crate) struct AppProps {
    pub(crate) share_url: ShareUrl,
    /// Notes on invalid values in the URL.
    pub(crate) notes: Vec<String>,
}

/// The whole page, on the channel of its URL.
#[component]
pub(crate) fn App(props: &AppProps) -> Html {
    html! {
        <BusProvider options={props.share_url.bus_options()} connect={props.share_url.connect_options()}>
            <Page share_url={props.share_url.clone()} notes={props.notes.clone()} />
        </BusProvider>
    }
}

#[component]
fn Page(props: &AppProps) -> Html {
    let store = use_store(&props.share_url);
    let state = use_state_of(&store);
    let shared_client = use_client();
    let load = use_memo(shared_client, |client| {
        LoadGenerator::new(client.clone(), "load")
    });
    let reported_role = use_role();
    use_samples(&store, &load, state.view);
    use_drops(&store, state.view);
    let dispatch = use_callback(store, |action: Action, store| store.dispatch(action));
    use_remote_commands(&dispatch);
    use_effect_with(
        (props.notes.clone(), dispatch.clone()),
        |(notes, dispatch)| {
            if !notes.is_empty() {
                dispatch.emit(Action::InvalidAddress(notes.clone()));
            }
        },
    );
    let bus = use_bus_status();
    let is_offline = matches!(bus, BusStatus::Failed(_) | BusStatus::Refused(_));
    let halt = match state.frozen_until {
        _ if is_offline => Some(Halt::Offline),
        Some(_) => Some(Halt::Frozen),
        None => None,
    };
    // A frozen or ended broker is no longer shown as the broker.
    let role = match halt {
        Some(_) => Role::Waiting,
        None => reported_role,
    };
    let badge = labels::badge(role, halt);
    let title = labels::title(badge, state.view, &state.channel);
    use_effect_with((role, title), |(role, title)| {
        dom::show_title(title, &favicon::data_url(*role));
    });
    let share_url = state.share_url();
    use_effect_with((share_url.query(), state.view), |(query, view)| {
        // Each view has an entry of its own in the history. After Back, the address changes before the view.
        let is_another_view = ShareUrl::parse(&address::query()).view != *view;
        address::show_query(query, is_another_view);
    });
    let moved = use_callback(dispatch.clone(), |(), dispatch| {
        dispatch.emit(Action::Show(ShareUrl::parse(&address::query()).view));
    });
    address::use_history(moved);

    let client = use_client_status();
    let tab_id = match bus {
        BusStatus::Open(tab_id) => Some(tab_id),
        BusStatus::Starting | BusStatus::Refused(_) | BusStatus::Failed(_) => None,
    };
    let (status, status_text) = labels::status(&bus, &client);
    let view = state.view;
    // Components that subscribe or hold typed text stay mounted in every view.
    let is_hidden = view != View::Messages;
    // In a page that is too narrow for columns, Publish opens over it, so that the log stays visible.
    let sheet = use_state(|| false);
    let opener = use_node_ref();
    let open_sheet = use_callback(sheet.setter(), |_: MouseEvent, sheet| sheet.set(true));
    let close_sheet = use_callback((sheet.setter(), opener.clone()), |(), (sheet, opener)| {
        sheet.set(false);
        focus::focus(opener);
    });
    let again = use_state(|| (0_u32, None::<Rc<Message>>));
    let on_again = use_callback(
        (again.clone(), sheet.setter(), dispatch.clone()),
        |message: Rc<Message>, (again, sheet, dispatch)| {
            again.set((again.0 + 1, Some(message)));
            sheet.set(dom::is_narrow());
            dispatch.emit(Action::Show(View::Messages));
        },
    );
    html! {
        <>
            <Header share_url={share_url.clone()} {tab_id} {badge} left_out={left_out_of_link(&state)} dispatch={dispatch.clone()} />
            <main class="page" data-view={view.name()}>
                <div class="column column-bus">
                    <Tabs
                        share_url={share_url.clone().for_another_tab()}
                        bus={bus.clone()}
                        is_frozen={halt == Some(Halt::Frozen)}
                        failovers={state.failovers.seen()}
                        dispatch={dispatch.clone()}
                    />
                    <Connection
                        {share_url}
                        {status}
                        {status_text}
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
                // With one subscription, all rows would have the same colour.
                <div
                    class="column column-log"
                    hidden={is_hidden}
                    data-colours={(state.subscriptions.iter().count() > 1).to_string()}
                >
                    if view == View::Messages {
                        <Messages
                            log={Rc::clone(&state.messages)}
                            file={state.file.clone()}
                            is_file_shown={state.is_file_shown}
                            topic_filter={state.topic_filter.clone()}
                            view={state.log_view.clone()}
                            dropped={state.client_id().and_then(|it| state.drops.of(it))}
                            {is_offline}
                            has_subscriptions={!state.subscriptions.is_empty()}
                            onagain={on_again.clone()}
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
                        { labels::publish::OPEN }
                    </button>
                </div>
                <div class="column column-publish" hidden={is_hidden}>
                    <Publish
                        draft={state.draft.clone()}
                        is_sheet={*sheet}
                        again={(*again).clone()}
                        {is_hidden}
                        onclose={close_sheet}
                    />
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
                                view={state.tree_view.clone()}
                                retained={Rc::clone(&state.retained)}
                                log={Rc::clone(&state.messages)}
                                onagain={on_again.clone()}
                                dispatch={dispatch.clone()}
                            />
                        },
                        View::Routing => html! {
                            <Routing topic={state.receivers_topic.clone()} dispatch={dispatch.clone()} />
                        },
                        View::Failover => html! {
                            <div class="two">
                                <Timeline failovers={Rc::clone(&state.failovers)} counting_until={state.counting_until} />
                                <Events log={Rc::clone(&state.events)} />
                            </div>
                        },
                        View::Performance => html! {
                            <Performance
                                samples={Rc::clone(&state.samples)}
                                load={(*load).clone()}
                                dropped={state.drops.of_others(state.client_id())}
                                {is_offline}
                            />
                        },
                    } }
                </div>
            </main>
            <RetainedClearing clearing={state.clearing.clone()} dispatch={dispatch.clone()} />
            <Alerts refusal={state.refusal.clone()} {dispatch} />
        </>
    }
}

/// The settings that a link does not carry.
fn left_out_of_link(state: &State) -> Vec<&'static str> {
    let options = &state.connect_options;
    let has_refused = state
        .subscriptions
        .iter()
        .any(|it| !is_grantable(&it.subscription));
    let all = [
        (options.username.is_some(), labels::share_button::USER_NAME),
        (options.password.is_some(), labels::share_button::PASSWORD),
        (options.will.is_some(), labels::share_button::WILL),
        (has_refused, labels::share_button::REFUSED_FILTERS),
    ];
    let left_out = all.into_iter().filter(|(is_set, _)| *is_set);
    left_out.map(|(_, name)| name).collect()
}

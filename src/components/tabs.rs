//! The tabs on the channel, and which of them is the broker.

use tabmq_worker::api::{TabInfo, Visibility};
use tabmq_worker::hooks::use_members;
use tabmq_worker::{BusStatus, TabId};
use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::alerts::Offline;
use super::fault_panel::FaultPanel;
use crate::browser::form::Form;
use crate::browser::{address, time};
use crate::labels;
use crate::state::Action;
use crate::state::share_url::ShareUrl;

/// Tabs that can be opened at once.
const TABS_MAX: u32 = 50;

/// How long opened tabs can take to join before a note says that some are missing, in milliseconds.
const JOIN_MS: u32 = 8_000;

/// Interval at which ages are drawn, because ages begin in seconds.
const AGE_INTERVAL_MS: u32 = 1_000;

#[derive(PartialEq, Properties)]
pub(super) struct TabsProps {
    /// The settings of a new tab.
    pub(super) share_url: ShareUrl,
    pub(super) bus: BusStatus,
    /// Whether this tab's worker is frozen.
    pub(super) is_frozen: bool,
    /// Failovers that this tab has seen.
    pub(super) failovers: u64,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Tabs(props: &TabsProps) -> Html {
    let now = time::use_now(AGE_INTERVAL_MS);
    let members = use_members();
    let met_another_tab = use_mut_ref(|| false);
    // A hint for a first-time visitor.
    let hint = {
        let mut met = met_another_tab.borrow_mut();
        *met |= members.len() > 1;
        labels::hint(members.len(), *met, props.failovers)
    };
    let opened = use_state(|| None::<Opened>);
    let missing = use_missing(&opened, &members);
    let open_tabs = {
        let (query, opened) = (props.share_url.query(), opened.setter());
        let before: Vec<TabId> = members.iter().map(|tab| tab.tab_id).collect();
        Callback::from(move |wanted: u32| {
            address::open_tabs(&query, wanted);
            opened.set(Some(Opened {
                wanted,
                before: before.clone(),
                is_due: false,
            }));
        })
    };
    if let BusStatus::Failed(why) = &props.bus {
        return html! {
            <section class="panel" aria-labelledby="tabs-title">
                <div class="panel-head"><h2 id="tabs-title">{ labels::tabs::TITLE }</h2></div>
                <Offline why={why.clone()} />
            </section>
        };
    }
    // A tab without a channel has no members and can open no useful tabs.
    if let BusStatus::Refused(_) = &props.bus {
        return html! {
            <section class="panel" aria-labelledby="tabs-title">
                <div class="panel-head"><h2 id="tabs-title">{ labels::tabs::TITLE }</h2></div>
                <p class="empty">{ labels::tabs::NO_CHANNEL }</p>
            </section>
        };
    }
    let broker = members.iter().find(|tab| tab.is_broker);
    html! {
        <section class="panel panel-tabs" aria-labelledby="tabs-title">
            <div class="panel-head">
                <h2 id="tabs-title">{ labels::tabs::TITLE }</h2>
                <span class="panel-count">{ members.len() }</span>
            </div>
            // All buttons are above the list, so that a joining or leaving tab moves none of them.
            <div class="open-tabs">
                <a
                    class={classes!("button", (members.len() < 2).then_some("primary"))}
                    href={address::path_with_query(&props.share_url.query())}
                    target="_blank"
                    rel="noopener"
                    data-testid="open-tab"
                >
                    { labels::tabs::OPEN_ONE }
                </a>
                <OpenTabs onopen={open_tabs} />
            </div>
            <FaultPanel
                broker={broker.map(|tab| tab.tab_id)}
                is_own={broker.is_some_and(|tab| tab.is_self)}
                has_others={members.len() > 1}
                dispatch={props.dispatch.clone()}
            />
            // A long list scrolls, also with the keyboard.
            <div class="members-space" role="group" aria-label={labels::tabs::MEMBERS} tabindex="0">
                <ul class="members" data-testid="members">
                    { for in_order(&members).into_iter().map(|tab| member_row(tab, props.is_frozen, own_build(&members), now)) }
                </ul>
                // Below the list, because a note above it would move the buttons.
                if let Some(missing) = missing {
                    <p class="hint" role="status" data-testid="tabs-missing">{ missing }</p>
                }
                if let Some(hint) = hint {
                    <p class="hint" data-testid="hint">{ hint }</p>
                }
            </div>
        </section>
    }
}

/// The broker first, then this tab, then the others from the oldest to the youngest.
fn in_order(members: &[TabInfo]) -> Vec<&TabInfo> {
    let mut tabs: Vec<_> = members.iter().collect();
    tabs.sort_by_key(|tab| (!tab.is_broker, !tab.is_self, tab.since, tab.tab_id));
    tabs
}

/// The common build of all workers, which the rows then omit; `None`: builds differ.
fn own_build(members: &[TabInfo]) -> Option<&str> {
    let first = members.first()?;
    let is_one = members.iter().all(|tab| tab.build == first.build);
    is_one.then_some(first.build.as_str())
}

fn member_row(tab: &TabInfo, is_frozen: bool, common_build: Option<&str>, now: u64) -> Html {
    // The last report of a frozen worker is outdated.
    let role = match (tab.is_broker, tab.is_self && is_frozen) {
        (_, true) => labels::tabs::FROZEN,
        (true, false) => labels::tabs::BROKER,
        (false, false) => labels::tabs::CLIENT,
    };
    let age = labels::duration(now.saturating_sub(tab.since.as_ms()));
    let visibility = match tab.visibility {
        Visibility::Visible => labels::tabs::VISIBLE,
        Visibility::Hidden => labels::tabs::HIDDEN,
    };
    html! {
        <li
            key={tab.tab_id.to_string()}
            class="member-row"
            data-testid="member-row"
            data-tab-id={tab.tab_id.to_string()}
            data-build={tab.build.clone()}
            data-broker={tab.is_broker.to_string()}
        >
            <span class="member-name">
                <code title={tab.tab_id.to_string()}>{ tab.tab_id.short() }</code>
                if tab.is_self {
                    <span class="member-self">{ labels::tabs::THIS }</span>
                }
            </span>
            <span class="member-role">{ role }</span>
            <span class="member-facts">
                <span title={labels::tabs::AGE}>{ age }</span>
                <span>{ visibility }</span>
                <span>{ labels::tabs::clients(u64::from(tab.clients)) }</span>
                if common_build.is_none() {
                    <span class="member-build" title={labels::tabs::build(&tab.build)}>
                        { tab.build.get(..7).unwrap_or(&tab.build).to_owned() }
                    </span>
                }
            </span>
        </li>
    }
}

/// A request to open several tabs.
#[derive(Clone, PartialEq)]
struct Opened {
    wanted: u32,
    /// The tabs that were there before.
    before: Vec<TabId>,
    /// Whether the time for them to join is over.
    is_due: bool,
}

/// A note on opened tabs that have not joined in time; `None`: there are none.
#[hook]
fn use_missing(opened: &UseStateHandle<Option<Opened>>, members: &[TabInfo]) -> Option<String> {
    let waits = opened.as_ref().is_some_and(|it| !it.is_due);
    let due = opened.clone();
    time::use_interval(waits.then_some(JOIN_MS), move || {
        due.set((*due).clone().map(|it| Opened { is_due: true, ..it }));
    });
    let opened = opened.as_ref().filter(|it| it.is_due)?;
    let new = members
        .iter()
        .filter(|tab| !opened.before.contains(&tab.tab_id));
    labels::joined(new.count(), opened.wanted)
}

#[derive(PartialEq, Properties)]
struct OpenTabsProps {
    /// Called with the number of tabs to open.
    onopen: Callback<u32>,
}

/// Opens several tabs at once.
#[component]
fn OpenTabs(props: &OpenTabsProps) -> Html {
    let open = use_callback(props.onopen.clone(), |event: SubmitEvent, onopen| {
        event.prevent_default();
        let form = event.target_dyn_into::<HtmlFormElement>();
        if let Some(form) = form.and_then(|form| Form::of(&form)) {
            onopen.emit(form.number("tabs").unwrap_or(1).clamp(1, TABS_MAX));
        }
    });
    html! {
        <form class="open-many" onsubmit={open}>
            <button type="submit" data-testid="tabs-open">{ labels::tabs::OPEN_MANY }</button>
            <input
                type="number"
                name="tabs"
                aria-label={labels::tabs::HOW_MANY}
                ~defaultValue={"5"}
                min="1"
                max={TABS_MAX.to_string()}
                required=true
                data-testid="tabs-number"
            />
            <span aria-hidden="true">{ labels::tabs::OPEN_MANY_UNIT }</span>
        </form>
    }
}

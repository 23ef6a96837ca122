//! The header: this tab, its channel and role, and the choice of view.

use tabmq_worker::TabId;
use yew::prelude::*;

use super::share_button::Share;
use crate::browser::{address, focus};
use crate::labels;
use crate::state::Action;
use crate::state::share_url::{ShareUrl, View};

#[derive(PartialEq, Properties)]
pub(super) struct HeaderProps {
    pub(super) share_url: ShareUrl,
    pub(super) tab_id: Option<TabId>,
    /// Its role, or why it has none.
    pub(super) badge: &'static str,
    /// The settings that a link does not carry.
    pub(super) left_out: Vec<&'static str>,
    pub(super) dispatch: Callback<Action>,
}

/// The first part of the view: its list, or its first field.
const VIEW: &str = ".column-log:not([hidden]) [role=listbox], .column-view:not([hidden]) :is([role=tree], input, [tabindex=\"0\"])";

#[component]
pub(super) fn Header(props: &HeaderProps) -> Html {
    let role = props.badge;
    let skip = Callback::from(|_: MouseEvent| focus::focus_on(VIEW));
    html! {
        <header class="header">
            // For the keyboard: the list is many stops away.
            <button type="button" class="skip" onclick={skip} data-testid="skip">
                { labels::skip_to(props.share_url.view) }
            </button>
            <h1 class="brand">
                <img src="icon.svg" alt="" width="28" height="28" />
                { "TabMQ" }
            </h1>
            <p class="header-channel" title={labels::connection::CHANNEL}>{ &props.share_url.channel }</p>
            <nav class="views" aria-label={labels::tabs::VIEWS}>
                { for View::ALL.map(|view| view_link(props, view)) }
            </nav>
            <Share share_url={props.share_url.clone()} left_out={props.left_out.clone()} />
            <p
                class="header-tab"
                data-testid="tab-id"
                data-tab-id={props.tab_id.map(|tab_id| tab_id.to_string())}
                title={props.tab_id.map(|tab_id| tab_id.to_string())}
            >
                <span class="header-tab-word">{ labels::tabs::TAB }{ " " }</span>
                <code>{ props.tab_id.map_or("····".to_owned(), |tab_id| tab_id.short()) }</code>
            </p>
            <p
                class="role"
                role="status"
                aria-label={labels::tabs::ROLE}
                data-testid="role-badge"
                data-role={role.to_lowercase()}
            >
                { role }
            </p>
        </header>
    }
}

/// A link and not a button, so that a view can be opened in another tab and shared.
fn view_link(props: &HeaderProps, view: View) -> Html {
    let share_url = ShareUrl {
        view,
        ..props.share_url.clone()
    };
    let show = props.dispatch.clone();
    let onclick = Callback::from(move |event: MouseEvent| {
        let wants_another_tab = event.ctrl_key() || event.meta_key() || event.shift_key();
        if !wants_another_tab {
            event.prevent_default();
            show.emit(Action::Show(view));
        }
    });
    html! {
        <a
            key={view.name()}
            href={address::path_with_query(&share_url.query())}
            aria-current={(view == props.share_url.view).then_some("page")}
            {onclick}
            data-testid={format!("view-{}", view.name())}
        >
            { labels::view(view) }
        </a>
    }
}

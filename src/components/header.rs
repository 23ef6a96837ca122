//! Which tab this is, on which channel, in which role.

use tabmq_worker::TabId;
use tabmq_worker::api::Role;
use yew::prelude::*;

use crate::words;

#[derive(PartialEq, Properties)]
pub(super) struct HeaderProps {
    pub(super) channel: String,
    pub(super) tab_id: Option<TabId>,
    pub(super) role: Role,
}

#[component]
pub(super) fn Header(props: &HeaderProps) -> Html {
    let role = words::role(props.role);
    html! {
        <header class="header">
            <h1 class="brand">
                <img src="icon.svg" alt="" width="28" height="28" />
                { "TabMQ" }
            </h1>
            <p class="header-channel" title="Channel">{ &props.channel }</p>
            <p
                class="header-tab"
                data-testid="tab-id"
                data-tab-id={props.tab_id.map(|tab_id| tab_id.to_string())}
                title={props.tab_id.map(|tab_id| tab_id.to_string())}
            >
                <span class="header-tab-word">{ "Tab " }</span>
                <code>{ props.tab_id.map_or("····".to_owned(), |tab_id| tab_id.short()) }</code>
            </p>
            <p
                class="role"
                role="status"
                aria-label="Role of this tab"
                data-testid="role-badge"
                data-role={role.to_lowercase()}
            >
                { role }
            </p>
        </header>
    }
}

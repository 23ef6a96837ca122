//! The channel of this tab, and the connection of its client.

use tabmq_worker::api::{ConnectOptions, StorageState};
use tabmq_worker::hooks::{use_client, use_members, use_storage};
use web_sys::{HtmlFormElement, HtmlInputElement};
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::browser::address;
use crate::browser::form::Form;
use crate::labels;
use crate::state::Action;
use crate::state::share_url;
use crate::state::share_url::{DURABILITIES, ShareUrl, durability_name};

#[derive(PartialEq, Properties)]
pub(super) struct ConnectionProps {
    pub(super) share_url: ShareUrl,
    pub(super) status: &'static str,
    pub(super) status_text: String,
    /// Whether a worker on the channel is running.
    pub(super) can_connect: bool,
    pub(super) options: ConnectOptions,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Connection(props: &ConnectionProps) -> Html {
    let form = use_node_ref();
    let join = use_callback(props.share_url.clone(), |event: SubmitEvent, set_up| {
        event.prevent_default();
        if let Some(form) = submitted(&event) {
            let durability = form.text("durability");
            address::navigate(
                &ShareUrl {
                    channel: form.text("channel"),
                    durability: share_url::durability(&durability).unwrap_or_default(),
                    ..set_up.clone()
                }
                .query(),
            );
        }
    });
    // The browser's own message about a format names no format.
    let check_channel = use_callback((), |event: InputEvent, ()| {
        let input: HtmlInputElement = event.target_unchecked_into();
        let is_valid = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
        let is_valid = input.value().chars().all(is_valid);
        input.set_custom_validity(if is_valid {
            ""
        } else {
            labels::connection::CHANNEL_FORMAT
        });
    });
    let client = use_client();
    let connect = use_callback(
        (client.clone(), props.dispatch.clone()),
        |event: SubmitEvent, (client, dispatch)| {
            event.prevent_default();
            if let Some(form) = submitted(&event) {
                let options = form.connect_options();
                client.connect(options.clone());
                dispatch.emit(Action::Connect(options));
            }
        },
    );
    let disconnect = use_callback((form.clone(), client), |_: MouseEvent, (form, client)| {
        let form = form
            .cast::<HtmlFormElement>()
            .and_then(|form| Form::of(&form));
        let with_will = form.is_some_and(|form| form.is_on("with-will"));
        client.disconnect(with_will);
    });
    // The summary names folded fields that are sent.
    let has_will = use_state(|| false);
    let count = use_callback(
        (form.clone(), has_will.setter()),
        |_: InputEvent, (form, has_will)| {
            let form = form
                .cast::<HtmlFormElement>()
                .and_then(|form| Form::of(&form));
            has_will.set(form.is_some_and(|form| !form.text("will-topic").is_empty()));
        },
    );
    let is_disconnected = props.status == "disconnected";
    let is_open = use_state(|| false);
    let toggle = use_callback(is_open.clone(), |_: MouseEvent, is_open| {
        is_open.set(!**is_open)
    });
    let storage = use_storage();
    let members = use_members();
    let broker = members.iter().find(|tab| tab.is_broker);
    let kept = broker.map(|tab| tab.durability);
    let is_stored = broker.is_some() && storage.state != StorageState::Memory;
    html! {
        <section class="panel panel-connection" aria-labelledby="connection-title">
            <h2 id="connection-title" class="unseen">{ labels::connection::TITLE }</h2>
            <div class="connection-line">
                <p class="status" role="status" data-testid="status" data-status={props.status}>
                    if props.status == "connected" {
                        <span>{ &props.share_url.channel }</span>
                        { for props.status_text.split(" · ").map(|part| html! { <>{ " " }<span>{ "· " }{ part }</span></> }) }
                    } else {
                        { &props.status_text }
                    }
                </p>
                if is_disconnected && props.can_connect && !*is_open {
                    <button type="submit" form="connect" class="primary">{ labels::connection::CONNECT }</button>
                }
                <button
                    type="button"
                    class="quiet"
                    onclick={toggle}
                    aria-expanded={is_open.to_string()}
                    aria-controls="connection-settings"
                    data-testid="connection-settings"
                >
                    { labels::connection::settings(*is_open) }
                </button>
            </div>
            // A tab that can join nothing waits for no broker.
            if !is_disconnected || props.can_connect {
                <p class="kept" data-testid="kept" data-durability={kept.map(durability_name)}>
                    { labels::connection::kept(kept, storage.state) }
                </p>
            }
            // Folded forms stay mounted and keep their text.
            <div id="connection-settings" class="connection-settings" hidden={!*is_open}>
                <form class="join" onsubmit={join}>
                    <Field label={labels::connection::CHANNEL}>
                        <input
                            name="channel"
                            ~defaultValue={props.share_url.channel.clone()}
                            required=true
                            maxlength="64"
                            oninput={check_channel}
                            autocomplete="off"
                            autocapitalize="none"
                            spellcheck="false"
                            data-testid="channel"
                        />
                    </Field>
                    <Field
                        label={labels::connection::STORAGE}
                        hint={labels::persistence(&storage).filter(|_| is_stored).map(AttrValue::from)}
                    >
                        <select name="durability" data-testid="durability">
                            { for DURABILITIES.map(|durability| html! {
                                <option
                                    value={durability_name(durability)}
                                    selected={durability == props.share_url.durability}
                                >
                                    { labels::durability(durability) }
                                </option>
                            }) }
                        </select>
                    </Field>
                    <button type="submit">{ labels::connection::JOIN }</button>
                </form>
                <form id="connect" ref={form} onsubmit={connect} oninput={count} inert={!props.can_connect}>
                    <h3>{ labels::connection::SESSION }</h3>
                    { settings(&props.options) }
                    <details>
                        <summary>{ labels::connection::will(*has_will) }</summary>
                        { will() }
                    </details>
                    <div class="actions">
                        <button
                            type="submit"
                            class={classes!(is_disconnected.then_some("primary"))}
                            disabled={!props.can_connect}
                        >
                            { if is_disconnected { labels::connection::CONNECT } else { labels::connection::RECONNECT } }
                        </button>
                        <button
                            type="button"
                            class="danger"
                            onclick={disconnect}
                            disabled={is_disconnected || !props.can_connect}
                        >
                            { labels::connection::DISCONNECT }
                        </button>
                    </div>
                </form>
            </div>
        </section>
    }
}

fn submitted(event: &SubmitEvent) -> Option<Form> {
    event
        .target_dyn_into::<HtmlFormElement>()
        .and_then(|form| Form::of(&form))
}

fn settings(options: &ConnectOptions) -> Html {
    html! {
        <div class="fields">
            <Field label={labels::connection::CLIENT_ID} hint={labels::connection::CLIENT_ID_HINT} wide=true>
                <input
                    name="client-id"
                    ~defaultValue={options.client_id.clone()}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Field label={labels::connection::KEEP_ALIVE} hint={labels::connection::KEEP_ALIVE_HINT}>
                <input
                    type="number"
                    name="keep-alive"
                    ~defaultValue={options.keep_alive.to_string()}
                    min="0"
                    max="65535"
                    required=true
                />
            </Field>
            <SessionExpiry interval_s={options.session_expiry_interval} />
            <Field label={labels::connection::USER_NAME}>
                <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" />
            </Field>
            <Field label={labels::connection::PASSWORD}>
                <input type="password" name="password" autocomplete="current-password" />
            </Field>
            <Check name="clean-start" label={labels::connection::CLEAN_START} checked={options.clean_start} />
        </div>
    }
}

#[derive(PartialEq, Properties)]
struct SessionExpiryProps {
    interval_s: u32,
}

/// The session's expiry: a number of seconds, or never.
#[component]
fn SessionExpiry(props: &SessionExpiryProps) -> Html {
    let interval_s = props.interval_s;
    let is_never = use_state(|| interval_s == u32::MAX);
    let toggle = use_callback(is_never.setter(), |event: Event, is_never| {
        let input: HtmlInputElement = event.target_unchecked_into();
        is_never.set(input.checked());
    });
    let seconds = Some(interval_s).filter(|it| *it < u32::MAX);
    let seconds = seconds.unwrap_or(ConnectOptions::default().session_expiry_interval);
    html! {
        <>
            <Field label={labels::connection::EXPIRY}>
                <input
                    type="number"
                    name="session-expiry-interval"
                    ~defaultValue={seconds.to_string()}
                    min="0"
                    max="4294967294"
                    required=true
                    disabled={*is_never}
                    data-testid="session-expiry"
                />
            </Field>
            <label class="check">
                <input
                    type="checkbox"
                    name="session-never-expires"
                    ~defaultChecked={*is_never}
                    onchange={toggle}
                    data-testid="session-never-expires"
                />
                { labels::connection::NEVER_EXPIRES }
            </label>
        </>
    }
}

fn will() -> Html {
    html! {
        <div class="fields">
            <Field label={labels::fields::TOPIC} hint={labels::connection::WILL_HINT} wide=true>
                <input name="will-topic" autocomplete="off" autocapitalize="none" spellcheck="false" />
            </Field>
            <Field label={labels::fields::PAYLOAD} wide=true>
                <textarea name="will-payload" rows="2" spellcheck="false" />
            </Field>
            <QosSelect name="will-qos" />
            <Field label={labels::connection::WILL_DELAY}>
                <input
                    type="number"
                    name="will-delay-interval"
                    ~defaultValue={"0"}
                    min="0"
                    max="4294967295"
                    required=true
                />
            </Field>
            <Check name="will-retain" label={labels::fields::RETAIN} />
            <Check name="with-will" label={labels::connection::WILL_ON_DISCONNECT} />
        </div>
    }
}

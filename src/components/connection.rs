//! The channel of this tab, and the connection of its client.

use tabmq_worker::api::ConnectOptions;
use tabmq_worker::hooks::use_client;
use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::fields::{Check, Field, QosSelect};
use crate::form::Form;
use crate::link::{DURABILITIES, Link, durability_name};
use crate::state::Action;
use crate::{link, page, words};

#[derive(PartialEq, Properties)]
pub(super) struct ConnectionProps {
    pub(super) link: Link,
    pub(super) status: &'static str,
    pub(super) status_words: String,
    /// Whether there is a worker on the channel that could.
    pub(super) can_connect: bool,
    pub(super) options: ConnectOptions,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Connection(props: &ConnectionProps) -> Html {
    let form = use_node_ref();
    let join = use_callback(props.link.clone(), |event: SubmitEvent, set_up| {
        event.prevent_default();
        if let Some(form) = submitted(&event) {
            let durability = form.text("durability");
            page::go(
                &Link {
                    channel: form.text("channel"),
                    durability: link::durability(&durability).unwrap_or_default(),
                    ..set_up.clone()
                }
                .query(),
            );
        }
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
    let is_disconnected = props.status == "disconnected";
    html! {
        <section class="panel" aria-labelledby="connection-title">
            <div class="panel-head">
                <h2 id="connection-title">{ "Connection" }</h2>
            </div>
            <p class="status" role="status" data-testid="status" data-status={props.status}>
                { &props.status_words }
            </p>
            <form class="join" onsubmit={join}>
                <Field label="Channel">
                    <input
                        name="channel"
                        ~defaultValue={props.link.channel.clone()}
                        required=true
                        maxlength="64"
                        pattern="[A-Za-z0-9._\\-]+"
                        title="Letters, digits and . _ -"
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        data-testid="channel"
                    />
                </Field>
                <Field label="The broker in this tab keeps its state">
                    <select name="durability" data-testid="durability">
                        { for DURABILITIES.map(|durability| html! {
                            <option
                                value={durability_name(durability)}
                                selected={durability == props.link.durability}
                            >
                                { words::durability(durability) }
                            </option>
                        }) }
                    </select>
                </Field>
                <button type="submit">{ "Join" }</button>
            </form>
            <form ref={form} onsubmit={connect}>
                <details>
                    <summary>{ "Settings" }</summary>
                    { settings(&props.options) }
                </details>
                <details>
                    <summary>{ "Will" }</summary>
                    { will() }
                </details>
                <div class="actions">
                    <button
                        type="submit"
                        class={classes!(is_disconnected.then_some("primary"))}
                        disabled={!props.can_connect}
                    >
                        { if is_disconnected { "Connect" } else { "Reconnect" } }
                    </button>
                    <button type="button" onclick={disconnect} disabled={is_disconnected || !props.can_connect}>
                        { "Disconnect" }
                    </button>
                </div>
            </form>
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
            <Field label="Client id" hint="Empty: made from the tab's id." wide=true>
                <input
                    name="client-id"
                    ~defaultValue={options.client_id.clone()}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                />
            </Field>
            <Field label="Session expiry, s" hint="4294967295 never expires.">
                <input
                    type="number"
                    name="session-expiry-interval"
                    ~defaultValue={options.session_expiry_interval.to_string()}
                    min="0"
                    max="4294967295"
                    required=true
                />
            </Field>
            <Field label="Keep alive, s" hint="0 turns it off.">
                <input
                    type="number"
                    name="keep-alive"
                    ~defaultValue={options.keep_alive.to_string()}
                    min="0"
                    max="65535"
                    required=true
                />
            </Field>
            <Field label="User name">
                <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" />
            </Field>
            <Field label="Password">
                <input type="password" name="password" autocomplete="current-password" />
            </Field>
            <Check name="clean-start" label="Clean start" checked={options.clean_start} />
        </div>
    }
}

fn will() -> Html {
    html! {
        <div class="fields">
            <Field label="Topic" hint="Empty: no will." wide=true>
                <input name="will-topic" autocomplete="off" autocapitalize="none" spellcheck="false" />
            </Field>
            <Field label="Payload" wide=true>
                <textarea name="will-payload" rows="2" spellcheck="false" />
            </Field>
            <QosSelect name="will-qos" />
            <Field label="Delay, s">
                <input
                    type="number"
                    name="will-delay-interval"
                    ~defaultValue={"0"}
                    min="0"
                    max="4294967295"
                    required=true
                />
            </Field>
            <Check name="will-retain" label="Retain" />
            <Check name="with-will" label="Publish it on Disconnect too" />
        </div>
    }
}

//! Ends or freezes the broker on purpose, to see another tab take over.

use tabmq_worker::TabId;
use tabmq_worker::api::QoS;
use tabmq_worker::hooks::use_client;
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::load::LoadGenerator;
use crate::orders::{self, FREEZE_MS, Order};
use crate::page;
use crate::state::Action;
use crate::state::failover::StreamFigures;
use crate::state::load::Plan;

/// Numbered messages a second that run through a failover.
const STREAM_RATE: u32 = 100;

/// How long they run before it, in milliseconds, so that there is something to interrupt.
const BEFORE_MS: u32 = 500;

/// How long they run in all, in seconds: a broker that is silent is noticed after a second.
const STREAM_SECONDS: u32 = 6;

/// How long an acknowledged message may take to arrive after that, in milliseconds.
const AFTER_MS: u32 = 2_000;

#[derive(PartialEq, Properties)]
pub(super) struct TrialProps {
    pub(super) broker: Option<TabId>,
    /// Whether that is this very tab.
    pub(super) is_own: bool,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn Trial(props: &TrialProps) -> Html {
    let client = use_client();
    let stream = use_memo(client.clone(), |client| {
        LoadGenerator::new(client.clone(), "$demo/failover")
    });
    let wants_stream = use_state(|| true);
    let toggle = use_callback(wants_stream.clone(), |_: Event, wants_stream| {
        wants_stream.set(!**wants_stream);
    });
    let button = |order: Order| {
        let (client, stream, dispatch) = (client.clone(), stream.clone(), props.dispatch.clone());
        let (broker, is_own, wants_stream) = (props.broker, props.is_own, *wants_stream);
        let give = move |_: MouseEvent| {
            let Some(broker) = broker else { return };
            let client = client.clone();
            // A tab that ends cannot watch.
            if !wants_stream || (is_own && order != Order::Freeze) {
                return orders::give(&client, broker, order);
            }
            let (stream, dispatch) = (stream.clone(), dispatch.clone());
            spawn_local(async move {
                let since = page::unix_ms();
                stream.start(Plan {
                    rate: Some(STREAM_RATE),
                    payload_bytes: 16,
                    qos: QoS::AtLeastOnce,
                    topics: 1,
                    seconds: Some(STREAM_SECONDS),
                });
                page::pause(BEFORE_MS).await;
                orders::give(&client, broker, order);
                page::pause(STREAM_SECONDS * 1_000 + AFTER_MS).await;
                if let Some(progress) = stream.progress() {
                    let totals = progress.totals;
                    let figures = StreamFigures {
                        acknowledged: totals.acknowledged,
                        lost: stream.missing(),
                        duplicates: totals.duplicates,
                        gap_ms: totals.gap_ms,
                    };
                    dispatch.emit(Action::Streamed(since, figures));
                }
            });
        };
        let name = match order {
            Order::Close => "Close",
            Order::Crash => "Crash",
            Order::Freeze => "Freeze",
        };
        html! {
            <button
                type="button"
                onclick={give}
                disabled={props.broker.is_none()}
                title={title(order)}
                data-testid={format!("broker-{}", order.name())}
            >
                { name }
            </button>
        }
    };
    html! {
        <fieldset class="trial">
            <legend class="field-label">
                { if props.is_own { "Try failover: the broker, in this tab" } else { "Try failover: the broker" } }
            </legend>
            <div class="actions">{ for Order::ALL.map(button) }</div>
            <label class="check">
                <input type="checkbox" checked={*wants_stream} onchange={toggle} data-testid="trial-stream" />
                { format!("with {STREAM_RATE} numbered messages a second") }
            </label>
        </fieldset>
    }
}

fn title(order: Order) -> String {
    match order {
        Order::Close => "Closes the broker’s tab".to_owned(),
        Order::Crash => {
            "Ends the worker of the broker’s tab without a goodbye, as a crash would".to_owned()
        }
        Order::Freeze => format!(
            "The worker of the broker’s tab does nothing for {} seconds",
            FREEZE_MS / 1_000
        ),
    }
}

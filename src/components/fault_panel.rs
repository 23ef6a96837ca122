//! The fault panel: ends or freezes the broker, so that another tab takes over.

use tabmq_worker::TabId;
use tabmq_worker::api::QoS;
use tabmq_worker::hooks::use_client;
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::app::load_generator::LoadGenerator;
use crate::app::remote_commands::{self, FREEZE_MS, RemoteCommand};
use crate::browser::time;
use crate::labels;
use crate::state::Action;
use crate::state::failover::StreamFigures;
use crate::state::load_run::Plan;

/// Numbered messages per second during a failover.
const STREAM_RATE: u32 = 100;

/// How long they run before the failover, in milliseconds.
const BEFORE_MS: u32 = 500;

/// How long they run in all, in seconds. A silent broker is noticed after one second.
const STREAM_SECONDS: u32 = 6;

/// Interval at which the remaining time is drawn, in milliseconds.
const PROGRESS_MS: u32 = 500;

/// How long an acknowledged message can take to arrive after that, in milliseconds.
const AFTER_MS: u32 = 2_000;

#[derive(PartialEq, Properties)]
pub(super) struct FaultPanelProps {
    pub(super) broker: Option<TabId>,
    /// Whether this tab is the broker.
    pub(super) is_own: bool,
    /// Whether another tab can take over.
    pub(super) has_others: bool,
    pub(super) dispatch: Callback<Action>,
}

#[component]
pub(super) fn FaultPanel(props: &FaultPanelProps) -> Html {
    let client = use_client();
    let stream = use_memo(client.clone(), |client| {
        LoadGenerator::new(client.clone(), "$demo/failover")
    });
    let wants_stream = use_state(|| true);
    let until = use_state(|| None::<f64>);
    let update = use_force_update();
    time::use_interval(until.map(|_| PROGRESS_MS), move || update.force_update());
    let toggle = use_callback(wants_stream.clone(), |_: Event, wants_stream| {
        wants_stream.set(!**wants_stream);
    });
    let button = |command: RemoteCommand| {
        let (client, stream, dispatch) = (client.clone(), stream.clone(), props.dispatch.clone());
        let (broker, is_own, wants_stream) = (props.broker, props.is_own, *wants_stream);
        let until = until.setter();
        let send = move |_: MouseEvent| {
            let Some(broker) = broker else { return };
            let (client, dispatch) = (client.clone(), dispatch.clone());
            // A tab that ends or is frozen cannot count.
            if !wants_stream || is_own {
                return remote_commands::send(&client, broker, command, &dispatch);
            }
            let (stream, until) = (stream.clone(), until.clone());
            spawn_local(async move {
                let since = time::unix_ms();
                let plan = Plan {
                    rate: Some(STREAM_RATE),
                    payload_bytes: 16,
                    qos: QoS::AtLeastOnce,
                    topics: 1,
                    seconds: Some(STREAM_SECONDS),
                };
                stream.start(plan, 0);
                let end = since + f64::from(BEFORE_MS + STREAM_SECONDS * 1_000 + AFTER_MS);
                until.set(Some(end));
                dispatch.emit(Action::Counting(end));
                time::pause(BEFORE_MS).await;
                remote_commands::send(&client, broker, command, &dispatch);
                time::pause(STREAM_SECONDS * 1_000 + AFTER_MS).await;
                until.set(None);
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
        let name = match command {
            RemoteCommand::Close => labels::failover::CLOSE,
            RemoteCommand::Crash => labels::failover::CRASH,
            RemoteCommand::Freeze => labels::failover::FREEZE,
        };
        html! {
            <button
                type="button"
                onclick={send}
                disabled={props.broker.is_none() || !props.has_others}
                title={if props.has_others { title(command) } else { labels::SECOND_TAB_FIRST.to_owned() }}
                aria-describedby={(!props.has_others).then_some("fault-panel-reason")}
                data-testid={format!("broker-{}", command.name())}
            >
                { name }
            </button>
        }
    };
    html! {
        <fieldset class="fault-panel" data-testid="fault-panel">
            <legend class="field-label">
                { labels::failover::stop_the_broker(props.is_own) }
            </legend>
            <div class="actions">{ for RemoteCommand::ALL.map(button) }</div>
            if !props.has_others {
                <p id="fault-panel-reason" class="check" data-testid="fault-panel-reason">{ labels::SECOND_TAB_FIRST }</p>
            } else {
                <label class="check">
                    <input
                        type="checkbox"
                        checked={*wants_stream && !props.is_own}
                        disabled={props.is_own}
                        onchange={toggle}
                        data-testid="fault-panel-stream"
                    />
                    { match *until {
                        Some(until) => labels::counting(until - time::unix_ms()),
                        None => labels::count_losses(STREAM_RATE, props.is_own),
                    } }
                </label>
            }
        </fieldset>
    }
}

fn title(command: RemoteCommand) -> String {
    match command {
        RemoteCommand::Close => labels::failover::CLOSE_HINT.to_owned(),
        RemoteCommand::Crash => labels::failover::CRASH_HINT.to_owned(),
        RemoteCommand::Freeze => labels::failover::freeze_hint(FREEZE_MS / 1_000),
    }
}

//! Charts of throughput, latency and load, and the load generator.

use std::rc::Rc;

use tabmq_worker::api::QoS;
use web_sys::HtmlFormElement;
use yew::prelude::*;

use super::chart::{Chart, ChartData, SeriesSpec};
use super::fields::{Check, Field, QosSelect};
use crate::app::load_generator::{LoadGenerator, Progress};
use crate::browser::form::Form;
use crate::browser::time;
use crate::labels;
use crate::state::load_run::Plan;
use crate::state::samples::{Sample, Samples};

/// Greatest rate, in messages per second.
const RATE_MAX: u32 = 100_000;

/// Greatest size of a payload, in bytes.
const PAYLOAD_MAX: usize = 1 << 20;

/// Interval at which the load generator's figures are drawn.
const PROGRESS_MS: u32 = 250;

/// The unit of latencies. Their axis is logarithmic, because a few can be a hundred times the others.
const MS: &str = "ms";

#[derive(PartialEq, Properties)]
pub(super) struct PerformanceProps {
    pub(super) samples: Rc<Samples>,
    pub(super) load: LoadGenerator,
    /// Messages that the broker has dropped for other clients.
    pub(super) dropped: u64,
    pub(super) is_offline: bool,
}

#[component]
pub(super) fn Performance(props: &PerformanceProps) -> Html {
    let samples = &props.samples;
    html! {
        <div class="performance" data-testid="performance-view">
            <LoadPanel load={props.load.clone()} dropped={props.dropped} is_offline={props.is_offline} />
            <div class="charts">
                { plot(samples, labels::performance::THROUGHPUT, "messages/s", &[
                    (labels::performance::LINE_RECEIVED, 0, |it| Some(it.received)),
                    (labels::performance::LINE_PUBLISHED, 1, |it| Some(it.published)),
                ]) }
                { plot(samples, labels::performance::LATENCY, MS, &[
                    ("p50", 2, |it| it.latency.map(|it| it.p50_ms)),
                    ("p99", 3, |it| it.latency.map(|it| it.p99_ms)),
                ]) }
                { plot(samples, labels::performance::CPU, "%", &[
                    (labels::performance::LINE_WORKER, 0, |it| it.worker_busy),
                    (labels::performance::LINE_PAGE, 4, |it| Some(it.page_busy)),
                ]) }
                { plot(samples, labels::performance::QUEUES, labels::performance::MESSAGES, &[
                    (labels::performance::LINE_QUEUED, 5, |it| it.broker.map(|it| it.queued)),
                    (labels::performance::LINE_IN_FLIGHT, 6, |it| it.broker.map(|it| it.in_flight)),
                    (labels::performance::LINE_DROPPED, 3, |it| it.broker.map(|it| it.dropped)),
                ]) }
            </div>
        </div>
    }
}

type Line = (&'static str, u8, fn(&Sample) -> Option<f64>);

fn plot(samples: &Samples, title: &'static str, unit: &'static str, lines: &[Line]) -> Html {
    let data = ChartData {
        x: samples.times(),
        series: lines
            .iter()
            .map(|(.., value)| samples.values(value))
            .collect(),
    };
    let series: Rc<[SeriesSpec]> = lines
        .iter()
        .map(|(name, colour, _)| SeriesSpec::new(*name, *colour))
        .collect();
    html! {
        <section class="panel" aria-label={title}>
            <div class="panel-head"><h2>{ title }</h2></div>
            <Chart label={title} {unit} {series} data={Rc::new(data)} is_logarithmic={unit == MS} />
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct LoadPanelProps {
    load: LoadGenerator,
    dropped: u64,
    is_offline: bool,
}

#[component]
fn LoadPanel(props: &LoadPanelProps) -> Html {
    time::use_now(PROGRESS_MS);
    let progress = props.load.progress();
    let is_running = progress.as_ref().is_some_and(|it| it.is_running);
    let with = (props.load.clone(), props.dropped);
    let start = use_callback(with, |event: SubmitEvent, (load, dropped)| {
        event.prevent_default();
        let form = event.target_dyn_into::<HtmlFormElement>();
        if let Some(form) = form.and_then(|form| Form::of(&form)) {
            load.start(form.plan(), *dropped);
        }
    });
    let stop = use_callback(props.load.clone(), |_: MouseEvent, load| load.stop());
    let plan = progress
        .as_ref()
        .map(|it| it.plan.clone())
        .unwrap_or_default();
    html! {
        <section class="panel" aria-labelledby="load-title">
            <div class="panel-head">
                <h2 id="load-title">{ labels::performance::LOAD }</h2>
            </div>
            <form onsubmit={start} inert={props.is_offline}>
                <div class="fields">
                    <Field label={labels::performance::RATE}>
                        <input
                            type="number"
                            name="load-rate"
                            ~defaultValue={plan.rate.unwrap_or(1_000).to_string()}
                            min="1"
                            max={RATE_MAX.to_string()}
                            required=true
                            data-testid="load-rate"
                        />
                    </Field>
                    <Field label={labels::performance::PAYLOAD}>
                        <input
                            type="number"
                            name="load-payload"
                            ~defaultValue={plan.payload_bytes.to_string()}
                            min="1"
                            max={PAYLOAD_MAX.to_string()}
                            required=true
                        />
                    </Field>
                    <Field label={labels::performance::TOPICS}>
                        <input
                            type="number"
                            name="load-topics"
                            ~defaultValue={plan.topics.to_string()}
                            min="1"
                            max="10000"
                            required=true
                        />
                    </Field>
                    <Field label={labels::performance::SECONDS} hint={labels::performance::SECONDS_HINT}>
                        <input
                            type="number"
                            name="load-seconds"
                            ~defaultValue={plan.seconds.unwrap_or(0).to_string()}
                            min="0"
                            max="86400"
                            required=true
                            data-testid="load-seconds"
                        />
                    </Field>
                    <QosSelect name="load-qos" selected={plan.qos} testid="load-qos" />
                    <Check name="load-max" label={labels::performance::MAXIMUM} checked={plan.rate.is_none()} />
                </div>
                <div class="actions">
                    <button type="submit" class="primary" data-testid="load-start">
                        { labels::performance::start(is_running) }
                    </button>
                    <button type="button" onclick={stop} disabled={!is_running} data-testid="load-stop">{ labels::performance::STOP }</button>
                </div>
            </form>
            { figures(progress.as_ref(), props.dropped) }
        </section>
    }
}

fn figures(progress: Option<&Progress>, dropped: u64) -> Html {
    let Some(Progress {
        plan,
        is_running,
        seconds,
        totals,
        in_transit,
        dropped_before,
    }) = progress
    else {
        return html! {
            <p class="empty">
                { labels::performance::LOAD_HINT }
            </p>
        };
    };
    let dropped = dropped.saturating_sub(*dropped_before);
    let count = labels::count;
    // A word for style sheets and tests, the name, the value, and whether it is bad. QoS 0 has no acknowledgements.
    let acknowledged = (plan.qos != QoS::AtMostOnce).then(|| {
        (
            "acknowledged",
            labels::performance::ACKNOWLEDGED,
            count(totals.acknowledged),
            false,
        )
    });
    let pairs = [(
        "published",
        labels::performance::PUBLISHED,
        count(totals.sent),
        false,
    )]
    .into_iter()
    .chain(acknowledged)
    .chain([
        (
            "arrived",
            labels::performance::RECEIVED,
            count(totals.arrived),
            false,
        ),
        (
            "on their way",
            labels::performance::IN_TRANSIT,
            count(*in_transit as u64),
            false,
        ),
        (
            "failed",
            labels::performance::FAILED,
            count(totals.failed),
            totals.failed > 0,
        ),
        (
            "lost",
            labels::performance::LOST,
            count(totals.lost),
            totals.lost > 0,
        ),
        (
            "dropped",
            labels::performance::DROPPED,
            count(dropped),
            dropped > 0,
        ),
        (
            "twice",
            labels::performance::DUPLICATES,
            count(totals.duplicates),
            totals.duplicates > 0,
        ),
        (
            "longest gap",
            labels::performance::LONGEST_PAUSE,
            format!("{:.0} ms", totals.gap_ms),
            false,
        ),
    ]);
    let whole = plan.seconds.map(f64::from);
    html! {
        <>
            <p class="load-progress" role="status">
                { labels::performance::ran(*seconds, *is_running) }
            </p>
            if let Some(whole) = whole.filter(|_| *is_running) {
                <progress max={whole.to_string()} value={format!("{:.1}", seconds.min(whole))} aria-label={labels::performance::PROGRESS} />
            }
            <dl class="figures" data-testid="load-figures">
                { for pairs.map(|(figure, name, value, is_bad)| html! {
                    <div>
                        <dt>{ name }</dt>
                        <dd class={classes!(is_bad.then_some("problem"))} data-figure={figure}>{ value }</dd>
                    </div>
                }) }
            </dl>
        </>
    }
}

impl Form {
    /// The load generator's plan.
    fn plan(&self) -> Plan {
        let default = Plan::default();
        let rate = self.number("load-rate").or(default.rate);
        let seconds = self.number("load-seconds").or(default.seconds);
        let payload_bytes = self.number("load-payload");
        Plan {
            rate: rate
                .filter(|_| !self.is_on("load-max"))
                .map(|it| it.min(RATE_MAX)),
            payload_bytes: payload_bytes
                .unwrap_or(default.payload_bytes)
                .min(PAYLOAD_MAX),
            qos: self.qos("load-qos"),
            topics: self.number("load-topics").unwrap_or(default.topics),
            seconds: seconds.filter(|seconds| *seconds > 0),
        }
    }
}

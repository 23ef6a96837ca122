//! A chart of the numbers of a topic, and the choice of drawn fields.

use std::rc::Rc;

use tabmq_worker::hooks::use_redraw;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::chart::{Axis, Chart, ChartData, SeriesSpec, ValueKind};
use crate::labels;
use crate::payload::numbers::{BYTES_MAX, FieldKind};
use crate::state::Action;
use crate::state::charts::{FIELDS_MAX, Field, SharedCharts, TopicNumbers};
use crate::state::messages::MessageLog;

/// Fields that are offered at first. The others are offered on demand.
const OFFERED: usize = 12;

#[derive(PartialEq, Properties)]
pub(super) struct TopicChartProps {
    pub(super) topic: AttrValue,
    pub(super) charts: SharedCharts,
    pub(super) log: Rc<MessageLog>,
    pub(super) dispatch: Callback<Action>,
}

/// A chart of the numbers of a topic; nothing if there are none.
#[component]
pub(super) fn TopicChart(props: &TopicChartProps) -> Html {
    let TopicChartProps {
        topic,
        charts,
        log,
        dispatch,
    } = props;
    let redraw = use_redraw();
    if !charts.gather(topic, log) {
        redraw.ask();
    }
    let are_all_offered = use_state(|| false);
    let charts = charts.get();
    let numbers = charts.get(topic);
    let version = numbers.map(TopicNumbers::version);
    let plotted = use_memo((topic.clone(), version), |_| numbers.map(plot));
    let Some((numbers, (series, data))) = numbers.zip(plotted.as_ref().clone()) else {
        return Html::default();
    };
    let too_large = match numbers.too_large() {
        0 => None,
        messages => Some(labels::payload::too_large_to_chart(messages, BYTES_MAX)),
    };
    if numbers.points() == 0 {
        return too_large.map_or_else(Html::default, |words| {
            html! { <p class="payload-note" data-testid="chart-bounds">{ words }</p> }
        });
    }
    let fields = numbers.fields();
    let offered = if *are_all_offered {
        fields.len()
    } else {
        OFFERED
    };
    let shown = numbers.shown();
    let chips = fields.iter().zip(&shown).enumerate().take(offered);
    let chips =
        chips.map(|(index, (field, is_shown))| chip(topic, index, field, *is_shown, dispatch));
    let more = fields.len().saturating_sub(offered);
    let offer_all = {
        let are_all_offered = are_all_offered.setter();
        move |_: MouseEvent| are_all_offered.set(true)
    };
    html! {
        <div class="numbers" data-testid="numbers">
            if !(fields.len() == 1 && shown == [true]) {
                <fieldset class="chips">
                    <legend class="field-label">
                        { labels::payload::charted(series.len(), fields.len()) }
                    </legend>
                    { for chips }
                    if more > 0 {
                        <button type="button" class="quiet" onclick={offer_all} data-testid="more-fields">
                            { labels::payload::more_fields(more) }
                        </button>
                    }
                </fieldset>
            }
            if !series.is_empty() {
                <Chart label={labels::payload::numbers_on(topic)} unit="" {series} {data} />
            }
            <p class="payload-note" data-testid="chart-bounds">
                { labels::payload::chart_bounds(numbers.points(), numbers.room(), numbers.is_gathering()) }
                if let Some(words) = too_large {
                    { " " }{ words }
                }
                if numbers.left_out() > 0 {
                    { " " }{ labels::payload::fields_left_out(numbers.left_out(), FIELDS_MAX) }
                }
            </p>
        </div>
    }
}

/// A check box that shows or hides a field.
fn chip(
    topic: &AttrValue,
    index: usize,
    field: &Field,
    is_shown: bool,
    dispatch: &Callback<Action>,
) -> Html {
    let topic = topic.to_string();
    let onchange = dispatch.reform(move |event: Event| Action::ShowField {
        topic: topic.clone(),
        field: index,
        is_shown: event.target_unchecked_into::<HtmlInputElement>().checked(),
    });
    html! {
        <label class="chip" key={index}>
            <input type="checkbox" checked={is_shown} {onchange} data-testid="chart-field" />
            <span>{ labels::payload::field_path(&field.path) }</span>
            if let Some(kind) = labels::payload::field_kind(field.kind) {
                <span class="chip-kind">{ kind }</span>
            }
        </label>
    }
}

type Plotted = (Rc<[SeriesSpec]>, Rc<ChartData>);

/// The drawn fields of a topic. Timestamps and identifiers have axes of their own, so that they do not flatten other lines.
fn plot(numbers: &TopicNumbers) -> Plotted {
    let shown = numbers.shown();
    let fields = numbers.fields().iter().enumerate();
    let fields: Vec<_> = fields
        .filter(|(index, _)| shown.get(*index) == Some(&true))
        .collect();
    let series = fields.iter().map(|(index, field)| {
        let (value_kind, axis) = match field.kind {
            FieldKind::Number | FieldKind::TextWithNumber => (ValueKind::Number, Axis::Shared),
            FieldKind::OnOff => (ValueKind::OnOff, Axis::OnOff),
            FieldKind::Time | FieldKind::Identifier => (ValueKind::Number, Axis::Own),
        };
        let colour = u8::try_from(index % 8).unwrap_or(0);
        SeriesSpec {
            value_kind,
            axis,
            ..SeriesSpec::new(labels::payload::field_path(&field.path), colour)
        }
    });
    let data = ChartData {
        x: numbers.times(),
        series: fields
            .iter()
            .map(|(index, _)| numbers.values(*index))
            .collect(),
    };
    (series.collect(), Rc::new(data))
}

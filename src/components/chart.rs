//! A chart of lines over time, with a text and a table for screen readers.

use std::rc::Rc;

use web_sys::HtmlElement;
use yew::prelude::*;

use crate::browser::uplot::{Line, Scale, Shape};
use crate::labels;
use figures::{BYTES, bare, read};
use plot::{HEIGHT, Missing, PlotHandle, PlotSpec};

mod figures;
mod plot;

/// One line of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeriesSpec {
    pub(super) name: Rc<str>,
    /// Number of its colour in the style sheet: `--colour-0` and so on.
    pub(super) colour: u8,
    pub(super) value_kind: ValueKind,
    pub(super) axis: Axis,
}

/// The meaning of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Number,
    /// 1 is on, 0 is off; there are no values between.
    OnOff,
}

/// The axis of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// The drawn axis.
    Shared,
    /// An axis that is not drawn: the line takes the whole height, and its values are in the legend.
    Own,
    /// The axis of lines that are on or off.
    OnOff,
}

impl SeriesSpec {
    pub(super) fn new(name: impl Into<Rc<str>>, colour: u8) -> Self {
        Self {
            name: name.into(),
            colour,
            value_kind: ValueKind::Number,
            axis: Axis::Shared,
        }
    }

    fn line(&self) -> Line<'_> {
        Line {
            name: &self.name,
            shape: match self.value_kind {
                ValueKind::Number => Shape::Straight,
                ValueKind::OnOff => Shape::Steps,
            },
            scale: match self.axis {
                Axis::Shared => Scale::Shared,
                Axis::Own => Scale::Own,
                Axis::OnOff => Scale::OnOff,
            },
        }
    }
}

/// The values of a chart. They are immutable: other values are another `ChartData`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ChartData {
    /// Unix seconds, ascending.
    pub(super) x: Vec<f64>,
    /// For each series, a value for each `x`. NaN and missing values at the end are gaps.
    pub(super) series: Vec<Vec<f64>>,
}

#[derive(Clone, Properties)]
pub(super) struct ChartProps {
    /// A description for screen readers.
    pub(super) label: AttrValue,
    /// The unit of all values: `messages/s`, `ms`, `B`; empty if they have none.
    pub(super) unit: AttrValue,
    pub(super) series: Rc<[SeriesSpec]>,
    pub(super) data: Rc<ChartData>,
    /// Whether the axis is logarithmic. It cannot show values that are not above zero.
    #[prop_or_default]
    pub(super) is_logarithmic: bool,
}

/// Compares values by their address: NaN equals nothing, and comparing thousands of values takes long.
impl PartialEq for ChartProps {
    fn eq(&self, other: &Self) -> bool {
        self.label == other.label
            && self.unit == other.unit
            && self.series == other.series
            && self.is_logarithmic == other.is_logarithmic
            && Rc::ptr_eq(&self.data, &other.data)
    }
}

/// A chart as wide as its parent. New values are drawn at most once per animation frame.
#[component]
pub(super) fn Chart(props: &ChartProps) -> Html {
    let place = use_node_ref();
    let plot_handle = use_mut_ref(|| None::<PlotHandle>);
    let missing = use_state(|| None::<Missing>);
    {
        let (place, plot_handle, missing) = (place.clone(), plot_handle.clone(), missing.clone());
        let spec = PlotSpec {
            series: Rc::clone(&props.series),
            unit: props.unit.clone(),
            is_logarithmic: props.is_logarithmic,
        };
        use_effect_with(spec, move |spec| {
            let place = place.cast::<HtmlElement>();
            let missing = move |why| missing.set(Some(why));
            plot_handle.replace(place.map(|place| PlotHandle::new(place, spec.clone(), missing)));
            move || drop(plot_handle.take())
        });
    }
    let data = Rc::clone(&props.data);
    use_effect(move || {
        if let Some(plot_handle) = &*plot_handle.borrow() {
            plot_handle.show(data);
        }
    });

    let summaries = summaries(&props.series, &props.data);
    let is_empty = summaries.iter().all(|it| it.latest.is_none());
    html! {
        <div class="chart" data-testid="chart">
            if let Some(why) = *missing {
                <p class="chart-note" data-testid="chart-missing">
                    { match why {
                        Missing::NotLoaded => labels::performance::CHART_NOT_LOADED,
                        Missing::Failed => labels::performance::CHART_FAILED,
                    } }
                </p>
            } else {
                <div
                    class={classes!("chart-plot", (props.series.len() == 1).then_some("chart-single"))}
                    role="img"
                    aria-label={description(&props.label, &props.unit, &summaries)}
                >
                    <div ref={place} class="chart-canvas" style={format!("min-height: {HEIGHT}px")} />
                    // Bytes have their unit at each number.
                    if !props.unit.is_empty() && props.unit != BYTES {
                        <span class="chart-unit">{ &props.unit }</span>
                    }
                    if is_empty {
                        <span class="chart-note chart-empty">{ labels::performance::NO_VALUES }</span>
                    }
                </div>
            }
            { table(props, &summaries, missing.is_some()) }
        </div>
    }
}

/// The values as a table, which is visible only if the chart is not.
fn table(props: &ChartProps, summaries: &[Summary], is_seen: bool) -> Html {
    let cell = |of: &Summary, value: Option<f64>| html! { <td>{ read(value, of.value_kind, &props.unit) }</td> };
    html! {
        <div class={if is_seen { "chart-values" } else { "chart-values chart-unseen" }}>
            <table>
                <caption>{ &props.label }</caption>
                <thead>
                    <tr>
                        { for labels::performance::COLUMNS.map(|it| html! { <th scope="col">{ it }</th> }) }
                    </tr>
                </thead>
                <tbody>
                    { for summaries.iter().map(|it| html! {
                        <tr>
                            <th scope="row">{ &*it.name }</th>
                            { cell(it, it.latest) }
                            { cell(it, it.min) }
                            { cell(it, it.max) }
                        </tr>
                    }) }
                </tbody>
            </table>
        </div>
    }
}

/// A summary of one series. Its numbers are `None` if it has no values.
#[derive(Clone, Debug, PartialEq)]
struct Summary {
    name: Rc<str>,
    value_kind: ValueKind,
    latest: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

fn summaries(series: &[SeriesSpec], data: &ChartData) -> Vec<Summary> {
    let lines = series.iter().enumerate();
    lines
        .map(|(index, series)| {
            let all = data.series.get(index).map_or(&[][..], Vec::as_slice);
            let values = || all.iter().copied().filter(|value| value.is_finite());
            Summary {
                name: Rc::clone(&series.name),
                value_kind: series.value_kind,
                latest: values().next_back(),
                min: values().min_by(f64::total_cmp),
                max: values().max_by(f64::total_cmp),
            }
        })
        .collect()
}

/// `Throughput, in messages/s. received: latest 12, max 30.`
fn description(label: &str, unit: &str, summaries: &[Summary]) -> String {
    let mut text = match unit {
        "" => format!("{label}."),
        unit => format!("{label}, in {unit}."),
    };
    for Summary {
        name,
        value_kind,
        latest,
        max,
        min: _,
    } in summaries
    {
        text.push_str(&match (latest, max) {
            (Some(_), Some(_)) => format!(
                " {name}: latest {}, max {}.",
                bare(*latest, *value_kind, unit),
                bare(*max, *value_kind, unit)
            ),
            (_, None) | (None, _) => format!(" {name}: no values yet."),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(names: &[&str]) -> Vec<SeriesSpec> {
        names.iter().map(|name| SeriesSpec::new(*name, 0)).collect()
    }

    #[test]
    fn a_series_is_described_by_its_latest_and_its_max() {
        let data = ChartData {
            x: vec![1.0, 2.0, 3.0],
            series: vec![vec![3.0, 30.0, f64::NAN], vec![f64::NAN]],
        };
        let summaries = summaries(&spec(&["received", "sent", "none"]), &data);
        assert_eq!(
            description("Throughput", "messages/s", &summaries),
            "Throughput, in messages/s. received: latest 30, max 30. sent: no values yet. none: no values yet."
        );
        assert_eq!(summaries[0].min, Some(3.0));
        assert_eq!(description("Numbers on a", "", &[]), "Numbers on a.");
    }

    #[test]
    fn a_chart_is_equal_while_its_values_have_the_same_address() {
        let data = || {
            Rc::new(ChartData {
                x: vec![1.0],
                series: vec![vec![f64::NAN]],
            })
        };
        let props = ChartProps {
            label: "a".into(),
            unit: "".into(),
            series: spec(&["a"]).into(),
            data: data(),
            is_logarithmic: false,
        };
        assert!(props == props.clone());
        assert!(
            props
                != ChartProps {
                    data: data(),
                    ..props.clone()
                }
        );
    }
}

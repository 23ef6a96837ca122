//! Lines over time, and the same in words for those who do not see them.

use std::rc::Rc;

use web_sys::HtmlElement;
use yew::prelude::*;

use crate::browser::uplot::{Line, Shape};
use figures::{BYTES, bare, read};
use plot::{HEIGHT, Missing, PlotHandle, PlotSpec};

mod figures;
mod plot;

/// What one line shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeriesSpec {
    pub(super) name: Rc<str>,
    /// Which of the style sheet's colours it has: `--colour-0` and so on.
    pub(super) colour: u8,
    pub(super) value_kind: ValueKind,
    pub(super) axis: Axis,
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Number,
    /// 1 is on, 0 is off, and nothing is in between.
    OnOff,
}

/// What a line's height is measured at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// The one that is drawn.
    Shared,
    /// One that is not drawn: the line takes the whole height, and its values are in the legend.
    Own,
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
            is_on_own_scale: self.axis == Axis::Own,
        }
    }
}

/// What is drawn. It does not change: other values are another `ChartData`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ChartData {
    /// Unix seconds, ascending.
    pub(super) x: Vec<f64>,
    /// Of each series a value for each `x`. NaN is a gap, and so is what is missing at the end.
    pub(super) series: Vec<Vec<f64>>,
}

#[derive(Clone, Properties)]
pub(super) struct ChartProps {
    /// What it shows, for those who do not see it.
    pub(super) label: AttrValue,
    /// Of all values: `messages/s`, `ms`, `B`; empty if they have none.
    pub(super) unit: AttrValue,
    pub(super) series: Rc<[SeriesSpec]>,
    pub(super) data: Rc<ChartData>,
    /// Whether the values stand on a logarithmic axis, which has no place for those that are not above zero.
    #[prop_or_default]
    pub(super) is_logarithmic: bool,
}

/// Values are the same if they are in the same place: NaN equals nothing, and thousands take long to compare.
impl PartialEq for ChartProps {
    fn eq(&self, other: &Self) -> bool {
        self.label == other.label
            && self.unit == other.unit
            && self.series == other.series
            && self.is_logarithmic == other.is_logarithmic
            && Rc::ptr_eq(&self.data, &other.data)
    }
}

/// A chart as wide as what it is in. New values are drawn at most once per animation frame.
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
                        Missing::NotLoaded => "The chart cannot be drawn here, because the script that draws it was not loaded. Its values:",
                        Missing::Failed => "The chart cannot be drawn in this browser. Its values:",
                    } }
                </p>
            } else {
                <div
                    class="chart-plot"
                    role="img"
                    aria-label={in_words(&props.label, &props.unit, &summaries)}
                >
                    <div ref={place} class="chart-canvas" style={format!("min-height: {HEIGHT}px")} />
                    // Bytes have theirs at each number.
                    if !props.unit.is_empty() && props.unit != BYTES {
                        <span class="chart-unit">{ &props.unit }</span>
                    }
                    if is_empty {
                        <span class="chart-note chart-empty">{ "No values yet." }</span>
                    }
                </div>
            }
            { table(props, &summaries, missing.is_some()) }
        </div>
    }
}

/// The values as a table, which is seen only where the chart is not.
fn table(props: &ChartProps, summaries: &[Summary], is_seen: bool) -> Html {
    let cell = |of: &Summary, value: Option<f64>| html! { <td>{ read(value, of.value_kind, &props.unit) }</td> };
    html! {
        <div class={if is_seen { "chart-values" } else { "chart-values chart-unseen" }}>
            <table>
                <caption>{ &props.label }</caption>
                <thead>
                    <tr>
                        { for ["Series", "Latest", "Min", "Max"].map(|it| html! { <th scope="col">{ it }</th> }) }
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

/// One series in numbers; none if it has no values.
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
fn in_words(label: &str, unit: &str, summaries: &[Summary]) -> String {
    let mut words = match unit {
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
        words.push_str(&match (latest, max) {
            (Some(_), Some(_)) => format!(
                " {name}: latest {}, max {}.",
                bare(*latest, *value_kind, unit),
                bare(*max, *value_kind, unit)
            ),
            (_, None) | (None, _) => format!(" {name}: no values yet."),
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(names: &[&str]) -> Vec<SeriesSpec> {
        names.iter().map(|name| SeriesSpec::new(*name, 0)).collect()
    }

    #[test]
    fn a_series_is_told_by_its_latest_and_its_max() {
        let data = ChartData {
            x: vec![1.0, 2.0, 3.0],
            series: vec![vec![3.0, 30.0, f64::NAN], vec![f64::NAN]],
        };
        let summaries = summaries(&spec(&["received", "sent", "none"]), &data);
        assert_eq!(
            in_words("Throughput", "messages/s", &summaries),
            "Throughput, in messages/s. received: latest 30, max 30. sent: no values yet. none: no values yet."
        );
        assert_eq!(summaries[0].min, Some(3.0));
        assert_eq!(in_words("Numbers on a", "", &[]), "Numbers on a.");
    }

    #[test]
    fn a_chart_is_the_same_while_its_values_are_in_the_same_place() {
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

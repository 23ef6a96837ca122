//! Lines over time, and the same in words for those who do not see them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use tabmq_worker::Frame;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{CssStyleDeclaration, HtmlElement, MediaQueryList, ResizeObserver, Window};
use yew::prelude::*;

use crate::browser::uplot::{self, Labels, Line, Plot, Shape, Size, Style};
use crate::browser::{dom, time};
use crate::labels;

/// Height in pixels of the style sheet, without the legend.
const HEIGHT: u32 = 200;

/// Colours that the style sheet has for lines.
const COLOURS: u8 = 8;

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

/// Why there is nothing to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// uPlot's script is not there, or ended with an error.
    NotLoaded,
    /// uPlot is there and cannot draw.
    Failed,
}

/// What a plot is made for; another kind takes another plot.
#[derive(Clone, Debug, PartialEq)]
struct PlotSpec {
    series: Rc<[SeriesSpec]>,
    unit: AttrValue,
    is_logarithmic: bool,
}

/// A chart in the page. It ends with this.
struct PlotHandle {
    shared: Rc<Shared>,
    /// Anything that may change how it looks: the width, the colours, uPlot that is loaded at last.
    on_change: Closure<dyn Fn()>,
    width: Option<ResizeObserver>,
    scheme: Option<MediaQueryList>,
    window: Option<Window>,
}

struct Shared {
    place: HtmlElement,
    spec: PlotSpec,
    frame: Frame,
    data: Rc<RefCell<Rc<ChartData>>>,
    drawn: RefCell<Option<Drawn>>,
    missing: Box<dyn Fn(Missing)>,
    is_given_up: Cell<bool>,
}

/// What is there to see.
struct Drawn {
    plot: Plot,
    style: Style,
    size: Size,
    data: Rc<ChartData>,
}

impl PlotHandle {
    /// `missing` is called if there will be nothing to see.
    fn new(place: HtmlElement, spec: PlotSpec, missing: impl Fn(Missing) + 'static) -> Self {
        let shared = Rc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                place,
                spec,
                frame: Frame::new(move || {
                    if let Some(shared) = weak.upgrade() {
                        shared.draw();
                    }
                }),
                data: Rc::default(),
                drawn: RefCell::new(None),
                missing: Box::new(missing),
                is_given_up: Cell::new(false),
            }
        });
        let looking = Rc::downgrade(&shared);
        let on_change = Closure::<dyn Fn()>::new(move || {
            if let Some(shared) = looking.upgrade() {
                shared.frame.ask();
            }
        });
        let callback = on_change.as_ref().unchecked_ref();
        // Whatever is not there is not listened to; the chart is drawn all the same.
        let width = ResizeObserver::new(callback).ok();
        if let Some(width) = &width {
            width.observe(&shared.place);
        }
        let window = web_sys::window();
        let scheme = window
            .as_ref()
            .and_then(|it| it.match_media("(prefers-color-scheme: dark)").ok()?);
        if let Some(scheme) = &scheme {
            let _ = scheme.add_event_listener_with_callback("change", callback);
        }
        if let Some(window) = &window {
            let _ = window.add_event_listener_with_callback("load", callback);
        }
        shared.frame.ask();
        Self {
            shared,
            on_change,
            width,
            scheme,
            window,
        }
    }

    fn show(&self, data: Rc<ChartData>) {
        self.shared.data.replace(data);
        self.shared.frame.ask();
    }
}

impl Drop for PlotHandle {
    fn drop(&mut self) {
        let callback = self.on_change.as_ref().unchecked_ref();
        if let Some(width) = &self.width {
            width.disconnect();
        }
        if let Some(scheme) = &self.scheme {
            let _ = scheme.remove_event_listener_with_callback("change", callback);
        }
        if let Some(window) = &self.window {
            let _ = window.remove_event_listener_with_callback("load", callback);
        }
    }
}

impl Shared {
    /// Makes what is there to see what it should be.
    fn draw(&self) {
        let width = u32::try_from(self.place.client_width()).unwrap_or(0);
        if width == 0 || self.is_given_up.get() {
            return;
        }
        let size = Size {
            width,
            height: HEIGHT,
        };
        let style = self.style();
        let data = Rc::clone(&self.data.borrow());
        let mut drawn = self.drawn.borrow_mut();
        if drawn.as_ref().is_none_or(|it| it.style != style) {
            // One after the other, or both would be in the page.
            drop(drawn.take());
            *drawn = self.begin(size, style);
        }
        let Some(drawn) = &mut *drawn else {
            return;
        };
        if drawn.size != size {
            drawn.plot.resize(size);
            drawn.size = size;
        }
        if !Rc::ptr_eq(&drawn.data, &data) {
            drawn.plot.show(&data.x, &data.series);
            drawn.data = data;
        }
    }

    /// A plot without values yet, or nothing if uPlot is not there.
    fn begin(&self, size: Size, style: Style) -> Option<Drawn> {
        let plot = uplot::is_loaded().then(|| {
            let lines = self.spec.series.iter().map(SeriesSpec::line);
            let is_logarithmic = self.spec.is_logarithmic;
            Plot::new(
                &self.place,
                lines,
                size,
                is_logarithmic,
                &style,
                self.words(),
            )
        });
        match plot {
            Some(Some(plot)) => Some(Drawn {
                plot,
                style,
                size,
                data: Rc::default(),
            }),
            // It is still on its way, and the window's load event will tell.
            None if dom::is_loading() => None,
            nothing => {
                self.is_given_up.set(true);
                (self.missing)(match nothing {
                    Some(_) => Missing::Failed,
                    None => Missing::NotLoaded,
                });
                None
            }
        }
    }

    fn style(&self) -> Style {
        let window = web_sys::window();
        let style = window.and_then(|it| it.get_computed_style(&self.place).ok().flatten());
        let value = |name: &str| {
            let value = |style: &CssStyleDeclaration| style.get_property_value(name).ok();
            let value = style.as_ref().and_then(value).unwrap_or_default();
            value.trim().to_owned()
        };
        let colours = self.spec.series.iter();
        Style {
            ink: value("--ink-soft"),
            grid: value("--line"),
            font: font(&value("font-size"), &value("font-family")),
            colours: colours
                .map(|it| value(&format!("--colour-{}", it.colour % COLOURS)))
                .collect(),
        }
    }

    fn words(&self) -> Labels {
        let unit = self.spec.unit.clone();
        let tick_unit = unit.clone();
        let data = Rc::clone(&self.data);
        let series = Rc::clone(&self.spec.series);
        Labels {
            value_tick: Box::new(move |value| tick(value, &tick_unit)),
            time_tick: Box::new(time_tick),
            // Without a pointer, the legend tells what is the latest.
            legend: Box::new(move |line, moment| {
                let data = data.borrow();
                let moment = moment.or(data.x.len().checked_sub(1));
                let at = |values: &Vec<f64>| values.get(moment?).copied();
                match line.checked_sub(1) {
                    None => at(&data.x).map_or(NONE.to_owned(), |it| time_tick(it, 1.0)),
                    Some(line) => {
                        let value_kind = series
                            .get(line)
                            .map_or(ValueKind::Number, |it| it.value_kind);
                        read(data.series.get(line).and_then(at), value_kind, &unit)
                    }
                }
            }),
        }
    }
}

/// In whole pixels: of `11.25px` uPlot would make `11.50px` for a screen that is twice as fine.
fn font(size: &str, family: &str) -> String {
    let pixels = size.strip_suffix("px").and_then(|it| it.parse().ok());
    format!("{:.0}px {family}", pixels.unwrap_or(12.0))
}

/// The unit that is told in thousands and millions.
const BYTES: &str = "B";

/// The unit that has one digit behind the point.
const PERCENT: &str = "%";

/// What takes the place of a value that is not there.
const NONE: &str = "–";

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

/// A value without its unit, which was said before.
fn bare(value: Option<f64>, value_kind: ValueKind, unit: &str) -> String {
    match (value_kind, unit, value) {
        (ValueKind::Number, BYTES | "", _) | (ValueKind::OnOff, ..) | (.., None) => {
            read(value, value_kind, "")
        }
        (ValueKind::Number, _, Some(value)) => number(value),
    }
}

/// A value where there is room.
fn read(value: Option<f64>, value_kind: ValueKind, unit: &str) -> String {
    match (value_kind, value) {
        (ValueKind::OnOff, Some(value)) if value.is_finite() => {
            labels::payload::on_or_off(value != 0.0).to_owned()
        }
        (ValueKind::OnOff | ValueKind::Number, value) => with_unit(value, unit),
    }
}

/// A value where there is room, thousands set apart, with its unit. What has none is measured by somebody else, and stays
/// as exact as it came; of our own figures four digits count.
fn with_unit(value: Option<f64>, unit: &str) -> String {
    match (value.filter(|it| it.is_finite()), unit) {
        (None, _) => NONE.to_owned(),
        (Some(value), "") => exact(value),
        (Some(value), PERCENT) => format!("{} {PERCENT}", grouped(&format!("{value:.1}"))),
        (Some(value), BYTES) => {
            let (value, prefix) = with_prefix(value);
            format!("{} {prefix}B", number(value))
        }
        (Some(value), unit) => format!("{} {unit}", number(value)),
    }
}

/// A value at its axis, where there is little room: to its last digit, because its neighbours may differ in no other.
fn tick(value: f64, unit: &str) -> String {
    let (scaled, prefix) = match value.abs() {
        0.0..10_000.0 if unit != BYTES => (value, ""),
        _ => with_prefix(value),
    };
    // Without what the division leaves behind.
    let scaled = (scaled * 1e9).round() / 1e9;
    match unit {
        BYTES => format!("{scaled} {prefix}B"),
        _ => format!("{scaled}{prefix}"),
    }
}

fn with_prefix(value: f64) -> (f64, &'static str) {
    match value.abs() {
        1e12.. => (value / 1e12, "T"),
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (value, ""),
    }
}

/// A number with four digits that count, or all of those before its point.
fn number(value: f64) -> String {
    let places = match value.abs() {
        1e15.. => return format!("{value:.3e}"),
        1_000.0.. | 0.0 => 0,
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        0.001.. => 4,
        _ => return format!("{value:.3e}"),
    };
    grouped(&format!("{value:.places$}"))
}

/// A number with all its digits, if they are not many more than anybody measures.
fn exact(value: f64) -> String {
    const DIGITS_MAX: usize = 12;
    let digits = value.to_string();
    if digits.len() <= DIGITS_MAX {
        grouped(&digits)
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        grouped(&format!("{value:.0}"))
    } else {
        number(value)
    }
}

/// Decimal digits with their thousands set apart, and without zeros at their end.
fn grouped(digits: &str) -> String {
    let (sign, unsigned) = match digits.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", digits),
    };
    let (whole, rest) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = labels::count(whole.parse().unwrap_or_default());
    match rest.trim_end_matches('0') {
        "" if whole == "0" => whole,
        "" => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{rest}"),
    }
}

/// A moment, as exact as the next one is near: `14:03`, `14:03:07`, `14:03:07.250`.
fn time_tick(seconds: f64, step: f64) -> String {
    let mut time = time::time_of_day((seconds * 1e3).max(0.0).round() as u64);
    if step >= 60.0 {
        time.truncate("14:03".len());
    } else if step >= 1.0 {
        time.truncate("14:03:07".len());
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(names: &[&str]) -> Vec<SeriesSpec> {
        names.iter().map(|name| SeriesSpec::new(*name, 0)).collect()
    }

    #[test]
    fn numbers_have_four_digits_that_count() {
        for (value, shown) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.000_012_34, "1.234e-5"),
            (0.012_345, "0.0123"),
            (1.5, "1.5"),
            (21.456, "21.46"),
            (1_013.25, "1,013"),
            (-1_234_567.8, "-1,234,568"),
            (999.96, "1,000"),
            (2e15, "2.000e15"),
        ] {
            assert_eq!(number(value), shown, "{value}");
        }
    }

    #[test]
    fn a_font_is_of_whole_pixels() {
        assert_eq!(font("11.25px", "serif"), "11px serif");
        assert_eq!(font("", "serif"), "12px serif");
    }

    #[test]
    fn a_value_has_its_unit_and_a_gap_has_none() {
        assert_eq!(with_unit(Some(12_345.6), "messages/s"), "12,346 messages/s");
        assert_eq!(with_unit(Some(5_123_456.0), "B"), "5.123 MB");
        assert_eq!(with_unit(Some(7.0), ""), "7");
        assert_eq!(with_unit(Some(f64::NAN), "ms"), NONE);
        assert_eq!(with_unit(None, "ms"), NONE);
    }

    #[test]
    fn what_came_in_a_message_is_as_exact_as_it_came() {
        for (value, shown) in [
            (1_013.25, "1,013.25"),
            (-0.0, "0"),
            (-1_234_567.5, "-1,234,567.5"),
            (1_796_000_000_000.0, "1,796,000,000,000"),
            (0.1 + 0.2, "0.3"),
            (1e300, "1.000e300"),
        ] {
            assert_eq!(with_unit(Some(value), ""), shown);
        }
        assert_eq!(with_unit(Some(0.9777), "%"), "1 %");
        assert_eq!(with_unit(Some(12.34), "%"), "12.3 %");
    }

    #[test]
    fn what_is_on_or_off_is_read_so() {
        assert_eq!(read(Some(1.0), ValueKind::OnOff, ""), "on");
        assert_eq!(read(Some(0.0), ValueKind::OnOff, ""), "off");
        assert_eq!(read(Some(f64::NAN), ValueKind::OnOff, ""), NONE);
    }

    #[test]
    fn ticks_that_are_near_each_other_differ() {
        assert_eq!(tick(1_013.25, ""), "1013.25");
        assert_eq!(tick(1_013.5, ""), "1013.5");
        assert_eq!(tick(12_500.0, "messages/s"), "12.5k");
        assert_eq!(tick(-2_000_000.0, ""), "-2M");
        assert_eq!(tick(1_500.0, "B"), "1.5 kB");
        assert_eq!(tick(0.0, "B"), "0 B");
        assert_eq!(tick(f64::NAN, ""), "NaN");
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

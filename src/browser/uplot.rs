//! The app's interface to uPlot, which draws lines over time into a canvas. index.html loads its script.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use crate::labels;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = uPlot)]
    type UPlot;

    #[wasm_bindgen(constructor, js_class = "uPlot", catch)]
    fn new(options: &Object, data: &Array, place: &HtmlElement) -> Result<UPlot, JsValue>;

    #[wasm_bindgen(method, js_name = setData, catch)]
    fn set_data(this: &UPlot, data: &Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, js_name = setSize, catch)]
    fn set_size(this: &UPlot, size: &Object) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn destroy(this: &UPlot) -> Result<(), JsValue>;
}

/// The colours and font of a plot as plain values, because a canvas knows no custom properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Colour of the numbers at the axes.
    pub(crate) ink: String,
    pub(crate) grid: String,
    pub(crate) font: String,
    /// Colours of the series, in their order.
    pub(crate) colours: Vec<String>,
}

/// The appearance of one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: Shape,
    pub(crate) scale: Scale,
}

/// The scale of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The scale with the axis of numbers.
    Shared,
    /// A scale without an axis: the line takes the whole height.
    Own,
    /// The scale with the axis that reads off and on.
    OnOff,
}

impl Scale {
    /// Its name for uPlot, for the line with this index; `None`: uPlot's default.
    fn name(self, index: usize) -> Option<String> {
        match self {
            Self::Shared => None,
            Self::Own => Some(format!("own-{index}")),
            Self::OnOff => Some(ON_OFF.to_owned()),
        }
    }
}

/// The name of the scale of lines that are on or off.
const ON_OFF: &str = "on-off";

/// How a line goes from one value to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Straight,
    /// Keeps a value until the next one.
    Steps,
}

/// Width of the widest label at the axis of time plus a gap, in heights of a letter.
const TIME_LETTERS: u32 = 8;

/// Time that is shown before and after a single moment, in seconds.
const MARGIN_S: f64 = 30.0;

/// Width and height in CSS pixels, without the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Functions that format numbers as labels.
pub(crate) struct Labels {
    /// For the axis of values.
    pub(crate) value_tick: Box<dyn Fn(f64) -> String>,
    /// For the axis of time: Unix seconds, and the seconds between two ticks.
    pub(crate) time_tick: Box<dyn Fn(f64, f64) -> String>,
    /// For the legend: the series, where 0 is the time, and the index of the moment under the pointer.
    pub(crate) legend: Box<dyn Fn(usize, Option<usize>) -> String>,
}

/// A plot in the page, which its drop removes.
pub(crate) struct Plot {
    uplot: UPlot,
    series: usize,
    callbacks: Option<Callbacks>,
}

/// The functions that uPlot calls.
struct Callbacks {
    value_ticks: Closure<ValueTicks>,
    time_ticks: Closure<TimeTicks>,
    legend: Closure<Legend>,
    time_range: Closure<TimeRange>,
}

type TimeRange = dyn Fn(JsValue, JsValue, JsValue) -> Array;
type ValueTicks = dyn Fn(JsValue, Array) -> Array;
type TimeTicks = dyn Fn(JsValue, Array, JsValue, JsValue, JsValue) -> Array;
type Legend = dyn Fn(JsValue, JsValue, JsValue, JsValue) -> String;

/// Whether uPlot's script has run.
pub(crate) fn is_loaded() -> bool {
    Reflect::get(&js_sys::global(), &"uPlot".into()).is_ok_and(|it| it.is_function())
}

impl Plot {
    /// Draws these lines into `place`; `None` if uPlot fails.
    pub(crate) fn new<'a>(
        place: &HtmlElement,
        lines: impl ExactSizeIterator<Item = Line<'a>> + Clone,
        size: Size,
        is_logarithmic: bool,
        style: &Style,
        labels: Labels,
    ) -> Option<Self> {
        let callbacks = Callbacks::of(labels);
        let count = lines.len();
        let options = options(lines, size, is_logarithmic, style, &callbacks);
        let uplot = UPlot::new(&options, &table(&[], &[], count), place).ok()?;
        Some(Self {
            uplot,
            series: count,
            callbacks: Some(callbacks),
        })
    }

    /// Draws these values: for each of the ascending Unix seconds, one value of each series. NaN is a gap.
    pub(crate) fn show(&self, seconds: &[f64], series: &[Vec<f64>]) {
        // After a failure the previous values stay visible.
        let _ = self.uplot.set_data(&table(seconds, series, self.series));
    }

    pub(crate) fn resize(&self, size: Size) {
        let _ = self.uplot.set_size(&object([
            ("width", size.width.into()),
            ("height", size.height.into()),
        ]));
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        // The page does not use it again, even if this fails.
        let _ = self.uplot.destroy();
        // uPlot draws in a microtask, and a pending one still calls these functions.
        let callbacks = self.callbacks.take();
        yew::platform::spawn_local(async move { drop(callbacks) });
    }
}

impl Callbacks {
    fn of(labels: Labels) -> Self {
        let Labels {
            value_tick,
            time_tick,
            legend,
        } = labels;
        Self {
            value_ticks: Closure::new(move |_uplot, ticks: Array| each_number(&ticks, &value_tick)),
            time_ticks: Closure::new(move |_uplot, ticks: Array, _axis, _space, step: JsValue| {
                let step = step.as_f64().unwrap_or(1.0);
                each_number(&ticks, |seconds| time_tick(seconds, step))
            }),
            legend: Closure::new(move |_uplot, _value, series: JsValue, moment: JsValue| {
                let series = index(&series).unwrap_or(0);
                legend(series, index(&moment))
            }),
            time_range: Closure::new(|_uplot, from: JsValue, to: JsValue| {
                match (from.as_f64(), to.as_f64()) {
                    // uPlot would show a whole day after a single moment.
                    (Some(from), Some(to)) if from >= to => {
                        Array::of2(&(to - MARGIN_S).into(), &(to + MARGIN_S).into())
                    }
                    _ => Array::of2(&from, &to),
                }
            }),
        }
    }
}

/// Formats each tick. uPlot marks ticks to leave out at a logarithmic axis with null.
fn each_number(ticks: &Array, word: impl Fn(f64) -> String) -> Array {
    let labels = ticks.iter().map(|tick| match tick.as_f64() {
        Some(tick) => word(tick).into(),
        None => JsValue::NULL,
    });
    labels.collect()
}

fn index(value: &JsValue) -> Option<usize> {
    value.as_f64().map(|number| number as usize)
}

fn options<'a>(
    lines: impl Iterator<Item = Line<'a>> + Clone,
    size: Size,
    is_logarithmic: bool,
    style: &Style,
    callbacks: &Callbacks,
) -> Object {
    let legend = callbacks.legend.as_ref();
    let time = object([("label", "time".into()), ("value", legend.clone())]);
    let series = lines.clone().zip(&style.colours).enumerate();
    let series = series.map(|(index, (line, colour))| {
        let series = object([
            ("label", line.name.into()),
            ("stroke", colour.into()),
            ("width", 1.5.into()),
            ("value", legend.clone()),
        ]);
        if let Some(scale) = line.scale.name(index) {
            set(&series, "scale", &scale.into());
        }
        if line.shape == Shape::Steps
            && let Some(steps) = steps()
        {
            set(&series, "paths", &steps);
        }
        series
    });
    let series: Array = std::iter::once(time).chain(series).collect();
    let axis = |values: &JsValue, room: u32| {
        let lines = || object([("stroke", style.grid.as_str().into()), ("width", 1.into())]);
        object([
            ("stroke", style.ink.as_str().into()),
            ("font", style.font.as_str().into()),
            ("grid", lines().into()),
            ("ticks", lines().into()),
            ("size", room.into()),
            ("values", values.clone()),
        ])
    };
    let times = axis(callbacks.time_ticks.as_ref(), 32);
    // The least distance between two labels, so that they do not overlap.
    let letter = style.font.split("px").next().and_then(|it| it.parse().ok());
    set(
        &times,
        "space",
        &(letter.unwrap_or(12) * TIME_LETTERS).into(),
    );
    let axes = Array::of1(&times);
    let has = |scale: Scale| lines.clone().any(|it| it.scale == scale);
    let has_numbers = has(Scale::Shared) || !has(Scale::OnOff);
    if has_numbers {
        axes.push(&axis(callbacks.value_ticks.as_ref(), 64));
    }
    if has(Scale::OnOff) {
        let ticks = [false, true].map(|it| JsValue::from(labels::payload::on_or_off(it)));
        let on_off = axis(&ticks.into_iter().collect::<Array>(), 40);
        set(&on_off, "scale", &ON_OFF.into());
        set(&on_off, "splits", &Array::of2(&0.into(), &1.into()));
        if has_numbers {
            // Sides are numbered clockwise from the top. The grid belongs to the numbers.
            set(&on_off, "side", &1.into());
            set(&on_off, "grid", &object([("show", false.into())]));
        }
        axes.push(&on_off);
    }
    // 1 is linear, 3 logarithmic.
    let distribution = if is_logarithmic { 3 } else { 1 };
    let time_range = callbacks.time_range.as_ref();
    let scales = object([
        ("x", object([("range", time_range.clone())]).into()),
        ("y", object([("distr", distribution.into())]).into()),
    ]);
    for (index, line) in lines.enumerate() {
        let Some(name) = line.scale.name(index) else {
            continue;
        };
        let scale = Object::new();
        if line.scale == Scale::OnOff {
            // A margin between the line and the edges of the chart.
            set(&scale, "range", &Array::of2(&(-0.05).into(), &1.05.into()));
        }
        set(&scales, &name, &scale);
    }
    // No dragging: the chart advances by itself.
    let drag = object([("x", false.into()), ("y", false.into())]);
    object([
        ("width", size.width.into()),
        ("height", size.height.into()),
        ("series", series.into()),
        ("axes", axes.into()),
        ("scales", scales.into()),
        ("cursor", object([("drag", drag.into())]).into()),
    ])
}

/// uPlot's data: the moments and each series, all of one length.
fn table(seconds: &[f64], series: &[Vec<f64>], count: usize) -> Array {
    let number = |value: Option<&f64>| match value {
        Some(value) if value.is_finite() => JsValue::from_f64(*value),
        Some(_) | None => JsValue::NULL,
    };
    let moments: Array = seconds.iter().map(|it| number(Some(it))).collect();
    let table = Array::of1(&moments);
    for line in 0..count {
        let values = series.get(line);
        let column: Array = (0..seconds.len())
            .map(|row| number(values.and_then(|values| values.get(row))))
            .collect();
        table.push(&column);
    }
    table
}

/// uPlot's function that draws steps.
fn steps() -> Option<JsValue> {
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok();
    let paths = get(&get(&js_sys::global(), "uPlot")?, "paths")?;
    let stepped: js_sys::Function = get(&paths, "stepped")?.dyn_into().ok()?;
    let options = object([("align", 1.into())]);
    stepped.call1(&JsValue::UNDEFINED, &options).ok()
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // A new object takes every property.
    let _ = Reflect::set(object, &name.into(), value);
}

fn object<const N: usize>(entries: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in entries {
        set(&object, name, &value);
    }
    object
}

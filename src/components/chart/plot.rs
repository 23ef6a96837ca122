//! The plot of a chart in the page: drawn again when its values, its width or the colours change.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use tabmq_worker::AnimationFrame;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{CssStyleDeclaration, HtmlElement, MediaQueryList, ResizeObserver, Window};
use yew::prelude::*;

use super::figures::{NONE, read, tick, time_tick};
use super::{ChartData, SeriesSpec, ValueKind};
use crate::browser::dom;
use crate::browser::uplot::{self, Labels, Plot, Size, Style};

/// Height in CSS pixels, without the legend.
pub(super) const HEIGHT: u32 = 200;

/// Number of colours for lines in the style sheet.
const COLOURS: u8 = 8;

/// Why there is no plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// uPlot's script is missing, or ended with an error.
    NotLoaded,
    /// uPlot is loaded and cannot draw.
    Failed,
}

/// The fixed part of a plot. Another `PlotSpec` needs another plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlotSpec {
    pub(super) series: Rc<[SeriesSpec]>,
    pub(super) unit: AttrValue,
    pub(super) is_logarithmic: bool,
}

/// A plot in the page, which its drop removes.
pub(super) struct PlotHandle {
    shared: Rc<Shared>,
    /// Called after a change of the width or the colours, and after uPlot is loaded.
    on_change: Closure<dyn Fn()>,
    width: Option<ResizeObserver>,
    scheme: Option<MediaQueryList>,
    window: Option<Window>,
}

struct Shared {
    place: HtmlElement,
    spec: PlotSpec,
    frame: AnimationFrame,
    data: Rc<RefCell<Rc<ChartData>>>,
    drawn: RefCell<Option<Drawn>>,
    missing: Box<dyn Fn(Missing)>,
    is_given_up: Cell<bool>,
}

/// The plot as it is drawn.
struct Drawn {
    plot: Plot,
    style: Style,
    size: Size,
    data: Rc<ChartData>,
}

impl PlotHandle {
    /// Calls `missing` if there will be no plot.
    pub(super) fn new(
        place: HtmlElement,
        spec: PlotSpec,
        missing: impl Fn(Missing) + 'static,
    ) -> Self {
        let shared = Rc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            Shared {
                place,
                spec,
                frame: AnimationFrame::new(move || {
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
        // The chart works without a listener that the browser lacks.
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

    pub(super) fn show(&self, data: Rc<ChartData>) {
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
    /// Updates the drawn plot to the wanted one.
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
            // The old plot goes first. Otherwise both would be in the page.
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

    /// A plot without values; `None` if uPlot is not loaded or fails.
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
                self.labels(),
            )
        });
        match plot {
            Some(Some(plot)) => Some(Drawn {
                plot,
                style,
                size,
                data: Rc::default(),
            }),
            // The script is still loading. The window's load event will draw again.
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

    fn labels(&self) -> Labels {
        let unit = self.spec.unit.clone();
        let tick_unit = unit.clone();
        let data = Rc::clone(&self.data);
        let series = Rc::clone(&self.spec.series);
        Labels {
            value_tick: Box::new(move |value| tick(value, &tick_unit)),
            time_tick: Box::new(time_tick),
            // Without a pointer, the legend shows the latest values.
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

/// A font in whole pixels: uPlot would turn `11.25px` into `11.50px` on a screen of double resolution.
fn font(size: &str, family: &str) -> String {
    let pixels = size.strip_suffix("px").and_then(|it| it.parse().ok());
    format!("{:.0}px {family}", pixels.unwrap_or(12.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_font_has_whole_pixels() {
        assert_eq!(font("11.25px", "serif"), "11px serif");
        assert_eq!(font("", "serif"), "12px serif");
    }
}

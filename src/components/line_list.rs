//! A virtual list of text lines: only visible lines exist in the page.

use std::cell::Cell;
use std::rc::Rc;

use tabmq_worker::AnimationFrame;
use web_sys::{Element, HtmlElement};
use yew::prelude::*;

use crate::browser::dom;

/// Lines that are drawn above and below the visible ones, so that a quick scroll shows no gap.
const MARGIN: usize = 20;

/// Lines that are drawn before the browser's layout is known.
const FIRST_LINES: usize = 20;

/// Characters whose width is measured.
const PROBE: &str = "00000000000000000000";

#[derive(PartialEq, Properties)]
pub(super) struct LineListProps {
    pub(super) label: AttrValue,
    pub(super) testid: AttrValue,
    pub(super) len: usize,
    /// The text of a line, without a line break.
    pub(super) line: Callback<usize, Html>,
    /// Called with the number of characters that fit in a line.
    #[prop_or_default]
    pub(super) oncolumns: Callback<usize>,
}

/// Height of a line in heights of its letters.
const LINE_HEIGHT: f64 = 1.45;

/// Measurements of the browser's layout.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    first: usize,
    lines: usize,
    /// Height of a line in whole CSS pixels: the browser rounds other heights, and differently at the end of a long list.
    line_height: usize,
}

#[component]
pub(super) fn LineList(props: &LineListProps) -> Html {
    let list = use_node_ref();
    let probe = use_node_ref();
    let window = use_state(|| Window {
        first: 0,
        lines: FIRST_LINES,
        line_height: 20,
    });
    let measure = use_measure(&list, &probe, &window, &props.oncolumns);
    let onscroll = Callback::from(move |_: Event| measure.ask());
    let first = window.first.saturating_sub(MARGIN).min(props.len);
    let end = (window.first + window.lines + MARGIN).min(props.len);
    let height = window.line_height;
    html! {
        <div
            ref={list}
            class="payload lines"
            role="group"
            aria-label={&props.label}
            tabindex="0"
            {onscroll}
            data-testid={&props.testid}
            data-lines={props.len.to_string()}
        >
            <span ref={probe} class="lines-probe" aria-hidden="true" data-text={PROBE} />
            <div class="lines-space" style={format!("height:{}px", props.len * height)}>
                <div class="lines-drawn" style={format!("transform:translateY({}px);--line-height:{height}px", first * height)}>
                    { for (first..end).map(|index| html! {
                        <div class="line" key={index}>{ props.line.emit(index) }</div>
                    }) }
                </div>
            </div>
        </div>
    }
}

/// Reads the layout in the frame after a request, and after each change of the list's size.
#[hook]
fn use_measure(
    list: &NodeRef,
    probe: &NodeRef,
    window: &UseStateHandle<Window>,
    oncolumns: &Callback<usize>,
) -> Rc<AnimationFrame> {
    let set = window.setter();
    let latest = use_mut_ref(|| oncolumns.clone());
    latest.replace(oncolumns.clone());
    let frame = {
        let (list, probe) = (list.clone(), probe.clone());
        use_memo((), move |()| {
            let last = Cell::new(None);
            let last_columns = Cell::new(0);
            AnimationFrame::new(move || {
                let Some((list, probe)) = list.cast::<HtmlElement>().zip(probe.cast::<Element>())
                else {
                    return;
                };
                let Some(line_height) = line_height(&list) else {
                    return;
                };
                let lines = |pixels: i32| usize::try_from(pixels).unwrap_or(0) / line_height;
                let now = Window {
                    first: lines(list.scroll_top()),
                    lines: lines(list.client_height()) + 2,
                    line_height,
                };
                if last.replace(Some(now)) != Some(now) {
                    set.set(now);
                }
                // The list has padding on both sides.
                let width = f64::from(list.client_width()) - 2.0 * line_height as f64;
                let letters = probe.get_bounding_client_rect().width();
                let columns = whole(width / letters * PROBE.len() as f64);
                let is_measured = columns > 0 && letters > 0.0;
                if is_measured && last_columns.replace(columns) != columns {
                    let oncolumns = latest.borrow().clone();
                    oncolumns.emit(columns);
                }
            })
        })
    };
    dom::use_size(list, &frame);
    frame
}

fn line_height(list: &HtmlElement) -> Option<usize> {
    let style = web_sys::window()?.get_computed_style(list).ok()??;
    let letters = style.get_property_value("font-size").ok()?;
    let letters: f64 = letters.strip_suffix("px")?.parse().ok()?;
    Some(whole((letters * LINE_HEIGHT).round())).filter(|it| *it > 0)
}

/// Rounded down.
fn whole(number: f64) -> usize {
    number.max(0.0) as usize
}

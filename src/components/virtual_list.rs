//! A virtual list: only visible rows exist in the page, and a held list does not move.

use tabmq_worker::AnimationFrame;
use tabmq_worker::hooks::use_redraw;
use web_sys::HtmlElement;
use yew::prelude::*;

use crate::browser::dom;
use crate::labels;

/// Rows that are drawn above and below the visible ones, so that a quick scroll shows no gap.
const MARGIN: usize = 20;

/// Most new rows in one frame. A whole screen of new rows at once would block the page for too long.
const STEP: usize = 8;

/// Widths in CSS pixels below which rows have two lines: of a list, which names whole topics, and of a tree, which names levels.
const NARROW: i32 = 560;
const NARROW_TREE: i32 = 400;

/// Height of a row in CSS pixels, of one line and of two.
const ROW_HEIGHTS: [usize; 2] = [32, 54];

/// The ARIA role of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListRole {
    /// One of its options can be selected.
    ListBox,
    /// Rows can have rows below them.
    Tree,
}

#[derive(PartialEq, Properties)]
pub(super) struct VirtualListProps {
    pub(super) role: ListRole,
    pub(super) label: AttrValue,
    pub(super) testid: AttrValue,
    pub(super) len: usize,
    /// Grows by one for each new row on top, so that visible rows stay in place.
    #[prop_or_default]
    pub(super) added: u64,
    pub(super) selected: Option<usize>,
    /// The id that `row` gives to the selected row's element.
    #[prop_or_default]
    pub(super) selected_id: Option<AttrValue>,
    pub(super) onselect: Callback<Option<usize>>,
    /// Called for keys that do not move the selection.
    #[prop_or_default]
    pub(super) onkey: Callback<KeyboardEvent>,
    /// Number of new rows since the list was held.
    #[prop_or_default]
    pub(super) new_rows: u64,
    /// Called with whether to hold the list, because the pointer is in it or it is scrolled, before a row can move.
    #[prop_or_default]
    pub(super) onhold: Callback<bool>,
    /// Called to show the new rows.
    #[prop_or_default]
    pub(super) onresume: Callback<()>,
    /// Draws a row.
    pub(super) row: Callback<usize, Html>,
    /// Content after the last row.
    #[prop_or_default]
    pub(super) children: Html,
}

/// Measurements of the browser's layout.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    first: usize,
    rows: usize,
    is_narrow: bool,
    is_at_top: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            first: 0,
            rows: 0,
            is_narrow: false,
            is_at_top: true,
        }
    }
}

#[component]
pub(super) fn VirtualList(props: &VirtualListProps) -> Html {
    let list = use_node_ref();
    let window = use_state(Window::default);
    let narrow = match props.role {
        ListRole::ListBox => NARROW,
        ListRole::Tree => NARROW_TREE,
    };
    let measure = use_measure(&list, &window, narrow);
    let height = ROW_HEIGHTS[usize::from(window.is_narrow)];
    let hold = use_hold(&props.onhold, window.is_at_top);
    let on_scroll = {
        let (list, hold) = (list.clone(), hold.clone());
        Callback::from(move |_: Event| {
            measure.ask();
            let top = list.cast::<HtmlElement>().map_or(0, |it| it.scroll_top());
            if top > 0 {
                hold.emit(Touch::Scrolled);
            }
        })
    };
    // The button ignores clicks if it appears under a resting pointer, because such a click is meant for the row.
    let is_armed = use_state_eq(|| true);
    let is_shown = props.new_rows > 0;
    let on_pointer = {
        let (list, hold, is_armed) = (list.clone(), hold.clone(), is_armed.setter());
        Callback::from(move |event: PointerEvent| {
            hold.emit(Touch::Pointed);
            let top = list.cast::<web_sys::Element>();
            let top = top.and_then(|it| dom::top_of(&it)).unwrap_or_default();
            let is_on_first = f64::from(event.client_y()) - top < height as f64;
            if !(is_on_first && is_shown) {
                is_armed.set(!is_on_first);
            }
        })
    };
    let on_leave = {
        let (hold, is_armed) = (hold.clone(), is_armed.setter());
        Callback::from(move |_: PointerEvent| {
            hold.emit(Touch::Left);
            is_armed.set(true);
        })
    };
    let on_resume = {
        let (list, hold, resume) = (list.clone(), hold.clone(), props.onresume.clone());
        Callback::from(move |_: MouseEvent| {
            if let Some(list) = list.cast::<HtmlElement>() {
                list.set_scroll_top(0);
                // The button had the focus and is gone.
                let _ = list.focus();
            }
            hold.emit(Touch::Resumed);
            resume.emit(());
        })
    };
    use_anchor(&list, props.added, height, window.is_at_top);
    use_in_sight(&list, props.selected, props.selected_id.as_ref(), height);

    let on_key = {
        let (len, selected) = (props.len, props.selected);
        let page_rows = window.rows.max(2) - 1;
        let (select, other) = (props.onselect.clone(), props.onkey.clone());
        Callback::from(move |event: KeyboardEvent| {
            let last = len.saturating_sub(1);
            let to = match event.key().as_str() {
                "ArrowDown" => selected.map_or(0, |it| (it + 1).min(last)),
                "ArrowUp" => selected.map_or(0, |it| it.saturating_sub(1)),
                "PageDown" => selected.map_or(0, |it| (it + page_rows).min(last)),
                "PageUp" => selected.map_or(0, |it| it.saturating_sub(page_rows)),
                "Home" => 0,
                "End" => last,
                "Escape" if selected.is_some() => {
                    event.prevent_default();
                    return select.emit(None);
                }
                _ => return other.emit(event),
            };
            event.prevent_default();
            if len > 0 {
                select.emit(Some(to));
            }
        })
    };
    let first = window.first.saturating_sub(MARGIN).min(props.len);
    let end = (window.first + window.rows + MARGIN).min(props.len);
    let end = first + use_gradual(end - first);
    let role = match props.role {
        ListRole::ListBox => "listbox",
        ListRole::Tree => "tree",
    };
    html! {
        <div
            ref={list}
            class={classes!("rows", window.is_narrow.then_some("rows-narrow"))}
            {role}
            aria-label={&props.label}
            aria-activedescendant={props.selected_id.clone()}
            tabindex="0"
            onscroll={on_scroll}
            onkeydown={on_key}
            // A list that appears under a resting pointer is not held.
            onpointermove={on_pointer.clone()}
            onpointerdown={on_pointer}
            onpointerleave={on_leave}
            data-testid={&props.testid}
        >
            if props.new_rows > 0 {
                // A button for the pointer, which holds the list. With the keyboard, Escape and Home release it.
                <div class={classes!("rows-new", (!*is_armed).then_some("rows-new-idle"))} aria-hidden="true">
                    <button type="button" tabindex="-1" onclick={on_resume} data-testid="rows-resume">
                        { labels::new_rows(props.new_rows) }
                    </button>
                </div>
            }
            <div class="rows-space" role="presentation" style={format!("height:{}px", props.len * height)}>
                <div
                    class="rows-drawn"
                    role="presentation"
                    style={format!("transform:translateY({}px);--row-height:{height}px", first * height)}
                >
                    { for (first..end).map(|index| props.row.emit(index)) }
                </div>
            </div>
            { props.children.clone() }
        </div>
    }
}

/// An interaction with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touch {
    /// The pointer moves in it.
    Pointed,
    /// The pointer has left it.
    Left,
    /// It is not at its top.
    Scrolled,
    /// The list is released although the pointer is in it.
    Resumed,
}

/// Reports when to hold and when to release the list.
#[hook]
fn use_hold(onhold: &Callback<bool>, is_at_top: bool) -> Callback<Touch> {
    let is_pointed = use_mut_ref(|| false);
    let is_held = use_mut_ref(|| false);
    let hold = {
        let (onhold, is_pointed, is_held) = (onhold.clone(), is_pointed.clone(), is_held.clone());
        Callback::from(move |touch: Touch| {
            match touch {
                Touch::Pointed => *is_pointed.borrow_mut() = true,
                Touch::Left | Touch::Resumed => *is_pointed.borrow_mut() = false,
                Touch::Scrolled => {}
            }
            let wants = match touch {
                Touch::Pointed | Touch::Scrolled => true,
                Touch::Left => !is_at_top,
                Touch::Resumed => false,
            };
            if is_held.replace(wants) != wants {
                onhold.emit(wants);
            }
        })
    };
    {
        let onhold = onhold.clone();
        use_effect_with(is_at_top, move |is_at_top| {
            // A new list is not held, even if the list before it was.
            if *is_at_top && !*is_pointed.borrow() {
                is_held.replace(false);
                onhold.emit(false);
            }
        });
    }
    hold
}

/// Reads the layout in the frame after a request, and after each change of the list's size.
#[hook]
fn use_measure(
    list: &NodeRef,
    window: &UseStateHandle<Window>,
    narrow: i32,
) -> std::rc::Rc<AnimationFrame> {
    let set = window.setter();
    let frame = {
        let list = list.clone();
        use_memo(narrow, move |&narrow| {
            let last = std::cell::Cell::new(Window::default());
            AnimationFrame::new(move || {
                let Some(list) = list.cast::<HtmlElement>() else {
                    return;
                };
                let is_narrow = list.client_width() < narrow;
                let height = ROW_HEIGHTS[usize::from(is_narrow)];
                let top = usize::try_from(list.scroll_top()).unwrap_or_default();
                let inner = usize::try_from(list.client_height()).unwrap_or_default();
                let now = Window {
                    first: top / height,
                    rows: inner.div_ceil(height) + 1,
                    is_narrow,
                    is_at_top: top == 0,
                };
                if last.replace(now) != now {
                    set.set(now);
                }
            })
        })
    };
    dom::use_size(list, &frame);
    frame
}

/// The number of rows that can be drawn now. The others follow, frame by frame.
#[hook]
fn use_gradual(wanted: usize) -> usize {
    let redraw = use_redraw();
    let drawn = use_mut_ref(|| 0);
    let now = wanted.min(*drawn.borrow() + STEP);
    drawn.replace(now);
    if now < wanted {
        redraw.ask();
    }
    now
}

/// Keeps the visible rows in place, unless the list is at its top.
#[hook]
fn use_anchor(list: &NodeRef, added: u64, height: usize, is_at_top: bool) {
    let before = use_mut_ref(|| added);
    let list = list.clone();
    use_effect_with(added, move |added| {
        let more = added.saturating_sub(before.replace(*added));
        // Reading the scroll position forces a layout, so a list at its top is not read.
        if let Some(list) = list.cast::<HtmlElement>()
            && more > 0
            && !is_at_top
        {
            let more = i32::try_from(more as usize * height).unwrap_or(i32::MAX);
            list.set_scroll_top(list.scroll_top().saturating_add(more));
        }
    });
}

/// Scrolls to the selected row after a new selection, but not after new rows have moved it.
#[hook]
fn use_in_sight(
    list: &NodeRef,
    selected: Option<usize>,
    selected_id: Option<&AttrValue>,
    height: usize,
) {
    let list = list.clone();
    use_effect_with(selected_id.cloned(), move |_| {
        if let Some((list, selected)) = list.cast::<HtmlElement>().zip(selected) {
            let top = i32::try_from(selected * height).unwrap_or(i32::MAX);
            let height = i32::try_from(height).unwrap_or_default();
            let lowest = top.saturating_add(height) - list.client_height();
            if list.scroll_top() > top {
                list.set_scroll_top(top);
            } else if list.scroll_top() < lowest {
                list.set_scroll_top(lowest);
            }
        }
    });
}

//! A payload in its most readable format or another one, and its differences from an earlier payload.

use std::cell::RefCell;
use std::rc::Rc;

use tabmq_worker::api::Message;
use tabmq_worker::hooks::use_redraw;
use yew::prelude::*;

use super::copy_buttons::{CopyPayload, Part, Save};
use super::line_list::LineList;
use crate::browser::time;
use crate::labels;
use crate::payload::diff::{Diff, LineDiff, Row, changed_part};
use crate::payload::json;
use crate::payload::lines::{Lines, UNWRAPPED};
use crate::payload::{Format, visible};
use crate::state::messages::MessageLog;

/// Milliseconds of an animation frame that a large payload can use.
const STEP_MS: f64 = 8.0;

/// Size up to which a payload is drawn as a whole, in bytes.
const WHOLE_BYTES_MAX: usize = 1 << 13;

/// Lines up to which a payload is drawn as a whole.
const WHOLE_LINES_MAX: usize = 200;

/// Total size up to which the differences of two payloads are drawn as a whole, in bytes.
const WHOLE_DIFF_BYTES_MAX: usize = 1 << 15;

#[derive(PartialEq, Properties)]
pub(super) struct PayloadViewProps {
    pub(super) message: Rc<Message>,
    /// Contains the messages before it.
    pub(super) log: Rc<MessageLog>,
}

/// The view of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    As(Format),
    Diff,
}

impl Look {
    const ALL: [Self; 5] = [
        Self::As(Format::Json),
        Self::As(Format::Text),
        Self::As(Format::Hex),
        Self::As(Format::Base64),
        Self::Diff,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::As(format) => format.name(),
            Self::Diff => labels::payload::DIFF,
        }
    }
}

/// A message that is compared by its address, because comparing megabytes takes long.
#[derive(Clone)]
struct ByPlace(Rc<Message>);

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

#[component]
pub(super) fn PayloadView(props: &PayloadViewProps) -> Html {
    let message = &props.message;
    let facts = use_memo(ByPlace(Rc::clone(message)), |message| {
        let bytes = &message.0.payload;
        (Format::best(bytes), json::check_utf8(bytes).is_ok())
    });
    let (best, is_utf8) = *facts;
    // A choice for one kind of payload does not apply to another kind.
    let chosen = use_state(|| None::<(Format, Look)>);
    let chosen_look = chosen.and_then(|(kind, look)| (kind == best).then_some(look));
    let look = chosen_look.unwrap_or(Look::As(best));
    let button = |it: Look| {
        let chosen = chosen.setter();
        html! {
            <button
                type="button"
                aria-pressed={(it == look).to_string()}
                onclick={move |_: MouseEvent| chosen.set(Some((best, it)))}
                data-testid={format!("look-{}", it.name().to_lowercase())}
            >
                { it.name() }
            </button>
        }
    };
    let part = match look {
        Look::As(format @ (Format::Json | Format::Hex | Format::Base64)) => Some(Part::As(format)),
        Look::As(Format::Text) | Look::Diff => None,
    };
    let copied = |part: Part| {
        html! { <CopyPayload key={format!("{part:?} {:p}", Rc::as_ptr(message))} message={Rc::clone(message)} {part} /> }
    };
    html! {
        <>
            <div class="payload-head">
                <div class="segmented" role="group" aria-label={labels::payload::LOOKS}>
                    { for Look::ALL.map(button) }
                </div>
                <div class="payload-actions">
                    if is_utf8 {
                        { copied(Part::Bytes) }
                    }
                    if let Some(part) = part {
                        { copied(part) }
                    }
                    <Save message={Rc::clone(message)} />
                </div>
            </div>
            { match look {
                Look::As(format) => html! { <PayloadLines message={Rc::clone(message)} {format} /> },
                Look::Diff => html! { <DiffView message={Rc::clone(message)} log={Rc::clone(&props.log)} /> },
            } }
        </>
    }
}

#[derive(Properties)]
struct PayloadLinesProps {
    message: Rc<Message>,
    format: Format,
}

impl PartialEq for PayloadLinesProps {
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format && Rc::ptr_eq(&self.message, &other.message)
    }
}

/// The lines of a payload, and the input that they were made from.
struct Shown {
    of: PayloadLinesProps,
    columns: usize,
    lines: Lines,
}

/// A payload in one format: as a whole if it is small, otherwise the visible lines.
#[component]
fn PayloadLines(props: &PayloadLinesProps) -> Html {
    let PayloadLinesProps { message, format } = props;
    let bytes = &message.payload;
    let redraw = use_redraw();
    let columns = use_state(|| 100_usize);
    let oncolumns = use_callback(columns.setter(), |count: usize, columns| columns.set(count));
    let shown = use_mut_ref(|| None::<Shown>);
    let is_whole = {
        let mut shown = shown.borrow_mut();
        let is_small = bytes.len() <= WHOLE_BYTES_MAX;
        let wrapped = if is_small { UNWRAPPED } else { *columns };
        if !shown
            .as_ref()
            .is_some_and(|it| it.of == *props && it.columns == wrapped)
        {
            *shown = Some(Shown {
                of: PayloadLinesProps {
                    message: Rc::clone(message),
                    format: *format,
                },
                columns: wrapped,
                lines: Lines::new(*format, bytes, wrapped),
            });
        }
        let Some(shown) = &mut *shown else {
            return Html::default();
        };
        let until = time::now_ms() + STEP_MS;
        if !shown.lines.advance(bytes, || time::now_ms() > until) {
            redraw.ask();
        }
        is_small && shown.lines.len(bytes) <= WHOLE_LINES_MAX
    };
    if bytes.is_empty() {
        return note(labels::payload::EMPTY_PAYLOAD.to_owned());
    }
    let (len, line_notes, problem) = {
        let shown = shown.borrow();
        let Some(Shown { lines, .. }) = &*shown else {
            return Html::default();
        };
        (
            lines.len(bytes),
            notes(lines, bytes),
            lines.problem().copied(),
        )
    };
    if let Some(problem) = problem {
        return note(match format {
            Format::Json => labels::payload::not_json(&problem, bytes),
            Format::Text | Format::Hex | Format::Base64 => labels::payload::not_text(&problem),
        });
    }
    let line = {
        let (shown, message, format) = (Rc::clone(&shown), Rc::clone(message), *format);
        move |index: usize| line_text(&shown, &message, format, index)
    };
    if is_whole {
        let text: Vec<String> = (0..len).map(line).collect();
        let class = classes!(
            "payload",
            (*format == Format::Hex).then_some("payload-columns")
        );
        return html! {
            <>
                { line_notes }
                <pre {class} tabindex="0" aria-label={labels::payload::PAYLOAD} data-testid="payload">{ text.join("\n") }</pre>
            </>
        };
    }
    let line = Callback::from(move |index: usize| html! { { line(index) } });
    html! {
        <>
            { line_notes }
            <LineList label={labels::payload::PAYLOAD} testid="payload" {len} {line} {oncolumns} />
        </>
    }
}

fn line_text(
    shown: &RefCell<Option<Shown>>,
    message: &Message,
    format: Format,
    index: usize,
) -> String {
    let shown = shown.borrow();
    let Some(Shown { lines, .. }) = &*shown else {
        return String::new();
    };
    let line = lines.line(&message.payload, index);
    let line = match format {
        Format::Text => line.strip_suffix('\r').unwrap_or(&line),
        Format::Json | Format::Hex | Format::Base64 => &line,
    };
    visible(line).into_owned()
}

fn note(text: String) -> Html {
    html! { <p class="empty" data-testid="payload">{ text }</p> }
}

/// A note about the shown lines.
fn notes(lines: &Lines, bytes: &[u8]) -> Html {
    let words = if !lines.is_through() {
        labels::payload::reading(lines.done(bytes) * 100 / bytes.len().max(1))
    } else if lines.is_cut(bytes) {
        labels::payload::lines_left_out(lines.len(bytes), lines.done(bytes), bytes.len())
    } else if lines.values() > 1 {
        labels::payload::several_values(lines.values())
    } else {
        return Html::default();
    };
    html! { <p class="payload-note" data-testid="payload-note">{ words }</p> }
}

#[derive(PartialEq, Properties)]
struct DiffViewProps {
    message: Rc<Message>,
    log: Rc<MessageLog>,
}

/// The differences from an earlier message on the same topic.
#[component]
fn DiffView(props: &DiffViewProps) -> Html {
    let message = &props.message;
    let back = use_state(|| 1_usize);
    let earlier = use_earlier(message, *back, &props.log);
    let Some(earlier) = earlier else {
        let newer = (*back > 1).then(|| {
            step(
                &back,
                labels::payload::NEWER,
                "diff-newer",
                back.checked_sub(1),
            )
        });
        return html! {
            <p class="empty" data-testid="diff">{ labels::payload::NOTHING_EARLIER }{ " " }{ newer }</p>
        };
    };
    let elapsed_ms = message.received_at.ms_since(earlier.received_at);
    html! {
        <>
            <div class="diff-head">
                <time>{ time::time_of_day(earlier.received_at.as_ms()) }</time>
                { " → " }
                <time>{ time::time_of_day(message.received_at.as_ms()) }</time>
                <span>{ labels::payload::later_by(elapsed_ms) }</span>
                { step(&back, labels::payload::OLDER, "diff-older", Some(*back + 1)) }
                { step(&back, labels::payload::NEWER, "diff-newer", back.checked_sub(1).filter(|it| *it > 0)) }
            </div>
            <DiffLines before={earlier} after={Rc::clone(message)} is_previous={*back == 1} />
        </>
    }
}

/// A button that compares with another message; `None`: there is no such message.
fn step(
    back: &UseStateHandle<usize>,
    label: &'static str,
    testid: &'static str,
    to: Option<usize>,
) -> Html {
    let set = back.setter();
    html! {
        <button
            type="button"
            class="quiet"
            disabled={to.is_none()}
            onclick={move |_: MouseEvent| set.set(to.unwrap_or(1))}
            data-testid={testid}
        >
            { label }
        </button>
    }
}

/// The message that many messages before this one on the same topic. The result is cached.
#[hook]
fn use_earlier(message: &Rc<Message>, back: usize, log: &MessageLog) -> Option<Rc<Message>> {
    type Found = (ByPlace, usize, Rc<Message>);
    let found = use_mut_ref(|| None::<Found>);
    let mut found = found.borrow_mut();
    let wanted = ByPlace(Rc::clone(message));
    if !found
        .as_ref()
        .is_some_and(|it| it.0 == wanted && it.1 == back)
    {
        let earlier = log.earlier(message, back);
        *found = earlier.map(|earlier| (wanted, back, Rc::clone(earlier)));
    }
    found.as_ref().map(|it| Rc::clone(&it.2))
}

#[derive(Properties)]
struct DiffLinesProps {
    before: Rc<Message>,
    after: Rc<Message>,
    /// Whether it is the message directly before.
    is_previous: bool,
}

impl PartialEq for DiffLinesProps {
    fn eq(&self, other: &Self) -> bool {
        self.is_previous == other.is_previous
            && Rc::ptr_eq(&self.before, &other.before)
            && Rc::ptr_eq(&self.after, &other.after)
    }
}

/// The differences of two payloads, compared in steps.
#[component]
fn DiffLines(props: &DiffLinesProps) -> Html {
    type Compared = (ByPlace, ByPlace, Diff);
    let DiffLinesProps {
        before,
        after,
        is_previous,
    } = props;
    let redraw = use_redraw();
    let compared = use_mut_ref(|| None::<Compared>);
    {
        let mut compared = compared.borrow_mut();
        let wanted = (ByPlace(Rc::clone(before)), ByPlace(Rc::clone(after)));
        if !compared
            .as_ref()
            .is_some_and(|it| it.0 == wanted.0 && it.1 == wanted.1)
        {
            let diff = Diff::new(&before.payload, &after.payload);
            *compared = Some((wanted.0, wanted.1, diff));
        }
        let until = time::now_ms() + STEP_MS;
        if let Some((_, _, diff)) = &mut *compared
            && !diff.advance(&before.payload, &after.payload, || time::now_ms() > until)
        {
            redraw.ask();
        }
    }
    let (sizes, diff) = (
        (before.payload.len(), after.payload.len()),
        compared.borrow(),
    );
    let note = |words: &str| html! { <p class="empty" data-testid="diff">{ words }</p> };
    let diff = match diff.as_ref().map(|it| &it.2) {
        None => return Html::default(),
        Some(Diff::Identical) if *is_previous => return note(labels::payload::IDENTICAL),
        Some(Diff::Identical) => return note(labels::payload::IDENTICAL_TO_EARLIER),
        Some(Diff::TooLarge(at)) => {
            return note(&labels::payload::too_large_to_compare(
                sizes.0, sizes.1, *at,
            ));
        }
        Some(Diff::Lines(diff)) => diff,
    };
    if diff.rows().is_empty() {
        let percent = diff.percent(&before.payload, &after.payload);
        return note(&labels::payload::comparing(percent));
    }
    let summary = match diff.is_same_values() {
        true => labels::payload::SAME_VALUES.to_owned(),
        false => labels::payload::differences(diff.removed(), diff.added()),
    };
    let label = labels::payload::DIFFERENCES;
    let len = diff.rows().len();
    let list = if sizes.0.max(sizes.1) <= WHOLE_DIFF_BYTES_MAX && len <= WHOLE_LINES_MAX {
        html! {
            <pre class="payload" tabindex="0" aria-label={label} data-testid="diff">
                { for (0..len).map(|index| html! { <>{ diff_line(diff, index, before, after) }{ "\n" }</> }) }
            </pre>
        }
    } else {
        let (compared, before, after) = (Rc::clone(&compared), Rc::clone(before), Rc::clone(after));
        let line = Callback::from(move |index: usize| {
            let compared = compared.borrow();
            let Some((_, _, Diff::Lines(diff))) = &*compared else {
                return Html::default();
            };
            diff_line(diff, index, &before, &after)
        });
        html! { <LineList {label} testid="diff" {len} {line} /> }
    };
    html! {
        <>
            <p class="payload-note" data-testid="diff-summary">
                { summary }
                if diff.is_in_place() {
                    { " " }{ labels::payload::COMPARED_IN_PLACE }
                }
            </p>
            { list }
        </>
    }
}

fn diff_line(diff: &LineDiff, index: usize, before: &Message, after: &Message) -> Html {
    let Some(row) = diff.rows().get(index) else {
        return Html::default();
    };
    let (class, sign) = match row {
        Row::Same(_) => ("diff-same", " "),
        Row::Removed(_) => ("diff-removed", "−"),
        Row::Added(_) => ("diff-added", "+"),
        Row::LeftOut(lines) => {
            let words = labels::payload::unchanged(*lines);
            return html! { <span class="diff-left-out">{ "⋯ " }{ words }</span> };
        }
    };
    let text = |row: Row| {
        let text = diff.text(row, &before.payload, &after.payload);
        visible(&text.unwrap_or_default()).into_owned()
    };
    let line = text(*row);
    let Some(counterpart) = diff.counterpart(index) else {
        return html! { <span {class}>{ sign }{ " " }{ line }</span> };
    };
    let changed = changed_part(&line, &text(counterpart));
    html! {
        <span {class}>
            { sign }{ " " }{ &line[..changed.start] }
            <b class="diff-mark">{ &line[changed.clone()] }</b>
            { &line[changed.end..] }
        </span>
    }
}

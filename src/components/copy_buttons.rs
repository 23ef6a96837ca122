//! Buttons that copy and save.

use std::future::Future;
use std::rc::Rc;

use tabmq_worker::api::Message;
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::browser::{clipboard, files, time};
use crate::labels;
use crate::payload::lines::{Lines, UNWRAPPED};
use crate::payload::{self, Format};

#[derive(PartialEq, Properties)]
pub(super) struct CopyProps {
    pub(super) label: AttrValue,
    pub(super) text: AttrValue,
    pub(super) testid: AttrValue,
}

#[component]
pub(super) fn Copy(props: &CopyProps) -> Html {
    let outcome = use_state(|| None::<bool>);
    let text = props.text.clone();
    let onclick = copy(&outcome, move || {
        let text = text.to_string();
        async { text }
    });
    button(&props.label, &props.testid, onclick, *outcome)
}

/// The form in which a payload is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The bytes, which are text.
    Bytes,
    /// The payload in this format.
    As(Format),
}

#[derive(PartialEq, Properties)]
pub(super) struct CopyPayloadProps {
    pub(super) message: Rc<Message>,
    pub(super) part: Part,
}

/// Copies a payload. The text is made only after a click.
#[component]
pub(super) fn CopyPayload(props: &CopyPayloadProps) -> Html {
    let outcome = use_state(|| None::<bool>);
    let (message, part) = (Rc::clone(&props.message), props.part);
    let onclick = copy(&outcome, move || text(Rc::clone(&message), part));
    let (label, testid) = match part {
        Part::Bytes => (labels::payload::COPY, "copy-payload"),
        Part::As(Format::Json) => (labels::payload::COPY_FORMATTED, "copy-formatted"),
        Part::As(Format::Text) => (labels::payload::COPY_TEXT, "copy-text"),
        Part::As(Format::Hex) => (labels::payload::COPY_HEX, "copy-hex"),
        Part::As(Format::Base64) => (labels::payload::COPY_BASE64, "copy-base64"),
    };
    button(&label.into(), &testid.into(), onclick, *outcome)
}

/// Copies the result of a future after a click.
fn copy<F>(
    outcome: &UseStateHandle<Option<bool>>,
    make: impl Fn() -> F + 'static,
) -> Callback<MouseEvent>
where
    F: Future<Output = String> + 'static,
{
    let outcome = outcome.setter();
    Callback::from(move |_: MouseEvent| {
        let (outcome, text) = (outcome.clone(), make());
        spawn_local(async move {
            let text = text.await;
            outcome.set(Some(clipboard::copy(&text).await));
        });
    })
}

fn button(
    label: &AttrValue,
    testid: &AttrValue,
    onclick: Callback<MouseEvent>,
    outcome: Option<bool>,
) -> Html {
    html! {
        <>
            <button type="button" class="quiet" {onclick} data-testid={testid}>{ label }</button>
            <span class="copied" role="status">{ outcome.map_or("", labels::payload::copied) }</span>
        </>
    }
}

/// Lines that become text before the page can draw again.
const STEP: usize = 2_000;

/// Milliseconds for finding lines before the page can draw again.
const STEP_MS: f64 = 8.0;

async fn text(message: Rc<Message>, part: Part) -> String {
    let bytes = &message.payload;
    let format = match part {
        Part::Bytes | Part::As(Format::Text) => {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        Part::As(format @ (Format::Hex | Format::Base64)) => {
            return format.typed(bytes).unwrap_or_default();
        }
        Part::As(Format::Json) => Format::Json,
    };
    let mut lines = Lines::new(format, bytes, UNWRAPPED);
    loop {
        let until = time::now_ms() + STEP_MS;
        if lines.advance(bytes, || time::now_ms() > until) {
            break;
        }
        time::next_task().await;
    }
    let mut text = String::new();
    for from in (0..lines.len(bytes)).step_by(STEP) {
        if from > 0 {
            text.push('\n');
            time::next_task().await;
        }
        text.push_str(&lines.text(bytes, from..from + STEP));
    }
    text
}

#[derive(PartialEq, Properties)]
pub(super) struct SaveProps {
    pub(super) message: Rc<Message>,
}

/// Saves the exact bytes of a payload as a file.
#[component]
pub(super) fn Save(props: &SaveProps) -> Html {
    let onclick = use_callback(Rc::clone(&props.message), |_: MouseEvent, message| {
        let name = payload::file_name(&message.topic, &message.payload);
        files::save_bytes(&name, &message.payload);
    });
    html! {
        <button
            type="button"
            class="quiet"
            {onclick}
            title={labels::payload::SAVE_HINT}
            data-testid="save-payload"
        >
            { labels::payload::SAVE }
        </button>
    }
}

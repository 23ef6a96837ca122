//! The button that copies a link to this page with its current set-up.

use yew::platform::spawn_local;
use yew::prelude::*;

use crate::browser::form::Form;
use crate::browser::{address, clipboard, dom, time};
use crate::labels;
use crate::state::share_url::{DRAFT_BYTES_MAX, Draft, ShareUrl};

/// How long the result of copying is shown, in milliseconds.
const NOTICE_MS: u32 = 6_000;

#[derive(PartialEq, Properties)]
pub(super) struct ShareProps {
    pub(super) share_url: ShareUrl,
    /// The settings that a link does not carry.
    pub(super) left_out: Vec<&'static str>,
}

#[component]
pub(super) fn Share(props: &ShareProps) -> Html {
    let notice = use_state(|| None::<String>);
    let copy = {
        let (notice, share_url, left_out) = (
            notice.setter(),
            props.share_url.clone(),
            props.left_out.clone(),
        );
        Callback::from(move |_: MouseEvent| {
            let (notice, mut left_out) = (notice.clone(), left_out.clone());
            let (draft, is_cut) = draft();
            left_out.extend(is_cut);
            let share_url = ShareUrl {
                draft: draft.or_else(|| share_url.draft.clone()),
                ..share_url.clone()
            };
            let address = address::url_with_query(&share_url.query());
            spawn_local(async move {
                let sentence = match clipboard::copy(&address).await {
                    true => labels::left_out_of_link(&left_out),
                    false => labels::payload::copied(false).to_owned(),
                };
                notice.set(Some(sentence));
            });
        })
    };
    {
        let notice = notice.clone();
        time::use_interval(notice.is_some().then_some(NOTICE_MS), move || {
            notice.set(None)
        });
    }
    html! {
        <div class="share">
            <button
                type="button"
                class="quiet"
                onclick={copy}
                aria-label={labels::share_button::NAME}
                title={labels::share_button::HINT}
                data-testid="share"
            >
                <span class="share-word">{ labels::share_button::COPY }{ " " }</span>
                { labels::share_button::LINK }
            </button>
            <span class="share-notice" role="status" data-testid="share-notice">{ (*notice).clone() }</span>
        </div>
    }
}

/// The message in the form, if there is one, and its parts that a link does not carry.
fn draft() -> (Option<Draft>, Option<&'static str>) {
    let form = dom::form_of("publish-topic");
    let Some(form) = form.and_then(|form| Form::of(&form)) else {
        return (None, None);
    };
    let draft = form.draft();
    if draft.payload.len() > DRAFT_BYTES_MAX {
        return (None, Some(labels::share_button::TOO_LONG));
    }
    let has_properties = form.properties_count() > 0;
    (
        Some(draft).filter(|it| !it.topic.is_empty()),
        has_properties.then_some(labels::share_button::DRAFT_PROPERTIES),
    )
}

//! The panel that publishes: the form, and the messages that were sent last.

use std::collections::VecDeque;
use std::rc::Rc;

use tabmq_worker::BusStatus;
use tabmq_worker::api::Message;
use tabmq_worker::hooks::{use_bus_status, use_publish, use_role};
use yew::prelude::*;

use super::message_form::{MessageForm, TypedMessage};
use crate::browser::form::Form;
use crate::browser::{address, dom, focus, session_storage};
use crate::labels;
use crate::payload::Preview;
use crate::state::share_url;

/// Messages in the history.
const HISTORY_MAX: usize = 20;

/// Key of the typed message in the session storage, so that a reload keeps it.
const KEPT: &str = "tabmq.draft";

/// Bytes of a payload that is kept there with each key press. A larger one is kept when the page is left.
const KEPT_AT_ONCE_MAX: usize = 1 << 16;

#[derive(PartialEq, Properties)]
pub(super) struct PublishProps {
    /// Whether it lies over the page, which is too narrow for columns.
    pub(super) is_sheet: bool,
    /// The message from the URL.
    pub(super) draft: Option<share_url::Draft>,
    /// A received message to put into the form, and its number. Each request has a larger number.
    pub(super) again: (u32, Option<Rc<Message>>),
    /// Whether another view is shown.
    pub(super) is_hidden: bool,
    /// Called to close the sheet.
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn Publish(props: &PublishProps) -> Html {
    let bus = use_bus_status();
    let is_offline = matches!(bus, BusStatus::Failed(_) | BusStatus::Refused(_));
    let publish = use_publish();
    let role = use_role();
    let history = use_reducer(History::default);
    // Another draft is another form, because fields keep their own text.
    let draft = use_state(|| {
        let kept = || session_storage::read(KEPT).and_then(|it| share_url::Draft::of_query(&it));
        let typed = props.draft.clone().or_else(kept);
        let is_own = typed.is_some();
        let typed = typed.map_or_else(TypedMessage::first, TypedMessage::of_draft);
        Loaded {
            form: 0,
            typed: Rc::new(typed),
            is_own,
        }
    });
    // The last unsent message that another one replaced.
    let replaced = use_state(|| None::<Rc<TypedMessage>>);
    let is_large = use_mut_ref(|| false);
    let result = labels::publish_result(publish.status(), role);
    let last = publish.status().last.as_ref();
    let has_failed = publish.status().pending == 0 && last.is_some_and(|it| it.result.is_err());
    let acknowledged = publish.status().acknowledged;
    let on_sent = use_callback(history.dispatcher(), |sent: TypedMessage, history| {
        history.dispatch(sent)
    });
    let on_draft = {
        let is_large = Rc::clone(&is_large);
        use_callback((), move |draft: share_url::Draft, ()| {
            is_large.replace(draft.payload.len() > KEPT_AT_ONCE_MAX);
            if !*is_large.borrow() {
                session_storage::write(KEPT, &draft.query());
            }
        })
    };
    let on_leave = use_callback((), move |(), ()| {
        if let Some(form) = form().filter(|_| *is_large.borrow()) {
            session_storage::write(KEPT, &form.draft().query());
        }
    });
    address::use_leave(on_leave);
    let load = {
        let (draft, replaced) = (draft.clone(), replaced.clone());
        let history = history.clone();
        move |typed: Rc<TypedMessage>, is_own: bool| {
            let present = form().map(|form| TypedMessage::of_form(&form));
            let unsent = present.filter(|it| draft.is_changed(it) && !history.has(it));
            replaced.set(unsent.map(Rc::new));
            draft.set(Loaded {
                form: draft.form + 1,
                typed,
                is_own,
            });
        }
    };
    let restore = |unsent: &Rc<TypedMessage>| {
        let (load, unsent) = (load.clone(), Rc::clone(unsent));
        move |_: MouseEvent| load(Rc::clone(&unsent), true)
    };
    let again = |sent: &Rc<TypedMessage>| {
        let (load, sent) = (load.clone(), Rc::clone(sent));
        move |_: MouseEvent| load(Rc::clone(&sent), false)
    };
    // Back closes the sheet instead of leaving the page.
    let onclose = address::use_overlay(props.is_sheet, props.onclose.clone());
    let panel = use_node_ref();
    use_effect_with((props.is_sheet, panel.clone()), |(is_sheet, panel)| {
        if *is_sheet {
            focus::focus(panel);
        }
    });
    {
        let (load, taken) = (load.clone(), use_mut_ref(|| 0));
        let request = (props.again.0, props.is_hidden);
        let message = props.again.1.clone();
        use_effect_with(request, move |(number, is_hidden)| {
            // A hidden form takes no focus, so it waits until the view is shown.
            if !is_hidden
                && taken.replace(*number) != *number
                && let Some(typed) = message.and_then(|it| TypedMessage::of_received(&it))
            {
                load(Rc::new(typed), false);
                focus::focus_on("[data-testid=publish-payload]");
            }
        });
    }
    let is_sheet = props.is_sheet;
    let on_key = use_callback(
        (is_sheet, onclose.clone()),
        |event: KeyboardEvent, (is_sheet, onclose)| {
            if *is_sheet && event.key() == "Escape" {
                onclose.emit(());
            }
        },
    );
    html! {
        <section
            ref={panel}
            class="panel panel-publish"
            aria-labelledby="publish-title"
            tabindex="-1"
            inert={is_offline}
            onkeydown={on_key}
            data-sheet={is_sheet.to_string()}
            data-testid="publish"
        >
            <div class="panel-head">
                <h2 id="publish-title">{ labels::publish::PUBLISH }</h2>
                if is_sheet {
                    <button
                        type="button"
                        class="quiet at-end"
                        onclick={onclose.reform(|_: MouseEvent| ())}
                        data-testid="publish-close"
                    >
                        { labels::publish::CLOSE }
                    </button>
                }
            </div>
            <div role="status">
                if let Some(typed) = &*replaced {
                    <p class="publish-replaced" data-testid="publish-replaced">
                        { labels::publish::REPLACED }{ " " }
                        <button type="button" class="quiet" onclick={restore(typed)} data-testid="publish-restore">
                            { labels::publish::RESTORE }
                        </button>
                    </p>
                }
            </div>
            <MessageForm key={draft.form} {publish} sent={Rc::clone(&draft.typed)} {on_sent} {on_draft} {result} {has_failed} {acknowledged} {is_offline} />
            if !history.0.is_empty() {
                <details>
                    <summary data-testid="publish-sent">{ labels::publish::history(history.0.len()) }</summary>
                    <ul class="history" data-testid="publish-history">
                        { for history.0.iter().map(|sent| html! {
                            <li>
                                <button
                                    type="button"
                                    class="history-entry"
                                    title={labels::publish::AGAIN}
                                    onclick={again(sent)}
                                    data-testid="publish-again"
                                >
                                    <code>{ &sent.publication.topic }</code>
                                    <span>{ Preview::of(&sent.publication.payload).text.chars().take(80).collect::<String>() }</span>
                                </button>
                            </li>
                        }) }
                    </ul>
                </details>
            }
        </section>
    }
}

/// The message with which the form began.
struct Loaded {
    /// Another message is another form, because fields keep their own text.
    form: u32,
    typed: Rc<TypedMessage>,
    /// Whether the person typed it.
    is_own: bool,
}

impl Loaded {
    /// Whether the person would miss this message of the form.
    fn is_changed(&self, present: &TypedMessage) -> bool {
        self.is_own || present.publication != self.typed.publication
    }
}

/// The form for the message.
fn form() -> Option<Form> {
    dom::form_of("publish-topic").and_then(|form| Form::of(&form))
}

/// The last sent messages, each once.
#[derive(Clone, Debug, Default, PartialEq)]
struct History(VecDeque<Rc<TypedMessage>>);

impl History {
    fn has(&self, message: &TypedMessage) -> bool {
        let mut sent = self.0.iter();
        sent.any(|it| it.publication == message.publication)
    }
}

impl Reducible for History {
    type Action = TypedMessage;

    fn reduce(self: Rc<Self>, sent: TypedMessage) -> Rc<Self> {
        let mut kept = self.0.clone();
        kept.retain(|it| **it != sent);
        kept.truncate(HISTORY_MAX - 1);
        kept.push_front(Rc::new(sent));
        Rc::new(Self(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(topic: &str) -> TypedMessage {
        let mut sent = TypedMessage::first();
        sent.publication.topic = topic.to_owned();
        sent
    }

    #[test]
    fn the_history_has_each_message_once_and_the_newest_first() {
        let history = ["a", "b", "a"].map(sent).into_iter();
        let history = history.fold(Rc::new(History::default()), History::reduce);
        let topics: Vec<_> = history
            .0
            .iter()
            .map(|it| it.publication.topic.as_str())
            .collect();
        assert_eq!(topics, ["a", "b"]);
        let many = (0..HISTORY_MAX * 2).map(|number| sent(&number.to_string()));
        assert_eq!(many.fold(history, History::reduce).0.len(), HISTORY_MAX);
    }
}

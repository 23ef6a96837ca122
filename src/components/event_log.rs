//! The log of events.

use std::rc::Rc;

use yew::prelude::*;

use crate::app::export;
use crate::app::remote_commands;
use crate::browser::time;
use crate::labels;
use crate::state::events::{EventLog, LoggedEvent, Tone};

#[derive(PartialEq, Properties)]
pub(super) struct EventsProps {
    pub(super) log: Rc<EventLog>,
}

#[component]
pub(super) fn Events(props: &EventsProps) -> Html {
    let forgotten = props.log.forgotten();
    let export = {
        let log = Rc::clone(&props.log);
        move |_: MouseEvent| export::events(&log)
    };
    html! {
        <section class="panel panel-events" aria-labelledby="events-title">
            <div class="panel-head">
                <h2 id="events-title">{ labels::events::TITLE }</h2>
                <button
                    type="button"
                    class="at-end"
                    onclick={export}
                    aria-label={labels::events::EXPORT_NAME}
                    title={labels::events::EXPORT_TITLE}
                    data-testid="events-export"
                >
                    { labels::events::EXPORT }
                </button>
            </div>
            <div class="log" role="log" aria-labelledby="events-title" tabindex="0">
                <ul class="events">
                    { for props.log.newest_first().filter_map(event) }
                </ul>
                if forgotten > 0 {
                    <p class="older">{ labels::events::forgotten(forgotten) }</p>
                }
            </div>
        </section>
    }
}

/// An event; `None`: it is internal to the app.
fn event(logged: &LoggedEvent) -> Option<Html> {
    let tone = match logged.tone() {
        Tone::Neutral => "event",
        Tone::Good => "event event-good",
        Tone::Bad => "event event-bad",
    };
    let whole = logged.sentence();
    if remote_commands::is_about_own(&whole) {
        return None;
    }
    Some(html! {
        <li key={logged.number} class={tone} data-testid="event">
            <time>{ time::time_of_day(logged.event.at.as_ms()) }</time>
            <span title={whole.clone()}>{ labels::short_ids(&whole) }</span>
        </li>
    })
}

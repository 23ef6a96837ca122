//! What happened on the channel, in words.

use std::rc::Rc;

use yew::prelude::*;

use crate::state::events::{EventLog, Heard, Tone};
use crate::{export, page, words};

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
                <h2 id="events-title">{ "Events" }</h2>
                <button
                    type="button"
                    class="quiet at-end"
                    onclick={export}
                    title="Writes the events into a file of JSON Lines"
                    data-testid="events-export"
                >
                    { "Export" }
                </button>
            </div>
            <div class="log" role="log" aria-labelledby="events-title" tabindex="0">
                <ul class="events">
                    { for props.log.newest_first().map(event) }
                </ul>
                if forgotten > 0 {
                    <p class="older">{ format!("{} older no longer kept.", words::count(forgotten)) }</p>
                }
            </div>
        </section>
    }
}

fn event(heard: &Heard) -> Html {
    let tone = match heard.tone() {
        Tone::Neutral => "event",
        Tone::Good => "event event-good",
        Tone::Bad => "event event-bad",
    };
    html! {
        <li key={heard.number} class={tone} data-testid="event">
            <time>{ page::time_of_day(heard.event.at.as_ms()) }</time>
            <span>{ heard.words() }</span>
        </li>
    }
}

//! The timeline of failovers.

use tabmq_worker::TabId;
use yew::prelude::*;

use crate::page;
use crate::state::failover::{Cause, Failover, Failovers};
use crate::words;

#[derive(PartialEq, Properties)]
pub(super) struct TimelineProps {
    pub(super) failovers: std::rc::Rc<Failovers>,
}

#[component]
pub(super) fn Timeline(props: &TimelineProps) -> Html {
    let failovers = &props.failovers;
    html! {
        <section class="panel panel-failover" aria-labelledby="failover-title" data-testid="failover-view">
            <div class="panel-head">
                <h2 id="failover-title">{ "Failovers" }</h2>
                <span class="panel-count" data-testid="failover-count">{ failovers.seen() }</span>
            </div>
            if failovers.newest_first().len() == 0 {
                <p class="empty">
                    { "The broker has not moved yet. Open a second tab, then close, crash or freeze the broker under “Tabs”." }
                </p>
            }
            <ol class="failovers">
                { for failovers.newest_first().map(failover) }
            </ol>
            if failovers.forgotten() > 0 {
                <p class="older">{ format!("{} older no longer kept.", words::count(failovers.forgotten())) }</p>
            }
        </section>
    }
}

fn failover(it: &Failover) -> Html {
    let cause = match it.cause {
        Cause::Left => "left",
        Cause::Silent => "no longer answered",
        Cause::Deposed => "is no longer the broker",
    };
    let whole = it.steps().map(|(_, ms)| ms).fold(1.0, f64::max);
    let steps: Vec<_> = it.steps().collect();
    html! {
        <li class="failover" key={it.number} data-testid="failover" data-resumed={it.resumed.is_some().to_string()}>
            <p class="failover-head">
                <time>{ page::time_of_day(it.lost as u64) }</time>
                <span>
                    { "Tab " }{ tab(it.from) }{ " " }{ cause }{ ", " }
                    if it.to.is_some() { { "tab " }{ tab(it.to) }{ " took over." } } else { { "nobody has taken over yet." } }
                </span>
            </p>
            <div class="track" aria-hidden="true">
                { for steps.iter().map(|(name, ms)| html! {
                    <span class={format!("mark mark-{name}")} style={format!("inset-inline-start:{:.2}%", ms / whole * 100.0)} />
                }) }
            </div>
            <ol class="steps">
                <li class="step step-lost"><b>{ "lost" }</b>{ " 0 ms" }</li>
                { for steps.iter().map(|(name, ms)| html! {
                    <li class={format!("step step-{name}")} data-testid={format!("step-{name}")}>
                        <b>{ *name }</b>{ format!(" +{ms:.0} ms") }
                    </li>
                }) }
                if it.resumed.is_none() {
                    <li class="step">{ "waiting" }</li>
                }
            </ol>
            <p class="failover-counts" data-testid="failover-counts">{ words::failover_counts(it) }</p>
        </li>
    }
}

fn tab(tab: Option<TabId>) -> Html {
    match tab {
        Some(tab) => html! { <code title={tab.to_string()}>{ tab.short() }</code> },
        None => html! { "?" },
    }
}

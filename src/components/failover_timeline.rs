//! The timeline of failovers.

use tabmq_worker::TabId;
use yew::prelude::*;

use crate::browser::time;
use crate::labels;
use crate::state::failover::{Cause, Failover, Failovers};

#[derive(PartialEq, Properties)]
pub(super) struct TimelineProps {
    pub(super) failovers: std::rc::Rc<Failovers>,
    /// Until when numbered messages run, in Unix milliseconds.
    pub(super) counting_until: Option<f64>,
}

/// Interval at which the remaining time of a count is drawn.
const PROGRESS_MS: u32 = 500;

#[component]
pub(super) fn Timeline(props: &TimelineProps) -> Html {
    let failovers = &props.failovers;
    let update = use_force_update();
    let interval_ms = props.counting_until.map(|_| PROGRESS_MS);
    time::use_interval(interval_ms, move || update.force_update());
    let left = props.counting_until.map(|until| until - time::unix_ms());
    let counting = left.map(labels::counting);
    html! {
        <section class="panel panel-failover" aria-labelledby="failover-title" data-testid="failover-view">
            <div class="panel-head">
                <h2 id="failover-title">{ labels::failover::TITLE }</h2>
                <span class="panel-count" data-testid="failover-count">{ failovers.seen() }</span>
            </div>
            if failovers.newest_first().len() == 0 {
                <p class="empty">
                    { labels::failover::NONE }
                </p>
            }
            <ol class="failovers">
                { for failovers.newest_first().map(|it| {
                    // The running count belongs to the newest failover.
                    let counting = counting.as_deref().filter(|_| it.number == failovers.seen());
                    failover(it, counting)
                }) }
            </ol>
            if failovers.forgotten() > 0 {
                <p class="older">{ labels::failover::forgotten(failovers.forgotten()) }</p>
            }
        </section>
    }
}

fn failover(it: &Failover, counting: Option<&str>) -> Html {
    let took = it.steps().last().map(|(_, ms)| labels::step_ms(ms));
    let whole = it.steps().map(|(_, ms)| ms).fold(1.0, f64::max);
    let steps: Vec<_> = it.steps().collect();
    if it.cause == Cause::Deposed {
        return replaced(it, counting);
    }
    html! {
        <li class="failover" key={it.number} data-testid="failover" data-resumed={it.resumed.is_some().to_string()}>
            <p class="failover-head">
                <time>{ time::time_of_day(it.lost as u64) }</time>
                <span>
                    { tab(it.from) }{ " " }{ labels::cause(it.cause) }{ "; " }
                    { match (it.to, &took) {
                        (Some(to), Some(took)) => html! { <>{ tab(Some(to)) }{ labels::failover::took_over(took) }</> },
                        _ => html! { { labels::failover::NOBODY_YET } },
                    } }
                </span>
            </p>
            <div class="track" aria-hidden="true">
                { for parts(&steps, whole).into_iter().map(|(name, left, width)| html! {
                    <span
                        class={format!("track-part track-{name}")}
                        style={format!("inset-inline-start:{left:.2}%;width:{width:.2}%")}
                    />
                }) }
                { for steps.iter().map(|(name, ms)| html! {
                    <span class={format!("mark mark-{name}")} style={format!("inset-inline-start:{:.2}%", ms / whole * 100.0)} />
                }) }
            </div>
            <ol class="steps">
                { for steps.iter().map(|(name, ms)| html! {
                    <li class={format!("step step-{name}")} data-testid={format!("step-{name}")}>
                        <b>{ *name }</b>{ format!(" {}", labels::step_ms(*ms)) }
                    </li>
                }) }
                if it.resumed.is_none() {
                    <li class="step">{ labels::failover::WAITING }</li>
                }
            </ol>
            <p class="failover-counts" data-testid="failover-counts">{ labels::failover_counts(it, counting) }</p>
        </li>
    }
}

/// The part of the track for each step: the step's name, where the part begins and how wide it is, in percent.
fn parts(steps: &[(&'static str, f64)], whole: f64) -> Vec<(&'static str, f64, f64)> {
    let mut begin = 0.0;
    let part = |(name, ms): &(&'static str, f64)| {
        let end = (ms / whole * 100.0).max(begin);
        let part = (*name, begin, end - begin);
        begin = end;
        part
    };
    steps.iter().map(part).collect()
}

/// A failover from this tab. Its times are those of the other tabs, which have logged them.
fn replaced(it: &Failover, counting: Option<&str>) -> Html {
    html! {
        <li class="failover" key={it.number} data-testid="failover" data-resumed={it.resumed.is_some().to_string()}>
            <p class="failover-head">
                <time>{ time::time_of_day(it.lost as u64) }</time>
                <span>
                    { labels::replaced(it.frozen_ms) }{ "; " }
                    { match it.to {
                        Some(to) => html! { <>{ tab(Some(to)) }{ labels::failover::TOOK_OVER_MEANWHILE }</> },
                        None => html! { { labels::failover::NOBODY_YET } },
                    } }
                </span>
            </p>
            if it.stream.is_some() || counting.is_some() {
                <p class="failover-counts" data-testid="failover-counts">{ labels::failover_counts(it, counting) }</p>
            }
        </li>
    }
}

fn tab(tab: Option<TabId>) -> Html {
    match tab {
        Some(tab) => html! { <code title={tab.to_string()}>{ tab.short() }</code> },
        None => html! { "?" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_track_are_as_long_as_their_steps() {
        let steps = [("elected", 20.0), ("restored", 50.0), ("resumed", 100.0)];
        assert_eq!(
            parts(&steps, 100.0),
            [
                ("elected", 0.0, 20.0),
                ("restored", 20.0, 30.0),
                ("resumed", 50.0, 50.0)
            ]
        );
        // Clocks of two tabs can differ.
        assert_eq!(
            parts(&[("a", 10.0), ("b", 5.0)], 10.0)[1],
            ("b", 100.0, 0.0)
        );
    }
}

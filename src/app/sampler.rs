//! Takes a performance sample of this page every second.

use std::rc::Rc;

use tabmq_worker::api::{Answer, Load, Question};
use tabmq_worker::hooks::use_answer;
use yew::prelude::*;

use crate::app::load_generator::LoadGenerator;
use crate::app::store::Store;
use crate::browser::time;
use crate::state::Action;
use crate::state::samples::{BrokerSample, Sample};
use crate::state::share_url::View;

const INTERVAL_MS: u32 = 1_000;

/// The counters at the last sample, taken at a time of [`time::now_ms`].
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: f64,
    received: u64,
    published: u64,
    worked_ms: f64,
}

/// Takes the samples. Asks the broker only while the performance view is shown.
#[hook]
pub(crate) fn use_samples(store: &Store, load: &Rc<LoadGenerator>, view: View) {
    let question = (view == View::Performance).then_some(Question::Load);
    let answer = use_answer(question, INTERVAL_MS);
    let counted = use_mut_ref(|| None::<Counted>);
    let (store, load) = (store.clone(), Rc::clone(load));
    time::use_interval(Some(INTERVAL_MS), move || {
        let progress = load.progress();
        let now = Counted {
            at: time::now_ms(),
            received: store.received(),
            published: progress.map_or(0, |it| it.totals.sent),
            worked_ms: store.worked_ms(),
        };
        let latency = load.take_latency();
        let Some(before) = counted.replace(Some(now)) else {
            return;
        };
        let seconds = (now.at - before.at) / 1e3;
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        store.dispatch(Action::Sample(Sample {
            at: time::unix_ms() / 1e3,
            received: rate(now.received, before.received),
            published: rate(now.published, before.published),
            latency,
            worker_busy: store.worker_busy(),
            page_busy: ((now.worked_ms - before.worked_ms) / seconds / 10.0).min(100.0),
            broker: match answer.as_ref().map(|answer| answer.as_deref()) {
                Some(Ok(Answer::Load(load))) => Some(broker(load)),
                Some(_) | None => None,
            },
        }));
    });
}

fn broker(load: &Load) -> BrokerSample {
    BrokerSample {
        queued: load.queued as f64,
        in_flight: load.in_flight as f64,
        dropped: load.stats.messages_dropped as f64,
    }
}

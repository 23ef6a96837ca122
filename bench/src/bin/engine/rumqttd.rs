use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bench::{Matching, workload};
use broker::TopicName;

use crate::error::Error;
use crate::run::{self, Run};

/// The matcher of rumqttd 0.20. Its function `matches` is public, but the log that calls it is private, so this repeats the
/// log's code: it compares a new topic with every filter, and keeps the result in a map.
struct Rumqttd {
    filters: HashMap<String, usize>,
    seen: HashMap<String, Vec<usize>>,
    new: Vec<String>,
    next_new: usize,
    known: Vec<String>,
}

/// Number of topics that are new to it. Each takes milliseconds.
const NEW: usize = 10_000;

/// New topics in each round.
const NEW_IN_A_ROUND: usize = 100;

/// Measures new topics, and topics that it has seen before.
pub(crate) fn implementations(
    measure: &'static str,
) -> Result<[(&'static str, Run<'static>); 2], Error> {
    let mut ours = Matching::new();
    let mut rumqttd = Rumqttd::new(&mut ours);
    let found = rumqttd.match_new(NEW_IN_A_ROUND);
    run::agrees(measure, "rumqttd", found, ours.run(NEW_IN_A_ROUND))?;
    let rumqttd = Rc::new(RefCell::new(rumqttd));
    let known = Rc::clone(&rumqttd);
    let new = move || {
        let (_, seconds) = run::timed(|| rumqttd.borrow_mut().match_new(NEW_IN_A_ROUND));
        Ok((NEW_IN_A_ROUND, seconds))
    };
    let known = move || {
        let ((topics, _), seconds) = run::timed(|| known.borrow().match_known());
        Ok((topics, seconds))
    };
    Ok([
        ("rumqttd, topic new", Box::new(new)),
        ("rumqttd, topic seen", Box::new(known)),
    ])
}

impl Rumqttd {
    /// Subscribes to all filters, and fills the map with all topics but [`NEW`]. Our matcher computes the map, because
    /// rumqttd's would need an hour.
    fn new(matching: &mut Matching) -> Self {
        let filters = workload::filters().into_iter().zip(0..).collect();
        let new: Vec<String> = workload::topics().take(NEW).collect();
        let known: Vec<String> = workload::topics().skip(NEW).collect();
        let seen = known
            .iter()
            .filter_map(|topic| {
                let name = TopicName::parse(topic).ok()?;
                Some((topic.clone(), matching.matching(&name)))
            })
            // It keeps only topics that match a filter.
            .filter(|(_, found)| !found.is_empty())
            .collect();
        Self {
            filters,
            seen,
            new,
            next_new: 0,
            known,
        }
    }

    /// Matches the next `count` new topics; returns the number of matching filters.
    fn match_new(&mut self, count: usize) -> usize {
        let mut found = 0;
        for _ in 0..count {
            let topic = &self.new[self.next_new % NEW];
            let matching: Vec<usize> = self
                .filters
                .iter()
                .filter(|(filter, _)| rumqttd::protocol::matches(topic, filter))
                .map(|(_, index)| *index)
                .collect();
            found += matching.len();
            self.next_new += 1;
        }
        found
    }

    /// Looks up all known topics; returns the number of topics in the map, and of matching filters.
    fn match_known(&self) -> (usize, usize) {
        let mut topics = 0;
        let mut found = 0;
        for topic in &self.known {
            if let Some(matching) = self.seen.get(topic) {
                topics += 1;
                found += std::hint::black_box(matching.to_vec()).len();
            }
        }
        (topics, found)
    }
}

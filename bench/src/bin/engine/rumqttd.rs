use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bench::{Matching, workload};
use broker::TopicName;

use crate::error::Error;
use crate::run::{self, Run};

/// The matcher of rumqttd 0.20. Its parts are public, but not the log that puts them together, so that is repeated here
/// line by line: a topic that it sees for the first time is held against every filter, and what was found is kept in a
/// map for the next time.
struct Rumqttd {
    filters: HashMap<String, usize>,
    seen: HashMap<String, Vec<usize>>,
    new: Vec<String>,
    next_new: usize,
    known: Vec<String>,
}

/// So many topics are new to it: each takes milliseconds, and more of them tell no more.
const NEW: usize = 10_000;

/// So many are timed in a round.
const NEW_IN_A_ROUND: usize = 100;

/// What it takes for topics that it has not seen, and for those that it has.
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
    /// Subscribes to all filters, and lets it know all topics but some. That would take it an hour by itself, so it is
    /// told what matches.
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
            // It keeps only what matches something.
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

    /// Matches the next `count` topics that it has not seen.
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

    /// Matches all topics that it has seen and that match something.
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

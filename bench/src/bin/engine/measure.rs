use std::time::Instant;

use bench::{
    Churn, HOSTILE, Hostile, Matching, RetainedLookup, Routing, WILDCARD_FILTERS, workload,
};
use broker::{QoS, TopicFilter, TopicName};

use crate::error::Error;
use crate::node::Node;

/// One loop, and all who ran it.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// The first is what the others are compared to.
    pub(crate) series: Vec<Series>,
}

/// What one contender reached, round by round.
pub(crate) struct Series {
    pub(crate) who: &'static str,
    pub(crate) values: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Less is better.
    NanosecondsEach,
    /// More is better.
    PerSecond,
    /// Less is better: the longest step.
    Milliseconds,
}

/// What is run once in each round: how much was done in how many seconds.
pub(crate) type Run<'a> = Box<dyn FnMut() -> Result<(usize, f64), Error> + 'a>;

struct Contest<'a> {
    name: &'static str,
    unit: Unit,
    contenders: Vec<(&'static str, Run<'a>)>,
}

/// The topics of one round of matching; less for qlobber, which takes longer.
const TOPICS: usize = workload::TOPICS;
const TOPICS_FOR_QLOBBER: usize = 200_000;
const MESSAGES_TO_ONE: usize = 100_000;
const MESSAGES_TO_MANY: usize = 200;
const MANY: usize = 1_000;
const LOOKUPS: usize = 4_000;

/// Runs everything, round by round, so that whatever else the machine does hits all alike.
pub(crate) fn all(node: &Node, rounds: usize) -> Result<Vec<Measure>, Error> {
    eprintln!(
        "Setting up {} filters and {TOPICS} topics …",
        workload::FILTERS
    );
    let mut contests = vec![matching(node)?];
    contests.extend(churn(node));
    contests.push(retained(node));
    for (name, receivers, messages, qos) in [
        ("publish 1→1, QoS 0", 1, MESSAGES_TO_ONE, QoS::AtMostOnce),
        ("publish 1→1, QoS 1", 1, MESSAGES_TO_ONE, QoS::AtLeastOnce),
        (
            "publish 1→1,000, QoS 0",
            MANY,
            MESSAGES_TO_MANY,
            QoS::AtMostOnce,
        ),
        (
            "publish 1→1,000, QoS 1",
            MANY,
            MESSAGES_TO_MANY,
            QoS::AtLeastOnce,
        ),
    ] {
        contests.push(routing(node, name, receivers, messages, qos));
    }
    contests.extend((0..HOSTILE.len()).map(|case| hostile(node, case)));
    let mut measures: Vec<Measure> = contests
        .iter()
        .map(|contest| Measure {
            name: contest.name,
            unit: contest.unit,
            series: contest
                .contenders
                .iter()
                .map(|&(who, _)| Series {
                    who,
                    values: Vec::new(),
                })
                .collect(),
        })
        .collect();
    // The first round warms up, and is not counted.
    for round in 0..=rounds {
        eprintln!("Round {round} of {rounds} …");
        for (contest, measure) in contests.iter_mut().zip(&mut measures) {
            for ((_, run), series) in contest.contenders.iter_mut().zip(&mut measure.series) {
                let (done, seconds) = run()?;
                if round > 0 {
                    series.values.push(contest.unit.value(done, seconds));
                }
            }
        }
    }
    Ok(measures)
}

impl Unit {
    fn value(self, done: usize, seconds: f64) -> f64 {
        match self {
            Self::NanosecondsEach => seconds * 1e9 / done as f64,
            Self::PerSecond => done as f64 / seconds,
            Self::Milliseconds => seconds * 1e3,
        }
    }
}

pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed().as_secs_f64())
}

fn matching(node: &Node) -> Result<Contest<'_>, Error> {
    let name = "match a topic";
    let mut native = Matching::new();
    let by_qlobber = native.run(TOPICS_FOR_QLOBBER);
    let request = format!("matching qlobber {TOPICS_FOR_QLOBBER}");
    agrees(name, "qlobber", node.ask(&request)?.1, by_qlobber)?;
    let all = by_qlobber + native.run(TOPICS - TOPICS_FOR_QLOBBER);
    for who in ["fast", "small"] {
        let found = node.ask(&format!("matching {who} {TOPICS}"))?.1;
        agrees(name, who, found, all)?;
    }
    eprintln!("{:.2} filters match a topic", all as f64 / TOPICS as f64);
    #[cfg(feature = "peers")]
    let rumqttd = crate::rumqttd::contenders(name)?;

    let contenders = vec![
        (
            "native",
            Box::new(move || Ok((TOPICS, timed(|| native.run(TOPICS)).1))) as Run<'_>,
        ),
        asking(node, "wasm", format!("matching fast {TOPICS}"), TOPICS),
        asking(
            node,
            "wasm, small",
            format!("matching small {TOPICS}"),
            TOPICS,
        ),
        asking(node, "qlobber", request, TOPICS_FOR_QLOBBER),
    ];
    #[cfg(feature = "peers")]
    let contenders = contenders.into_iter().chain(rumqttd).collect();
    Ok(Contest {
        name,
        unit: Unit::NanosecondsEach,
        contenders,
    })
}

fn churn(node: &Node) -> [Contest<'_>; 2] {
    let native = std::rc::Rc::new(std::cell::RefCell::new(Churn::new()));
    let other = native.clone();
    let count = workload::FILTERS;
    [
        Contest {
            name: "subscribe",
            unit: Unit::PerSecond,
            contenders: vec![
                (
                    "native",
                    Box::new(move || Ok((count, timed(|| native.borrow_mut().subscribe()).1))),
                ),
                asking(node, "wasm", "subscribe fast".to_owned(), count),
                asking(node, "wasm, small", "subscribe small".to_owned(), count),
                asking(
                    node,
                    "qlobber, matcher alone",
                    "subscribe qlobber".to_owned(),
                    count,
                ),
            ],
        },
        Contest {
            name: "unsubscribe",
            unit: Unit::PerSecond,
            contenders: vec![
                (
                    "native",
                    Box::new(move || Ok((count, timed(|| other.borrow_mut().unsubscribe()).1))),
                ),
                asking(node, "wasm", "unsubscribe fast".to_owned(), count),
                asking(node, "wasm, small", "unsubscribe small".to_owned(), count),
                asking(
                    node,
                    "qlobber, matcher alone",
                    "unsubscribe qlobber".to_owned(),
                    count,
                ),
            ],
        },
    ]
}

fn retained(node: &Node) -> Contest<'_> {
    let mut native = RetainedLookup::new();
    let topics: Vec<TopicName> = workload::topics()
        .take(RetainedLookup::MESSAGES)
        .filter_map(|topic| TopicName::parse(&topic).ok())
        .collect();
    let filters: Vec<TopicFilter> = WILDCARD_FILTERS
        .into_iter()
        .filter_map(|filter| TopicFilter::parse(filter).ok())
        .collect();
    Contest {
        name: "retained by wildcard",
        unit: Unit::NanosecondsEach,
        contenders: vec![
            (
                "native",
                Box::new(move || Ok((LOOKUPS, timed(|| native.run(LOOKUPS)).1))),
            ),
            asking(node, "wasm", format!("retained fast {LOOKUPS}"), LOOKUPS),
            asking(
                node,
                "wasm, small",
                format!("retained small {LOOKUPS}"),
                LOOKUPS,
            ),
            (
                "native scan of all",
                Box::new(move || {
                    let scan = || -> usize {
                        let found = |filter: &TopicFilter| {
                            topics.iter().filter(|topic| filter.matches(topic)).count()
                        };
                        filters.iter().map(found).sum()
                    };
                    let (found, seconds) = timed(scan);
                    std::hint::black_box(found);
                    Ok((filters.len(), seconds))
                }),
            ),
        ],
    }
}

fn routing<'a>(
    node: &'a Node,
    name: &'static str,
    receivers: usize,
    messages: usize,
    qos: QoS,
) -> Contest<'a> {
    let mut native = Routing::new(receivers, qos);
    let numbers = format!("{messages} {receivers} {}", u8::from(qos));
    Contest {
        name,
        unit: Unit::PerSecond,
        contenders: vec![
            (
                "native",
                Box::new(move || {
                    let (delivered, seconds) = timed(|| native.run(messages));
                    agrees(name, "native", delivered, messages * receivers)?;
                    Ok((messages, seconds))
                }),
            ),
            asking(node, "wasm", format!("routing fast {numbers}"), messages),
            asking(
                node,
                "wasm, small",
                format!("routing small {numbers}"),
                messages,
            ),
        ],
    }
}

/// The longest that others wait while one client does its worst.
fn hostile(node: &Node, case: usize) -> Contest<'_> {
    let native = move || {
        let mut hostile = Hostile::new(case, tab::Settings::default().of_broker());
        let mut longest = 0.0_f64;
        loop {
            let (has_more, seconds) = timed(|| hostile.step());
            longest = longest.max(seconds);
            if !has_more {
                return Ok((1, longest));
            }
        }
    };
    Contest {
        name: HOSTILE[case],
        unit: Unit::Milliseconds,
        contenders: vec![
            ("native", Box::new(native)),
            asking(node, "wasm", format!("hostile fast {case}"), 1),
            asking(node, "wasm, small", format!("hostile small {case}"), 1),
        ],
    }
}

/// Everyone must find the same, or the times mean nothing.
pub(crate) fn agrees(
    measure: &'static str,
    who: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Disagreement {
            measure,
            who,
            found,
            expected,
        })
    }
}

/// A contender that Node runs.
fn asking<'a>(
    node: &'a Node,
    who: &'static str,
    request: String,
    done: usize,
) -> (&'static str, Run<'a>) {
    (who, Box::new(move || Ok((done, node.ask(&request)?.0))))
}

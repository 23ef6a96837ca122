use bench::{
    Churn, HOSTILE, Hostile, Matching, RetainedLookup, Routing, WILDCARD_FILTERS, workload,
};
use broker::{QoS, TopicFilter, TopicName};

use crate::error::Error;
use crate::node::Node;
use crate::run::{Run, agrees, timed};

/// The results of one loop.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// The others are compared with the first.
    pub(crate) series: Vec<Series>,
}

/// The results of one implementation, one for each round.
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
    /// The longest step. Less is better.
    Milliseconds,
}

struct Comparison<'a> {
    name: &'static str,
    unit: Unit,
    implementations: Vec<(&'static str, Run<'a>)>,
}

/// The topics of one round of matching. qlobber gets fewer, because it takes longer.
const TOPICS: usize = workload::TOPICS;
const TOPICS_FOR_QLOBBER: usize = 200_000;
const MESSAGES_TO_ONE: usize = 100_000;
const MESSAGES_TO_MANY: usize = 200;
const MANY: usize = 1_000;
const LOOKUPS: usize = 4_000;

/// Measures all comparisons. Each round runs all implementations, so that a disturbance affects all of them.
pub(crate) fn all(node: &Node, rounds: usize) -> Result<Vec<Measure>, Error> {
    eprintln!(
        "Setting up {} filters and {TOPICS} topics …",
        workload::FILTERS
    );
    let mut comparisons = vec![matching(node)?];
    comparisons.extend(churn(node));
    comparisons.push(retained(node));
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
        comparisons.push(routing(node, name, receivers, messages, qos));
    }
    comparisons.extend((0..HOSTILE.len()).map(|case| hostile(node, case)));
    let mut measures: Vec<Measure> = comparisons
        .iter()
        .map(|comparison| Measure {
            name: comparison.name,
            unit: comparison.unit,
            series: comparison
                .implementations
                .iter()
                .map(|&(who, _)| Series {
                    who,
                    values: Vec::new(),
                })
                .collect(),
        })
        .collect();
    // The first round is a warm-up, and is not counted.
    for round in 0..=rounds {
        eprintln!("Round {round} of {rounds} …");
        for (comparison, measure) in comparisons.iter_mut().zip(&mut measures) {
            for ((_, run), series) in comparison
                .implementations
                .iter_mut()
                .zip(&mut measure.series)
            {
                let (done, seconds) = run()?;
                if round > 0 {
                    series.values.push(comparison.unit.value(done, seconds));
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

fn matching(node: &Node) -> Result<Comparison<'_>, Error> {
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
    let rumqttd = crate::rumqttd::implementations(name)?;

    let implementations = vec![
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
    let implementations = implementations.into_iter().chain(rumqttd).collect();
    Ok(Comparison {
        name,
        unit: Unit::NanosecondsEach,
        implementations,
    })
}

fn churn(node: &Node) -> [Comparison<'_>; 2] {
    let native = std::rc::Rc::new(std::cell::RefCell::new(Churn::new()));
    let other = native.clone();
    let count = workload::FILTERS;
    [
        Comparison {
            name: "subscribe",
            unit: Unit::PerSecond,
            implementations: vec![
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
        Comparison {
            name: "unsubscribe",
            unit: Unit::PerSecond,
            implementations: vec![
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

fn retained(node: &Node) -> Comparison<'_> {
    let mut native = RetainedLookup::new();
    let topics: Vec<TopicName> = workload::topics()
        .take(RetainedLookup::MESSAGES)
        .filter_map(|topic| TopicName::parse(&topic).ok())
        .collect();
    let filters: Vec<TopicFilter> = WILDCARD_FILTERS
        .into_iter()
        .filter_map(|filter| TopicFilter::parse(filter).ok())
        .collect();
    Comparison {
        name: "retained by wildcard",
        unit: Unit::NanosecondsEach,
        implementations: vec![
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
) -> Comparison<'a> {
    let mut native = Routing::new(receivers, qos);
    let numbers = format!("{messages} {receivers} {}", u8::from(qos));
    Comparison {
        name,
        unit: Unit::PerSecond,
        implementations: vec![
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

/// The longest time that other clients wait while one client causes as much work as it can.
fn hostile(node: &Node, case: usize) -> Comparison<'_> {
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
    Comparison {
        name: HOSTILE[case],
        unit: Unit::Milliseconds,
        implementations: vec![
            ("native", Box::new(native)),
            asking(node, "wasm", format!("hostile fast {case}"), 1),
            asking(node, "wasm, small", format!("hostile small {case}"), 1),
        ],
    }
}

/// An implementation that runs in Node.
fn asking<'a>(
    node: &'a Node,
    who: &'static str,
    request: String,
    done: usize,
) -> (&'static str, Run<'a>) {
    (who, Box::new(move || Ok((done, node.ask(&request)?.0))))
}

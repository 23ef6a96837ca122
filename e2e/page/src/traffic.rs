//! The traffic of a load test: the messages that a page publishes and receives. Each message is identified, and
//! only the numbers are kept, so that the test can find lost ones at the end.
//!
//! Each publisher numbers its messages. Message `n` goes to topic `n % topics` below the publisher's name, so the
//! numbers of one topic rise. Its payload begins with `n` and the time, in microseconds since the epoch.

mod latency;
mod ranges;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tabmq_worker::api::{
    ClientCommand, ClientNo, Command, Message, MessageProperties, Publication, QoS, RequestId,
};

use latency::Latency;
use ranges::Ranges;

/// Topics of the load test.
const PREFIX: &str = "traffic/";

/// The first request of a publisher.
const REQUESTS: RequestId = RequestId(1 << 41);

/// The lowest reason code of an error.
const ERROR: u8 = 0x80;

/// The messages to publish.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    /// The unique name of this publisher.
    name: String,
    topics: u64,
    /// 0, 1 or 2. With 0, a sent message counts as acknowledged.
    qos: u8,
    /// Length of each payload, unless its number and time need more.
    bytes: usize,
    /// Messages a second; none publishes as fast as acknowledgements arrive.
    rate: Option<f64>,
    /// Highest number of unacknowledged messages.
    window: u64,
}

#[derive(Debug)]
struct Publisher {
    plan: Plan,
    began: f64,
    sent: u64,
    answered: u64,
    acknowledged: Ranges,
    is_stopped: bool,
}

/// The received messages of one publisher.
#[derive(Debug, Default)]
struct Arrived {
    numbers: Ranges,
    /// The highest number of each topic.
    last: BTreeMap<String, u64>,
}

/// Counts since the beginning, with two exceptions.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    sent: u64,
    acknowledged: u64,
    /// Answered with a reason code that is an error.
    refused: u64,
    /// Copies included.
    received: u64,
    duplicates: u64,
    /// Messages that arrived after a later one of the same topic and publisher.
    out_of_order: u64,
    /// Longest time between two acknowledgements since the last sample, in ms.
    gap_ms: f64,
    /// Latencies since the last sample: see [`Latency::take`].
    latency: Vec<(f64, u64)>,
}

/// The final report: ranges of numbers. The end of a range is not included.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome<'a> {
    name: Option<&'a str>,
    acknowledged: Option<&'a Ranges>,
    received: BTreeMap<&'a str, &'a Ranges>,
}

/// The published and the received messages of one page.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    publisher: Option<Publisher>,
    arrived: BTreeMap<String, Arrived>,
    counts: Sample,
    latency: Latency,
    acknowledged_at: Option<f64>,
}

impl Traffic {
    pub(crate) fn start(&mut self, plan: Plan, now: f64) {
        self.publisher = Some(Publisher {
            plan,
            began: now,
            sent: 0,
            answered: 0,
            acknowledged: Ranges::default(),
            is_stopped: false,
        });
    }

    pub(crate) fn stop(&mut self) {
        if let Some(publisher) = &mut self.publisher {
            publisher.is_stopped = true;
        }
    }

    /// Whether publishing has ended, and all messages are answered.
    pub(crate) fn is_done(&self) -> bool {
        let is_done = |it: &Publisher| it.is_stopped && it.answered == it.sent;
        self.publisher.as_ref().is_none_or(is_done)
    }

    /// Publishes the messages that are due.
    pub(crate) fn publish(&mut self, now: f64, send: &mut impl FnMut(Command)) {
        let Some(publisher) = &mut self.publisher else {
            return;
        };
        while publisher.is_due(now) {
            let publish =
                ClientCommand::Publish(RequestId(REQUESTS.0 + publisher.sent), publisher.next(now));
            publisher.sent += 1;
            self.counts.sent += 1;
            send(Command::Client(ClientNo(0), publish));
        }
    }

    /// Handles the answer to a request. `reason_code` is none if the request was refused.
    pub(crate) fn on_answer(&mut self, now: f64, request: RequestId, reason_code: Option<u8>) {
        let Some(publisher) = &mut self.publisher else {
            return;
        };
        publisher.answered += 1;
        if reason_code.is_none_or(|code| code >= ERROR) {
            self.counts.refused += 1;
            return;
        }
        self.counts.acknowledged += 1;
        publisher.acknowledged.insert(request.0 - REQUESTS.0);
        let gap_ms = self.acknowledged_at.map_or(0.0, |before| now - before);
        self.counts.gap_ms = self.counts.gap_ms.max(gap_ms);
        self.acknowledged_at = Some(now);
    }

    /// Counts a message, if it belongs to a load test.
    pub(crate) fn take(&mut self, now: f64, message: &Message) -> bool {
        let Some((name, _)) = message
            .topic
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        let Some((number, sent_at)) = head(&message.payload) else {
            return false;
        };
        self.counts.received += 1;
        if !self.arrived.contains_key(name) {
            self.arrived.insert(name.to_owned(), Arrived::default());
        }
        let Some(arrived) = self.arrived.get_mut(name) else {
            return false;
        };
        if !arrived.numbers.insert(number) {
            self.counts.duplicates += 1;
            return true;
        }
        self.latency.add(now - sent_at);
        match arrived.last.get_mut(&message.topic) {
            Some(last) if *last > number => self.counts.out_of_order += 1,
            Some(last) => *last = number,
            None => {
                arrived.last.insert(message.topic.clone(), number);
            }
        }
        true
    }

    pub(crate) fn sample(&mut self, now: f64) -> Sample {
        let mut sample = self.counts.clone();
        sample.latency = self.latency.take();
        self.counts.gap_ms = 0.0;
        // A gap that has not ended yet counts, too, if a message is unacknowledged.
        let is_owed = self
            .publisher
            .as_ref()
            .is_some_and(|it| it.answered < it.sent);
        if let Some(last) = self.acknowledged_at.filter(|_| is_owed) {
            sample.gap_ms = sample.gap_ms.max(now - last);
        }
        sample
    }

    pub(crate) fn outcome(&self) -> Outcome<'_> {
        let publisher = self.publisher.as_ref();
        let arrived = self.arrived.iter();
        Outcome {
            name: publisher.map(|it| it.plan.name.as_str()),
            acknowledged: publisher.map(|it| &it.acknowledged),
            received: arrived
                .map(|(name, it)| (name.as_str(), &it.numbers))
                .collect(),
        }
    }
}

impl Publisher {
    fn is_due(&self, now: f64) -> bool {
        // Far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let by_now = |rate: f64| (self.sent as f64) <= (now - self.began) * rate / 1_000.0;
        !self.is_stopped
            && self.plan.rate.is_none_or(by_now)
            && self.sent - self.answered < self.plan.window
    }

    fn next(&self, now: f64) -> Publication {
        let plan = &self.plan;
        let number = self.sent;
        let mut payload = format!("{number} {:.0} ", now * 1e3).into_bytes();
        payload.resize(plan.bytes.max(payload.len()), b'.');
        Publication {
            topic: format!("{PREFIX}{}/{}", plan.name, number % plan.topics.max(1)),
            payload,
            qos: match plan.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain: false,
            properties: MessageProperties::default(),
        }
    }
}

/// Whether a load test made this request.
pub(crate) fn is_of_traffic(request: RequestId) -> bool {
    request >= REQUESTS
}

/// The number and the time, in ms, that a payload begins with.
fn head(payload: &[u8]) -> Option<(u64, f64)> {
    let mut words = payload.splitn(3, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let number = word()?.parse().ok()?;
    let sent_us: f64 = word()?.parse().ok()?;
    Some((number, sent_us / 1e3))
}

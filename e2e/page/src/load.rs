//! Publishes many messages, and records the time of every acknowledgement.

use serde::{Deserialize, Serialize};
use tabmq_worker::api::{
    ClientCommand, ClientNo, Command, MessageProperties, Publication, QoS, RequestId,
};

use crate::LOADS;

/// The messages to publish, numbered from 0.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    client: u32,
    /// Topic of all messages; with `topics`, the number is appended.
    topic: String,
    /// Whether each message has its own topic.
    topics: bool,
    retain: bool,
    /// 0, 1 or 2. With 0, a sent message counts as acknowledged.
    qos: u8,
    /// Length of each payload. It begins with the message's number.
    bytes: usize,
    /// Number of messages; none publishes until `stop`.
    count: Option<usize>,
    /// Messages a second; none publishes as fast as acknowledgements arrive.
    rate: Option<f64>,
    /// Highest number of unacknowledged messages.
    window: usize,
}

/// A running load.
#[derive(Debug)]
pub(crate) struct Load {
    plan: Plan,
    started: f64,
    /// The time at which each message was published.
    sent: Vec<f64>,
    /// The time at which each number was acknowledged; NaN if it was not.
    acknowledged: Vec<f64>,
    acknowledged_count: usize,
    /// Refused numbers, with the reason code.
    refused: Vec<(usize, u8)>,
    is_stopped: bool,
}

/// The results of a load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    started: f64,
    sent: &'a [f64],
    /// 0 if it was not.
    acknowledged: Vec<f64>,
    refused: &'a [(usize, u8)],
}

impl Load {
    pub(crate) fn new(plan: Plan, now: f64) -> Self {
        Self {
            plan,
            started: now,
            sent: Vec::new(),
            acknowledged: Vec::new(),
            acknowledged_count: 0,
            refused: Vec::new(),
            is_stopped: false,
        }
    }

    pub(crate) fn publish(&mut self, now: f64, send: &mut impl FnMut(Command)) {
        while !self.is_stopped && self.is_due(now) {
            let number = self.sent.len();
            self.sent.push(now);
            self.acknowledged.push(f64::NAN);
            let plan = &self.plan;
            let topic = match plan.topics {
                true => format!("{}{number}", plan.topic),
                false => plan.topic.clone(),
            };
            let mut payload = format!("{number} ").into_bytes();
            payload.resize(plan.bytes.max(payload.len()), b'.');
            let publication = Publication {
                topic,
                payload,
                qos: match plan.qos {
                    0 => QoS::AtMostOnce,
                    1 => QoS::AtLeastOnce,
                    _ => QoS::ExactlyOnce,
                },
                retain: plan.retain,
                properties: MessageProperties::default(),
            };
            let request = RequestId(LOADS.0 + number as u64);
            let publish = ClientCommand::Publish(request, publication);
            send(Command::Client(ClientNo(plan.client), publish));
        }
    }

    fn is_due(&self, now: f64) -> bool {
        let plan = &self.plan;
        let sent = self.sent.len();
        // Far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let by_now = plan.rate.is_none_or(|rate| {
            let due = (now - self.started) * rate / 1_000.0;
            (sent as f64) <= due
        });
        by_now
            && plan.count.is_none_or(|count| sent < count)
            && sent - self.acknowledged_count < plan.window
    }

    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
    }

    pub(crate) fn on_acknowledged(&mut self, now: f64, request: RequestId, reason_code: u8) {
        let number = usize::try_from(request.0 - LOADS.0).unwrap_or(usize::MAX);
        let Some(at) = self.acknowledged.get_mut(number) else {
            return;
        };
        if at.is_nan() {
            *at = now;
            self.acknowledged_count += 1;
        }
        if reason_code >= 0x80 {
            self.refused.push((number, reason_code));
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        let is_complete = |count| self.sent.len() >= count;
        let ends = self.is_stopped || self.plan.count.is_some_and(is_complete);
        ends && self.acknowledged_count == self.sent.len()
    }

    pub(crate) fn report(&self) -> Report<'_> {
        let known = |at: &f64| if at.is_nan() { 0.0 } else { *at };
        Report {
            started: self.started,
            sent: &self.sent,
            acknowledged: self.acknowledged.iter().map(known).collect(),
            refused: &self.refused,
        }
    }
}

/// Whether a load made this request.
pub(crate) fn is_of_load(request: RequestId) -> bool {
    request >= LOADS
}

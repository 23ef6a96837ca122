//! Page credit: flow control between the worker and its page.
//!
//! The browser queues messages to a page without a limit. So the page acknowledges checkpoints. If it falls behind, the
//! tab makes the broker hold back messages on the lane.

use crate::api::{ClientNotice, Notice};

/// Approximate size of a notice without topic and payload.
const NOTICE_BYTES: usize = 64;

/// Byte counts since the start.
#[derive(Debug)]
pub(crate) struct PageCredit {
    window_bytes: u64,
    sent: u64,
    checkpoint: u64,
    acknowledged: u64,
    is_behind: bool,
}

impl PageCredit {
    /// Creates the credit of a page that is behind when this many bytes are in flight.
    pub(crate) fn new(window_bytes: usize) -> Self {
        Self {
            window_bytes: window_bytes as u64,
            sent: 0,
            checkpoint: 0,
            acknowledged: 0,
            is_behind: false,
        }
    }

    /// Counts notices that are about to be sent. Adds a checkpoint if one is due, or `is_awaited`. Returns the
    /// checkpoint.
    pub(crate) fn count(&mut self, notices: &mut Vec<Notice>, is_awaited: bool) -> Option<u64> {
        // Counts a long message in part, so that it does not block the messages after it.
        let cost_max = self.window_bytes / 4;
        let costs = notices.iter().map(|it| (cost(it) as u64).min(cost_max));
        self.sent += costs.sum::<u64>();
        let is_due = is_awaited || self.sent - self.checkpoint >= self.window_bytes / 16;
        if is_due {
            self.checkpoint = self.sent;
            notices.push(Notice::CreditCheckpoint(self.checkpoint));
        }
        self.update();
        is_due.then_some(self.checkpoint)
    }

    /// The page has acknowledged this checkpoint.
    pub(crate) fn acknowledge(&mut self, checkpoint: u64) {
        self.acknowledged = self.acknowledged.max(checkpoint.min(self.checkpoint));
        self.update();
    }

    /// Whether the page is behind. It stays behind until half of the window is acknowledged.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    fn update(&mut self) {
        let in_flight = self.sent - self.acknowledged;
        let window = self.window_bytes;
        self.is_behind = in_flight >= window || (self.is_behind && in_flight > window / 2);
    }
}

fn cost(notice: &Notice) -> usize {
    match notice {
        Notice::Client(_, ClientNotice::Message(message, _)) => {
            message.payload.len() + message.topic.len() + NOTICE_BYTES
        }
        _ => NOTICE_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::Time;

    use crate::api::{Audience, ClientNo, Message, MessageProperties, QoS};

    fn message(bytes: usize) -> Notice {
        let message = Message {
            topic: "t".to_owned(),
            payload: vec![0; bytes],
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Time::from_ms(0),
        };
        Notice::Client(
            ClientNo(0),
            ClientNotice::Message(message, Audience::default()),
        )
    }

    /// Sends the page a message. Returns the checkpoint, if there is one.
    fn count(page_credit: &mut PageCredit, bytes: usize) -> Option<u64> {
        let mut notices = vec![message(bytes)];
        page_credit.count(&mut notices, false);
        match notices.last() {
            Some(Notice::CreditCheckpoint(checkpoint)) => Some(*checkpoint),
            _ => None,
        }
    }

    #[test]
    fn a_page_that_does_not_acknowledge_checkpoints_is_behind() {
        let mut page_credit = PageCredit::new(4 << 20);
        assert_eq!(count(&mut page_credit, 1_000), None);
        let mut checkpoints = Vec::new();
        while !page_credit.is_behind() {
            checkpoints.extend(count(&mut page_credit, 100_000));
        }
        assert_eq!(checkpoints.len(), 14, "{checkpoints:?}");
        let half = checkpoints[checkpoints.len() / 2 - 1];
        page_credit.acknowledge(half);
        assert!(page_credit.is_behind(), "more than half is still in flight");
        page_credit.acknowledge(checkpoints[checkpoints.len() - 1]);
        assert!(!page_credit.is_behind());
        // A late checkpoint, an early one and one that was never sent.
        page_credit.acknowledge(half);
        page_credit.acknowledge(u64::MAX);
        assert!(!page_credit.is_behind());
        while !page_credit.is_behind() {
            count(&mut page_credit, 100_000);
        }
    }
}

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
    told: u64,
    marked: u64,
    heard: u64,
    is_behind: bool,
}

impl PageCredit {
    /// Creates the credit of a page that is behind when this many bytes are in flight.
    pub(crate) fn new(window_bytes: usize) -> Self {
        Self {
            window_bytes: window_bytes as u64,
            told: 0,
            marked: 0,
            heard: 0,
            is_behind: false,
        }
    }

    /// Counts notices that are about to be sent. Adds a checkpoint if one is due, or `is_awaited`. Returns the
    /// checkpoint.
    pub(crate) fn tell(&mut self, notices: &mut Vec<Notice>, is_awaited: bool) -> Option<u64> {
        // Counts a long message in part, so that it does not block the messages after it.
        let cost_max = self.window_bytes / 4;
        let costs = notices.iter().map(|it| (cost(it) as u64).min(cost_max));
        self.told += costs.sum::<u64>();
        let is_due = is_awaited || self.told - self.marked >= self.window_bytes / 16;
        if is_due {
            self.marked = self.told;
            notices.push(Notice::CreditCheckpoint(self.marked));
        }
        self.settle();
        is_due.then_some(self.marked)
    }

    /// The page has acknowledged this checkpoint.
    pub(crate) fn heard(&mut self, mark: u64) {
        self.heard = self.heard.max(mark.min(self.marked));
        self.settle();
    }

    /// Whether the page is behind. It stays behind until half of the window is acknowledged.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    fn settle(&mut self) {
        let in_flight = self.told - self.heard;
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
    fn tell(page_credit: &mut PageCredit, bytes: usize) -> Option<u64> {
        let mut notices = vec![message(bytes)];
        page_credit.tell(&mut notices, false);
        match notices.last() {
            Some(Notice::CreditCheckpoint(mark)) => Some(*mark),
            _ => None,
        }
    }

    #[test]
    fn the_page_is_asked_now_and_then_and_is_behind_when_it_says_nothing() {
        let mut page_credit = PageCredit::new(4 << 20);
        assert_eq!(tell(&mut page_credit, 1_000), None);
        let mut marks = Vec::new();
        while !page_credit.is_behind() {
            marks.extend(tell(&mut page_credit, 100_000));
        }
        assert_eq!(marks.len(), 14, "{marks:?}");
        let half = marks[marks.len() / 2 - 1];
        page_credit.heard(half);
        assert!(
            page_credit.is_behind(),
            "more than half is still on its way"
        );
        page_credit.heard(marks[marks.len() - 1]);
        assert!(!page_credit.is_behind());
        // A late checkpoint, an early one and one that was never sent.
        page_credit.heard(half);
        page_credit.heard(u64::MAX);
        assert!(!page_credit.is_behind());
        while !page_credit.is_behind() {
            tell(&mut page_credit, 100_000);
        }
    }
}

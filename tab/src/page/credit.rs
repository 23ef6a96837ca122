//! How far the page has come with what it was told.
//!
//! A worker may tell its page as much as it likes, and the browser keeps it all until the page gets to it. So the page is
//! asked now and then to say how far it has come; if that is too little, the broker is let know by way of the lane.

use crate::api::{ClientNotice, Notice};

/// What a notice costs beside a topic and a payload, about.
const NOTICE_BYTES: usize = 64;

/// Counts of bytes, each from the beginning.
#[derive(Debug)]
pub(crate) struct PageCredit {
    window_bytes: u64,
    told: u64,
    marked: u64,
    heard: u64,
    is_behind: bool,
}

impl PageCredit {
    /// A page that is behind when so many bytes are on their way to it.
    pub(crate) fn new(window_bytes: usize) -> Self {
        Self {
            window_bytes: window_bytes as u64,
            told: 0,
            marked: 0,
            heard: 0,
            is_behind: false,
        }
    }

    /// Counts what the page is about to be told, and adds a mark if it is time for one, or if somebody waits for the page to
    /// have heard this. Returns the mark.
    pub(crate) fn tell(&mut self, notices: &mut Vec<Notice>, is_awaited: bool) -> Option<u64> {
        // A long message does not keep all that come after it away.
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

    /// The page has come as far as this mark.
    pub(crate) fn heard(&mut self, mark: u64) {
        self.heard = self.heard.max(mark.min(self.marked));
        self.settle();
    }

    /// Whether the page is slow: from when too much is on its way to it until not much is.
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

    /// Tells the page a message; its mark, if it got one.
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
        // Late, early and never said.
        page_credit.heard(half);
        page_credit.heard(u64::MAX);
        assert!(!page_credit.is_behind());
        while !page_credit.is_behind() {
            tell(&mut page_credit, 100_000);
        }
    }
}

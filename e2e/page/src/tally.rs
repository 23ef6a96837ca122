//! Counts the received messages of loads by topic and number.

use std::collections::BTreeMap;

use tabmq_worker::api::Message;

/// Prefix of the topics of loads.
const LOADS: &str = "load/";

/// How often each number arrived.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<String, Vec<u32>>,
    all: f64,
}

impl Tally {
    /// Counts the message, if it belongs to a load.
    pub(crate) fn take(&mut self, message: &Message) -> bool {
        if !message.topic.starts_with(LOADS) {
            return false;
        }
        let Some(number) = number(&message.payload) else {
            return false;
        };
        self.all += 1.0;
        if !self.counts.contains_key(&message.topic) {
            self.counts.insert(message.topic.clone(), Vec::new());
        }
        if let Some(counts) = self.counts.get_mut(&message.topic) {
            if counts.len() <= number {
                counts.resize(number + 1, 0);
            }
            if let Some(count) = counts.get_mut(number) {
                *count += 1;
            }
        }
        true
    }

    pub(crate) fn counts(&self, topic: &str) -> Vec<u32> {
        self.counts.get(topic).cloned().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> f64 {
        self.all
    }
}

/// The number that the payload of a load's message begins with.
fn number(payload: &[u8]) -> Option<usize> {
    let end = payload.iter().position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(payload.get(..end)?).ok()?;
    // Other messages must not make this allocate memory.
    digits.parse().ok().filter(|number| *number < 10_000_000)
}

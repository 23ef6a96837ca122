//! Messages that the broker dropped, by client and reason.

use std::collections::BTreeMap;

use tabmq_worker::api::{DropReason, Dropped};

/// Messages dropped since this page was opened, according to the broker's answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Drops {
    clients: BTreeMap<(String, DropReason), Count>,
    /// Time of the last answer, in Unix milliseconds; `None`: no answer yet.
    answered_at: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    /// Count in the broker's last answer.
    of_broker: u64,
    /// Count of earlier brokers.
    before: u64,
}

/// Messages dropped for one client between two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) client_id: String,
    pub(crate) reason: DropReason,
    pub(crate) messages: u64,
    /// Seconds between the two answers.
    pub(crate) seconds: u64,
}

impl Drops {
    /// Applies an answer, which counts from the broker's start. Returns the losses since the answer before.
    pub(crate) fn on_answer(&mut self, at: f64, drops: &[Dropped]) -> Vec<Loss> {
        let before = self.answered_at.replace(at);
        let mut losses = Vec::new();
        for it in drops {
            let key = (it.client_id.clone(), it.reason);
            let count = self.clients.entry(key).or_default();
            let messages = it.messages.saturating_sub(count.of_broker);
            count.of_broker = it.messages;
            if let Some(before) = before.filter(|_| messages > 0) {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a few seconds"
                )]
                let seconds = ((at - before) / 1e3).round().max(1.0) as u64;
                losses.push(Loss {
                    client_id: it.client_id.clone(),
                    reason: it.reason,
                    messages,
                    seconds,
                });
            }
        }
        losses
    }

    /// A new broker counts from zero.
    pub(crate) fn on_new_broker(&mut self) {
        for count in self.clients.values_mut() {
            count.before += core::mem::take(&mut count.of_broker);
        }
    }

    /// Messages dropped for this client, and the most frequent reason.
    pub(crate) fn of(&self, client_id: &str) -> Option<(u64, DropReason)> {
        let own = self.clients.iter().filter(|((id, _), _)| id == client_id);
        let own: Vec<(u64, DropReason)> = own
            .map(|((_, reason), count)| (count.total(), *reason))
            .collect();
        let all = own.iter().map(|(messages, _)| messages).sum();
        let (_, reason) = own.into_iter().max()?;
        Some((all, reason)).filter(|_| all > 0)
    }

    /// Messages dropped for other clients.
    pub(crate) fn of_others(&self, client_id: Option<&str>) -> u64 {
        let others = self.clients.iter();
        let others = others.filter(|((id, _), _)| Some(id.as_str()) != client_id);
        others.map(|(_, count)| count.total()).sum()
    }
}

impl Count {
    fn total(self) -> u64 {
        self.of_broker + self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(client_id: &str, messages: u64) -> Dropped {
        Dropped {
            client_id: client_id.to_owned(),
            reason: DropReason::QueueFull,
            messages,
        }
    }

    #[test]
    fn a_loss_is_the_difference_between_two_answers() {
        let mut drops = Drops::default();
        assert_eq!(drops.on_answer(0.0, &[dropped("a", 5)]), []);
        let losses = drops.on_answer(1_100.0, &[dropped("a", 5), dropped("b", 7)]);
        let b = Loss {
            client_id: "b".to_owned(),
            reason: DropReason::QueueFull,
            messages: 7,
            seconds: 1,
        };
        assert_eq!(losses, [b]);
        assert_eq!((drops.of_others(Some("a")), drops.of_others(None)), (7, 12));
        assert_eq!(drops.of("a"), Some((5, DropReason::QueueFull)));
        assert_eq!(drops.of("c"), None);
    }

    #[test]
    fn another_broker_counts_from_zero() {
        let mut drops = Drops::default();
        drops.on_answer(0.0, &[]);
        drops.on_answer(1.0, &[dropped("a", 5)]);
        drops.on_new_broker();
        let losses = drops.on_answer(3_000.0, &[dropped("a", 6)]);
        assert_eq!((losses[0].messages, losses[0].seconds), (6, 3));
        assert_eq!(drops.of_others(None), 11);
    }
}

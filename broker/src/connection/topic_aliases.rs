//! The topic aliases towards a client.

use crate::TopicName;
use crate::util::sorted::Map;

/// The aliases of one connection, at most as many as the client allows. When all are in use, the least recently used
/// topic loses its alias. A frequent topic so keeps one, whenever it began. [MQTT-3.1.2-26]
#[derive(Debug)]
pub(crate) struct OutboundTopicAliases {
    maximum: u16,
    by_topic: Map<TopicName, Alias>,
    /// The topics with an alias, by their last use.
    by_use: Map<u64, TopicName>,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Alias {
    number: u16,
    used: u64,
}

impl OutboundTopicAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self {
            maximum,
            by_topic: Map::new(),
            by_use: Map::new(),
            uses: 0,
        }
    }

    /// Whether the client allows no alias.
    pub(crate) const fn is_empty(&self) -> bool {
        self.maximum == 0
    }

    /// The alias of a topic.
    pub(crate) fn get(&self, topic: &TopicName) -> Option<u16> {
        self.by_topic.get(topic).map(|alias| alias.number)
    }

    /// The next alias to assign: the lowest free one, or the least recently used one.
    pub(crate) fn next(&self) -> Option<u16> {
        match u16::try_from(self.by_topic.len()) {
            Ok(given) if given < self.maximum => Some(given + 1),
            _ => self
                .by_use
                .values()
                .next()
                .and_then(|topic| self.get(topic)),
        }
    }

    /// Notes that the client got a topic with an alias, which now means this topic.
    pub(crate) fn sent(&mut self, topic: TopicName, number: u16) {
        let used = self.uses;
        self.uses += 1;
        let alias = Alias { number, used };
        if let Some(former) = self.by_topic.insert(topic.clone(), alias) {
            self.by_use.remove(&former.used);
        } else if self.by_topic.len() > usize::from(self.maximum)
            && let Some((_, loser)) = self.by_use.pop_first()
        {
            self.by_topic.remove(&loser);
        }
        self.by_use.insert(used, topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(aliases: &mut OutboundTopicAliases, topic: &str) -> (u16, bool) {
        let topic = TopicName::parse(topic).unwrap();
        let known = aliases.get(&topic);
        let number = known.or_else(|| aliases.next()).unwrap();
        aliases.sent(topic, number);
        (number, known.is_some())
    }

    #[test]
    fn an_alias_stands_for_its_latest_topic() {
        let mut aliases = OutboundTopicAliases::new(3);
        let mut told = Map::new();
        for step in 0..500_u32 {
            let topic = format!("t{}", step * step % 7);
            let (number, known) = send(&mut aliases, &topic);
            assert!((1..=3).contains(&number));
            match known {
                // The client uses the last assignment.
                true => assert_eq!(told.get(&number), Some(&topic)),
                false => {
                    told.insert(number, topic);
                }
            }
            assert!(aliases.by_topic.len() <= 3);
            assert_eq!(aliases.by_topic.len(), aliases.by_use.len());
        }
    }

    /// With lists that move for each topic this took minutes.
    #[test]
    fn all_possible_aliases_are_used_in_rotation() {
        let maximum = u16::MAX;
        let mut aliases = OutboundTopicAliases::new(maximum);
        for number in 0..u32::from(maximum) * 3 {
            let (alias, known) = send(&mut aliases, &format!("t/{}", number % 131_070));
            assert_eq!((u32::from(alias) - 1, known), (number % 65_535, false));
        }
        assert_eq!(aliases.by_topic.len(), usize::from(maximum));
        assert_eq!(aliases.by_use.len(), usize::from(maximum));
    }

    #[test]
    fn the_least_recently_used_topic_loses_its_alias() {
        let mut aliases = OutboundTopicAliases::new(2);
        assert_eq!(send(&mut aliases, "often"), (1, false));
        assert_eq!(send(&mut aliases, "once"), (2, false));
        assert_eq!(send(&mut aliases, "often"), (1, true));
        assert_eq!(send(&mut aliases, "new"), (2, false));
        assert_eq!(send(&mut aliases, "often"), (1, true));
        assert_eq!(send(&mut aliases, "once"), (2, false));
    }
}

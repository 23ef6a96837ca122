//! Messages and releases that were sent and are not acknowledged, by position and by packet identifier.

use std::collections::{HashMap, VecDeque};

use super::{InFlight, Stage};
use crate::util::hash::SeededState;

/// The messages and the releases that are in flight.
///
/// Messages are sent in the order of their positions, and so are releases, but a release may have a higher position
/// than a message that is sent later: each kind has a queue of its own, and nearly all entries join at its end.
#[derive(Debug)]
pub(super) struct Flights {
    messages: Line,
    releases: Line,
    /// The position of each packet identifier.
    positions: HashMap<u16, u64, SeededState>,
    /// The bytes of all messages.
    bytes: usize,
}

/// In the order of their positions.
#[derive(Debug, Default)]
struct Line {
    /// A finished entry leaves a gap until all before it have finished, or half are gaps. So each end costs the same.
    /// Clients acknowledge in order, and then there are no gaps.
    places: VecDeque<(u64, Option<InFlight>)>,
    gaps: usize,
}

/// Fewer gaps than this are not closed.
const GAPS: usize = 16;

impl Default for Flights {
    fn default() -> Self {
        Self {
            messages: Line::default(),
            releases: Line::default(),
            // The broker chooses the identifiers, so clients cannot make them collide.
            positions: HashMap::with_hasher(SeededState::new(&[0; 32])),
            bytes: 0,
        }
    }
}

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// The bytes of all messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, position: u64) -> Option<&InFlight> {
        let message = self.messages.get(position);
        message.or_else(|| self.releases.get(position))
    }

    pub(super) fn get_mut(&mut self, position: u64) -> Option<&mut InFlight> {
        let message = self.messages.get_mut(position);
        message.or_else(|| self.releases.get_mut(position))
    }

    pub(super) fn position(&self, packet_id: u16) -> Option<u64> {
        self.positions.get(&packet_id).copied()
    }

    pub(super) fn insert(&mut self, position: u64, entry: InFlight) {
        self.positions.insert(entry.packet_id, position);
        self.bytes += entry.bytes();
        match entry.stage {
            Stage::Publish(_) => self.messages.insert(position, entry),
            Stage::PubRel => self.releases.insert(position, entry),
        }
    }

    pub(super) fn remove(&mut self, packet_id: u16) -> Option<InFlight> {
        let position = self.positions.remove(&packet_id)?;
        let message = self.messages.remove(position);
        let removed = message.or_else(|| self.releases.remove(position))?;
        self.bytes -= removed.bytes();
        Some(removed)
    }

    /// The messages from a position on, in order.
    pub(super) fn messages(&self, from: u64) -> impl Iterator<Item = (u64, &InFlight)> {
        self.messages.iter(from)
    }

    /// The releases, in order.
    pub(super) fn releases(&self) -> impl Iterator<Item = (u64, &InFlight)> {
        self.releases.iter(0)
    }

    /// All messages, then all releases, each in order; they may be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut InFlight)> {
        let all = self
            .messages
            .places
            .iter_mut()
            .chain(&mut self.releases.places);
        all.filter_map(|(position, entry)| Some((*position, entry.as_mut()?)))
    }
}

impl Line {
    fn place(&self, position: u64) -> Result<usize, usize> {
        match self.places.front() {
            // Most look-ups want the first one.
            Some((first, _)) if *first == position => Ok(0),
            _ => self
                .places
                .binary_search_by_key(&position, |(other, _)| *other),
        }
    }

    fn get(&self, position: u64) -> Option<&InFlight> {
        self.places[self.place(position).ok()?].1.as_ref()
    }

    fn get_mut(&mut self, position: u64) -> Option<&mut InFlight> {
        let place = self.place(position).ok()?;
        self.places[place].1.as_mut()
    }

    fn iter(&self, from: u64) -> impl Iterator<Item = (u64, &InFlight)> {
        let start = self.place(from).unwrap_or_else(|place| place);
        let places = self.places.range(start..);
        places.filter_map(|(position, entry)| Some((*position, entry.as_ref()?)))
    }

    fn insert(&mut self, position: u64, entry: InFlight) {
        match self.places.back() {
            Some((last, _)) if *last >= position => match self.place(position) {
                Ok(place) => {
                    let former = self.places[place].1.replace(entry);
                    self.gaps -= usize::from(former.is_none());
                }
                // The log may have them in another order.
                Err(place) => self.places.insert(place, (position, Some(entry))),
            },
            _ => self.places.push_back((position, Some(entry))),
        }
    }

    fn remove(&mut self, position: u64) -> Option<InFlight> {
        let place = self.place(position).ok()?;
        let entry = self.places[place].1.take()?;
        if place == 0 {
            self.places.pop_front();
        } else {
            self.gaps += 1;
        }
        while let Some((_, None)) = self.places.front() {
            self.places.pop_front();
            self.gaps -= 1;
        }
        if self.gaps > GAPS + self.places.len() / 2 {
            self.places.retain(|(_, entry)| entry.is_some());
            self.gaps = 0;
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn release(packet_id: u16) -> InFlight {
        InFlight::sent(packet_id, Stage::PubRel)
    }

    /// With any order of acknowledgements it equals a tree, and never has many more gaps than entries.
    #[test]
    fn the_flights_equal_a_btree_map() {
        let mut state = 1_u64;
        let mut dice = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let (mut flights, mut tree) = (Flights::default(), BTreeMap::new());
        let mut next = 1_000;
        for _ in 0..20_000 {
            let packet_id = dice(300) as u16 + 1;
            match dice(3) {
                0 => {
                    let expected = tree.remove(&packet_id);
                    assert_eq!(flights.position(packet_id), expected);
                    let removed = flights.remove(packet_id);
                    assert_eq!(removed.map(|it| it.packet_id), expected.map(|_| packet_id));
                }
                _ if tree.contains_key(&packet_id) => {}
                way => {
                    // Sometimes one that comes late.
                    next += 2;
                    let position = if way == 1 && dice(10) == 0 {
                        next - 301
                    } else {
                        next
                    };
                    if tree.values().all(|other| *other != position) {
                        flights.insert(position, release(packet_id));
                        tree.insert(packet_id, position);
                    }
                }
            }
            let line = &flights.releases;
            assert_eq!(flights.len(), tree.len());
            assert_eq!(line.places.len() - line.gaps, tree.len());
            assert!(line.places.len() <= 2 * tree.len() + 2 * GAPS + 2);
        }
        let mut expected: Vec<(u64, u16)> = tree.iter().map(|(id, at)| (*at, *id)).collect();
        expected.sort_unstable();
        let found = flights.releases().map(|(at, it)| (at, it.packet_id));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        for (position, packet_id) in expected {
            assert_eq!(flights.get(position).unwrap().packet_id, packet_id);
        }
    }

    #[test]
    fn acknowledgements_in_reverse_order_leave_a_bounded_number_of_gaps() {
        let mut flights = Flights::default();
        (1..=10_000).for_each(|id| flights.insert(id.into(), release(id)));
        for id in (2..=10_000).rev() {
            assert!(flights.remove(id).is_some());
        }
        assert!(flights.releases.places.len() <= 2 * GAPS + 2);
        assert_eq!(flights.len(), 1);
    }
}

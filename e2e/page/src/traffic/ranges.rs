//! A set of numbers that mostly arrive in order.

use serde::Serialize;

/// Ascending ranges with a gap between any two. The end of a range is not included.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a number; returns whether it is new.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        // Ranges that begin at or before the number. Nearly always it belongs to the last one.
        let place = match self.0.last() {
            Some((from, _)) if *from <= number => self.0.len(),
            _ => self.0.partition_point(|(from, _)| *from <= number),
        };
        let follows = match place.checked_sub(1).and_then(|it| self.0.get_mut(it)) {
            Some((_, to)) if number < *to => return false,
            Some((_, to)) if number == *to => {
                *to += 1;
                true
            }
            _ => false,
        };
        let touches = self
            .0
            .get(place)
            .is_some_and(|(from, _)| *from == number + 1);
        match (follows, touches) {
            (true, true) => {
                let (_, to) = self.0.remove(place);
                self.0[place - 1].1 = to;
            }
            (true, false) => {}
            (false, true) => self.0[place].0 = number,
            (false, false) => self.0.insert(place, (number, number + 1)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_order_form_the_fewest_ranges() {
        let mut ranges = Ranges::default();
        for number in [1, 2, 5, 0, 4, 9] {
            assert!(ranges.insert(number), "{number}");
        }
        assert_eq!(ranges.0, [(0, 3), (4, 6), (9, 10)]);
        for number in [0, 2, 4, 5, 9] {
            assert!(!ranges.insert(number), "{number}");
        }
        assert!(ranges.insert(3) && ranges.insert(8) && ranges.insert(10));
        assert_eq!(ranges.0, [(0, 6), (8, 11)]);
    }
}

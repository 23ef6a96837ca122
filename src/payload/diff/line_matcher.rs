//! Which lines of two payloads are the same. Lines are compared by numbers.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::Row;
use super::myers::{Found, MyersSearch};
use crate::payload::lines::Lines;

/// A number for each line. Equal lines have equal numbers.
#[derive(Debug, Default)]
pub(super) struct LineIds {
    pub(super) numbers: HashMap<String, u32>,
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

impl LineIds {
    /// Numbers the lines of one payload. Returns whether all have a number.
    pub(super) fn advance(
        numbers: &mut HashMap<String, u32>,
        named: &mut Vec<u32>,
        lines: &Lines,
        bytes: &[u8],
        is_time_up: &mut impl FnMut() -> bool,
    ) -> bool {
        let len = lines.len(bytes);
        loop {
            for _ in 0..256 {
                if named.len() == len {
                    return true;
                }
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                let line = lines.line(bytes, named.len());
                named.push(*numbers.entry(line).or_insert(next));
            }
            if is_time_up() {
                return false;
            }
        }
    }
}

/// Matches equal lines: first lines that occur once in both payloads, then the fewest changes in between.
#[derive(Debug)]
pub(super) struct LineMatcher {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
    /// Pairs of equal lines, ascending on both sides.
    pub(super) anchors: VecDeque<(usize, usize)>,
    /// Numbers of lines of both sides that are in rows.
    pub(super) position: (usize, usize),
    pub(super) search: Option<MyersSearch>,
    pub(super) rows: Vec<Row>,
    pub(super) removed: usize,
    pub(super) added: usize,
    pub(super) is_in_place: bool,
}

impl LineMatcher {
    pub(super) fn new(names: &mut LineIds) -> Self {
        let kinds = names.numbers.len();
        let before = std::mem::take(&mut names.before);
        let after = std::mem::take(&mut names.after);
        Self {
            anchors: anchors(&before, &after, kinds),
            before,
            after,
            position: (0, 0),
            search: None,
            rows: Vec::new(),
            removed: 0,
            added: 0,
            is_in_place: false,
        }
    }

    /// Continues, and returns whether it is done.
    pub(super) fn advance(&mut self, is_time_up: &mut impl FnMut() -> bool) -> bool {
        loop {
            if let Some(search) = &mut self.search {
                match search.advance(&self.before, &self.after, is_time_up) {
                    Found::NotYet => return false,
                    Found::Changes(changes) => {
                        self.search = None;
                        for row in changes {
                            self.put(row);
                        }
                    }
                    Found::TooMany(before, after) => {
                        self.search = None;
                        self.put_in_place(before, after);
                    }
                }
            } else if !self.next_stretch() {
                return true;
            }
            if is_time_up() {
                return false;
            }
        }
    }

    /// Begins with the stretch before the next anchor. Returns whether there is one.
    fn next_stretch(&mut self) -> bool {
        let (from_before, from_after) = self.position;
        let anchor = self.anchors.pop_front();
        let (to_before, to_after) = anchor.unwrap_or((self.before.len(), self.after.len()));
        if (from_before, from_after) == (to_before, to_after) {
            return match anchor {
                Some(_) => {
                    self.put(Row::Same(to_after));
                    true
                }
                None => false,
            };
        }
        if let Some(anchor) = anchor {
            self.anchors.push_front(anchor);
        }
        // A common beginning and end need no search.
        let same = |a: &u32, b: &u32| a == b;
        let before = &self.before[from_before..to_before];
        let after = &self.after[from_after..to_after];
        let head = before
            .iter()
            .zip(after)
            .take_while(|(a, b)| same(a, b))
            .count();
        if head > 0 {
            for line in from_after..from_after + head {
                self.put(Row::Same(line));
            }
            return true;
        }
        let ends = before.iter().rev().zip(after.iter().rev());
        let tail = ends.take_while(|(a, b)| same(a, b)).count();
        let before = from_before..to_before - tail;
        let after = from_after..to_after - tail;
        if before.is_empty() || after.is_empty() {
            before.for_each(|line| self.put(Row::Removed(line)));
            after.for_each(|line| self.put(Row::Added(line)));
        } else {
            self.search = Some(MyersSearch::new(before, after));
        }
        true
    }

    fn put(&mut self, row: Row) {
        let (before, after) = &mut self.position;
        match row {
            Row::Same(_) => (*before, *after) = (*before + 1, *after + 1),
            Row::Removed(_) => {
                *before += 1;
                self.removed += 1;
            }
            Row::Added(_) => {
                *after += 1;
                self.added += 1;
            }
            Row::LeftOut(_) => {}
        }
        self.rows.push(row);
    }

    /// Compares the first line with the first, the second with the second, and so on.
    fn put_in_place(&mut self, before: Range<usize>, after: Range<usize>) {
        self.is_in_place = true;
        let pairs = before.len().min(after.len());
        for (a, b) in before.clone().zip(after.clone()) {
            if self.before[a] == self.after[b] {
                self.put(Row::Same(b));
            } else {
                self.put(Row::Removed(a));
                self.put(Row::Added(b));
            }
        }
        (before.start + pairs..before.end).for_each(|line| self.put(Row::Removed(line)));
        (after.start + pairs..after.end).for_each(|line| self.put(Row::Added(line)));
    }
}

/// The longest sequence of lines that occur once in both payloads, in the order of both.
fn anchors(before: &[u32], after: &[u32], kinds: usize) -> VecDeque<(usize, usize)> {
    const NONE: usize = usize::MAX;
    const SEVERAL: usize = usize::MAX - 1;
    let once = |lines: &[u32]| {
        let mut places = vec![NONE; kinds];
        for (place, line) in lines.iter().enumerate() {
            let known = &mut places[*line as usize];
            *known = if *known == NONE { place } else { SEVERAL };
        }
        places
    };
    let (in_before, in_after) = (once(before), once(after));
    // Ascending in `before`. Searches the longest subsequence that also ascends in `after`.
    let pairs: Vec<(usize, usize)> = before
        .iter()
        .map(|line| (in_before[*line as usize], in_after[*line as usize]))
        .filter(|(a, b)| *a < SEVERAL && *b < SEVERAL)
        .collect();
    // For each length, the pair with the least place in `after` that ends such a subsequence.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous = vec![NONE; pairs.len()];
    for (index, (_, place)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *place);
        if let Some(before) = length.checked_sub(1) {
            previous[index] = ends[before];
        }
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut anchors = VecDeque::with_capacity(ends.len());
    let mut at = ends.last().copied().unwrap_or(NONE);
    while at != NONE {
        anchors.push_front(pairs[at]);
        at = previous[at];
    }
    anchors
}

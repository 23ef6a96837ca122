//! The fewest changes between two stretches of lines.

use std::ops::Range;

use super::Row;

/// Greatest number of changes in one stretch for which the fewest are searched. Time and memory of the search grow with its
/// square.
pub(super) const CHANGES_MAX: usize = 1_000;

/// Searches the fewest changes between two stretches of lines: Myers, "An O(ND) difference algorithm and its variations",
/// 1986.
#[derive(Debug)]
pub(super) struct MyersSearch {
    before: Range<usize>,
    after: Range<usize>,
    /// The position that each diagonal has reached, by number of changes.
    reached: Vec<Vec<u32>>,
}

pub(super) enum Found {
    NotYet,
    Changes(Vec<Row>),
    TooMany(Range<usize>, Range<usize>),
}

impl MyersSearch {
    pub(super) fn new(before: Range<usize>, after: Range<usize>) -> Self {
        Self {
            before,
            after,
            reached: Vec::new(),
        }
    }

    pub(super) fn advance(
        &mut self,
        before: &[u32],
        after: &[u32],
        is_time_up: &mut impl FnMut() -> bool,
    ) -> Found {
        let before = &before[self.before.clone()];
        let after = &after[self.after.clone()];
        loop {
            if self.reached.len() > CHANGES_MAX {
                return Found::TooMany(self.before.clone(), self.after.clone());
            }
            if self.one_more(before, after) {
                return Found::Changes(self.rows(before.len(), after.len()));
            }
            if is_time_up() {
                return Found::NotYet;
            }
        }
    }

    /// Advances by one more change. Returns whether it has reached the end.
    fn one_more(&mut self, before: &[u32], after: &[u32]) -> bool {
        let changes = self.reached.len();
        let mut reached = Vec::with_capacity(changes + 1);
        let mut is_end = false;
        for diagonal in 0..=changes {
            let mut x = self.start(changes, diagonal);
            // x − y, which goes from −changes to changes in steps of 2.
            let Some(mut y) = (x + changes).checked_sub(2 * diagonal) else {
                reached.push(0);
                continue;
            };
            while x < before.len() && y < after.len() && before[x] == after[y] {
                (x, y) = (x + 1, y + 1);
            }
            is_end |= x == before.len() && y == after.len();
            reached.push(place(x));
        }
        self.reached.push(reached);
        is_end
    }

    /// Where a diagonal begins with its last change: below the one above, or to the right of the one below.
    fn start(&self, changes: usize, diagonal: usize) -> usize {
        let Some(last) = changes.checked_sub(1).map(|it| &self.reached[it]) else {
            return 0;
        };
        let at = |diagonal: usize| last[diagonal] as usize;
        match self.is_added(changes, diagonal) {
            true => at(diagonal),
            false => at(diagonal - 1) + 1,
        }
    }

    fn is_added(&self, changes: usize, diagonal: usize) -> bool {
        let last = &self.reached[changes - 1];
        diagonal == 0 || (diagonal < changes && last[diagonal - 1] < last[diagonal])
    }

    /// The path to the end as rows.
    fn rows(&self, mut x: usize, mut y: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        for changes in (0..self.reached.len()).rev() {
            let diagonal = (x + changes - y) / 2;
            let start = self.start(changes, diagonal);
            while x > start {
                (x, y) = (x - 1, y - 1);
                rows.push(Row::Same(self.after.start + y));
            }
            if changes > 0 && self.is_added(changes, diagonal) {
                y -= 1;
                rows.push(Row::Added(self.after.start + y));
            } else if changes > 0 {
                x -= 1;
                rows.push(Row::Removed(self.before.start + x));
            }
        }
        rows.reverse();
        rows
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

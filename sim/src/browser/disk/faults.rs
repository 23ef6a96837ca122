//! Faults of the disk.

use tab::TabId;
use tab::api::Term;
use tab::control::SAFE_INTEGER_MAX;
use tab::storage::{Row, RowKind, Seq};

use super::{Disk, DiskBehavior, Stored};
use crate::workload::message_id::MessageId;

impl Disk {
    /// The tab has ended, and so have the transactions that it had not submitted.
    pub(crate) fn on_tab_ended(&mut self, now_us: u64, tab: TabId) {
        self.connections.remove(&tab);
        self.closing.remove(&tab);
        self.under_way
            .retain(|_, it| it.tab != tab || it.submitted_us <= now_us);
    }

    /// Removes all data of the site. Returns the tabs that had the database open.
    pub(crate) fn clear(&mut self) -> Vec<TabId> {
        self.rows.clear();
        self.strays.clear();
        self.snapshot = None;
        self.under_way.clear();
        let open = core::mem::take(&mut self.connections);
        self.closing.extend(open.keys().copied());
        open.into_keys().collect()
    }

    /// The disk is full until this time.
    pub(crate) fn fill_up(&mut self, until_us: u64) {
        self.full_until_us = until_us;
    }

    /// Makes all requests on the tab's connection fail, if it has one. A new connection works.
    pub(crate) fn kill_handle(&mut self, tab: TabId) -> bool {
        let connection = self.connections.get(&tab).filter(|it| !it.is_opening);
        connection.is_some_and(|it| self.dead.insert(it.no))
    }

    /// Makes all requests fail until this time, except those of one tab.
    pub(crate) fn take_down(&mut self, until_us: u64, exempt_tab: Option<TabId>) {
        self.down_until_us = until_us;
        self.exempt_tab = exempt_tab;
    }

    /// Leaves openings unanswered until this time.
    pub(crate) fn silence_opening(&mut self, until_us: u64) {
        self.silent_until_us = until_us;
    }

    /// Ends all faults: from now on the disk is correct and fast.
    pub(crate) fn end_faults(&mut self) {
        self.full_until_us = 0;
        self.down_until_us = 0;
        self.silent_until_us = 0;
        self.manners = DiskBehavior::default();
    }

    /// Adds a row that this build cannot read, as another script could. Returns its number.
    pub(crate) fn add_foreign(&mut self) -> Seq {
        let seq = self.tail().next();
        self.rows.insert(seq, Stored::Foreign);
        seq
    }

    /// Adds a row under a number that the log never reaches. Returns its number.
    pub(crate) fn add_far(&mut self) -> Seq {
        let seq = Seq(SAFE_INTEGER_MAX - self.prng.between(0, 1_000));
        self.strays.insert(seq);
        seq
    }

    /// Adds a row of this term. Returns its number.
    pub(crate) fn add_row_of(&mut self, term: Term) -> Seq {
        let seq = self.tail().next();
        let kind = RowKind::Segment(Vec::new());
        self.rows.insert(seq, Stored::Row(Row { term, kind }));
        seq
    }

    /// Flips a bit in the payload of a message that satisfies `may_go`, in the segment that stored it. Returns the
    /// message.
    pub(crate) fn damage(&mut self, may_go: impl Fn(MessageId) -> bool) -> Option<MessageId> {
        let mut found = Vec::new();
        for (seq, stored) in &self.rows {
            if let Stored::Row(row) = stored
                && let RowKind::Segment(bytes) = &row.kind
            {
                let ids = MessageId::all_in(bytes).filter(|id| may_go(*id));
                found.extend(ids.map(|id| (*seq, id)));
            }
        }
        let (seq, message) = *self.prng.pick(&found)?;
        let Some(Stored::Row(Row {
            kind: RowKind::Segment(bytes),
            ..
        })) = self.rows.get_mut(&seq)
        else {
            return None;
        };
        let text = message.to_string();
        let at = bytes
            .windows(text.len())
            .position(|window| window == text.as_bytes())?;
        flip(bytes, at, self.prng.between(0, 7));
        Some(message)
    }

    /// Flips one bit of the stored data. Returns false if there is none.
    pub(crate) fn flip_a_bit(&mut self) -> bool {
        let segments = self.rows.values_mut().filter_map(|stored| match stored {
            Stored::Row(Row {
                kind: RowKind::Segment(bytes),
                ..
            }) => Some(bytes),
            Stored::Row(_) | Stored::Foreign => None,
        });
        let pieces = self.snapshot.iter_mut().flat_map(|it| &mut it.pieces);
        let mut all: Vec<&mut Vec<u8>> = segments.chain(pieces).collect();
        all.retain(|bytes| !bytes.is_empty());
        let Some(last) = all.len().checked_sub(1) else {
            return false;
        };
        let chosen = self.prng.between(0, last as u64);
        let chosen = usize::try_from(chosen).ok();
        let Some(bytes) = chosen.and_then(|chosen| all.into_iter().nth(chosen)) else {
            return false;
        };
        let at = self.prng.between(0, bytes.len() as u64 - 1);
        let bit = self.prng.between(0, 7);
        flip(bytes, usize::try_from(at).unwrap_or(0), bit);
        true
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u64) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

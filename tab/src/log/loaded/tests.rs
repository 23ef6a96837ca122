use super::*;
use crate::log::storage::{GAP_MAX, PageLimits};
use crate::settings::Settings;

fn loaded(rows: &[(u64, RowKind)], snapshot: Option<u64>) -> Loaded {
    let row = |(seq, kind): &(u64, RowKind)| {
        let term = Term(100 + seq);
        let kind = kind.clone();
        (Seq(*seq), Row { term, kind })
    };
    Loaded {
        snapshot: snapshot.map(|up_to| Snapshot {
            up_to: Seq(up_to),
            pieces: Vec::new(),
        }),
        rows: rows.iter().map(row).collect(),
        foreign: 0,
        tail: Seq(rows.last().map_or(0, |(seq, _)| *seq)),
    }
}

#[test]
fn a_log_is_known_by_its_first_fence() {
    assert_eq!(Loaded::default().identity(), None);
    let log = loaded(&[(1, RowKind::Fence), (5, RowKind::Fence)], None);
    assert_eq!(log.identity(), Some(Term(101)));
}

#[test]
fn missing_rows_and_snapshots_are_noticed() {
    let segment = || RowKind::Segment(Vec::new());
    let damage = |rows: &[(u64, RowKind)], snapshot| {
        let Damage { rows, snapshot } = loaded(rows, snapshot).damage();
        (rows, snapshot)
    };
    assert_eq!(damage(&[], None), (0, false));
    let whole = [(1, RowKind::Fence), (2, segment()), (3, segment())];
    assert_eq!(damage(&whole, None), (0, false));
    let gap = [(1, RowKind::Fence), (2, segment()), (5, segment())];
    assert_eq!(damage(&gap, None), (2, false));
    assert_eq!(damage(&[(3, segment())], None), (2, false));
    // A checkpoint removes all rows before it except fences.
    let checkpoint = [
        (1, RowKind::Fence),
        (9, RowKind::Checkpoint),
        (10, segment()),
    ];
    assert_eq!(damage(&checkpoint, Some(9)), (0, false));
    assert_eq!(damage(&checkpoint, None), (0, true));
    assert_eq!(damage(&checkpoint, Some(4)), (0, true));
    let gap = [
        (1, RowKind::Fence),
        (9, RowKind::Checkpoint),
        (11, segment()),
    ];
    assert_eq!(damage(&gap, Some(9)), (1, false));
    let row_of_checkpoint_gone = [(1, RowKind::Fence), (10, segment())];
    assert_eq!(damage(&row_of_checkpoint_gone, Some(9)), (1, false));
}

fn added(up_to: Option<u64>, seqs: &[u64]) -> (Vec<u64>, usize, u64) {
    let mut loaded = Loaded {
        snapshot: up_to.map(|up_to| Snapshot {
            up_to: Seq(up_to),
            pieces: Vec::new(),
        }),
        ..Loaded::default()
    };
    for seq in seqs {
        let row = Row {
            term: Term(1),
            kind: RowKind::Fence,
        };
        loaded.add(Seq(*seq), Some(row));
    }
    let seqs = loaded.rows.iter().map(|(seq, _)| seq.0).collect();
    (seqs, loaded.foreign, loaded.tail.0)
}

#[test]
fn a_row_far_behind_the_one_before_is_foreign_and_the_log_ends_before_it() {
    let last = u64::MAX;
    assert_eq!(added(None, &[1, 2, last]), (vec![1, 2], 1, 2));
    assert_eq!(added(None, &[last]), (vec![], 1, 0));
    let reach = 2 + GAP_MAX;
    assert_eq!(added(None, &[1, 2, reach]), (vec![1, 2, reach], 0, reach));
    assert_eq!(added(None, &[1, 2, reach + 1]), (vec![1, 2], 1, 2));
}

#[test]
fn a_checkpoint_may_have_removed_any_number_of_rows_before_its_own() {
    let (fences, up_to) = ([1, 4_000_000], 9_000_000);
    let [first, second] = fences;
    let seqs = [first, second, up_to, up_to + 1];
    assert_eq!(added(Some(up_to), &seqs), (seqs.to_vec(), 0, up_to + 1));
    // Its own row may be missing.
    let seqs = [first, second, up_to + 1, u64::MAX];
    let ours = seqs[..3].to_vec();
    assert_eq!(added(Some(up_to), &seqs), (ours, 1, up_to + 1));
}

#[test]
fn foreign_entries_take_numbers_too() {
    let mut loaded = Loaded::default();
    loaded.add(Seq(1), None);
    assert_eq!((loaded.foreign, loaded.tail), (1, Seq(1)));
}

// Pages.

/// Contents of the two object stores: entries under numeric keys, and the number of all others.
#[derive(Clone, Debug, Default)]
struct Stores {
    log: Vec<(u64, Option<Row>)>,
    snap: Vec<(u64, Option<Piece>)>,
    log_others: usize,
    snap_others: usize,
}

/// A numeric key that is the number of no row.
const NO_ROW: u64 = 500;

impl Stores {
    fn page(&self, start: Option<PageStart>, limits: PageLimits) -> Page {
        let log_after = start.map(|start| start.log_after.0);
        let snapshot_from = start.map(|start| start.snapshot_from.0);
        let log = self.log.iter().filter(|(key, _)| Some(*key) > log_after);
        let log: Vec<_> = log.take(limits.rows as usize).cloned().collect();
        let snap = self
            .snap
            .iter()
            .filter(|(key, _)| Some(*key) >= snapshot_from);
        let snap: Vec<_> = snap.take(limits.pieces as usize).cloned().collect();
        let is_full = log.len() == limits.rows as usize || snap.len() == limits.pieces as usize;
        let log_end = log.last().map(|(key, _)| *key).or(log_after);
        let snap_end = snap.last().map(|(key, _)| *key).or(snapshot_from);
        let rows = log.into_iter();
        let pieces = snap.into_iter();
        Page {
            rows: rows
                .map(|(key, row)| ((key != NO_ROW).then_some(Seq(key)), row))
                .collect(),
            pieces: pieces.map(|(key, piece)| (EntryKey(key), piece)).collect(),
            foreign_rows: self.log_others,
            foreign_pieces: self.snap_others,
            next: is_full.then_some(PageStart {
                log_after: EntryKey(log_end.unwrap_or_default()),
                snapshot_from: EntryKey(snap_end.unwrap_or_default()),
            }),
        }
    }

    /// Reads all pages: the first from these stores, the others from `later`.
    fn read(&self, later: &Self, limits: PageLimits) -> Progress {
        let mut reading = Reading::default();
        let mut progress = reading.add(self.page(None, limits));
        while let Progress::Continues(start) = progress {
            progress = reading.add(later.page(Some(start), limits));
        }
        progress
    }

    fn whole(&self) -> Loaded {
        let limits = PageLimits {
            rows: u32::MAX,
            pieces: u32::MAX,
        };
        match self.read(self, limits) {
            Progress::Complete(loaded) => loaded,
            other => panic!("{other:?}"),
        }
    }

    fn append(&mut self, seqs: impl IntoIterator<Item = u64>, kind: &RowKind) {
        for seq in seqs {
            let row = Row {
                term: Term(seq),
                kind: kind.clone(),
            };
            self.log.push((seq, Some(row)));
        }
    }

    fn checkpoint(&mut self, up_to: u64, of: u64) {
        self.snap = (0..of).map(|index| (index, piece(up_to, of))).collect();
        self.append([up_to], &RowKind::Checkpoint);
    }
}

fn piece(up_to: u64, of: u64) -> Option<Piece> {
    Some(Piece {
        snapshot: (Seq(up_to), of),
        bytes: vec![7],
    })
}

fn small_limits() -> impl Iterator<Item = PageLimits> {
    let pairs = (1..=9).flat_map(|rows| (2..=9).map(move |pieces| (rows, pieces)));
    pairs.map(|(rows, pieces)| PageLimits { rows, pieces })
}

/// A log with a snapshot of six pieces.
fn usual() -> Stores {
    let mut stores = Stores::default();
    stores.append([1, 4], &RowKind::Fence);
    stores.checkpoint(9, 6);
    stores.append(10..=12, &RowKind::Segment(vec![1]));
    stores
}

fn contents() -> Vec<Stores> {
    let mut rows = Stores::default();
    rows.append(1..=8, &RowKind::Fence);
    let mut contents = vec![Stores::default(), rows, usual()];
    let mut changed = |change: &dyn Fn(&mut Stores)| {
        let mut stores = usual();
        change(&mut stores);
        contents.push(stores);
    };
    for place in 0..usual().log.len() {
        changed(&|stores| stores.log[place].1 = None);
        changed(&|stores| drop(stores.log.remove(place)));
    }
    for place in 0..usual().snap.len() {
        changed(&|stores| stores.snap[place].1 = None);
        changed(&|stores| stores.snap[place].1 = piece(4, 6));
        changed(&|stores| stores.snap[place].1 = piece(11, 6));
        changed(&|stores| drop(stores.snap.remove(place)));
    }
    changed(&|stores| stores.snap.clear());
    changed(&|stores| {
        stores.log.push((NO_ROW, None));
        stores.append([1 << 40, 1 << 50], &RowKind::Fence);
        stores.snap.push((NO_ROW, None));
        (stores.log_others, stores.snap_others) = (3, 2);
    });
    contents
}

#[test]
fn pages_of_any_size_give_the_same_content_as_one_page() {
    for stores in contents() {
        let whole = stores.whole();
        for limits in small_limits() {
            let read = stores.read(&stores, limits);
            assert_eq!(read, Progress::Complete(whole.clone()), "{limits:?}");
        }
    }
}

#[test]
fn missing_and_foreign_entries_count_at_each_place() {
    let whole = usual().whole();
    assert_eq!((whole.foreign, whole.tail), (0, Seq(12)));
    for place in 0..6 {
        let mut damaged = usual();
        damaged.snap[place].1 = None;
        assert_eq!(damaged.whole().foreign, 1);
        damaged.log[place].1 = None;
        assert_eq!(damaged.whole().foreign, 2);
        damaged.snap.remove(place);
        assert_eq!(damaged.whole().foreign, 2);
        let snapshot = damaged.whole().snapshot.unwrap();
        assert_eq!((snapshot.up_to, snapshot.pieces.len()), (Seq(9), 5));
    }
}

#[test]
fn a_usual_log_is_one_page() {
    for stores in contents() {
        assert_eq!(stores.page(None, Settings::default().page).next, None);
    }
}

#[test]
fn a_checkpoint_between_two_pages_is_noticed() {
    for before in contents() {
        for of in [1, 6, 20] {
            let mut after = before.clone();
            after.log.retain(|(seq, _)| *seq < 5);
            after.snap_others = 0;
            after.checkpoint(20, of);
            for limits in small_limits() {
                if before.page(None, limits).next.is_some() {
                    let read = before.read(&after, limits);
                    assert_eq!(read, Progress::Replaced, "{limits:?}");
                }
            }
        }
    }
}

#[test]
fn a_row_that_another_broker_appends_between_two_pages_extends_the_content() {
    let (before, mut after) = (usual(), usual());
    after.append([13], &RowKind::Fence);
    for limits in small_limits() {
        match before.read(&after, limits) {
            Progress::Complete(loaded) => {
                assert!([before.whole(), after.whole()].contains(&loaded));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn after_a_replacement_the_next_page_is_the_first() {
    let stores = usual();
    let limits = PageLimits { rows: 9, pieces: 2 };
    let mut reading = Reading::default();
    let mut add_first = || reading.add(stores.page(None, limits));
    assert!(matches!(add_first(), Progress::Continues(_)));
    // The first page does not begin with the last piece of another one.
    assert_eq!(add_first(), Progress::Replaced);
    assert!(matches!(add_first(), Progress::Continues(_)));
}

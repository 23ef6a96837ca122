use tab::api::Durability;
use tab::loaded::{Loaded, Progress, Reading};

use super::*;

const A: TabId = TabId::from_entropy(1);
const B: TabId = TabId::from_entropy(2);

fn disk() -> Disk {
    let mut disk = Disk::new(Prng::new(1), DiskBehavior::default(), None);
    for tab in [A, B] {
        ask(&mut disk, tab, StorageOperation::Open(Durability::Relaxed)).unwrap();
    }
    disk
}

/// The next request of a tab.
fn next(disk: &Disk, tab: TabId, operation: StorageOperation) -> StorageRequest {
    let last = disk.last_ids.get(&tab).map_or(0, |id| id.0);
    let id = StorageRequestId(last + 1);
    StorageRequest { id, operation }
}

/// Makes a request and returns its answer.
fn ask(disk: &mut Disk, tab: TabId, operation: StorageOperation) -> Result<StorageAnswer, Misuse> {
    let request = next(disk, tab, operation);
    let (at_us, no) = disk
        .request(disk.free_us, tab, request)?
        .expect("no transaction");
    let outcome = disk.carry_out(at_us, no).expect("no outcome")?;
    assert!(disk.accept_answer(tab, outcome.connection, &outcome.answer));
    Ok(outcome.answer)
}

/// Reads all, one row and two pieces at a time.
fn load(disk: &mut Disk) -> Loaded {
    let limits = PageLimits { rows: 1, pieces: 2 };
    let mut reading = Reading::default();
    let mut start = None;
    loop {
        let read = StorageOperation::Read(start, limits);
        let StorageAnswer::Page(page) = ask(disk, B, read).unwrap() else {
            panic!("no page");
        };
        match reading.add(page) {
            Progress::Continues(next) => start = Some(next),
            Progress::Complete(loaded) => return loaded,
            Progress::Replaced => panic!("replaced"),
        }
    }
}

fn segment(term: u64) -> Row {
    Row {
        term: Term(term),
        kind: RowKind::Segment(vec![0; 100]),
    }
}

fn fence(term: u64) -> Row {
    Row {
        term: Term(term),
        kind: RowKind::Fence,
    }
}

#[test]
fn a_number_is_used_once_and_leaves_no_gap() {
    let mut disk = disk();
    let append = |seq, row| StorageOperation::Append(Seq(seq), row);
    let answer = ask(&mut disk, A, append(1, fence(1)));
    assert_eq!(answer, Ok(StorageAnswer::Committed(Seq(1))));
    let answer = ask(&mut disk, B, append(1, fence(2)));
    let taken = StorageAnswer::Failed(Seq(1), StorageError::Taken);
    assert_eq!(answer, Ok(taken));
    let (seq, tail) = (Seq(3), Seq(1));
    assert_eq!(
        ask(&mut disk, B, append(3, fence(2))),
        Err(Misuse::Gap { seq, tail })
    );
}

#[test]
fn only_a_submitted_transaction_outlives_its_tab() {
    for (waits_us, lands) in [(0, false), (1_000, true)] {
        let mut disk = disk();
        let begin_us = disk.free_us;
        let append = StorageOperation::Append(Seq(1), segment(1));
        let request = next(&disk, A, append);
        let (at_us, no) = disk.request(begin_us, A, request).unwrap().unwrap();
        disk.on_tab_ended(begin_us + waits_us, A);
        assert_eq!(disk.carry_out(at_us, no).is_some(), lands);
        assert_eq!(disk.tail(), Seq(u64::from(lands)));
    }
}

#[test]
fn a_checkpoint_replaces_segments_but_no_fence() {
    let mut disk = disk();
    ask(&mut disk, A, StorageOperation::Append(Seq(1), fence(1))).unwrap();
    ask(&mut disk, A, StorageOperation::Append(Seq(2), segment(1))).unwrap();
    let checkpoint = |first| {
        StorageOperation::Checkpoint(Checkpoint {
            seq: Seq(3),
            term: Term(1),
            pieces: vec![vec![7], vec![8], vec![9]],
            remove: vec![(Seq(first), Seq(2))],
        })
    };
    let refused = ask(&mut disk, A, checkpoint(1));
    assert_eq!(refused, Err(Misuse::FenceRemoved { fence: Seq(1) }));
    ask(&mut disk, A, checkpoint(2)).unwrap();
    let loaded = load(&mut disk);
    let numbers: Vec<u64> = loaded.rows.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!((numbers, loaded.tail), (vec![1, 3], Seq(3)));
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!((snapshot.up_to, snapshot.pieces.len()), (Seq(3), 3));
}

#[test]
fn a_fence_under_the_number_of_a_removed_row_fails() {
    let mut disk = disk();
    ask(&mut disk, A, StorageOperation::Append(Seq(1), fence(1))).unwrap();
    ask(&mut disk, A, StorageOperation::Append(Seq(2), segment(1))).unwrap();
    let checkpoint = Checkpoint {
        seq: Seq(3),
        term: Term(1),
        pieces: Vec::new(),
        remove: vec![(Seq(2), Seq(2))],
    };
    ask(&mut disk, A, StorageOperation::Checkpoint(checkpoint)).unwrap();
    let answer = ask(&mut disk, B, StorageOperation::Append(Seq(2), fence(2)));
    let taken = StorageAnswer::Failed(Seq(2), StorageError::Taken);
    assert_eq!(answer, Ok(taken));
}

#[test]
fn a_full_disk_stores_no_segment_and_a_cleared_one_is_closed() {
    let mut disk = disk();
    disk.fill_up(u64::MAX);
    let append = StorageOperation::Append(Seq(1), segment(1));
    let full = StorageAnswer::Failed(Seq(1), StorageError::Full);
    assert_eq!(ask(&mut disk, A, append.clone()), Ok(full));
    assert_eq!(disk.clear(), [A, B]);
    let request = next(&disk, A, append.clone());
    assert_eq!(disk.request(0, A, request), Ok(None));
    assert!(disk.accept_closed(A));
    let request = next(&disk, A, append);
    assert_eq!(disk.request(0, A, request), Err(Misuse::NotOpen));
}

#[test]
fn a_request_to_a_removed_database_does_not_reach_the_next_one() {
    let mut disk = disk();
    disk.clear();
    assert!(disk.accept_closed(B));
    ask(&mut disk, B, StorageOperation::Open(Durability::Relaxed)).unwrap();
    ask(&mut disk, B, StorageOperation::Append(Seq(1), fence(2))).unwrap();
    let checkpoint = StorageOperation::Checkpoint(Checkpoint {
        seq: Seq(2),
        term: Term(1),
        pieces: Vec::new(),
        remove: vec![(Seq(1), Seq(1))],
    });
    // The checkpoint names the same number, and rows that no longer exist.
    let request = next(&disk, A, checkpoint.clone());
    assert_eq!(disk.request(0, A, request), Ok(None));
    let request = next(&disk, B, checkpoint);
    let refused = disk.request(0, B, request);
    assert_eq!(refused, Err(Misuse::FenceRemoved { fence: Seq(1) }));
}

#[test]
fn a_tab_has_several_requests_under_way_and_uses_each_id_once() {
    let mut disk = disk();
    let begin_us = disk.free_us;
    let append = StorageOperation::Append(Seq(1), fence(1));
    let first = next(&disk, A, append);
    let (_, first_no) = disk.request(begin_us, A, first.clone()).unwrap().unwrap();
    let second = next(&disk, A, StorageOperation::Check(Some(Seq(1))));
    let (at_us, second_no) = disk.request(begin_us, A, second.clone()).unwrap().unwrap();
    let outcome = |disk: &mut Disk, no| {
        let outcome = disk.carry_out(at_us, no).unwrap().unwrap();
        (outcome.id, outcome.answer)
    };
    let committed = StorageAnswer::Committed(Seq(1));
    assert_eq!(outcome(&mut disk, first_no), (first.id, committed));
    let checked = StorageAnswer::Checked { is_there: true };
    assert_eq!(outcome(&mut disk, second_no), (second.id, checked));
    let id = first.id;
    assert_eq!(disk.request(at_us, A, first), Err(Misuse::IdUsed { id }));
}

#[test]
fn a_flipped_bit_stays_in_its_row() {
    let mut disk = disk();
    assert!(!disk.flip_a_bit());
    ask(&mut disk, A, StorageOperation::Append(Seq(1), segment(1))).unwrap();
    assert!(disk.flip_a_bit());
    assert_eq!(disk.add_foreign(), Seq(2));
    let loaded = load(&mut disk);
    assert_eq!((loaded.foreign, loaded.tail), (1, Seq(2)));
    let RowKind::Segment(bytes) = &loaded.rows[0].1.kind else {
        panic!("no segment");
    };
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(ones, 1);
}

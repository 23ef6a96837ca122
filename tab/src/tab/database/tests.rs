use super::*;

const SILENCE_MS: u64 = 3_000;

fn at(ms: u64) -> Time {
    Time::from_ms(ms)
}

/// Begins this operation and returns the id of its request.
fn begin(database: &mut Database, ms: u64, operation: StorageOperation) -> StorageRequestId {
    database.begin(at(ms), SILENCE_MS, operation).id
}

fn open(database: &mut Database, ms: u64) -> StorageRequestId {
    begin(database, ms, StorageOperation::Open(Durability::Relaxed))
}

fn opened() -> Database {
    let mut database = Database::default();
    let id = open(&mut database, 0);
    assert!(database.on_answer(id, &StorageAnswer::Opened));
    assert!(database.is_open && !database.is_busy());
    database
}

fn checked() -> StorageAnswer {
    StorageAnswer::Checked { is_there: true }
}

#[test]
fn each_answer_ends_its_own_request() {
    let mut database = opened();
    let first = begin(&mut database, 10, StorageOperation::Check(None));
    let second = begin(&mut database, 20, StorageOperation::Check(None));
    assert_ne!(first, second);
    assert_eq!(database.busy_since(), Some(at(10)));
    assert_eq!(database.next_timeout(), Some(at(10 + SILENCE_MS)));
    // The later request is answered first.
    assert!(database.on_answer(second, &checked()));
    assert_eq!(database.busy_since(), Some(at(10)));
    assert!(!database.on_answer(second, &checked()));
    assert!(database.on_answer(first, &checked()));
    assert_eq!(
        (database.busy_since(), database.next_timeout()),
        (None, None)
    );
}

#[test]
fn the_answer_to_an_abandoned_request_is_ignored() {
    let mut database = opened();
    let abandoned = begin(&mut database, 0, StorageOperation::Check(None));
    database.abandon();
    assert!(!database.is_busy());
    let next = begin(&mut database, 10, StorageOperation::Check(None));
    let failed = StorageAnswer::CheckFailed(String::new());
    assert!(!database.on_answer(abandoned, &failed));
    assert!(database.is_open && database.is_busy());
    assert!(database.on_answer(next, &failed));
    assert!(!database.is_open && !database.is_busy());
}

#[test]
fn an_opening_outlives_the_part_that_asked_for_it() {
    let mut database = Database::default();
    let id = open(&mut database, 0);
    database.abandon();
    assert!(database.is_busy());
    assert!(database.on_answer(id, &StorageAnswer::Opened));
    assert!(database.is_open && database.was_open() && !database.is_busy());
}

#[test]
fn only_the_last_opening_opens_it() {
    let mut database = Database::default();
    let first = open(&mut database, 0);
    let second = open(&mut database, 10);
    assert!(!database.on_answer(first, &StorageAnswer::Opened));
    assert!(!database.is_open && database.is_busy());
    // It was given up, and no other opening has replaced it.
    database.under_way.clear();
    assert!(database.on_answer(second, &StorageAnswer::Opened));
    assert!(database.is_open);
}

#[test]
fn after_a_close_no_earlier_request_is_expected() {
    let mut database = opened();
    let check = begin(&mut database, 0, StorageOperation::Check(None));
    let opening = open(&mut database, 10);
    assert!(!database.on_answer(check, &checked()));
    database.on_closed();
    assert!(!database.on_answer(opening, &StorageAnswer::Opened));
    assert!(!database.is_open && !database.is_busy());
}

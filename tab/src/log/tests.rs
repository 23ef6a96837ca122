use super::*;

const TERM: Term = Term(7);

fn at(ms: u64) -> Time {
    Time::from_ms(ms)
}

fn log(settings: &Settings) -> Log {
    Log::new(TERM, Seq(1), &Loaded::default(), settings)
}

fn next(log: &mut Log, ms: u64) -> Option<StorageOperation> {
    log.next_request(at(ms), true, || vec![b"all".to_vec()])
}

fn pieces(request: Option<StorageOperation>) -> (Seq, Vec<Vec<u8>>) {
    match request {
        Some(StorageOperation::Append(
            seq,
            Row {
                term: TERM,
                kind: RowKind::Segment(bytes),
            },
        )) => {
            let pieces = segment::pieces(&bytes);
            (seq, pieces.map(<[u8]>::to_vec).collect())
        }
        other => panic!("no segment: {other:?}"),
    }
}

fn stored(batch: u64) -> Written {
    Written::Stored {
        batch: Some(BatchId(batch)),
        probes: Vec::new(),
        ended: None,
        is_proof: false,
    }
}

#[test]
fn changes_during_a_pending_row_form_the_next_row() {
    let mut log = log(&Settings::default());
    assert_eq!(next(&mut log, 0), None);
    log.push(BatchId(1), b"a");
    assert_eq!(pieces(next(&mut log, 0)), (Seq(2), vec![b"a".to_vec()]));
    log.push(BatchId(2), b"b");
    log.push(BatchId(3), b"c");
    assert_eq!(next(&mut log, 0), None);
    assert_eq!(log.committed(), Seq(1));
    assert_eq!(log.on_committed(Seq(2)), stored(1));
    let both = vec![b"b".to_vec(), b"c".to_vec()];
    assert_eq!(pieces(next(&mut log, 0)), (Seq(3), both));
    assert_eq!(log.on_committed(Seq(3)), stored(3));
    assert_eq!(log.on_committed(Seq(3)), Written::Nothing);
    assert_eq!(log.committed(), Seq(3));
}

#[test]
fn only_a_row_that_is_written_after_verify_proves_the_leadership() {
    let proves = |written| matches!(written, Written::Stored { is_proof: true, .. });
    let mut log = log(&Settings::default());
    log.push(BatchId(1), b"a");
    assert!(next(&mut log, 0).is_some());
    log.verify();
    assert!(!proves(log.on_committed(Seq(2))));
    assert!(next(&mut log, 0).is_some());
    log.verify();
    assert!(!proves(log.on_committed(Seq(3))));
    assert!(next(&mut log, 0).is_some());
    let why = StorageError::Other("dead".to_owned());
    assert!(matches!(
        log.on_failed(at(0), Seq(4), why),
        Written::Later(_)
    ));
    assert!(next(&mut log, 1_000).is_some());
    assert!(proves(log.on_committed(Seq(4))));
    assert_eq!(next(&mut log, 1_000), None);
}

#[test]
fn deferred_changes_are_written_with_the_next_awaited_one() {
    let settings = Settings::default();
    let mut log = log(&settings);
    let deferred = |log: &mut Log, ms| log.next_request(at(ms), false, Vec::new);
    log.push(BatchId(1), b"a");
    assert_eq!(deferred(&mut log, 0), None);
    log.push(BatchId(2), b"b");
    let both = vec![b"a".to_vec(), b"b".to_vec()];
    assert_eq!(pieces(next(&mut log, 1)), (Seq(2), both));
    assert_eq!(log.on_committed(Seq(2)), stored(2));
    assert_eq!(log.next_timeout(), None);
    // An empty batch needs its row, and so does a probe.
    log.push(BatchId(3), b"");
    assert_eq!(pieces(next(&mut log, 2)), (Seq(3), Vec::new()));
    assert_eq!(log.on_committed(Seq(3)), stored(3));
    log.push(BatchId(4), b"c");
    log.verify();
    let row = deferred(&mut log, 3);
    assert_eq!(pieces(row), (Seq(4), vec![b"c".to_vec()]));
    assert!(matches!(
        log.on_committed(Seq(4)),
        Written::Stored {
            batch: Some(BatchId(4)),
            is_proof: true,
            ..
        }
    ));
    // Large changes would delay the next row.
    let much = vec![b'd'; settings.deferred_bytes];
    log.push(BatchId(5), &much);
    assert_eq!(pieces(deferred(&mut log, 4)), (Seq(5), vec![much]));
}

#[test]
fn deferred_changes_are_written_after_a_while() {
    let settings = Settings::default();
    let mut log = log(&settings);
    let due = 7 + settings.deferred_ms;
    let deferred = |log: &mut Log, ms| log.next_request(at(ms), false, Vec::new);
    assert_eq!((deferred(&mut log, 7), log.next_timeout()), (None, None));
    log.push(BatchId(1), b"a");
    assert_eq!(deferred(&mut log, 7), None);
    log.push(BatchId(2), b"b");
    assert_eq!(deferred(&mut log, due - 1), None);
    assert_eq!(log.next_timeout(), Some(at(due)));
    let both = vec![b"a".to_vec(), b"b".to_vec()];
    assert_eq!(pieces(deferred(&mut log, due)), (Seq(2), both));
    assert_eq!(log.next_timeout(), None);
    // Changes during a pending row are deferred from the time when that row is stored.
    log.push(BatchId(3), b"c");
    assert_eq!(deferred(&mut log, due), None);
    assert_eq!(log.on_committed(Seq(2)), stored(2));
    assert_eq!(deferred(&mut log, due + 1), None);
    let due = due + 1 + settings.deferred_ms;
    assert_eq!(log.next_timeout(), Some(at(due)));
    assert_eq!(
        pieces(deferred(&mut log, due)),
        (Seq(3), vec![b"c".to_vec()])
    );
}

#[test]
fn a_probe_is_answered_with_the_next_row_and_no_earlier_one() {
    let mut log = log(&Settings::default());
    log.push(BatchId(1), b"a");
    pieces(next(&mut log, 0));
    let probe = Probe {
        tab: TabId::from_entropy(1),
        number: 4,
    };
    log.probe(probe);
    assert_eq!(log.on_committed(Seq(2)), stored(1));
    assert_eq!(pieces(next(&mut log, 0)), (Seq(3), Vec::new()));
    assert_eq!(
        log.on_committed(Seq(3)),
        Written::Stored {
            batch: None,
            probes: vec![probe],
            ended: None,
            is_proof: false,
        }
    );
}

#[test]
fn a_taken_number_ends_the_leadership() {
    let mut log = log(&Settings::default());
    log.push(BatchId(1), b"a");
    pieces(next(&mut log, 0));
    let written = log.on_failed(at(0), Seq(2), StorageError::Taken);
    assert_eq!(written, Written::Fenced);
}

#[test]
fn a_failed_row_is_written_again_under_its_number_with_later_changes() {
    let settings = Settings::default();
    let mut log = log(&settings);
    log.push(BatchId(1), b"a");
    pieces(next(&mut log, 0));
    log.push(BatchId(2), b"b");
    let error = StorageError::Other("why".to_owned());
    let written = log.on_failed(at(0), Seq(2), error);
    assert_eq!(written, Written::Later("why".to_owned()));
    assert_eq!(next(&mut log, 0), None);
    let due = log.next_timeout();
    assert_eq!(due, Some(at(settings.storage_retry_ms)));
    let both = vec![b"a".to_vec(), b"b".to_vec()];
    assert_eq!(
        pieces(next(&mut log, settings.storage_retry_ms)),
        (Seq(2), both)
    );
    assert_eq!(log.on_committed(Seq(2)), stored(2));
    assert_eq!(log.next_timeout(), None);
}

#[test]
fn a_failing_database_is_tried_forever_and_success_resets_the_count() {
    let settings = Settings::default();
    let mut log = log(&settings);
    let mut now = 0;
    for round in 1..=2 {
        log.push(BatchId(round), b"a");
        for failure in 1..=3 * settings.storage_failures_max {
            assert_eq!(
                pieces(next(&mut log, now)),
                (Seq(1 + round), vec![b"a".to_vec()])
            );
            let error = StorageError::Other("why".to_owned());
            let written = log.on_failed(at(now), Seq(1 + round), error);
            let is_failing = failure >= settings.storage_failures_max;
            assert_eq!(written == Written::Failing("why".to_owned()), is_failing);
            assert_eq!(log.trouble(), is_failing.then_some(Trouble::Failing));
            assert!(log.next_timeout() <= Some(at(now + settings.storage_retry_ms_max)));
            now += settings.storage_retry_ms_max;
        }
        next(&mut log, now);
        let stored = Written::Stored {
            batch: Some(BatchId(round)),
            probes: Vec::new(),
            ended: Some(Trouble::Failing),
            is_proof: false,
        };
        assert_eq!(log.on_committed(Seq(1 + round)), stored);
        assert_eq!((log.trouble(), log.next_timeout()), (None, None));
    }
}

#[test]
fn a_database_that_does_not_reopen_delays_the_failed_row() {
    let settings = Settings::default();
    let mut log = log(&settings);
    assert_eq!(log.put_off(at(0), "why".to_owned()), Written::Nothing);
    log.push(BatchId(1), b"a");
    next(&mut log, 0);
    log.on_failed(at(0), Seq(2), StorageError::Other("why".to_owned()));
    let first = settings.storage_retry_ms;
    assert!(log.is_pausing(at(first - 1)) && !log.is_pausing(at(first)));
    let written = log.put_off(at(first), "gone".to_owned());
    assert_eq!(written, Written::Later("gone".to_owned()));
    assert_eq!(log.next_timeout(), Some(at(3 * first)));
    assert_eq!(
        pieces(next(&mut log, 3 * first)),
        (Seq(2), vec![b"a".to_vec()])
    );
}

#[test]
fn a_checkpoint_removes_a_long_log_except_its_fences() {
    let settings = Settings {
        // Three of them exist at the start.
        checkpoint_rows: 6,
        ..Settings::default()
    };
    let row = |term, kind| Row { term, kind };
    let loaded = Loaded {
        rows: vec![
            (Seq(1), row(Term(5), RowKind::Fence)),
            (Seq(2), row(Term(5), RowKind::Segment(b"x".to_vec()))),
            (Seq(3), row(Term(5), RowKind::Segment(b"y".to_vec()))),
            (Seq(4), row(Term(6), RowKind::Fence)),
            (Seq(5), row(Term(6), RowKind::Segment(b"z".to_vec()))),
        ],
        tail: Seq(5),
        ..Loaded::default()
    };
    let mut log = Log::new(TERM, Seq(6), &loaded, &settings);
    for batch in 1..=3 {
        log.push(BatchId(batch), b"a");
        let (seq, _) = pieces(next(&mut log, 0));
        assert_eq!(log.on_committed(seq), stored(batch));
    }
    log.push(BatchId(4), b"in the snapshot");
    let checkpoint = next(&mut log, 0);
    assert_eq!(
        checkpoint,
        Some(StorageOperation::Checkpoint(Checkpoint {
            seq: Seq(10),
            term: TERM,
            pieces: vec![b"all".to_vec()],
            remove: vec![(Seq(2), Seq(3)), (Seq(5), Seq(5)), (Seq(7), Seq(9))],
        }))
    );
    assert_eq!(log.on_committed(Seq(10)), stored(4));
    assert_eq!(next(&mut log, 0), None);
}

#[test]
fn without_room_a_leadership_promises_nothing_until_its_fence_is_stored() {
    let settings = Settings::default();
    let mut log = Log::without_fence(Trouble::Full, TERM, &Loaded::default(), &settings, at(0));
    assert_eq!(log.trouble(), Some(Trouble::Full));
    log.push(BatchId(1), b"a");
    assert_eq!(next(&mut log, 0), None);
    let mut now = settings.storage_full_retry_ms;
    for _ in 0..2 {
        let fence = Row {
            term: TERM,
            kind: RowKind::Fence,
        };
        let request = next(&mut log, now);
        assert_eq!(request, Some(StorageOperation::Append(Seq(1), fence)));
        let written = log.on_failed(at(now), Seq(1), StorageError::Full);
        assert!(matches!(written, Written::Later(_)));
        now += settings.storage_full_retry_ms_max;
    }
    next(&mut log, now);
    assert_eq!(
        log.on_committed(Seq(1)),
        Written::Stored {
            batch: None,
            probes: Vec::new(),
            ended: Some(Trouble::Full),
            is_proof: false,
        }
    );
    assert_eq!(pieces(next(&mut log, now)), (Seq(2), vec![b"a".to_vec()]));
}

#[test]
fn a_failure_for_another_reason_than_room_is_retried_soon() {
    let settings = Settings::default();
    let mut log = Log::without_fence(Trouble::Full, TERM, &Loaded::default(), &settings, at(0));
    let mut now = settings.storage_full_retry_ms;
    for pause_ms in [2, 4].map(|times| times * settings.storage_full_retry_ms) {
        next(&mut log, now);
        log.on_failed(at(now), Seq(1), StorageError::Full);
        assert_eq!(log.next_timeout(), Some(at(now + pause_ms)));
        now += pause_ms;
    }
    next(&mut log, now);
    let aborted = StorageError::Other("aborted".to_owned());
    log.on_failed(at(now), Seq(1), aborted);
    now += settings.storage_retry_ms;
    assert_eq!(log.next_timeout(), Some(at(now)));
    // The count of failures without room continues.
    next(&mut log, now);
    log.on_failed(at(now), Seq(1), StorageError::Full);
    let pause_ms = 8 * settings.storage_full_retry_ms;
    assert_eq!(log.next_timeout(), Some(at(now + pause_ms)));
}

#[test]
fn the_first_row_without_room_cannot_keep_its_promise() {
    let mut log = log(&Settings::default());
    log.push(BatchId(1), b"a");
    pieces(next(&mut log, 0));
    let written = log.on_failed(at(0), Seq(2), StorageError::Full);
    assert_eq!(written, Written::Full);
}

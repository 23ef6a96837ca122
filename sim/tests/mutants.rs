//! Mutation tests of the oracle: each mutant is caught by the violation that it causes.

use sim::{Failure, Fault, Mutant, Scenario};

/// Maximum number of worlds to run until a mutant is caught.
const SEEDS_MAX: u64 = 600;

/// The first failure in the worlds like this one.
fn first_failure(world: &Scenario) -> Option<Failure> {
    (0..SEEDS_MAX).find_map(|seed| {
        let world = Scenario {
            seed,
            ..world.clone()
        };
        sim::run(&world).err()
    })
}

#[track_caller]
fn assert_caught_as(mutant: Mutant, kinds: &[&str]) {
    let world = Scenario {
        mutant: Some(mutant),
        ..Scenario::default()
    };
    assert_caught_in(&world, kinds);
}

#[track_caller]
fn assert_caught_in(world: &Scenario, kinds: &[&str]) {
    let caught = first_failure(world);
    let kind = caught.as_ref().map(Failure::kind).unwrap_or_default();
    let text = caught.map(|failure| failure.to_string());
    let text = text.unwrap_or_else(|| format!("no violation in {SEEDS_MAX} worlds: {world}"));
    assert!(kinds.contains(&kind), "{kind}:\n{text}");
}

#[test]
fn an_acknowledgement_before_the_commit_is_noticed() {
    // A broker that relies on a missing row leaves a gap in the numbers of the log.
    let kinds = ["AcknowledgedUnstored", "StorageMisused"];
    assert_caught_as(Mutant::AckBeforeCommit, &kinds);
}

#[test]
fn a_failed_write_that_is_reported_as_stored_is_noticed() {
    let kinds = ["StorageMisused", "AcknowledgedUnstored"];
    assert_caught_as(Mutant::FailureIgnored, &kinds);
}

#[test]
fn a_fence_that_stops_no_broker_is_noticed() {
    assert_caught_as(Mutant::FenceOverwritten, &["StaleCommit", "TermNotRising"]);
}

#[test]
fn a_removed_fence_is_noticed() {
    assert_caught_as(Mutant::FenceTruncated, &["StaleCommit", "TermNotRising"]);
}

#[test]
fn an_acknowledgement_before_the_page_has_processed_the_message_is_noticed() {
    assert_caught_as(Mutant::CreditTooEarly, &["DurableMessageLost"]);
}

#[test]
fn a_message_without_a_recipient_is_noticed() {
    assert_caught_as(Mutant::UnlistenDropped, &["NoRecipient"]);
}

#[test]
fn an_incomplete_snapshot_is_noticed() {
    let kinds = [
        "SessionLost",
        "DurableMessageLost",
        "DeliveredWithoutSubscription",
        "WrongRetained",
        "AcknowledgedUnstored",
    ];
    assert_caught_as(Mutant::SnapshotTorn, &kinds);
}

#[test]
fn a_restore_without_the_last_row_is_noticed() {
    let kinds = [
        "SessionLost",
        "DurableMessageLost",
        "DeliveredWithoutSubscription",
        "WrongRetained",
        "TooManyCopies",
        "AcknowledgedUnstored",
    ];
    assert_caught_as(Mutant::LastRowMissed, &kinds);
}

#[test]
fn a_steal_by_a_deaf_tab_is_noticed() {
    assert_caught_as(Mutant::LoopbackForged, &["StealByDeafTab"]);
}

#[test]
fn a_stalled_broker_that_is_not_replaced_is_noticed() {
    // The faults last long enough for another tab to notice the stall, and no fault excuses a delay.
    let world = Scenario {
        mutant: Some(Mutant::PongForged),
        chaos_ms: Some(15_000),
        without: [
            Fault::Close,
            Fault::Crash,
            Fault::Cache,
            Fault::Restart,
            Fault::Clock,
            Fault::Delay,
            Fault::Full,
            Fault::Clear,
            Fault::StuckDisk,
        ]
        .into(),
        ..Scenario::default()
    };
    assert_caught_in(&world, &["StalledBrokerNotReplaced"]);
}

#[test]
fn two_holders_of_one_lock_are_noticed() {
    assert_caught_as(Mutant::LockShared, &["TwoBrokers"]);
}

#[test]
fn a_dropped_answer_is_noticed() {
    assert_caught_as(Mutant::AnswerLost, &["QuestionUnanswered"]);
}

#[test]
fn a_dropped_message_for_a_port_is_noticed() {
    let kinds = ["PortMessageLost", "PortUnanswered"];
    assert_caught_as(Mutant::PortMessageLost, &kinds);
}

#[test]
fn a_duplicated_packet_for_a_port_is_noticed() {
    let kinds = ["PortUnexpectedPacket", "TooManyCopies"];
    assert_caught_as(Mutant::PortPacketDuplicated, &kinds);
}

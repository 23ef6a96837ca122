//! Counts of events, so that a simulation cannot pass by testing nothing.

use core::fmt;

macro_rules! tally {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Number of each kind of event that the simulation must exercise.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Tally {
            /// Adds the counts of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// Every count with its name.
            #[must_use]
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

tally! {
    /// Tabs that opened.
    tabs_opened,
    /// Tabs that closed.
    tabs_closed,
    /// Tabs that crashed.
    tabs_crashed,
    /// Brokers that closed.
    brokers_closed,
    /// Brokers that crashed.
    brokers_crashed,
    /// Elections.
    elections,
    /// QoS 1 and 2 publications in flight when the broker ended.
    publications_in_flight_at_failover,
    /// Messages that arrived after their sender had ended.
    messages_from_ended_tabs,
    /// Messages whose receiver had ended or closed its channel.
    messages_undeliverable,
    /// Deliveries that took longer than usual.
    slow_deliveries,
    /// Credit checkpoints that a page was asked to acknowledge.
    credit_checkpoints,
    /// Turns of a loop that handled several inputs.
    batched_turns,
    /// Timeouts that no tab had requested.
    needless_timeouts,
    /// Inputs that no tab sends.
    garbage,
    /// Of these, those counted by tabs that lived until the end.
    garbage_counted,
    /// Messages of unknown tabs.
    messages_of_unknown_tabs,
    /// False statements that a broker is none, or that a lane is closed.
    forged_reports,
    /// False goodbyes for living tabs.
    false_goodbyes,
    /// False terms claimed in a broker's name.
    false_claims,
    /// Rows far above the last number of the log.
    far_rows,
    /// Rows with a term that no broker reaches.
    far_terms,
    /// Frames that arrived a second time.
    frames_replayed,
    /// Frames that later ones could overtake, which has the effect of a loss.
    frames_overtaken,
    /// Lanes that were set up anew.
    lane_resets,
    /// Invalid requests that a tab refused.
    invalid_requests_refused,
    /// Requests that ended with the connection.
    requests_ended_by_page,
    /// Subscriptions and unsubscriptions answered.
    subscriptions_answered,
    /// QoS 1 and 2 publications acknowledged.
    publications_acknowledged,
    /// Connections that resumed a session.
    sessions_resumed,
    /// Connections that began a session.
    sessions_begun,
    /// Deliveries with QoS 0.
    deliveries_qos0,
    /// Deliveries with QoS 1.
    deliveries_qos1,
    /// Deliveries with QoS 2.
    deliveries_qos2,
    /// Deliveries of retained messages to new subscriptions.
    deliveries_retained,
    /// Repeated deliveries, as far as they are allowed.
    deliveries_repeated,
    /// Wills of lost clients that the broker must publish.
    wills_due,
    /// Wills delivered.
    wills_delivered,
    /// First copies whose order was compared with the previous message.
    orders_compared,
    /// Acknowledged messages that had to reach a client in time, and did.
    timed_obligations_met,
    /// The same, void because the session or the broker ended.
    timed_obligations_void,
    /// Topics with the expected retained message.
    retained_found,
    /// Topics that rightly had no retained message.
    retained_absent,
    /// Acknowledged messages that had to reach a session across brokers, and did.
    durable_obligations_met,
    /// The same, void because the session ended.
    durable_obligations_void,
    /// Sessions of disconnected clients that were resumed at the end to drain their queues.
    sessions_drained,
    /// Pages of the log that were read behind the first.
    later_pages_read,
    /// Readings of the log that began anew, after a checkpoint between two pages.
    readings_begun_anew,
    /// Fences stored.
    fences,
    /// Fences of tabs that took the leadership without the lock.
    fences_without_lock,
    /// Segments stored.
    segments,
    /// Checkpoints stored.
    checkpoints,
    /// Rows whose number was in use.
    rows_fenced_off,
    /// Rows for which there was no room.
    rows_without_room,
    /// Connections to the database that were broken.
    handles_killed,
    /// Temporary failures of the database.
    disks_down,
    /// Openings of the database that got no answer.
    openings_unanswered,
    /// Checks that found the database working.
    checks_passed,
    /// Checks that found the database failing.
    checks_failed,
    /// Publications refused because there was no room.
    publications_without_room,
    /// Writes that were aborted.
    writes_aborted,
    /// Reads that were aborted.
    reads_failed,
    /// Reads of values that the browser keeps in files.
    files_read,
    /// Rows stored while another tab waited for such a read, which is then outdated.
    rows_stored_during_reads,
    /// Failed openings of the database.
    databases_unavailable,
    /// Transactions that ended with their tab.
    transactions_lost,
    /// Transactions carried out after their tab had ended.
    transactions_of_ended_tabs,
    /// Brokers that crashed during a write.
    crashes_in_mid_commit,
    /// Brokers that stalled during a write.
    hangs_in_mid_commit,
    /// Removals of the site's data.
    sites_cleared,
    /// Bits flipped at an unknown place.
    bits_flipped,
    /// Bits flipped in the record of one message.
    messages_damaged,
    /// Rows of the log that this build cannot read.
    foreign_rows,
    /// Tabs that stalled.
    tabs_stalled,
    /// Of these, frozen.
    tabs_frozen,
    /// Of these, hung.
    workers_hung,
    /// Stalled brokers that were replaced before they woke.
    stalled_brokers_replaced,
    /// Tabs that considered themselves the broker when another one was.
    stale_brokers,
    /// Tabs that received nothing for a while.
    tabs_deafened,
    /// Tabs with throttled timers.
    tabs_throttled,
    /// Tabs whose messages were delayed.
    channels_delayed,
    /// Changes of the clock.
    clock_jumps,
    /// Lost frames.
    frames_lost,
    /// Pages that went into the back/forward cache.
    pages_cached,
    /// Restarts of the browser.
    browser_restarts,
    /// Tabs opened with another one's client ids.
    tabs_duplicated,
    /// Tabs of another build.
    tabs_of_another_build,
    /// Connections that ended for good without a request of the page.
    connections_ended,
    /// Probes.
    probes,
    /// Loopback messages that a tab received.
    loopback_messages,
    /// Locks stolen.
    locks_stolen,
    /// Deliveries of the probes at the end.
    probes_delivered,
    /// Ports opened.
    ports_opened,
    /// Of these, those that speak MQTT 3.1.1.
    ports_v311,
    /// Ports that their pages closed without DISCONNECT.
    ports_closed_by_page,
    /// Ports whose clients sent DISCONNECT.
    ports_disconnected,
    /// Ports that ended because their clients violated the protocol.
    ports_malformed,
    /// Ports that ended because their sessions were lost.
    ports_ended_by_tab,
    /// Ports that survived a change of broker, until the end.
    ports_kept,
    /// Packets that reached a tab in parts.
    port_packets_cut,
    /// QoS 1 and 2 publications of ports acknowledged.
    port_publications_acknowledged,
    /// SUBACK and UNSUBACK of ports.
    port_subscriptions_answered,
    /// PINGRESP of ports.
    port_pings_answered,
    /// Deliveries to ports with QoS 0.
    port_deliveries_qos0,
    /// Deliveries to ports with QoS 1.
    port_deliveries_qos1,
    /// Deliveries to ports with QoS 2.
    port_deliveries_qos2,
    /// First copies at ports whose order was compared with the previous message.
    port_orders_compared,
    /// Acknowledged messages that had to reach a port, and did.
    port_obligations_met,
    /// The same, void because the port ended.
    port_obligations_void,
    /// Readers of pages.
    readers,
    /// Listeners added or removed.
    listeners_changed,
    /// Messages that readers got.
    messages_read,
    /// Questions asked.
    questions,
    /// Questions answered.
    questions_answered,
    /// Of these, those refused for lack of a broker.
    questions_without_broker,
    /// Tabs whose answers were checked in the recovery phase.
    answers_checked,
    /// Subscriptions that the broker reported as granted.
    subscriptions_reported,
    /// Receivers that the broker reported and that match the sessions.
    receivers_reported,
    /// Reports of the number of retained messages that match what a new subscriber got.
    retained_reported,
    /// Member lists found correct at the end.
    member_lists_checked,
}

/// One count per line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counts() {
            writeln!(f, "{count:>10} {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

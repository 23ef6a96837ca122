//! What happened, so that a simulation cannot pass by testing nothing.

use core::fmt;

macro_rules! tally {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// How often what a simulation is for came to pass.
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
    /// QoS 1 and 2 publications under way when the broker ended.
    publications_in_flight_at_failover,
    /// Messages that came late, when their sender had ended.
    messages_from_ended_tabs,
    /// Messages whose receiver had ended or closed its end.
    messages_undeliverable,
    /// Deliveries that took longer than usual.
    slow_deliveries,
    /// Times that a page was asked how far it has come.
    credit_marks,
    /// Turns of a loop that took up several inputs.
    batched_turns,
    /// Timeouts that nobody had asked for.
    needless_timeouts,
    /// Things that no tab of ours sent.
    garbage,
    /// Of these, counted by the tabs that lived to tell.
    garbage_counted,
    /// Messages of tabs that do not exist.
    messages_of_unknown_tabs,
    /// Times that somebody said that the broker was none, or that a lane was closed, and it was not so.
    slanders,
    /// Goodbyes for tabs that live.
    false_goodbyes,
    /// Terms claimed in the name of a broker that has another one.
    false_claims,
    /// Rows far behind the last one of the log.
    far_rows,
    /// Rows with a term that no broker comes to.
    far_terms,
    /// Frames that came a second time.
    frames_replayed,
    /// Frames that later ones could overtake, which is as if they had been lost.
    frames_overtaken,
    /// Lanes that were set up anew.
    lane_resets,
    /// Requests that a tab had to refuse.
    invalid_requests_refused,
    /// Requests that ended with the connection.
    requests_ended_by_page,
    /// Subscriptions and unsubscriptions answered.
    subscriptions_answered,
    /// QoS 1 and 2 publications acknowledged.
    publications_acknowledged,
    /// Connections that went on with a session.
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
    /// Deliveries of a message that the client had already, and that it may get again.
    deliveries_repeated,
    /// Wills of lost clients that the broker had to publish.
    wills_due,
    /// Wills delivered.
    wills_delivered,
    /// First deliveries that were compared with the one before.
    orders_compared,
    /// Acknowledged messages that had to reach a client, and did.
    timed_obligations_met,
    /// Acknowledged messages that had to reach a client, until its session or the broker ended.
    timed_obligations_void,
    /// Topics whose retained message was found as expected.
    retained_found,
    /// Topics that had to have no retained message, or may have had none.
    retained_absent,
    /// Acknowledged messages that had to reach a session, whatever became of brokers, and did.
    durable_obligations_met,
    /// Acknowledged messages that had to reach a session, until it ended.
    durable_obligations_void,
    /// Sessions whose clients were away in the end, and what waited for them.
    sessions_collected,
    /// Fences stored.
    fences,
    /// Fences of tabs that took the reign over without the lock.
    fences_without_lock,
    /// Segments stored.
    segments,
    /// Checkpoints stored.
    checkpoints,
    /// Rows whose number was taken.
    rows_fenced_off,
    /// Rows for which there was no room.
    rows_without_room,
    /// Connections to the database that failed from then on.
    handles_killed,
    /// Times that the database failed for a while.
    disks_down,
    /// Attempts to open the database that got no answer.
    openings_unanswered,
    /// Checks that showed that the database works.
    checks_passed,
    /// Checks that showed that it does not.
    checks_failed,
    /// Publications refused because there was no room.
    publications_without_room,
    /// Writes that were aborted.
    writes_aborted,
    /// Reads that were aborted.
    reads_failed,
    /// Reads of values that the browser keeps in files.
    files_read,
    /// Rows that were stored while another tab waited for such a read, which is out of date then.
    rows_stored_during_reads,
    /// Times that a database could not be opened.
    databases_unavailable,
    /// Transactions that ended with their tab.
    transactions_lost,
    /// Transactions carried out when their tab had ended.
    transactions_of_ended_tabs,
    /// Brokers that crashed while a row of theirs was on its way.
    crashes_in_mid_commit,
    /// Brokers that stood still while a row of theirs was on its way.
    hangs_in_mid_commit,
    /// Times that the browser removed the site's data.
    sites_cleared,
    /// Bits that flipped anywhere in what is stored.
    bits_flipped,
    /// Bits that flipped in the record of one message.
    messages_damaged,
    /// Rows of the log that this build does not know.
    foreign_rows,
    /// Tabs that stood still.
    tabs_stalled,
    /// Of these, frozen.
    tabs_frozen,
    /// Of these, hung.
    workers_hung,
    /// Brokers that stood still, and woke up when another one reigned.
    stalled_brokers_replaced,
    /// Times that a tab took itself for the broker when another one was.
    stale_brokers,
    /// Tabs that heard nothing for a while.
    tabs_deafened,
    /// Tabs with throttled timers.
    tabs_throttled,
    /// Tabs that got everything late.
    channels_delayed,
    /// Times that the clock was set.
    clock_jumps,
    /// Frames that did not arrive.
    frames_lost,
    /// Pages that went into the back/forward cache.
    pages_cached,
    /// Times that the browser ended with all tabs.
    browser_restarts,
    /// Tabs opened with another one's client ids.
    tabs_duplicated,
    /// Tabs of another build.
    tabs_of_another_build,
    /// Connections that ended for good without the page's asking.
    connections_ended,
    /// Probes.
    probes,
    /// Messages that a tab's own ear heard.
    loopback_messages,
    /// Locks stolen.
    locks_stolen,
    /// Deliveries of the probes at the end.
    probes_delivered,
    /// Ports opened.
    ports_opened,
    /// Of these, such that speak MQTT 3.1.1.
    ports_v311,
    /// Ports that their pages closed without a word.
    ports_closed_by_page,
    /// Ports whose clients said DISCONNECT.
    ports_disconnected,
    /// Ports that ended because their clients sent what no client may send.
    ports_malformed,
    /// Ports that ended because their sessions were lost.
    ports_ended_by_tab,
    /// Ports that were open from one broker to the next, and to the end.
    ports_kept,
    /// Packets that were cut on their way to a tab.
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
    /// First deliveries to ports that were compared with the one before.
    port_orders_compared,
    /// Acknowledged messages that had to reach a port, and did.
    port_obligations_met,
    /// Acknowledged messages that had to reach a port, until it ended.
    port_obligations_void,
    /// Parts of pages that read a filter.
    readers,
    /// Listeners that came or went.
    listeners_changed,
    /// Messages that readers got.
    messages_read,
    /// Questions asked.
    questions,
    /// Questions answered.
    questions_answered,
    /// Of these, such that no broker was there to answer.
    questions_without_broker,
    /// Tabs that were told in the calm what is so.
    answers_checked,
    /// Subscriptions that the broker told as they were granted.
    subscriptions_reported,
    /// Receivers that the broker told, and that are those of the sessions.
    receivers_reported,
    /// Times that the broker told how many messages it retains, and it was as many as a new subscriber got.
    retained_reported,
    /// Rosters found to be right at the end.
    member_lists_checked,
}

/// One count to a line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counts() {
            writeln!(f, "{count:>10} {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

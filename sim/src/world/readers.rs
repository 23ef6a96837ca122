//! Readers and listeners: parts of a page that start late, and stop.

use tab::api::{
    ClientCommand, ClientNo, Command, ReaderNo, RequestId, RetainHandling, Subscription,
};
use tab::{Input, TabId};

use super::{Event, World};
use crate::mutant::Mutant;
use crate::violation::Violation;
use crate::workload::page::{CLIENTS, QOS, READER_REQUESTS, TOPIC_FILTERS};

/// Filters that only readers use.
const READER_FILTERS: [&str; 4] = ["a/b/+", "+/b", "c/+", "+/+/d"];

impl World<'_> {
    /// A part of a page begins to listen or to read, or stops.
    pub(super) fn on_reader_turn(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(runtime) = self.tabs.get(&tab) else {
            return Ok(());
        };
        if self.is_recovering {
            return Ok(());
        }
        let can_act = runtime.stall.is_none() && runtime.page.is_open();
        let gap_us = self.plan.act_gap_ms * 1_000;
        let at_us = self.now_us + self.reader_prng.between(0, 10 * gap_us);
        self.schedule(at_us, Event::ReaderTurn(tab));
        if !can_act {
            return Ok(());
        }
        let no = u32::try_from(self.reader_prng.between(0, CLIENTS - 1)).unwrap_or(0);
        let no = ClientNo(no);
        let readers = self.oracle.readers(tab, no);
        let command = match self.reader_prng.between(0, 9) {
            0..4 => {
                let has_listener = !self.oracle.has_listener(tab, no);
                ClientCommand::Listen(has_listener)
            }
            4..7 => {
                self.last_reader += 1;
                ClientCommand::Read(ReaderNo(self.last_reader), self.random_subscription())
            }
            _ => {
                let Some(reader) = self.reader_prng.pick(&readers).copied() else {
                    return Ok(());
                };
                self.last_reader += 1;
                let request = RequestId(READER_REQUESTS + u64::from(self.last_reader));
                ClientCommand::Release(request, reader)
            }
        };
        self.send_client_command(tab, no, command)
    }

    fn random_subscription(&mut self) -> Subscription {
        let prng = &mut self.reader_prng;
        let topic_filter = if prng.chance(500) {
            prng.one_of(READER_FILTERS)
        } else {
            prng.one_of(TOPIC_FILTERS)
        };
        Subscription {
            topic_filter: topic_filter.to_owned(),
            qos: prng.one_of(QOS),
            no_local: prng.chance(150),
            retain_as_published: prng.chance(100),
            retain_handling: prng.one_of([
                RetainHandling::SendAtSubscribe,
                RetainHandling::SendIfNew,
                RetainHandling::DoNotSend,
            ]),
            identifier: None,
        }
    }

    /// In the recovery phase every client has a listener.
    pub(super) fn recover_readers(&mut self) -> Result<(), Violation> {
        for tab in self.tab_ids() {
            for no in self.oracle.clients_without_listener(tab) {
                self.send_client_command(tab, no, ClientCommand::Listen(true))?;
            }
        }
        Ok(())
    }

    fn send_client_command(
        &mut self,
        tab: TabId,
        no: ClientNo,
        command: ClientCommand,
    ) -> Result<(), Violation> {
        // Earlier messages are for the earlier listeners and readers.
        self.flush(tab)?;
        self.oracle.on_reader_command(self.now(), tab, no, &command);
        if self.mutant == Some(Mutant::UnlistenDropped) && command == ClientCommand::Listen(false) {
            return Ok(());
        }
        self.turn(tab, Input::Command(Command::Client(no, command)))
    }
}

//! Questions: pages query the broker for its load, sessions, receivers and retained messages.

use tab::api::{Command, Question, RequestId};
use tab::{Input, TabId};

use super::{Event, World};
use crate::violation::Violation;
use crate::workload::page::TOPICS;

/// Maximum time for the answers in the recovery phase.
const ANSWERS_MS: u64 = 2_000;

impl World<'_> {
    /// A page asks a question now and then.
    pub(super) fn on_question_turn(&mut self, tab: TabId) -> Result<(), Violation> {
        let Some(runtime) = self.tabs.get(&tab) else {
            return Ok(());
        };
        if self.is_recovering {
            return Ok(());
        }
        let can_ask = runtime.stall.is_none() && runtime.page.is_open();
        let gap_us = self.plan.act_gap_ms * 1_000;
        let at_us = self.now_us + self.question_prng.between(0, 10 * gap_us);
        self.schedule(at_us, Event::QuestionTurn(tab));
        if !can_ask {
            return Ok(());
        }
        let question = match self.question_prng.between(0, 4) {
            0 => Question::Load,
            1 => Question::Sessions {
                at_most: self.question_prng.one_of([0, 1, 3, u32::MAX]),
            },
            2 => Question::Dropped,
            3 => Question::Retained {
                topic_filter: "#".to_owned(),
                after: None,
                at_most: self.question_prng.one_of([0, 1, 3, u32::MAX]),
                payload_bytes: self.question_prng.one_of([0, 1, u32::MAX]),
            },
            _ => Question::Receivers {
                topic: self.question_prng.one_of(TOPICS).to_owned(),
            },
        };
        self.ask(tab, question)
    }

    fn ask(&mut self, tab: TabId, question: Question) -> Result<(), Violation> {
        self.last_question += 1;
        let no = RequestId(self.last_question);
        self.oracle.on_ask(self.now(), tab, no, &question);
        self.turn(tab, Input::Command(Command::Ask(no, question)))
    }

    /// In the recovery phase every tab asks all questions, and the answers must be correct.
    pub(super) fn probe_questions(&mut self) -> Result<(), Violation> {
        if !self.plan.has_questions {
            return Ok(());
        }
        self.oracle.reset_answers();
        for tab in self.tab_ids() {
            self.ask(tab, Question::Load)?;
            self.ask(tab, Question::Sessions { at_most: u32::MAX })?;
            self.ask(tab, retained())?;
            for topic in TOPICS {
                let topic = topic.to_owned();
                self.ask(tab, Question::Receivers { topic })?;
            }
        }
        self.run_for(ANSWERS_MS)?;
        self.oracle.check_answers()
    }
}

/// A query for all retained messages.
pub(crate) fn retained() -> Question {
    Question::Retained {
        topic_filter: "#".to_owned(),
        after: None,
        at_most: u32::MAX,
        payload_bytes: u32::MAX,
    }
}

//! Checks queries to the broker: each question gets one answer in time, and a correct one in the recovery phase.

use std::collections::BTreeMap;

use tab::api::{Answer, Granted, Load, Problem, Question, Receiver, RequestId, SessionInfo};
use tab::{TabId, Time};

use super::{Oracle, topic};
use crate::client_key::ClientKey;
use crate::violation::Violation;

/// Maximum delay of an answer: throttled timers are late by up to a second.
const LATE_MS: u64 = 2_000;

/// A pending question.
#[derive(Debug)]
pub(super) struct PendingQuestion {
    question: Question,
    /// Deadline of the answer.
    pub(super) due: Time,
}

/// The answers to the questions of one tab in the recovery phase.
#[derive(Debug, Default)]
struct Answers {
    load: Option<Load>,
    sessions: Vec<SessionInfo>,
    receivers: BTreeMap<String, Vec<Receiver>>,
    /// Total number of retained messages.
    retained: Option<usize>,
}

impl Oracle {
    pub(crate) fn on_ask(&mut self, now: Time, tab: TabId, no: RequestId, question: &Question) {
        self.tally.questions += 1;
        let due = now.plus_ms(self.plan.settings.answer_ms + LATE_MS);
        if let Some(view) = self.tabs.get_mut(&tab) {
            let question = question.clone();
            view.questions.insert(no, PendingQuestion { question, due });
        }
    }

    /// Extends the deadlines, because the tab stalls for this long (ms).
    pub(super) fn extend_answer_deadlines(&mut self, tab: TabId, ms: u64) {
        let view = self.tabs.get_mut(&tab);
        for asked in view.into_iter().flat_map(|it| it.questions.values_mut()) {
            asked.due = asked.due.plus_ms(ms);
        }
    }

    pub(super) fn on_question_answered(
        &mut self,
        now: Time,
        tab: TabId,
        no: RequestId,
        answer: Answer,
    ) -> Result<(), Violation> {
        let view = self.tabs.get_mut(&tab);
        let asked = view.and_then(|view| view.questions.remove(&no));
        let asked = asked.ok_or(Violation::QuestionUnexpectedAnswer { tab, no })?;
        if asked.due < now {
            return Err(Violation::QuestionUnanswered { tab, no });
        }
        let is_fit = match (&asked.question, &answer) {
            (_, Answer::Refused(Problem::NoBroker)) => {
                self.tally.questions_without_broker += 1;
                true
            }
            (Question::Load, Answer::Load(_)) => true,
            (Question::Sessions { at_most }, Answer::Sessions { sessions, left_out }) => {
                let is_limited = sessions.len() <= usize::try_from(*at_most).unwrap_or(usize::MAX);
                // Only the limit may leave out sessions: the simulated names are short.
                is_limited && (*left_out == 0 || sessions.len() as u64 == u64::from(*at_most))
            }
            (Question::Receivers { topic }, Answer::Receivers { receivers, .. }) => receivers
                .iter()
                .all(|it| topic::matches(&it.subscription.topic_filter, topic)),
            (
                Question::Retained {
                    topic_filter,
                    at_most,
                    ..
                },
                Answer::Retained { messages, .. },
            ) => {
                let is_limited =
                    messages.len() <= usize::try_from(*at_most).unwrap_or(usize::MAX).max(1);
                let is_ordered = messages.is_sorted_by(|a, b| a.topic < b.topic);
                let matches = |topic| topic::matches(topic_filter, topic);
                is_limited && is_ordered && messages.iter().all(|it| matches(&it.topic))
            }
            (Question::Dropped, Answer::Dropped { .. }) => true,
            (
                Question::Load
                | Question::Sessions { .. }
                | Question::Receivers { .. }
                | Question::Retained { .. }
                | Question::Dropped,
                _,
            ) => false,
        };
        if !is_fit {
            return Err(Violation::QuestionWrongAnswer {
                tab,
                question: format!("{:?}", asked.question),
                wrong: format!("{answer:?}"),
            });
        }
        self.tally.questions_answered += 1;
        self.answers.push((tab, asked.question, answer));
        Ok(())
    }

    /// No question is overdue.
    pub(super) fn check_questions(&self, now: Time) -> Result<(), Violation> {
        for (tab, view) in &self.tabs {
            let late = view.questions.iter().find(|(_, asked)| asked.due < now);
            if let Some((no, _)) = late {
                return Err(Violation::QuestionUnanswered { tab: *tab, no: *no });
            }
        }
        Ok(())
    }

    /// Discards earlier answers. From now on answers must be correct.
    pub(crate) fn reset_answers(&mut self) {
        self.answers.clear();
    }

    /// The one broker has answered all questions since, and correctly.
    pub(crate) fn check_answers(&mut self) -> Result<(), Violation> {
        let mut answers: BTreeMap<TabId, Answers> = BTreeMap::new();
        for (tab, question, answer) in core::mem::take(&mut self.answers) {
            let of_tab = answers.entry(tab).or_default();
            match (question, answer) {
                (_, Answer::Load(load)) => of_tab.load = Some(load),
                (_, Answer::Sessions { sessions, .. }) => of_tab.sessions = sessions,
                (Question::Receivers { topic }, Answer::Receivers { receivers, .. }) => {
                    of_tab.receivers.insert(topic, receivers);
                }
                (Question::Retained { .. }, Answer::Retained { messages, reached }) => {
                    of_tab.retained = reached.is_none().then_some(messages.len());
                }
                (Question::Dropped, Answer::Dropped { .. }) => {}
                (
                    question,
                    answer @ (Answer::Refused(_)
                    | Answer::Receivers { .. }
                    | Answer::Retained { .. }
                    | Answer::Dropped { .. }),
                ) => {
                    return Err(wrong(tab, &question, &answer));
                }
            }
        }
        for (tab, view) in &self.tabs {
            if let Some(no) = view.questions.keys().next() {
                return Err(Violation::QuestionUnanswered { tab: *tab, no: *no });
            }
        }
        for (tab, answers) in answers {
            self.tally.subscriptions_reported += self.check_sessions(tab, &answers.sessions)?;
            self.tally.receivers_reported += check_receivers(tab, &answers)?;
            let load = check_load(tab, &answers)?;
            let reported_retained = answers.retained;
            if let Some(retained) = self.retained {
                if load.stats.retained_messages != retained || reported_retained != Some(retained) {
                    return Err(wrong(tab, &Question::Load, &load));
                }
                self.tally.retained_reported += 1;
            }
            self.tally.answers_checked += 1;
        }
        Ok(())
    }

    /// Every connected client has a session with its granted subscriptions, and no other session is connected. Returns
    /// the number of subscriptions compared.
    fn check_sessions(&self, asker: TabId, sessions: &[SessionInfo]) -> Result<u64, Violation> {
        let mut reported = 0;
        let mut connected: BTreeMap<&str, Vec<TabId>> = BTreeMap::new();
        for (tab, view) in &self.tabs {
            let wanted = view.clients.values().filter(|client| client.is_wanted);
            for id in wanted.filter_map(|client| client.client_id.as_deref()) {
                connected.entry(id).or_default().push(*tab);
            }
            for id in view.ports.values().filter_map(super::Port::client_id) {
                connected.entry(id).or_default().push(*tab);
            }
        }
        let question = Question::Sessions { at_most: u32::MAX };
        for session in sessions {
            let tabs = connected.remove(session.client_id.as_str());
            let tabs = tabs.unwrap_or_default();
            let is_right = match session.tab {
                Some(tab) => tabs.contains(&tab),
                None => tabs.is_empty(),
            };
            if !is_right {
                return Err(wrong(asker, &question, session));
            }
        }
        if let Some((missing, _)) = connected.first_key_value() {
            return Err(wrong(asker, &question, missing));
        }
        for (tab, view) in &self.tabs {
            for (no, client) in &view.clients {
                let key = ClientKey { tab: *tab, no: *no };
                let client_id = client.client_id.as_deref();
                if self.has_several_holders(client_id) || self.plan.disk.unavailable_per_mille > 0 {
                    continue;
                }
                let session = sessions
                    .iter()
                    .find(|it| Some(it.client_id.as_str()) == client_id);
                for (filter, options) in client.certain_subscriptions() {
                    let has = |it: &Granted| {
                        it.topic_filter == filter
                            && it.qos == options.qos
                            && it.no_local == options.no_local
                            && it.retain_as_published == options.retain_as_published
                            && it.identifier == options.identifier
                    };
                    if !session.is_some_and(|it| it.subscriptions.iter().any(has)) {
                        let expected = format!("{key} without {options:?} in {session:?}");
                        return Err(wrong(asker, &question, &expected));
                    }
                    reported += 1;
                }
            }
        }
        Ok(reported)
    }
}

/// The receivers of a topic are the sessions with matching subscriptions. Returns the number compared.
fn check_receivers(asker: TabId, answers: &Answers) -> Result<u64, Violation> {
    let mut count = 0;
    // Other sessions may end at any time.
    let is_lasting = |client_id: &str| {
        let session = answers.sessions.iter().find(|it| it.client_id == client_id);
        session.is_some_and(|it| it.tab.is_some() || it.session_expiry_interval == u32::MAX)
    };
    for (topic, receivers) in &answers.receivers {
        let reported: Vec<(&str, &Granted)> = receivers
            .iter()
            .map(|it| (it.client_id.as_str(), &it.subscription))
            .filter(|(client_id, _)| is_lasting(client_id))
            .collect();
        let expected: Vec<(&str, &Granted)> = answers
            .sessions
            .iter()
            .filter(|session| is_lasting(&session.client_id))
            .flat_map(|session| {
                let its = session.subscriptions.iter();
                its.map(|it| (session.client_id.as_str(), it))
            })
            .filter(|(_, it)| topic::matches(&it.topic_filter, topic))
            .collect();
        let is_same =
            reported.len() == expected.len() && expected.iter().all(|it| reported.contains(it));
        if !is_same {
            let topic = topic.clone();
            return Err(wrong(asker, &Question::Receivers { topic }, &reported));
        }
        count += reported.len() as u64;
    }
    Ok(count)
}

/// The totals equal the sums over the sessions.
fn check_load(asker: TabId, answers: &Answers) -> Result<Load, Violation> {
    let Some(load) = answers.load else {
        return Err(wrong(asker, &Question::Load, &"nothing"));
    };
    let sessions = answers.sessions.iter();
    let connected = sessions.filter(|it| it.tab.is_some());
    let (mut count, mut queued, mut in_flight) = (0, 0, 0);
    for session in connected {
        count += 1;
        queued += u64::from(session.queued);
        in_flight += u64::from(session.in_flight);
    }
    // Sessions of disconnected clients may end at any time.
    if load.stats.connections != count
        || load.stats.sessions < count
        || load.queued < queued
        || load.in_flight < in_flight
    {
        return Err(wrong(asker, &Question::Load, &load));
    }
    Ok(load)
}

fn wrong(tab: TabId, question: &Question, wrong: &impl core::fmt::Debug) -> Violation {
    Violation::QuestionWrongAnswer {
        tab,
        question: format!("{question:?}"),
        wrong: format!("{wrong:?}"),
    }
}

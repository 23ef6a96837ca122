//! The state of the page: the person's settings and selections, and the received messages and events. It knows no browser:
//! the store applies actions, the components draw. Components read the state of the bus with hooks.

pub(crate) mod charts;
pub(crate) mod drops;
pub(crate) mod events;
pub(crate) mod failover;
pub(crate) mod load_run;
pub(crate) mod messages;
mod natural_order;
pub(crate) mod numbered_stream;
pub(crate) mod opened_file;
pub(crate) mod retained;
pub(crate) mod retained_set;
pub(crate) mod samples;
pub(crate) mod search;
pub(crate) mod search_query;
pub(crate) mod share_url;
pub(crate) mod subscriptions;
pub(crate) mod topics;

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use tabmq_worker::api::{
    ClientStatus, ConnectOptions, Dropped, Durability, Event, Message, Problem, Subscription, Term,
};
use tabmq_worker::{RequestError, TabId};

use crate::labels;
use charts::SharedCharts;
use drops::Drops;
use events::EventLog;
use failover::{Failovers, Observation, StreamFigures};
use messages::MessageLog;
use opened_file::{OpenedFile, Skipped};
use retained::Retained;
use retained_set::Clearing;
use samples::{Sample, Samples};
use share_url::{Draft, ShareUrl, View};
use subscriptions::Subscriptions;
use topics::{NodeId, Topics};

/// The first topic in the field for receivers: the topic of the publish form.
const RECEIVERS_TOPIC: &str = "hello";

/// The state of the page. Growing parts are shared, so that a clone for drawing is cheap.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) channel: String,
    /// The broker's durability while this tab is the broker.
    durability: Durability,
    pub(crate) view: View,
    pub(crate) connect_options: ConnectOptions,
    pub(crate) subscriptions: Rc<Subscriptions>,
    pub(crate) messages: Rc<MessageLog>,
    /// Topic filter of the shown messages; empty: all.
    pub(crate) topic_filter: String,
    pub(crate) log_view: LogView,
    pub(crate) file: Option<Rc<OpenedFile>>,
    /// Whether the messages of the file are shown, and not the received ones.
    pub(crate) is_file_shown: bool,
    pub(crate) topics: SharedTopics,
    pub(crate) charts: SharedCharts,
    pub(crate) tree_view: TreeView,
    pub(crate) retained: Rc<Retained>,
    pub(crate) clearing: Option<Clearing>,
    pub(crate) drops: Rc<Drops>,
    /// The topic about whose receivers the broker is asked.
    pub(crate) receivers_topic: String,
    /// The client ID of the last connection, and the term of its broker.
    connected: Option<(String, Term)>,
    /// The message from the URL.
    pub(crate) draft: Option<Draft>,
    /// Until when this tab's worker is frozen by a remote command, in Unix milliseconds.
    pub(crate) frozen_until: Option<f64>,
    /// Until when numbered messages run through a failover, in Unix milliseconds.
    pub(crate) counting_until: Option<f64>,
    pub(crate) events: Rc<EventLog>,
    pub(crate) failovers: Rc<Failovers>,
    pub(crate) samples: Rc<Samples>,
    /// A sentence about a refused command, until the person dismisses it.
    pub(crate) refusal: Option<String>,
}

/// Search and selection in the log of messages. They persist while another view is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogView {
    /// The search, as it was typed.
    pub(crate) text: String,
    /// Number of the selected message.
    pub(crate) selected: Option<u64>,
    /// The held log, which does not move.
    pub(crate) held: Option<HeldLog>,
}

/// An earlier version of the log. It shares its messages with the current log, so it costs little memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeldLog {
    pub(crate) log: Rc<MessageLog>,
    /// Whether the person has paused it. Otherwise it is held while the pointer is in it, or a row is selected.
    pub(crate) is_paused: bool,
}

/// Search and selection in the tree of topics. They persist while another view is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TreeView {
    /// The search, as it was typed.
    pub(crate) text: String,
    pub(crate) selected: Option<NodeId>,
    /// Whether the retained messages are listed in the place of the tree.
    pub(crate) is_retained_list: bool,
}

/// The current tree of topics, shared with the view. A copy for each drawing would cost too much.
#[derive(Clone, Default)]
pub(crate) struct SharedTopics {
    topics: Rc<RefCell<Topics>>,
    /// Number of changes.
    version: u64,
}

/// A change of the state.
pub(crate) enum Action {
    /// An event, and the id of this tab.
    Event(Event, Option<TabId>),
    Message(Rc<Message>),
    Refused(Problem),
    /// The client's connection has changed, at this time in Unix milliseconds.
    Status(ClientStatus, f64),
    /// Total of packets that this tab's clients have sent again.
    Resent(u64),
    /// Results of a stream of numbered messages that began at this time, in Unix milliseconds.
    Streamed(f64, StreamFigures),
    Sample(Sample),
    Show(View),
    Connect(ConnectOptions),
    Subscribe(Subscription),
    Unsubscribe(String),
    /// The broker did not unsubscribe from this topic filter.
    StillSubscribed(String, RequestError),
    FilterMessages(String),
    SearchMessages(String),
    /// Selects a message, and holds the drawn log.
    SelectMessage(Option<u64>, Rc<MessageLog>),
    PauseMessages(bool),
    /// Holds the drawn log; `None`: releases it.
    HoldMessages(Option<Rc<MessageLog>>),
    ClearMessages,
    OpenFile(OpenedFile),
    /// The file of this name has no messages. Its first line is wrong, or it cannot be read.
    FileRefused(String, Option<Skipped>),
    /// Shows the messages of the file, or the received ones.
    ShowFile(bool),
    CloseFile,
    SearchTopics(String),
    SelectTopic(Option<NodeId>),
    ClearTopics,
    /// Lists the retained messages, or shows the tree.
    ListRetained(bool),
    AskReceivers(String),
    /// The broker's answer about retained messages after the topic `after`, up to `reached` or to the end.
    Retained {
        after: Option<String>,
        messages: Vec<Message>,
        reached: Option<String>,
    },
    /// No broker answers about retained messages.
    RetainedUnknown,
    /// The broker did not answer about the retained messages to clear.
    RetainedUnreadable(RequestError),
    /// Retained messages are to be confirmed, cleared or restored; `None`: this is over.
    Clearing(Option<Clearing>),
    /// The broker's answer about dropped messages, at this time in Unix milliseconds.
    Dropped(f64, Vec<Dropped>),
    /// The worker is frozen until this time in Unix milliseconds; `None`: it runs again.
    Frozen(Option<f64>),
    /// Numbered messages run until this time in Unix milliseconds.
    Counting(f64),
    OpenTopic(NodeId, bool),
    OpenAllTopics(bool),
    /// Shows or hides one of the numbers of a topic in its chart.
    ShowField {
        topic: String,
        field: usize,
        is_shown: bool,
    },
    /// Notes on invalid values in the page's address.
    InvalidAddress(Vec<String>),
    DismissRefusal,
}

impl State {
    /// The first state of a page with this URL.
    pub(crate) fn new(share_url: &ShareUrl) -> Self {
        let mut subscriptions = Subscriptions::default();
        for subscription in &share_url.subscriptions {
            subscriptions.want(subscription.clone());
        }
        Self {
            channel: share_url.channel.clone(),
            durability: share_url.durability,
            view: share_url.view,
            connect_options: share_url.connect_options(),
            subscriptions: Rc::new(subscriptions),
            messages: Rc::default(),
            topic_filter: share_url.filter.clone(),
            log_view: LogView {
                text: share_url.search.clone(),
                ..LogView::default()
            },
            file: None,
            is_file_shown: false,
            topics: SharedTopics::default(),
            charts: SharedCharts::default(),
            tree_view: TreeView::default(),
            retained: Rc::default(),
            clearing: None,
            drops: Rc::default(),
            receivers_topic: RECEIVERS_TOPIC.to_owned(),
            connected: None,
            draft: share_url.draft.clone(),
            frozen_until: None,
            counting_until: None,
            events: Rc::default(),
            failovers: Rc::default(),
            samples: Rc::default(),
            refusal: None,
        }
    }

    /// The part of the state that a URL can carry.
    pub(crate) fn share_url(&self) -> ShareUrl {
        ShareUrl {
            channel: self.channel.clone(),
            durability: self.durability,
            client_id: self.connect_options.client_id.clone(),
            clean_start: self.connect_options.clean_start,
            session_expiry_interval: self.connect_options.session_expiry_interval,
            keep_alive: self.connect_options.keep_alive,
            // A URL does not pass on subscriptions that every broker refuses.
            subscriptions: self
                .subscriptions
                .iter()
                .map(|it| it.subscription.clone())
                .filter(share_url::is_grantable)
                .collect(),
            filter: self.topic_filter.clone(),
            search: self.log_view.text.clone(),
            draft: self.draft.clone(),
            view: self.view,
        }
    }

    /// Applies one action.
    pub(crate) fn reduce(&mut self, action: Action) {
        match action {
            Action::Event(event, own) => {
                let at = event.at.as_ms() as f64;
                self.observe(at, &Observation::Event(&event.kind, own));
                // The broker's answer about dropped messages has their number.
                let is_stated_elsewhere =
                    labels::is_about_a_drop(&event.kind) || labels::is_about_the_app(&event.kind);
                if !is_stated_elsewhere {
                    Rc::make_mut(&mut self.events).push(event);
                }
            }
            Action::Message(message) => {
                let colours = self.subscriptions.colours_of(&message.topic);
                self.topics.change(|topics| topics.push(&message));
                self.charts.change(|charts| charts.push(&message));
                if message.retain {
                    Rc::make_mut(&mut self.retained).on_message(&message);
                } else if message.payload.is_empty()
                    && Rc::make_mut(&mut self.retained).is_deletion(&message)
                {
                    self.topics
                        .change(|topics| topics.forget_if_empty(&message.topic));
                }
                Rc::make_mut(&mut self.messages).push(message, colours);
            }
            Action::Refused(Problem::Channel(_)) => {
                self.refusal = Some(labels::CHANNEL_REFUSED.to_owned());
            }
            Action::Refused(problem) => self.refusal = Some(problem.to_string()),
            Action::Status(
                ClientStatus::Connected {
                    client_id, term, ..
                },
                at,
            ) => {
                self.observe(at, &Observation::Connected);
                let before = self.connected.replace((client_id, term));
                if before.is_some_and(|(_, before)| before != term) {
                    Rc::make_mut(&mut self.drops).on_new_broker();
                }
            }
            Action::Status(..) => {}
            Action::Resent(total) => self.observe(0.0, &Observation::Resent(total)),
            Action::Streamed(since, figures) => {
                self.counting_until = None;
                Rc::make_mut(&mut self.failovers).streamed(since, figures);
            }
            Action::Sample(sample) => Rc::make_mut(&mut self.samples).push(sample),
            Action::Show(view) => self.view = view,
            Action::Connect(options) => self.connect_options = options,
            Action::Subscribe(subscription) => {
                Rc::make_mut(&mut self.subscriptions).want(subscription);
            }
            Action::Unsubscribe(topic_filter) => {
                Rc::make_mut(&mut self.subscriptions).remove(&topic_filter);
            }
            Action::StillSubscribed(topic_filter, why) => {
                self.refusal = Some(format!("Still subscribed to {topic_filter}: {why}"));
            }
            Action::FilterMessages(topic_filter) => {
                self.topic_filter = topic_filter;
                self.hold_current();
            }
            Action::SearchMessages(text) => {
                self.log_view.text = text;
                self.hold_current();
            }
            Action::SelectMessage(number, drawn) => {
                self.log_view.selected = number;
                if number.is_some() {
                    self.hold(drawn);
                }
            }
            Action::PauseMessages(false) => self.log_view.held = None,
            Action::PauseMessages(true) => {
                let held = self.log_view.held.take().map(|it| it.log);
                self.log_view.held = Some(HeldLog {
                    log: held.unwrap_or_else(|| Rc::clone(&self.messages)),
                    is_paused: true,
                });
            }
            Action::HoldMessages(Some(drawn)) => self.hold(drawn),
            Action::HoldMessages(None) => {
                self.log_view.held.take_if(|it| !it.is_paused);
            }
            Action::ClearMessages => {
                Rc::make_mut(&mut self.messages).clear();
                (self.log_view.selected, self.log_view.held) = (None, None);
            }
            Action::OpenFile(file) => {
                self.file = Some(Rc::new(file));
                self.show_file(true);
            }
            Action::FileRefused(name, skipped) => {
                self.refusal = Some(labels::message_log::file_refused(&name, skipped.as_ref()));
            }
            Action::ShowFile(is_shown) => self.show_file(is_shown),
            Action::CloseFile => {
                self.file = None;
                self.show_file(false);
            }
            Action::SearchTopics(text) => self.tree_view.text = text,
            Action::SelectTopic(node) => self.tree_view.selected = node,
            Action::ClearTopics => {
                self.topics.change(Topics::clear);
                self.tree_view.selected = None;
            }
            Action::ListRetained(is_list) => self.tree_view.is_retained_list = is_list,
            Action::AskReceivers(topic) => self.receivers_topic = topic,
            Action::Retained {
                after,
                messages,
                reached,
            } => {
                let retained = Rc::make_mut(&mut self.retained);
                let gone = retained.on_answer(after.as_deref(), &messages, reached.as_deref());
                for topic in gone {
                    self.topics.change(|topics| topics.forget_if_empty(&topic));
                }
            }
            Action::RetainedUnknown => Rc::make_mut(&mut self.retained).on_no_answer(),
            Action::RetainedUnreadable(why) => {
                self.refusal = Some(labels::retained::unreadable(&why.to_string()));
            }
            Action::Clearing(clearing) => self.clearing = clearing,
            Action::Dropped(at, drops) => {
                let losses = Rc::make_mut(&mut self.drops).on_answer(at, &drops);
                for loss in losses {
                    Rc::make_mut(&mut self.events).push_loss(at, labels::loss(&loss));
                }
            }
            Action::Frozen(until) => self.frozen_until = until,
            Action::Counting(until) => self.counting_until = Some(until),
            Action::OpenTopic(node, is_open) => {
                self.topics.change(|topics| topics.set_open(node, is_open));
            }
            Action::OpenAllTopics(is_open) => {
                self.topics.change(|topics| topics.set_all_open(is_open));
            }
            Action::ShowField {
                topic,
                field,
                is_shown,
            } => self
                .charts
                .change(|charts| charts.show(&topic, field, is_shown)),
            Action::InvalidAddress(notes) => {
                self.refusal = Some(labels::alerts::invalid_address(&notes));
            }
            Action::DismissRefusal => self.refusal = None,
        }
    }

    /// The client ID of the last connection.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.connected
            .as_ref()
            .map(|(client_id, _)| client_id.as_str())
    }

    /// Other messages are another list, with its own selection.
    fn show_file(&mut self, is_shown: bool) {
        self.is_file_shown = is_shown && self.file.is_some();
        (self.log_view.selected, self.log_view.held) = (None, None);
    }

    fn hold(&mut self, drawn: Rc<MessageLog>) {
        // An empty log has no rows that can move, and a file has no new ones.
        if !self.is_file_shown && self.log_view.held.is_none() && drawn.kept() > 0 {
            self.log_view.held = Some(HeldLog {
                log: drawn,
                is_paused: false,
            });
        }
    }

    /// A held log becomes the current one, so that a new search examines all messages. A paused log stays.
    fn hold_current(&mut self) {
        let held = self.log_view.held.as_mut().filter(|it| !it.is_paused);
        let Some(held) = held else { return };
        held.log = Rc::clone(&self.messages);
        let is_kept = |number: &u64| self.messages.get(*number).is_some();
        self.log_view.selected = self.log_view.selected.filter(is_kept);
    }

    fn observe(&mut self, at: f64, observation: &Observation<'_>) {
        Rc::make_mut(&mut self.failovers).observe(at, observation);
    }
}

impl SharedTopics {
    pub(crate) fn get(&self) -> Ref<'_, Topics> {
        self.topics.borrow()
    }

    fn change(&mut self, change: impl FnOnce(&mut Topics)) {
        change(&mut self.topics.borrow_mut());
        self.version += 1;
    }
}

impl PartialEq for SharedTopics {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.topics, &other.topics) && self.version == other.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmq_worker::Reason;
    use tabmq_worker::api::{MessageProperties, QoS};

    /// A page with the URL `?subscribe=a,b/%23`.
    fn page() -> State {
        State::new(&ShareUrl::parse("?subscribe=a,b/%23"))
    }

    #[test]
    fn subscriptions_are_in_the_url() {
        let mut page = page();
        page.reduce(Action::Unsubscribe("a".to_owned()));
        page.reduce(Action::Subscribe(Subscription {
            topic_filter: "c".to_owned(),
            ..Subscription::default()
        }));
        page.reduce(Action::Subscribe(Subscription {
            topic_filter: "a/#/b".to_owned(),
            ..Subscription::default()
        }));
        let filters: Vec<String> = page
            .share_url()
            .subscriptions
            .into_iter()
            .map(|it| it.topic_filter)
            .collect();
        // The URL omits a filter that every broker refuses.
        assert_eq!(filters, ["b/#", "c"]);
    }

    fn log_of(topic: &str, page: &mut State) {
        let message = super::messages::tests::message(topic, b"x");
        page.reduce(Action::Message(message));
    }

    #[test]
    fn a_log_is_held_while_the_pointer_is_in_it() {
        let mut page = page();
        page.reduce(Action::HoldMessages(Some(Rc::clone(&page.messages))));
        assert_eq!(page.log_view.held, None, "there is nothing to point at");
        log_of("a", &mut page);
        let drawn = Rc::clone(&page.messages);
        log_of("a", &mut page);
        page.reduce(Action::HoldMessages(Some(drawn)));
        let held = |page: &State| page.log_view.held.as_ref().map(|it| it.log.received());
        assert_eq!(held(&page), Some(1));
        page.reduce(Action::HoldMessages(Some(Rc::clone(&page.messages))));
        assert_eq!(held(&page), Some(1));
        page.reduce(Action::PauseMessages(true));
        page.reduce(Action::HoldMessages(None));
        assert_eq!(held(&page), Some(1), "it is paused");
        page.reduce(Action::PauseMessages(false));
        assert_eq!(held(&page), None);
    }

    #[test]
    fn a_new_search_examines_the_messages_that_arrived_while_the_log_was_held() {
        let mut page = page();
        log_of("a", &mut page);
        page.reduce(Action::SelectMessage(Some(1), Rc::clone(&page.messages)));
        log_of("b", &mut page);
        let held = |page: &State| page.log_view.held.as_ref().map(|it| it.log.received());
        assert_eq!(held(&page), Some(1));
        page.reduce(Action::SearchMessages("b".to_owned()));
        assert_eq!((held(&page), page.log_view.selected), (Some(2), Some(1)));
        log_of("b", &mut page);
        page.reduce(Action::FilterMessages("b".to_owned()));
        assert_eq!(held(&page), Some(3));
        page.reduce(Action::PauseMessages(true));
        log_of("b", &mut page);
        page.reduce(Action::SearchMessages("c".to_owned()));
        assert_eq!(held(&page), Some(3), "it is paused");
    }

    #[test]
    fn search_selection_and_pause_outlive_a_change_of_view() {
        let mut page = page();
        log_of("a", &mut page);
        page.reduce(Action::SearchMessages("x".to_owned()));
        page.reduce(Action::SelectMessage(Some(1), Rc::clone(&page.messages)));
        page.reduce(Action::PauseMessages(true));
        let before = page.log_view.clone();
        page.reduce(Action::Show(View::Topics));
        page.reduce(Action::Show(View::Messages));
        assert_eq!(page.log_view, before);
        assert_eq!(page.share_url().search, "x");
        page.reduce(Action::ClearMessages);
        assert_eq!(page.log_view.selected, None);
        assert!(page.messages.is_cleared() && page.topics.get().topics() == 1);
    }

    #[test]
    fn a_file_is_shown_beside_the_received_messages() {
        let mut page = page();
        log_of("live", &mut page);
        page.reduce(Action::SelectMessage(Some(1), Rc::clone(&page.messages)));
        let mut log = MessageLog::default();
        log.push(super::messages::tests::message("old", b"x"), Vec::new());
        page.reduce(Action::OpenFile(OpenedFile {
            name: "messages.jsonl".to_owned(),
            log: Rc::new(log),
            skipped: None,
        }));
        assert!(page.is_file_shown && page.log_view == LogView::default());
        let file = page.file.clone().unwrap();
        page.reduce(Action::SelectMessage(Some(1), Rc::clone(&file.log)));
        assert_eq!(
            (page.log_view.selected, &page.log_view.held),
            (Some(1), &None)
        );
        // The file changes neither the log nor the tree.
        log_of("live", &mut page);
        assert_eq!(
            (page.messages.received(), page.topics.get().topics()),
            (2, 1)
        );
        page.reduce(Action::ShowFile(false));
        assert!(!page.is_file_shown && page.file.is_some());
        page.reduce(Action::ShowFile(true));
        page.reduce(Action::CloseFile);
        assert!(!page.is_file_shown && page.file.is_none());
        page.reduce(Action::ShowFile(true));
        assert!(!page.is_file_shown, "there is no file");
        page.reduce(Action::FileRefused("events.jsonl".to_owned(), None));
        assert!(page.refusal.is_some_and(|it| it.contains("events.jsonl")));
    }

    #[test]
    fn drops_become_one_event_for_each_client() {
        let mut page = page();
        let dropped = |messages| {
            vec![Dropped {
                client_id: "oven".to_owned(),
                reason: tabmq_worker::api::DropReason::QueueFull,
                messages,
            }]
        };
        page.reduce(Action::Dropped(0.0, dropped(3)));
        page.reduce(Action::Dropped(1_000.0, dropped(25_097)));
        let events: Vec<String> = page.events.newest_first().map(|it| it.sentence()).collect();
        assert_eq!(
            events,
            ["Dropped 25,094 messages for oven in the last second: its queue is full."]
        );
        let newest = page.events.newest_first().next().unwrap();
        assert_eq!(newest.tone(), events::Tone::Bad);
        assert_eq!(page.drops.of_others(page.client_id()), 25_097);
    }

    #[test]
    fn a_failed_unsubscribe_is_reported() {
        let mut page = page();
        let why = RequestError::Reason(Reason(0x83));
        page.reduce(Action::StillSubscribed("a".to_owned(), why));
        let refusal = page.refusal.unwrap_or_default();
        assert!(refusal.contains("0x83"), "{refusal}");
    }

    #[test]
    fn a_message_is_logged_with_the_colours_of_matching_subscriptions() {
        let mut page = page();
        page.reduce(Action::Message(Rc::new(Message {
            topic: "b/c".to_owned(),
            payload: Vec::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: MessageProperties::default(),
            subscription_identifiers: Vec::new(),
            received_at: Default::default(),
        })));
        let logged = page.messages.get(1).unwrap();
        let second = page.subscriptions.iter().nth(1).unwrap();
        assert_eq!(logged.colours, [second.colour]);
        assert!(page.topics.get().find("b/c").is_some());
    }
}

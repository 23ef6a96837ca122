//! What must not happen.

use core::fmt;

use tab::api::{Audience, ClientNo, DisconnectCause, Problem, QoS, RequestId, Term};
use tab::{Lane, PortNo, TabId};

use crate::browser::disk::Misuse;
use crate::workload::page::MessageId;

/// A client of the world: its tab, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey {
    pub(crate) tab: TabId,
    pub(crate) no: ClientNo,
}

/// Ports have the numbers of clients from here on.
const PORTS: u32 = 1_000;

impl ClientKey {
    /// The client behind a port.
    pub(crate) const fn of_port(tab: TabId, PortNo(port): PortNo) -> Self {
        let no = ClientNo(PORTS + port);
        Self { tab, no }
    }

    /// The port, if it is one's client.
    fn port(self) -> Option<PortNo> {
        self.no.0.checked_sub(PORTS).map(PortNo)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tab = self.tab.short();
        match self.port() {
            Some(PortNo(port)) => write!(f, "port {port} of tab {tab}"),
            None => write!(f, "client {} of tab {tab}", self.no.0),
        }
    }
}

/// The invariant that does not hold; displays as a sentence.
#[derive(Clone, Debug)]
pub(crate) enum Violation {
    TwoBrokers {
        first: TabId,
        second: TabId,
    },
    TermNotRising {
        tab: TabId,
        term: Term,
        before: Term,
    },
    TermOfNobody {
        client: ClientKey,
        term: Term,
    },
    SessionLost {
        client: ClientKey,
    },
    Ended {
        client: ClientKey,
        cause: DisconnectCause,
    },
    AnsweredUnasked {
        client: ClientKey,
        request: RequestId,
    },
    Refused {
        client: ClientKey,
        request: RequestId,
        problem: Problem,
    },
    Accepted {
        client: ClientKey,
        request: RequestId,
    },
    WrongAnswer {
        client: ClientKey,
        request: RequestId,
        codes: Vec<u8>,
    },
    Invented {
        client: ClientKey,
        topic: String,
    },
    Altered {
        client: ClientKey,
        message: MessageId,
    },
    NotConnected {
        client: ClientKey,
        message: MessageId,
    },
    NotSubscribed {
        client: ClientKey,
        message: MessageId,
        topic: String,
    },
    QoSTooHigh {
        client: ClientKey,
        message: MessageId,
        qos: QoS,
    },
    ForeignIdentifier {
        client: ClientKey,
        message: MessageId,
        identifier: u32,
    },
    ToNobody {
        client: ClientKey,
        message: MessageId,
        audience: Audience,
    },
    NotRetained {
        client: ClientKey,
        message: MessageId,
    },
    Duplicate {
        client: ClientKey,
        message: MessageId,
        qos: QoS,
        copies: u32,
        allowed: u32,
    },
    OutOfOrder {
        client: ClientKey,
        message: MessageId,
        after: MessageId,
    },
    WillWithoutLoss {
        client: ClientKey,
        message: MessageId,
    },
    Lost {
        client: ClientKey,
        message: MessageId,
        term: Term,
    },
    ProbeCopies {
        client: ClientKey,
        message: MessageId,
        copies: u32,
    },
    Retained {
        topic: String,
        found: Option<MessageId>,
        expected: Vec<MessageId>,
    },
    NoOneBroker {
        brokers: Vec<TabId>,
    },
    NotFollowing {
        tab: TabId,
        broker: TabId,
    },
    ClientNotConnected {
        client: ClientKey,
    },
    Unanswered {
        client: ClientKey,
        request: RequestId,
    },
    WrongRoster {
        tab: TabId,
        shown: String,
        expected: String,
    },
    GarbageNotCounted {
        tab: TabId,
        sent: u64,
        counted: u64,
    },
    PostedOnClosedLane {
        tab: TabId,
        lane: Lane,
    },
    ClosedClosedLane {
        tab: TabId,
        lane: Lane,
    },
    StaleCommit {
        tab: TabId,
        term: Term,
        fence: Option<Term>,
    },
    StorageMisused {
        tab: TabId,
        misuse: Misuse,
    },
    AcknowledgedUnstored {
        client: ClientKey,
        message: MessageId,
    },
    LostForGood {
        client_id: String,
        message: MessageId,
    },
    TheftByDeaf {
        tab: TabId,
    },
    NotReplaced {
        broker: TabId,
        waiting: TabId,
        ms: u64,
    },
    PortUnasked {
        port: ClientKey,
        packet: String,
    },
    PortRefused {
        port: ClientKey,
        packet: String,
    },
    PortAfterEnd {
        port: ClientKey,
    },
    PortNotWhole {
        port: ClientKey,
        len: usize,
    },
    PortEnded {
        port: ClientKey,
        reason: Option<u8>,
    },
    PortNotEnded {
        port: ClientKey,
    },
    PortUnanswered {
        port: ClientKey,
        what: String,
    },
    PortNotTaken {
        port: ClientKey,
        sent: usize,
        taken: usize,
    },
    PortMissed {
        port: ClientKey,
        message: MessageId,
    },
    QuestionNotAsked {
        tab: TabId,
        no: RequestId,
    },
    QuestionUnanswered {
        tab: TabId,
        no: RequestId,
    },
    WrongAnswerTo {
        tab: TabId,
        question: String,
        wrong: String,
    },
    CommandRefused {
        tab: TabId,
        problem: Problem,
    },
    NoRest {
        events: u64,
    },
    Panicked {
        message: String,
    },
}

impl Violation {
    /// Its kind: two violations of one kind most likely have one cause.
    pub(crate) fn kind(&self) -> String {
        let debug = format!("{self:?}");
        let end = debug.find([' ', '(', '{']).unwrap_or(debug.len());
        debug.get(..end).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoBrokers { first, second } => write!(
                f,
                "tabs {} and {} are brokers at the same time",
                first.short(),
                second.short()
            ),
            Self::TermNotRising { tab, term, before } => write!(
                f,
                "tab {} became the broker of term {term} after one of term {before}",
                tab.short()
            ),
            Self::TermOfNobody { client, term } => {
                write!(
                    f,
                    "{client} is connected in term {term}, which nobody has now"
                )
            }
            Self::SessionLost { client } => write!(
                f,
                "the broker of {client} has lost its session, which had not expired"
            ),
            Self::Ended { client, cause } => {
                write!(
                    f,
                    "{client} was disconnected and nobody had asked: {cause:?}"
                )
            }
            Self::AnsweredUnasked { client, request } => write!(
                f,
                "{client} got an answer to request {}, which waits for none",
                request.0
            ),
            Self::Refused {
                client,
                request,
                problem,
            } => write!(f, "{client} was refused request {}: {problem}", request.0),
            Self::Accepted { client, request } => {
                write!(f, "{client} was granted the invalid request {}", request.0)
            }
            Self::WrongAnswer {
                client,
                request,
                codes,
            } => write!(
                f,
                "{client} got the reason codes {codes:x?} for request {}",
                request.0
            ),
            Self::Invented { client, topic } => {
                write!(f, "{client} got a message on {topic} that nobody published")
            }
            Self::Altered { client, message } => {
                write!(f, "{client} got message {message} altered")
            }
            Self::NotConnected { client, message } => {
                write!(
                    f,
                    "{client} got message {message} while it was not connected"
                )
            }
            Self::NotSubscribed {
                client,
                message,
                topic,
            } => write!(
                f,
                "{client} got message {message} on {topic} without a subscription"
            ),
            Self::QoSTooHigh {
                client,
                message,
                qos,
            } => write!(
                f,
                "{client} got message {message} with {qos:?}, more than message and subscriptions allow"
            ),
            Self::ForeignIdentifier {
                client,
                message,
                identifier,
            } => write!(
                f,
                "{client} got message {message} with the identifier {identifier} of no matching subscription"
            ),
            Self::ToNobody {
                client,
                message,
                audience,
            } => write!(
                f,
                "{client} was told message {message} for {audience:?}, where nobody hears or reads it"
            ),
            Self::NotRetained { client, message } => write!(
                f,
                "{client} got message {message} as a retained one, which it cannot be"
            ),
            Self::Duplicate {
                client,
                message,
                qos,
                copies,
                allowed,
            } => write!(
                f,
                "{client} got message {message} with {qos:?} {copies} times, {allowed} allowed"
            ),
            Self::OutOfOrder {
                client,
                message,
                after,
            } => write!(f, "{client} got message {message} after message {after}"),
            Self::WillWithoutLoss { client, message } => write!(
                f,
                "{client} got the will {message} of a client that was not lost"
            ),
            Self::Lost {
                client,
                message,
                term,
            } => write!(
                f,
                "{client} did not get message {message}, acknowledged in term {term}"
            ),
            Self::ProbeCopies {
                client,
                message,
                copies,
            } => write!(f, "{client} got probe {message} {copies} times, not once"),
            Self::Retained {
                topic,
                found,
                expected,
            } => {
                let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
                match found {
                    Some(found) => write!(f, "the retained message of {topic} is {found}")?,
                    None => write!(f, "{topic} has no retained message")?,
                }
                write!(f, "; expected: {}", expected.join(" or "))
            }
            Self::NoOneBroker { brokers } => {
                let brokers: Vec<String> = brokers.iter().map(|tab| tab.short()).collect();
                write!(f, "the brokers in the calm: {brokers:?}")
            }
            Self::NotFollowing { tab, broker } => write!(
                f,
                "tab {} does not follow the broker in tab {}",
                tab.short(),
                broker.short()
            ),
            Self::ClientNotConnected { client } => {
                write!(f, "{client} is not connected in the calm")
            }
            Self::Unanswered { client, request } => {
                write!(f, "{client} got no answer to request {}", request.0)
            }
            Self::WrongRoster {
                tab,
                shown,
                expected,
            } => write!(
                f,
                "the roster of tab {} is {shown}; expected {expected}",
                tab.short()
            ),
            Self::GarbageNotCounted { tab, sent, counted } => write!(
                f,
                "tab {} counted {counted} foreign things, {sent} were sent",
                tab.short()
            ),
            Self::PostedOnClosedLane { tab, lane } => {
                write!(f, "tab {} posted on {lane:?}, not open", tab.short())
            }
            Self::ClosedClosedLane { tab, lane } => {
                write!(f, "tab {} closed {lane:?}, not open", tab.short())
            }
            Self::StaleCommit { tab, term, fence } => write!(
                f,
                "a row of term {term}, of tab {}, was stored behind the fence of term {:?}",
                tab.short(),
                fence.map(|fence| fence.0)
            ),
            Self::StorageMisused { tab, misuse } => {
                write!(f, "tab {} misused the database: {misuse:?}", tab.short())
            }
            Self::AcknowledgedUnstored { client, message } => write!(
                f,
                "message {message} of {client} was acknowledged and is not stored"
            ),
            Self::LostForGood { client_id, message } => write!(
                f,
                "the session of {client_id} never got message {message}, which was acknowledged"
            ),
            Self::TheftByDeaf { tab } => write!(
                f,
                "tab {} takes the reign over and hears nothing",
                tab.short()
            ),
            Self::NotReplaced {
                broker,
                waiting,
                ms,
            } => write!(
                f,
                "the broker in tab {} stood still for {ms} ms, and tab {}, which waits for it, did nothing",
                broker.short(),
                waiting.short()
            ),
            Self::PortUnasked { port, packet } => {
                write!(f, "{port} got {packet}, for which it had not asked")
            }
            Self::PortRefused { port, packet } => write!(f, "{port} was refused: {packet}"),
            Self::PortAfterEnd { port } => write!(f, "{port} got something after its end"),
            Self::PortNotWhole { port, len } => {
                write!(f, "{port} got {len} bytes that are not one packet")
            }
            Self::PortEnded { port, reason } => write!(
                f,
                "the tab closed {port}, which nobody had asked for, with the reason {reason:x?}"
            ),
            Self::PortNotEnded { port } => {
                write!(f, "{port} is open, though its client has ended it")
            }
            Self::PortUnanswered { port, what } => write!(f, "{port} got no answer to {what}"),
            Self::PortNotTaken { port, sent, taken } => {
                write!(f, "{port} sent {sent} bytes, and {taken} were taken")
            }
            Self::PortMissed { port, message } => write!(
                f,
                "{port} did not get message {message}, which was acknowledged"
            ),
            Self::QuestionNotAsked { tab, no } => write!(
                f,
                "tab {} got an answer to question {}, which waits for none",
                tab.short(),
                no.0
            ),
            Self::QuestionUnanswered { tab, no } => write!(
                f,
                "tab {} got no answer to question {} in time",
                tab.short(),
                no.0
            ),
            Self::WrongAnswerTo {
                tab,
                question,
                wrong,
            } => write!(
                f,
                "the answer to {question} in tab {} is wrong about {wrong}",
                tab.short()
            ),
            Self::CommandRefused { tab, problem } => {
                write!(f, "tab {} refused a command: {problem}", tab.short())
            }
            Self::NoRest { events } => write!(f, "no end after {events} events"),
            Self::Panicked { message } => write!(f, "panicked: {message}"),
        }
    }
}

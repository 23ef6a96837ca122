//! Violations: the invariants that the oracle checks, and the sentence for each that does not hold.

use core::fmt;

use tab::api::{Audience, DisconnectCause, Problem, QoS, RequestId, Term};
use tab::{Lane, TabId};

use crate::browser::disk::Misuse;
use crate::client_key::ClientKey;
use crate::workload::message_id::MessageId;

macro_rules! violations {
    ($($name:ident { $($field:ident: $type:ty),+ $(,)? } => ($text:literal $(, $argument:expr)* $(,)?),)+) => {
        /// An invariant that does not hold. It displays as a sentence.
        #[derive(Clone, Debug)]
        pub(crate) enum Violation {
            $($name { $($field: $type),+ },)+
        }

        impl Violation {
            /// Name of the variant. Two violations of one kind most likely have one cause.
            pub(crate) const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)+
                }
            }
        }

        impl fmt::Display for Violation {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),+ } => write!(f, $text $(, $argument)*),)+
                }
            }
        }
    };
}

violations! {
    TwoBrokers { first: TabId, second: TabId } =>
        ("tabs {} and {} are brokers at the same time", first.short(), second.short()),
    TermNotRising { tab: TabId, term: Term, before: Term } =>
        ("tab {} became the broker of term {term} after a broker of term {before}", tab.short()),
    UnknownTerm { client: ClientKey, term: Term } =>
        ("{client} is connected in term {term}, which no broker has had"),
    SessionLost { client: ClientKey } =>
        ("the broker lost the session of {client} before it expired"),
    UnrequestedDisconnect { client: ClientKey, cause: DisconnectCause } =>
        ("{client} was disconnected without a request: {cause:?}"),
    UnexpectedAnswer { client: ClientKey, request: RequestId } =>
        ("{client} got an answer to request {}, which is not pending", request.0),
    RequestRefused { client: ClientKey, request: RequestId, problem: Problem } =>
        ("the tab refused request {} of {client}: {problem}", request.0),
    InvalidRequestAccepted { client: ClientKey, request: RequestId } =>
        ("the tab accepted the invalid request {} of {client}", request.0),
    WrongReasonCodes { client: ClientKey, request: RequestId, codes: Vec<u8> } =>
        ("{client} got the reason codes {codes:x?} for request {}", request.0),
    UnknownMessage { client: ClientKey, topic: String } =>
        ("{client} got a message on {topic} that no client published"),
    MessageAltered { client: ClientKey, message: MessageId } =>
        ("{client} got message {message} altered"),
    DeliveredWhileDisconnected { client: ClientKey, message: MessageId } =>
        ("{client} got message {message} while it was not connected"),
    DeliveredWithoutSubscription { client: ClientKey, message: MessageId, topic: String } =>
        ("{client} got message {message} on {topic} without a subscription"),
    QoSTooHigh { client: ClientKey, message: MessageId, qos: QoS } =>
        ("{client} got message {message} with {qos:?}, more than message and subscriptions allow"),
    WrongSubscriptionIdentifier { client: ClientKey, message: MessageId, identifier: u32 } =>
        ("{client} got message {message} with the identifier {identifier}, which no matching subscription has"),
    NoRecipient { client: ClientKey, message: MessageId, audience: Audience } =>
        ("the tab passed message {message} of {client} to {audience:?}, but no listener or reader wants it"),
    WrongRetainFlag { client: ClientKey, message: MessageId } =>
        ("{client} got message {message} with RETAIN 1, but it was published with RETAIN 0"),
    TooManyCopies { client: ClientKey, message: MessageId, qos: QoS, copies: u32, allowed: u32 } =>
        ("{client} got message {message} with {qos:?} {copies} times, {allowed} allowed"),
    OutOfOrder { client: ClientKey, message: MessageId, after: MessageId } =>
        ("{client} got message {message} after message {after}"),
    UnexpectedWill { client: ClientKey, message: MessageId } =>
        ("{client} got the will {message} of a client that was not lost"),
    MessageLost { client: ClientKey, message: MessageId, term: Term } =>
        ("{client} did not get message {message}, acknowledged in term {term}"),
    WrongProbeCount { client: ClientKey, message: MessageId, copies: u32 } =>
        ("{client} got probe {message} {copies} times, not once"),
    WrongRetained { topic: String, found: Option<MessageId>, expected: Vec<MessageId> } =>
        ("the retained message of {topic} is {}; expected: {}", or_none(found.as_ref()), alternatives(expected)),
    WrongBrokerCount { brokers: Vec<TabId> } =>
        ("after recovery the brokers are {:?}; expected one", shorts(brokers)),
    NotFollowingBroker { tab: TabId, broker: TabId } =>
        ("tab {} does not follow the broker in tab {}", tab.short(), broker.short()),
    ClientNotConnected { client: ClientKey } =>
        ("{client} is not connected after recovery"),
    RequestUnanswered { client: ClientKey, request: RequestId } =>
        ("{client} got no answer to request {}", request.0),
    WrongMembers { tab: TabId, shown: String, expected: String } =>
        ("tab {} lists the tabs {shown}; expected {expected}", tab.short()),
    GarbageNotCounted { tab: TabId, sent: u64, counted: u64 } =>
        ("tab {} counted {counted} foreign inputs; {sent} were sent", tab.short()),
    PostedOnClosedLane { tab: TabId, lane: Lane } =>
        ("tab {} posted on {lane:?}, which is not open", tab.short()),
    LaneClosedTwice { tab: TabId, lane: Lane } =>
        ("tab {} closed {lane:?}, which is not open", tab.short()),
    StaleCommit { tab: TabId, term: Term, fence: Option<Term> } =>
        ("a row of term {term} by tab {} was stored after the fence of term {:?}", tab.short(), fence.map(|fence| fence.0)),
    StorageMisused { tab: TabId, misuse: Misuse } =>
        ("tab {} misused the database: {misuse:?}", tab.short()),
    AcknowledgedUnstored { client: ClientKey, message: MessageId } =>
        ("message {message} of {client} was acknowledged but is not stored"),
    DurableMessageLost { client_id: String, message: MessageId } =>
        ("the session of {client_id} never got message {message}, which was acknowledged"),
    StealByDeafTab { tab: TabId } =>
        ("tab {} takes the leadership by force, though it receives nothing", tab.short()),
    StalledBrokerNotReplaced { broker: TabId, waiting: TabId, ms: u64 } =>
        ("the broker in tab {} stalled for {ms} ms, and the waiting tab {} did not replace it", broker.short(), waiting.short()),
    PortUnexpectedPacket { port: ClientKey, packet: String } =>
        ("{port} got {packet}, which answers no request"),
    PortRefused { port: ClientKey, packet: String } =>
        ("a request of {port} was refused: {packet}"),
    PortPacketAfterClose { port: ClientKey } =>
        ("{port} got output after it was closed"),
    PortPacketIncomplete { port: ClientKey, len: usize } =>
        ("{port} got {len} bytes that are not exactly one packet"),
    PortClosedUnexpectedly { port: ClientKey, reason: Option<u8> } =>
        ("the tab closed {port} without a request, with the reason {reason:x?}"),
    PortNotClosed { port: ClientKey } =>
        ("{port} is open, though its client has ended the connection"),
    PortUnanswered { port: ClientKey, what: String } =>
        ("{port} got no answer to {what}"),
    PortBytesNotConsumed { port: ClientKey, sent: usize, taken: usize } =>
        ("{port} sent {sent} bytes, and the tab consumed {taken}"),
    PortMessageLost { port: ClientKey, message: MessageId } =>
        ("{port} did not get message {message}, which was acknowledged"),
    QuestionUnexpectedAnswer { tab: TabId, no: RequestId } =>
        ("tab {} got an answer to question {}, which is not pending", tab.short(), no.0),
    QuestionUnanswered { tab: TabId, no: RequestId } =>
        ("tab {} got no answer to question {} in time", tab.short(), no.0),
    QuestionWrongAnswer { tab: TabId, question: String, wrong: String } =>
        ("the answer to {question} in tab {} is wrong: {wrong}", tab.short()),
    CommandRefused { tab: TabId, problem: Problem } =>
        ("tab {} refused a command: {problem}", tab.short()),
    EventLimitReached { events: u64 } =>
        ("the world did not come to rest within {events} events"),
    Panicked { message: String } =>
        ("a tab panicked: {message}"),
}

fn or_none(message: Option<&MessageId>) -> String {
    message.map_or_else(|| "missing".to_owned(), ToString::to_string)
}

fn alternatives(messages: &[MessageId]) -> String {
    let messages: Vec<String> = messages.iter().map(ToString::to_string).collect();
    messages.join(" or ")
}

fn shorts(tabs: &[TabId]) -> Vec<String> {
    tabs.iter().map(|tab| tab.short()).collect()
}

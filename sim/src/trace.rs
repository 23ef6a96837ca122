//! The trace: a text line for each event of a world.

use tab::api::{ClientCommand, ClientNotice, Command, Notice, Publication, Role};
use tab::control::ControlMessage;
use tab::storage::{RowKind, StorageAnswer, StorageEvent, StorageOperation, StorageRequest};
use tab::{Input, Lane, Lock, LockEvent, LockRequest, TabId};

use crate::workload::message_id::MessageId;

/// Maximum length of a line. Longer lines are cut.
const LINE_CHARS_MAX: usize = 400;

/// The trace of a run. It costs time, so that it is off by default; the same seed reproduces it.
#[derive(Debug)]
pub(crate) struct Trace(Option<Vec<String>>);

impl Trace {
    pub(crate) const fn off() -> Self {
        Self(None)
    }

    pub(crate) const fn on() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) fn note(&mut self, now_us: u64, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            let mut what = what();
            if let Some((cut, _)) = what.char_indices().nth(LINE_CHARS_MAX) {
                what.truncate(cut);
                what.push('…');
            }
            lines.push(format!(
                "{:>9}.{:03} ms  {what}",
                now_us / 1_000,
                now_us % 1_000
            ));
        }
    }

    /// Notes an event of a tab.
    pub(crate) fn tab(&mut self, now_us: u64, tab: TabId, what: impl FnOnce() -> String) {
        self.note(now_us, || format!("{}  {}", tab.short(), what()));
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }
}

pub(crate) fn input(input: &Input) -> String {
    match input {
        Input::Command(command) => format!("page: {}", self::command(command)),
        Input::Control(message) => format!("receives {}", control(message)),
        Input::Frame(lane, bytes) => format!("receives on {}: {}", self::lane(*lane), frame(bytes)),
        Input::Lock(LockEvent::Granted(lock)) => format!("holds {}", self::lock(*lock)),
        Input::Lock(LockEvent::Lost(lock)) => format!("loses {}", self::lock(*lock)),
        Input::Lock(LockEvent::NotFree(lock)) => format!("does not get {}", self::lock(*lock)),
        Input::Lock(LockEvent::NotSupported(lock)) => {
            format!("cannot get {}: not supported", self::lock(*lock))
        }
        Input::Storage(StorageEvent::Answer(id, answer)) => {
            format!("gets the answer to request {}: {}", id.0, stored(answer))
        }
        Input::Storage(StorageEvent::Closed) => "learns that the database is closed".to_owned(),
        Input::Loopback(message) => format!("receives its own message: {}", control(message)),
        Input::Port(..) | Input::Foreign(_) | Input::Trouble(_) | Input::Timeout => {
            format!("{input:?}")
        }
    }
}

pub(crate) fn control(message: &ControlMessage) -> String {
    match message {
        ControlMessage::Who { tab_id } => format!("who of {}", tab_id.short()),
        ControlMessage::Announce(it) => format!(
            "announce of {}{}, term {:?}, {} clients, {:?}",
            it.tab_id.short(),
            if it.is_broker { "*" } else { "" },
            it.term.map(|term| term.0),
            it.clients,
            it.visibility
        ),
        ControlMessage::Goodbye { tab_id, .. } => format!("goodbye of {}", tab_id.short()),
        ControlMessage::Bind { lane: it, binding } => {
            format!("bind {} binding {binding}", lane(*it))
        }
        ControlMessage::Probe { tab_id, number } => {
            format!("probe {number} of {}", tab_id.short())
        }
        ControlMessage::Pong {
            tab_id,
            number,
            term,
            committed,
        } => format!(
            "pong for probe {number} of {}, term {term}, row {committed}",
            tab_id.short()
        ),
        ControlMessage::Unbind { lane: it, binding } => {
            format!("unbind {} binding {binding}", lane(*it))
        }
    }
}

pub(crate) fn lane(lane: Lane) -> String {
    let Lane { tab, broker, term } = lane;
    format!("lane {}-{}/{term}", tab.short(), broker.short())
}

pub(crate) fn lock_request(request: LockRequest) -> String {
    match request {
        LockRequest::Acquire(lock) => format!("asks for {}", self::lock(lock)),
        LockRequest::AcquireIfFree(lock) => format!("asks for {} if free", self::lock(lock)),
        LockRequest::Steal(lock) => format!("steals {}", self::lock(lock)),
        LockRequest::Release(lock) => format!("releases {}", self::lock(lock)),
    }
}

pub(crate) fn storage_request(request: &StorageRequest) -> String {
    let what = match &request.operation {
        StorageOperation::Open(_)
        | StorageOperation::Read(..)
        | StorageOperation::Check(_)
        | StorageOperation::Close => format!("asks the disk: {:?}", request.operation),
        StorageOperation::Append(seq, row) => format!(
            "writes row {seq} of term {}: {}",
            row.term,
            match &row.kind {
                RowKind::Fence => "fence".to_owned(),
                RowKind::Checkpoint => "checkpoint".to_owned(),
                RowKind::Segment(bytes) => format!("segment, {}", frame(bytes)),
            }
        ),
        StorageOperation::Checkpoint(it) => format!(
            "writes checkpoint {} of term {}: {} pieces, removes {:?}",
            it.seq,
            it.term,
            it.pieces.len(),
            it.remove
        ),
    };
    format!("request {}: {what}", request.id.0)
}

pub(crate) fn stored(answer: &StorageAnswer) -> String {
    match answer {
        StorageAnswer::Page(page) => format!(
            "page: {} rows to {:?}, {} pieces of snapshot {:?}, next {:?}",
            page.rows.len(),
            page.rows.last().and_then(|(seq, _)| *seq).map(|seq| seq.0),
            page.pieces.len(),
            page.pieces
                .first()
                .and_then(|(_, piece)| piece.as_ref())
                .map(|piece| piece.snapshot.0.0),
            page.next
        ),
        StorageAnswer::Opened
        | StorageAnswer::Unavailable { .. }
        | StorageAnswer::Checked { .. }
        | StorageAnswer::CheckFailed(_)
        | StorageAnswer::ReadFailed(_)
        | StorageAnswer::Committed(_)
        | StorageAnswer::Failed(..) => format!("{answer:?}"),
    }
}

fn lock(lock: Lock) -> String {
    match lock {
        Lock::Broker => "the broker's lock".to_owned(),
        Lock::Steal => "the steal lock".to_owned(),
        Lock::Tab(tab) => format!("the lock of {}", tab.short()),
    }
}

/// Length and checksum, which distinguish two traces with different frames.
pub(crate) fn frame(bytes: &[u8]) -> String {
    let checksum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} bytes {checksum:016x}", bytes.len())
}

fn command(command: &Command) -> String {
    match command {
        Command::Client(no, ClientCommand::Publish(request, publication)) => {
            format!(
                "client {} publish #{} {}",
                no.0,
                request.0,
                self::publication(publication)
            )
        }
        Command::Client(no, command) => format!("client {} {command:?}", no.0),
        Command::Open(_)
        | Command::Visibility(_)
        | Command::Ask(..)
        | Command::Acknowledge(_)
        | Command::Hang { .. } => {
            format!("{command:?}")
        }
    }
}

fn publication(publication: &Publication) -> String {
    let id = MessageId::in_properties(&publication.properties).map(|id| id.to_string());
    format!(
        "message {} on {} {:?}{}, {} bytes",
        id.unwrap_or_default(),
        publication.topic,
        publication.qos,
        if publication.retain { " retain" } else { "" },
        publication.payload.len()
    )
}

pub(crate) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Client(no, ClientNotice::Message(message, _)) => {
            let id = MessageId::of(message).map(|id| id.to_string());
            format!(
                "client {} message {} on {} {:?}{}{}",
                no.0,
                id.unwrap_or_default(),
                message.topic,
                message.qos,
                if message.retain { " retain" } else { "" },
                if message.dup { " dup" } else { "" },
            )
        }
        Notice::Client(no, notice) => format!("client {} {notice:?}", no.0),
        Notice::Members(tabs) => {
            let tabs: Vec<String> = tabs
                .iter()
                .map(|tab| {
                    let star = if tab.is_broker { "*" } else { "" };
                    format!("{}{star}", tab.tab_id.short())
                })
                .collect();
            format!("members {}", tabs.join(" "))
        }
        Notice::Role(Role::Waiting) => "role: waiting".to_owned(),
        Notice::Role(Role::Client { broker, term }) => {
            format!("role: client of {}, term {term}", broker.short())
        }
        Notice::Role(Role::Broker { term }) => format!("role: broker of term {term}"),
        Notice::Event(event) => format!("event: {}", event.kind),
        Notice::Opened { .. }
        | Notice::Refused(_)
        | Notice::Stats(_)
        | Notice::Answer(..)
        | Notice::CreditCheckpoint(_)
        | Notice::Log { .. } => format!("{notice:?}"),
    }
}

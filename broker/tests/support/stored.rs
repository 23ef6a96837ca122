//! A broker and its log, which stores every batch at once. For a durable broker it checks that no promise precedes its
//! batch. After some of the inputs it also checks that a broker restored from the log is equal.

use std::ops::Deref;

use broker::access::{Access, AllowAll};
use broker::{BatchId, Broker, Config, Input, Output, Packet, QoS, ReasonCode, Time};

/// The log is checked after each of the first inputs, up to this number; then less and less often.
const CHECKED_AT_FIRST: u64 = 40;

pub(crate) struct Stored {
    pub(crate) broker: Broker,
    pub(crate) config: Config,
    pub(crate) log: Vec<Vec<u8>>,
    pub(crate) last_batch: u64,
    /// The number of batches that were not empty.
    pub(crate) stored: u64,
    inputs: u64,
    next_check: u64,
    is_full: bool,
}

impl Stored {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_access(config, Box::new(AllowAll))
    }

    pub(crate) fn with_access(config: Config, access: Box<dyn Access>) -> Self {
        Self {
            broker: Broker::with_access(config.clone(), access),
            config,
            log: Vec::new(),
            last_batch: 0,
            stored: 0,
            inputs: 0,
            next_check: 1,
            is_full: false,
        }
    }

    /// Handles an input, and appends the outputs, with each packet as a whole.
    pub(crate) fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        let mut outputs = Vec::new();
        self.handle_input(now, input, &mut outputs);
        out.extend(outputs.into_iter().map(Output::whole));
    }

    fn handle_input(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if !self.config.durable {
            return self.broker.handle(now, input, out);
        }
        if let Input::StorageFull(is_full) = input {
            self.is_full = is_full;
        }
        let mut outputs = Vec::new();
        self.broker.handle(now, input, &mut outputs);
        let mut is_stored = true;
        for output in outputs.into_iter().map(Output::whole) {
            match output {
                Output::Persist(BatchId(batch), bytes) => {
                    self.last_batch += 1;
                    assert_eq!(batch, self.last_batch);
                    if !bytes.is_empty() {
                        self.log.push(bytes);
                        self.stored += 1;
                    }
                    is_stored = false;
                }
                Output::Send(_, packet)
                    if !is_stored
                        && is_promise(&packet)
                        && !(self.is_full && is_bearable(&packet)) =>
                {
                    panic!("{packet:?} before its batch is stored")
                }
                Output::Send(_, packet) if is_stored && is_answer(&packet) && !self.is_full => {
                    panic!("{packet:?} without a batch, though another broker may lead")
                }
                Output::Send(..) | Output::Publish(..) | Output::Close(..) | Output::Event(_) => {
                    out.push(output);
                }
            }
        }
        if !is_stored {
            let committed = Input::Committed(BatchId(self.last_batch));
            let start = out.len();
            self.broker.handle(now, committed, out);
            let more = out[start..].iter();
            let more = more.filter(|output| matches!(output, Output::Persist(..)));
            assert_eq!(more.count(), 0, "a commit changes nothing");
        }
        self.inputs += 1;
        if self.inputs >= self.next_check {
            self.check_log(now);
            self.next_check += match self.inputs < CHECKED_AT_FIRST {
                true => 1,
                false => self.inputs / 2,
            };
            // Sometimes a snapshot replaces the log.
            if self.inputs.is_multiple_of(4) {
                self.log = self.broker.snapshot();
            }
        }
    }

    fn check_log(&self, now: Time) {
        let restored = restore(&self.log, now);
        let (stats, stored) = (restored.stats(), self.broker.stats());
        assert_eq!(stats.sessions, stored.sessions);
        assert_eq!(stats.subscriptions, stored.subscriptions);
        let (restored, stored) = (restored.snapshot(), self.broker.snapshot());
        // Both may differ in a retained message that expires now.
        assert!(
            restored == stored || restored == restore(&stored, now).snapshot(),
            "a restored broker differs"
        );
    }
}

fn restore(log: &[Vec<u8>], now: Time) -> Broker {
    let blocks = log.iter().map(Vec::as_slice);
    let (restored, found) = Broker::restore(Config::default(), Box::new(AllowAll), blocks, now);
    assert_eq!((found.skipped, &found.errors[..]), (0, &[][..]));
    restored
}

impl Deref for Stored {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        &self.broker
    }
}

/// Whether a full broker may send a packet before its batch is stored, because it breaks no promise. A session that begins
/// while the broker is full needs no storage.
pub(crate) fn is_bearable(packet: &Packet) -> bool {
    match packet {
        Packet::ConnAck(_) => true,
        Packet::Publish(publish) => publish.qos == QoS::AtLeastOnce,
        _ => false,
    }
}

fn is_answer(packet: &Packet) -> bool {
    is_promise(packet) && !matches!(packet, Packet::Publish(_) | Packet::PubRel(_))
}

/// Whether a packet must not be sent before its batch is stored.
pub(crate) fn is_promise(packet: &Packet) -> bool {
    match packet {
        Packet::ConnAck(packet) => packet.reason_code == ReasonCode::Success,
        Packet::Publish(packet) => packet.qos != QoS::AtMostOnce,
        Packet::PubAck(packet) => !packet.reason_code.is_error(),
        Packet::PubRec(packet) => !packet.reason_code.is_error(),
        Packet::PubRel(_) | Packet::PubComp(_) | Packet::UnsubAck(_) => true,
        Packet::SubAck(packet) => packet.reason_codes.iter().any(|code| *code as u8 <= 2),
        _ => false,
    }
}

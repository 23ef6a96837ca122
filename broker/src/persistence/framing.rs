//! Record framing: records as bytes.
//!
//! ```text
//! block  = version record*             and joined blocks are a block
//! record = length crc body             32 bits each, big-endian; of the body, and of length and body
//! ```

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use crate::binary::{self, Integers};
use crate::persistence::record::{Record, RecordError};

/// The version of the following records. A record starts with its length, which never starts with such a byte.
const VERSION: u8 = VERSIONS | 1;
const VERSIONS: u8 = 0xF0;
const HEADER_BYTES: usize = 8;
/// The bytes of one small change, so that most blocks are allocated once.
const BYTES_USUALLY: usize = 256;

/// Appends records to a block.
#[derive(Debug)]
pub(crate) struct RecordWriter(Vec<u8>);

impl RecordWriter {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, record: &Record<'_>) {
        let Self(bytes) = self;
        if bytes.is_empty() {
            bytes.reserve(BYTES_USUALLY);
            bytes.push(VERSION);
        }
        let start = bytes.len();
        bytes.extend([0; HEADER_BYTES]);
        let Ok(()) = binary::write(record, bytes) else {
            unreachable!("memory takes every record")
        };
        let length = u32::try_from(bytes.len() - start - HEADER_BYTES);
        let Some(length) = length.ok().filter(|length| length >> 28 < 0xF) else {
            unreachable!("no packet is as long as {length:?}")
        };
        let (header, body) = bytes[start..].split_at_mut(HEADER_BYTES);
        header[..4].copy_from_slice(&length.to_be_bytes());
        header[4..].copy_from_slice(&check(length, body).to_be_bytes());
    }

    /// The block, if it has records. The next record begins another one.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let bytes = core::mem::take(&mut self.0);
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }
}

/// Reads the records of a block with their offsets, and errors for the rest.
#[derive(Debug)]
pub(crate) struct RecordReader<'a> {
    block: &'a [u8],
    offset: usize,
    has_version: bool,
}

impl<'a> RecordReader<'a> {
    pub(crate) fn of(block: &'a [u8]) -> Self {
        Self {
            block,
            offset: 0,
            has_version: false,
        }
    }

    /// Skips the rest, because the start of the next record is unknown.
    fn lose_rest(
        &mut self,
        error: RecordError,
    ) -> Option<Result<(usize, Record<'a>), RecordError>> {
        self.offset = self.block.len();
        Some(Err(error))
    }
}

impl<'a> Iterator for RecordReader<'a> {
    type Item = Result<(usize, Record<'a>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.offset;
            let rest = &self.block[offset..];
            let &version = rest.first()?;
            if version == VERSION {
                self.has_version = true;
                self.offset += 1;
                continue;
            }
            if version >= VERSIONS || !self.has_version {
                return self.lose_rest(RecordError::UnknownVersion { offset, version });
            }
            let truncated = RecordError::Truncated {
                offset,
                bytes: rest.len(),
            };
            let Some((length, rest)) = split_u32(rest) else {
                return self.lose_rest(truncated);
            };
            let Some((crc, rest)) = split_u32(rest) else {
                return self.lose_rest(truncated);
            };
            let Some(body) = rest.get(..length as usize) else {
                return self.lose_rest(truncated);
            };
            self.offset += HEADER_BYTES + body.len();
            if check(length, body) != crc {
                return Some(Err(RecordError::Damaged { offset }));
            }
            return Some(match binary::read(Integers::Variable, body) {
                Ok(record) => Ok((offset, record)),
                Err(_) => Err(RecordError::Unreadable { offset }),
            });
        }
    }
}

/// The CRC-32 of zip and PNG, with a table of 1 kB.
static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

fn check(length: u32, body: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&length.to_be_bytes());
    digest.update(body);
    digest.finalize()
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_sum_is_the_one_that_logs_have_had_from_the_beginning() {
        // The check value of the catalogue: of "123456789", whose first four characters stand for the length.
        let length = u32::from_be_bytes(*b"1234");
        assert_eq!(super::check(length, b"56789"), 0xCBF4_3926);
    }

    use std::borrow::Cow;
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::codec::SharedProperties;
    use crate::persistence::record::{Receiver, RecordedMessage, RecordedWill};
    use crate::routing::message::{Message, forwarded};
    use crate::routing::subscription::Subscription;
    use crate::{Origin, Properties, QoS, Time, TopicFilter, TopicName};

    fn message(properties: SharedProperties) -> Message {
        Message {
            number: 300,
            publisher: Arc::from("ann"),
            published: Time::from_ms(1_700_000_000_000),
            topic: TopicName::parse("t/a").unwrap(),
            payload: Bytes::from_static(b"xyz"),
            qos: QoS::AtLeastOnce,
            retain: true,
            expiry_interval_s: Some(60),
            properties,
        }
    }

    fn all_properties() -> SharedProperties {
        let mut properties = Properties::new();
        properties.set_payload_format_indicator(true);
        properties.set_content_type("text".into());
        properties.set_response_topic("r".into());
        properties.set_correlation_data(Bytes::from_static(&[0, 255]));
        properties.add_user_property("b".into(), "1".into());
        properties.add_user_property("a".into(), "2".into());
        forwarded(&properties)
    }

    fn receivers() -> Vec<Receiver> {
        let waiting = Receiver {
            session: 1,
            position: 2,
            packet_id: 0,
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_ids: Vec::new(),
            share: None,
        };
        let in_flight = Receiver {
            session: 70_000,
            position: 260,
            packet_id: 258,
            qos: QoS::ExactlyOnce,
            retain: true,
            subscription_ids: vec![1, 268_435_455],
            share: Some(TopicFilter::parse("$share/g/t/#").unwrap()),
        };
        vec![waiting, in_flight]
    }

    /// Hands `see` a record of every kind, with its bytes as they stand in the logs that were written up to now.
    fn each_record(mut see: impl FnMut(Record<'_>, &str)) {
        let plain = message(SharedProperties::default());
        let rich = message(all_properties());
        let receivers = receivers();
        let subscription = Subscription {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: false,
            id: Some(7),
            catch_up: 0,
        };
        let will = RecordedWill {
            delay_interval_s: 5,
            message: RecordedMessage::new(&plain, Some(3)),
        };
        let numbers = Record::Numbers {
            sessions: 1,
            messages: 251,
            ids_assigned: 65_536,
        };
        let session_begun = Record::SessionBegun {
            session: 3,
            client_id: "ann",
        };
        let connected = Record::Connected {
            session: 3,
            origin: Some(Origin(9)),
            username: Some("u"),
            expiry_interval_s: u32::MAX,
            will: Some(will),
        };
        let away = Record::Away {
            session: 3,
            expiry_interval_s: 10,
            expires: Some(Time::from_ms(1_700_000_010_000)),
            will_due: None,
        };
        let subscribed = Record::Subscribed {
            session: 3,
            filter: "t/#",
            subscription: subscription.into(),
        };
        let published = Record::Message {
            number: 300,
            message: RecordedMessage::new(&plain, Some(3)),
            is_retained: false,
            receivers: Cow::Borrowed(&receivers),
        };
        let retained = Record::Message {
            number: 300,
            message: RecordedMessage::new(&rich, None),
            is_retained: true,
            receivers: Cow::Borrowed(&[]),
        };
        let delivered = Record::Delivered {
            message: 300,
            receivers: Cow::Borrowed(&receivers),
        };
        for (record, bytes) in [
            (numbers, "f10000000a74c8df220001fbfb00fc00000100"),
            (session_begun, "f1000000060672f0b6010303616e6e"),
            (
                Record::SessionEnded { session: 3 },
                "f100000002197946f50203",
            ),
            (
                connected,
                "f10000002687e3176a03030109010175fcffffffff01050003fd0068e5cf8b01000003742f610378797a0101013c00",
            ),
            (away, "f10000000e0972125504030a01fd108fe5cf8b01000000"),
            (
                Record::Reauthenticated {
                    session: 3,
                    username: None,
                },
                "f100000003a23fe1b8050300",
            ),
            (Record::WillOver { session: 3 }, "f1000000027d1583f10603"),
            (subscribed, "f10000000b881404cc070303742f230201000107"),
            (
                Record::Unsubscribed {
                    session: 3,
                    filter: "t/#",
                },
                "f100000006da9f838c080303742f23",
            ),
            (
                Record::Received {
                    session: 3,
                    packet_id: 5,
                },
                "f100000003db4fec53090305",
            ),
            (
                Record::Forgotten {
                    session: 3,
                    packet_id: 5,
                },
                "f100000003d909520a0a0305",
            ),
            (
                published,
                "f1000000470fa298970bfb2c010003fd0068e5cf8b01000003742f610378797a0101013c00000201020001000000fc70110100fb0401fb020102010201fcffffff0f010c2473686172652f672f742f23",
            ),
            (
                retained,
                "f1000000397e421dd60bfb2c010103616e6efd0068e5cf8b01000003742f610378797a0101013c010101010474657874010172010200ff0201620131016101320100",
            ),
            (
                delivered,
                "f10000002e44f1cd450cfb2c010201020001000000fc70110100fb0401fb020102010201fcffffff0f010c2473686172652f672f742f23",
            ),
            (
                Record::Sent {
                    session: 3,
                    position: 4,
                    packet_id: 5,
                },
                "f10000000474882ea60d030405",
            ),
            (
                Record::Released {
                    session: 3,
                    packet_id: 5,
                    position: 6,
                },
                "f100000004e62fe1b30e030506",
            ),
            (
                Record::Done {
                    session: 3,
                    position: 6,
                },
                "f10000000346cbc15b0f0306",
            ),
            (
                Record::Outbound {
                    session: 3,
                    next_position: 7,
                    last_packet_id: 5,
                },
                "f100000004fdd6f22710030705",
            ),
            (
                Record::CatchUp {
                    session: 3,
                    number: 2,
                    filter: "t/#",
                    no_local: true,
                    after: Some("t/a"),
                },
                "f10000000d3fd5137d11030203742f23010103742f61",
            ),
            (
                Record::CaughtUp {
                    session: 3,
                    number: 2,
                },
                "f10000000355583561120302",
            ),
            (Record::Orphaned { session: 3 }, "f1000000024aa065e51303"),
            (
                Record::SentAhead {
                    session: 3,
                    number: 2,
                    topic: "t/b",
                },
                "f100000007fe6a769d14030203742f62",
            ),
        ] {
            see(record, bytes);
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_record_has_the_bytes_that_it_always_had() {
        let mut kinds = 0;
        each_record(|record, bytes| {
            let mut block = RecordWriter::new();
            block.push(&record);
            let block = block.take().unwrap();
            assert_eq!(hex(&block), bytes, "{record:?}");
            kinds += 1;
        });
        assert_eq!(kinds, 22);
    }

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let mut all = RecordWriter::new();
        let mut written = Vec::new();
        each_record(|record, _| {
            all.push(&record);
            written.push(format!("{record:?}"));
        });
        let all = all.take().unwrap();
        let read = RecordReader::of(&all).map(|record| format!("{:?}", record.unwrap().1));
        assert_eq!(read.collect::<Vec<_>>(), written);
    }

    #[test]
    fn a_kind_of_record_from_a_later_build_is_skipped() {
        let mut block = RecordWriter::new();
        block.push(&Record::SessionEnded { session: 1 });
        block.push(&Record::SessionEnded { session: 2 });
        let mut bytes = block.take().unwrap();
        // The kind stands after the version and the header.
        bytes[1 + HEADER_BYTES] = 200;
        let body = bytes[1 + HEADER_BYTES..][..2].to_vec();
        bytes[5..9].copy_from_slice(&check(2, &body).to_be_bytes());
        let read: Vec<_> = RecordReader::of(&bytes).collect();
        let offset = 1;
        assert_eq!(read[0], Err(RecordError::Unreadable { offset }));
        let offset = 1 + HEADER_BYTES + 2;
        assert_eq!(read[1], Ok((offset, Record::SessionEnded { session: 2 })));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_message_is_read_with_all_its_properties() {
        let written = message(all_properties());
        let recorded = RecordedMessage::new(&written, None);
        let read = recorded.read(300, Arc::from("ann")).unwrap();
        assert_eq!(format!("{:?}", read.topic), format!("{:?}", written.topic));
        assert_eq!(read.properties, written.properties);
        assert_eq!(read.payload, written.payload);
        assert_eq!(
            (
                read.published,
                read.qos,
                read.retain,
                read.expiry_interval_s
            ),
            (
                written.published,
                written.qos,
                written.retain,
                written.expiry_interval_s
            )
        );
    }
}

//! Compares the broker with a simple reference: subscriptions are a list, topics are matched level by level, sessions are
//! plain maps. Both get the same random commands, and each client must get the packets that the reference expects.
//!
//! A failing sequence is shrunk while it still fails, and printed.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy exempts the tests, but not what they share"
)]

mod reference;
mod run;
mod shared;
#[path = "../support/stored.rs"]
mod stored;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use run::Run;

const CLIENTS: usize = 4;
const TOPICS: [&str; 7] = ["t", "t/a", "t/b", "t/a/c", "/t", "u", "$t/a"];
const FILTERS: [&str; 14] = [
    "t", "t/a", "t/+", "t/#", "#", "+", "+/a", "+/#", "/+", "t/+/c", "t/a/#", "$t/#", "$t/+",
    "will/+",
];
const FOREVER: u32 = u32::MAX;

/// A step of a client, or of time.
#[derive(Clone, Debug)]
enum Command {
    /// Connects, and takes over its own connection if it has one.
    Connect {
        who: usize,
        /// Whether the client is of MQTT 3.1.1. Then the other fields have the values of [`Command::in_311`].
        in_311: bool,
        clean_start: bool,
        expiry_interval_s: u32,
        receive_maximum: u16,
        will: Option<Will>,
    },
    /// Sends DISCONNECT.
    Disconnect {
        who: usize,
        with_will: bool,
        expiry_interval_s: Option<u32>,
    },
    /// Loses its connection.
    Lose {
        who: usize,
    },
    Subscribe {
        who: usize,
        filter: &'static str,
        options: Options,
    },
    Unsubscribe {
        who: usize,
        filter: &'static str,
    },
    Publish {
        who: usize,
        topic: &'static str,
        qos: u8,
        retain: bool,
        empty: bool,
        expiry_interval_s: Option<u32>,
    },
    /// Repeats its oldest QoS 2 message that is not released.
    PublishAgain {
        who: usize,
    },
    /// Releases its oldest QoS 2 message.
    Release {
        who: usize,
    },
    /// Sends the next answer to one of its received messages.
    Acknowledge {
        who: usize,
        which: usize,
        refuse: bool,
    },
    Wait {
        ms: u64,
    },
}

impl Command {
    /// The same command without the fields that MQTT 3.1.1 does not have.
    fn in_311(mut self) -> Self {
        match &mut self {
            Self::Connect {
                clean_start,
                expiry_interval_s,
                receive_maximum,
                will,
                ..
            } => {
                *expiry_interval_s = if *clean_start { 0 } else { FOREVER };
                *receive_maximum = u16::MAX;
                if let Some(will) = will {
                    will.delay_s = 0;
                }
            }
            Self::Disconnect {
                with_will,
                expiry_interval_s,
                ..
            } => {
                *with_will = false;
                *expiry_interval_s = None;
            }
            Self::Subscribe { options, .. } => {
                *options = Options {
                    qos: options.qos,
                    no_local: false,
                    retain_as_published: false,
                    retain_handling: 0,
                    id: None,
                };
            }
            Self::Publish {
                expiry_interval_s, ..
            } => *expiry_interval_s = None,
            Self::Acknowledge { refuse, .. } => *refuse = false,
            Self::Lose { .. }
            | Self::Unsubscribe { .. }
            | Self::PublishAgain { .. }
            | Self::Release { .. }
            | Self::Wait { .. } => {}
        }
        self
    }
}

/// The topic has the number of its client (`will/0`), so two wills never share a retained topic.
#[derive(Clone, Debug)]
struct Will {
    qos: u8,
    retain: bool,
    delay_s: u32,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: u8,
    id: Option<u32>,
}

fn command() -> impl Strategy<Value = Command> {
    let who = 0..CLIENTS;
    let interval_s = || prop::sample::select(vec![0, 2, 10, FOREVER]);
    let will = (0..3_u8, any::<bool>(), prop::sample::select(vec![0, 1, 5]));
    let will = will.prop_map(|(qos, retain, delay_s)| Will {
        qos,
        retain,
        delay_s,
    });
    let options = (
        0..3_u8,
        prop::bool::weighted(0.2),
        any::<bool>(),
        0..3_u8,
        prop::option::of(1..4_u32),
    );
    let options = options.prop_map(
        |(qos, no_local, retain_as_published, retain_handling, id)| Options {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
            id,
        },
    );
    let connect = (
        who.clone(),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.3),
        interval_s(),
        prop::sample::select(vec![1, 2, 3, u16::MAX]),
        prop::option::of(will),
    );
    let publish = (
        who.clone(),
        prop::sample::select(TOPICS.to_vec()),
        0..3_u8,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.1),
        prop::option::weighted(0.3, prop::sample::select(vec![0, 1, 3])),
    );
    let filter = prop::sample::select(FILTERS.to_vec());
    let disconnect = (
        who.clone(),
        any::<bool>(),
        prop::option::weighted(0.3, interval_s()),
    );
    let acknowledge = (who.clone(), 0..4_usize, prop::bool::weighted(0.1));
    prop_oneof![
        6 => connect.prop_map(|(who, in_311, clean_start, expiry_interval_s, receive_maximum, will)| {
            Command::Connect { who, in_311, clean_start, expiry_interval_s, receive_maximum, will }
        }),
        1 => disconnect.prop_map(|(who, with_will, expiry_interval_s)| {
            Command::Disconnect { who, with_will, expiry_interval_s }
        }),
        2 => who.clone().prop_map(|who| Command::Lose { who }),
        8 => (who.clone(), filter.clone(), options)
            .prop_map(|(who, filter, options)| Command::Subscribe { who, filter, options }),
        1 => (who.clone(), filter).prop_map(|(who, filter)| Command::Unsubscribe { who, filter }),
        12 => publish.prop_map(|(who, topic, qos, retain, empty, expiry_interval_s)| {
            Command::Publish { who, topic, qos, retain, empty, expiry_interval_s }
        }),
        1 => who.clone().prop_map(|who| Command::PublishAgain { who }),
        2 => who.prop_map(|who| Command::Release { who }),
        12 => acknowledge
            .prop_map(|(who, which, refuse)| Command::Acknowledge { who, which, refuse }),
        2 => prop::sample::select(vec![0, 500, 1_000, 2_000, 5_000, 12_000])
            .prop_map(|ms| Command::Wait { ms }),
    ]
}

proptest! {
    #![proptest_config(Config {
        cases: 300,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn the_broker_does_what_the_reference_says(
        commands in prop::collection::vec(command(), 0..120),
        durable: bool,
    ) {
        let mut run = Run::new(durable);
        for command in &commands {
            run.apply(command);
        }
        run.finish();
    }
}

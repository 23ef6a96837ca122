//! The seeded workload of a page.

use std::collections::BTreeMap;

use tab::api::{
    Candidacy, ClientCommand, ClientNo, Command, ConnectOptions, Durability, MessageProperties,
    OpenOptions, Publication, QoS, RequestId, RetainHandling, Subscription, Visibility, Will,
};

use crate::plan::Guarantee;
use crate::prng::Prng;
use crate::workload::message_id::{ID_PROPERTY, MessageId};

/// The channel that all tabs join.
const CHANNEL: &str = "sim";

pub(crate) const TOPICS: [&str; 8] = ["a", "a/b", "a/b/c", "a/d", "b", "b/c", "b/c/d", "c/d"];

pub(crate) const TOPIC_FILTERS: [&str; 14] = [
    "#", "+", "+/+", "a", "a/#", "a/+", "a/b", "a/+/c", "+/b/#", "b/#", "b/c", "b/+/d", "c/d",
    "d/#",
];

/// Number of clients of a page, without the probes at the end.
pub(crate) const CLIENTS: u64 = 3;
pub(crate) const PROBER: ClientNo = ClientNo(90);

/// Request numbers of readers start here.
pub(crate) const READER_REQUESTS: u64 = 1 << 40;

/// A CONNECT has no room for a larger will.
const WILL_BYTES_MAX: usize = u16::MAX as usize;

pub(crate) const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A command, and whether the tab must accept it.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) command: Command,
    pub(crate) valid: bool,
}

impl Act {
    fn valid(command: Command) -> Self {
        Self {
            command,
            valid: true,
        }
    }
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    prng: Prng,
    /// The user, from whom the client ids are derived.
    user: u32,
    /// Number of the tab, from which message ids are derived.
    no: u32,
    guarantee: Guarantee,
    durability: Durability,
    opened: bool,
    visibility: Visibility,
    /// Whether each client should be connected.
    clients: BTreeMap<ClientNo, bool>,
    payload_bytes: usize,
    last_no: u64,
}

impl Page {
    pub(crate) fn new(
        prng: Prng,
        user: u32,
        no: u32,
        guarantee: Guarantee,
        durability: Durability,
        payload_bytes: usize,
    ) -> Self {
        Self {
            prng,
            user,
            no,
            guarantee,
            durability,
            opened: false,
            visibility: Visibility::Visible,
            clients: BTreeMap::new(),
            payload_bytes,
            last_no: 0,
        }
    }

    pub(crate) fn no(&self) -> u32 {
        self.no
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened
    }

    pub(crate) fn user(&self) -> u32 {
        self.user
    }

    /// A client was disconnected for good without a request of the page.
    pub(crate) fn on_ended(&mut self, no: ClientNo) {
        self.clients.insert(no, false);
    }

    /// Joins the channel. Returns `None` if the page has joined already.
    pub(crate) fn open(&mut self) -> Option<Act> {
        if self.opened {
            return None;
        }
        self.opened = true;
        Some(Act::valid(Command::Open(OpenOptions {
            channel: CHANNEL.to_owned(),
            visibility: self.visibility,
            durability: self.durability,
            candidacy: Candidacy::Auto,
            known_log: None,
        })))
    }

    /// The next commands of the page, all in one turn of its loop.
    pub(crate) fn next_commands(&mut self) -> Vec<Act> {
        if let Some(open) = self.open() {
            return vec![open];
        }
        let acts = if self.prng.chance(150) {
            self.prng.between(2, 6)
        } else {
            1
        };
        (0..acts).map(|_| self.next_command()).collect()
    }

    fn next_command(&mut self) -> Act {
        if self.prng.chance(30) {
            self.visibility = match self.visibility {
                Visibility::Visible => Visibility::Hidden,
                Visibility::Hidden => Visibility::Visible,
            };
            return Act::valid(Command::Visibility(self.visibility));
        }
        let no = ClientNo(u32::try_from(self.prng.between(0, CLIENTS - 1)).unwrap_or(0));
        let is_wanted = self.clients.get(&no).copied().unwrap_or(false);
        if !is_wanted && !self.prng.chance(100) {
            return self.connect(no);
        }
        match self.prng.between(0, 99) {
            0..3 => self.connect(no),
            3..6 => self.disconnect(no),
            6..8 => self.invalid(no),
            8..30 => self.subscribe(no),
            30..38 => self.unsubscribe(no),
            _ => self.publish(no),
        }
    }

    fn connect(&mut self, no: ClientNo) -> Act {
        self.clients.insert(no, true);
        // The tab provides the id of a client without one, so that one client per page may have none.
        let client_id = if no == ClientNo(0) {
            String::new()
        } else {
            format!("client-{}-{}", self.user, no.0)
        };
        let is_durable = self.guarantee == Guarantee::Durable;
        let will = self.prng.chance(300).then(|| {
            let mut publication = self.publication(no);
            publication.retain = false;
            publication.payload.truncate(WILL_BYTES_MAX);
            Will {
                publication,
                delay_interval: self.prng.one_of([0, 0, 1]),
            }
        });
        let options = ConnectOptions {
            client_id,
            clean_start: self.prng.chance(if is_durable { 250 } else { 600 }),
            session_expiry_interval: if is_durable {
                self.prng.one_of([0, 30, u32::MAX, u32::MAX])
            } else {
                self.prng.one_of([0, 0, 30, u32::MAX])
            },
            keep_alive: self.prng.one_of([0, 2, 10, 60]),
            username: self.prng.chance(200).then(|| "user".to_owned()),
            password: None,
            will,
        };
        client(no, ClientCommand::Connect(options))
    }

    fn disconnect(&mut self, no: ClientNo) -> Act {
        self.clients.insert(no, false);
        let with_will = self.prng.chance(300);
        client(no, ClientCommand::Disconnect { with_will })
    }

    fn subscribe(&mut self, no: ClientNo) -> Act {
        let identifier = self.prng.chance(300).then(|| self.prng.one_of([1, 7, 300]));
        let filters = self.prng.between(1, 3);
        let subscriptions = (0..filters)
            .map(|_| Subscription {
                topic_filter: self.prng.one_of(TOPIC_FILTERS).to_owned(),
                qos: self.prng.one_of(QOS),
                no_local: self.prng.chance(150),
                retain_as_published: self.prng.chance(250),
                retain_handling: self.prng.one_of([
                    RetainHandling::SendAtSubscribe,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ]),
                identifier,
            })
            .collect();
        client(no, ClientCommand::Subscribe(self.request(), subscriptions))
    }

    fn unsubscribe(&mut self, no: ClientNo) -> Act {
        let filters = self.prng.between(1, 2);
        let filters = (0..filters)
            .map(|_| self.prng.one_of(TOPIC_FILTERS).to_owned())
            .collect();
        client(no, ClientCommand::Unsubscribe(self.request(), filters))
    }

    fn publish(&mut self, no: ClientNo) -> Act {
        let publication = self.publication(no);
        client(no, ClientCommand::Publish(self.request(), publication))
    }

    /// A request that no client may make.
    fn invalid(&mut self, no: ClientNo) -> Act {
        let request = self.request();
        let command = match self.prng.between(0, 3) {
            0 => {
                let mut publication = self.publication(no);
                publication.topic = "a/#".to_owned();
                ClientCommand::Publish(request, publication)
            }
            1 => ClientCommand::Subscribe(request, Vec::new()),
            2 => ClientCommand::Unsubscribe(request, vec!["#/a".to_owned()]),
            _ => {
                let subscription = Subscription {
                    topic_filter: "a+".to_owned(),
                    ..Subscription::default()
                };
                ClientCommand::Subscribe(request, vec![subscription])
            }
        };
        Act {
            valid: false,
            ..client(no, command)
        }
    }

    fn publication(&mut self, no: ClientNo) -> Publication {
        let retain = self.prng.chance(250);
        let topic = self.prng.one_of(TOPICS);
        let qos = self.prng.one_of(QOS);
        let mut publication = self.message(no, topic, qos);
        publication.retain = retain;
        if retain && self.prng.chance(150) {
            publication.payload.clear();
        } else if self.prng.chance(10) {
            publication.payload.resize(self.payload_bytes, b'.');
        } else {
            let len = publication.payload.len() + self.prng.one_of([0, 10, 300]);
            publication.payload.resize(len, b'.');
        }
        let properties = &mut publication.properties;
        properties.message_expiry_interval = self.prng.chance(100).then_some(600);
        properties.response_topic = self.prng.chance(100).then(|| "a/d".to_owned());
        properties.correlation_data = self.prng.chance(100).then(|| self.prng.bytes(4));
        publication
    }

    fn message(&mut self, no: ClientNo, topic: &str, qos: QoS) -> Publication {
        self.last_no += 1;
        let id = MessageId::new(self.no, no.0, self.last_no);
        Publication {
            topic: topic.to_owned(),
            payload: id.to_string().into_bytes(),
            qos,
            retain: false,
            properties: MessageProperties {
                user_properties: vec![(ID_PROPERTY.to_owned(), id.to_string())],
                ..MessageProperties::default()
            },
        }
    }

    fn request(&mut self) -> RequestId {
        self.last_no += 1;
        RequestId(self.last_no)
    }

    // The probes at the end.

    /// Connects a client with a clean start, and subscribes it to all topics.
    pub(crate) fn probe_subscribe(&mut self, no: ClientNo) -> [Act; 2] {
        let options = ConnectOptions {
            client_id: format!("prober-{}-{}", self.no, no.0),
            ..ConnectOptions::default()
        };
        let everything = Subscription {
            topic_filter: "#".to_owned(),
            qos: QoS::ExactlyOnce,
            ..Subscription::default()
        };
        [
            client(no, ClientCommand::Connect(options)),
            client(
                no,
                ClientCommand::Subscribe(self.request(), vec![everything]),
            ),
        ]
    }

    /// Connects with an existing client id, and resumes the session.
    pub(crate) fn resume_session(&mut self, no: ClientNo, client_id: String) -> Act {
        let options = ConnectOptions {
            client_id,
            clean_start: false,
            session_expiry_interval: u32::MAX,
            ..ConnectOptions::default()
        };
        client(no, ClientCommand::Connect(options))
    }

    pub(crate) fn probe_publish(&mut self, topic: &str, qos: QoS) -> Act {
        let publication = self.message(PROBER, topic, qos);
        client(PROBER, ClientCommand::Publish(self.request(), publication))
    }
}

fn client(no: ClientNo, command: ClientCommand) -> Act {
    Act::valid(Command::Client(no, command))
}

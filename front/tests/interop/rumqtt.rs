//! rumqttc, for Rust: its clients of both versions over both transports.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Front, PATIENCE};

/// A message as a subscriber gets it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
}

/// An event of a connection.
#[derive(Debug)]
enum News {
    Connected { session_present: bool },
    Subscribed,
    Acknowledged,
    Message(Message),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    WebSocket,
}

/// How a client connects.
#[derive(Clone, Debug)]
struct Wish {
    client_id: String,
    clean: bool,
    will: Option<&'static str>,
}

/// One of the library's two clients, with its event loop on a thread.
struct Client {
    asks: Asks,
    news: Receiver<News>,
    session_present: bool,
}

enum Asks {
    V4(rumqttc::Client),
    V5(rumqttc::v5::Client),
}

const LARGEST_PACKET_BYTES: u32 = 16 * 1024 * 1024;
const REQUESTS: usize = 100;
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Runs a check for both versions over both transports, each with its own front.
fn everywhere(check: impl Fn(&dyn Fn(Wish) -> Client)) {
    for transport in [Transport::Tcp, Transport::WebSocket] {
        for v5 in [false, true] {
            let front = Front::start();
            check(&|wish| {
                if v5 {
                    connect_v5(&front, transport, wish)
                } else {
                    connect_v4(&front, transport, wish)
                }
            });
        }
    }
}

fn named(client_id: &str) -> Wish {
    Wish {
        client_id: client_id.to_owned(),
        clean: true,
        will: None,
    }
}

/// Defines a client of one version, because the library's two modules have the same names with different types.
fn connect_v4(front: &Front, transport: Transport, wish: Wish) -> Client {
    use rumqttc::{Event, LastWill, MqttOptions, Packet, QoS};

    let mut options = match transport {
        Transport::Tcp => MqttOptions::new(wish.client_id, "127.0.0.1", front.tcp.port()),
        Transport::WebSocket => {
            let url = format!("ws://{}/mqtt", front.ws);
            let mut options = MqttOptions::new(wish.client_id, url, front.ws.port());
            options.set_transport(rumqttc::Transport::Ws);
            options
        }
    };
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(wish.clean)
        .set_max_packet_size(LARGEST_PACKET_BYTES as usize, LARGEST_PACKET_BYTES as usize);
    if let Some(topic) = wish.will {
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, false));
    }
    let (asks, mut connection) = rumqttc::Client::new(options, REQUESTS);
    let (sender, news) = channel();
    thread::spawn(move || {
        for event in connection.iter() {
            let notice = match event {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => News::Connected {
                    session_present: connack.session_present,
                },
                Ok(Event::Incoming(Packet::SubAck(_))) => News::Subscribed,
                Ok(Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_))) => News::Acknowledged,
                Ok(Event::Incoming(Packet::Publish(publish))) => News::Message(Message {
                    topic: publish.topic,
                    payload: publish.payload.to_vec(),
                    qos: publish.qos as u8,
                    retain: publish.retain,
                }),
                Ok(_) => continue,
                // Otherwise it would connect again.
                Err(_) => return,
            };
            if sender.send(notice).is_err() {
                return;
            }
        }
    });
    Client::connected(Asks::V4(asks), news)
}

fn connect_v5(front: &Front, transport: Transport, wish: Wish) -> Client {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{LastWill, Packet};
    use rumqttc::v5::{Event, MqttOptions};

    let mut options = match transport {
        Transport::Tcp => MqttOptions::new(wish.client_id, "127.0.0.1", front.tcp.port()),
        Transport::WebSocket => {
            let url = format!("ws://{}/mqtt", front.ws);
            let mut options = MqttOptions::new(wish.client_id, url, front.ws.port());
            options.set_transport(rumqttc::Transport::Ws);
            options
        }
    };
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(wish.clean)
        .set_session_expiry_interval(Some(if wish.clean { 0 } else { 3600 }))
        .set_max_packet_size(Some(LARGEST_PACKET_BYTES));
    if let Some(topic) = wish.will {
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, false, None));
    }
    let (asks, mut connection) = rumqttc::v5::Client::new(options, REQUESTS);
    let (sender, news) = channel();
    thread::spawn(move || {
        for event in connection.iter() {
            let notice = match event {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => News::Connected {
                    session_present: connack.session_present,
                },
                Ok(Event::Incoming(Packet::SubAck(_))) => News::Subscribed,
                Ok(Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_))) => News::Acknowledged,
                Ok(Event::Incoming(Packet::Publish(publish))) => News::Message(Message {
                    topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                    payload: publish.payload.to_vec(),
                    qos: publish.qos as u8,
                    retain: publish.retain,
                }),
                Ok(_) => continue,
                Err(_) => return,
            };
            if sender.send(notice).is_err() {
                return;
            }
        }
    });
    Client::connected(Asks::V5(asks), news)
}

impl Client {
    fn connected(asks: Asks, news: Receiver<News>) -> Self {
        let first = news.recv_timeout(PATIENCE).unwrap();
        let News::Connected { session_present } = first else {
            panic!("{first:?} before CONNACK");
        };
        Self {
            asks,
            news,
            session_present,
        }
    }

    fn subscribe(&self, filter: &str, qos: u8) {
        match &self.asks {
            Asks::V4(client) => client
                .subscribe(filter, rumqttc::qos(qos).unwrap())
                .unwrap(),
            Asks::V5(client) => client
                .subscribe(filter, rumqttc::v5::mqttbytes::qos(qos).unwrap())
                .unwrap(),
        }
        loop {
            match self.news.recv_timeout(PATIENCE).unwrap() {
                News::Subscribed => return,
                News::Acknowledged => {}
                other => panic!("{other:?} before SUBACK"),
            }
        }
    }

    fn publish(&self, topic: &str, qos: u8, retain: bool, payload: impl Into<Vec<u8>>) {
        match &self.asks {
            Asks::V4(client) => client
                .publish(topic, rumqttc::qos(qos).unwrap(), retain, payload)
                .unwrap(),
            Asks::V5(client) => client
                .publish(
                    topic,
                    rumqttc::v5::mqttbytes::qos(qos).unwrap(),
                    retain,
                    payload.into(),
                )
                .unwrap(),
        }
    }

    /// Waits until a number of messages is acknowledged.
    fn acknowledged(&self, count: usize) {
        for _ in 0..count {
            let news = self.news.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(news, News::Acknowledged), "{news:?}");
        }
    }

    fn next(&self) -> Message {
        loop {
            match self.news.recv_timeout(PATIENCE).unwrap() {
                News::Message(message) => return message,
                News::Acknowledged => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.news.recv_timeout(Duration::from_millis(100)).is_err()
    }

    /// Disconnects and waits for the end of the connection.
    fn leave(self) {
        match &self.asks {
            Asks::V4(client) => client.disconnect().unwrap(),
            Asks::V5(client) => client.disconnect().unwrap(),
        }
        let deadline = Instant::now() + PATIENCE;
        while self.news.recv_timeout(PATIENCE).is_ok() {
            assert!(Instant::now() < deadline);
        }
    }
}

fn message(topic: &str, payload: &str, qos: u8, retain: bool) -> Message {
    Message {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
        qos,
        retain,
    }
}

#[test]
fn every_qos_arrives_once_and_in_order() {
    everywhere(|connect| {
        let publisher = connect(named("publisher"));
        for granted in 0..3 {
            let subscriber = connect(named("subscriber"));
            subscriber.subscribe("qos", granted);
            for qos in 0..3 {
                for number in 0..50 {
                    publisher.publish("qos", qos, false, number.to_string());
                }
                for number in 0..50 {
                    let expected = message("qos", &number.to_string(), qos.min(granted), false);
                    assert_eq!(subscriber.next(), expected);
                }
            }
            publisher.acknowledged(100);
            assert!(subscriber.is_silent());
            subscriber.leave();
        }
        publisher.leave();
    });
}

#[test]
fn a_retained_message_waits_for_later_subscribers() {
    everywhere(|connect| {
        let publisher = connect(named("publisher"));
        publisher.publish("retained/a", 1, true, "old");
        publisher.publish("retained/a", 2, true, "new");
        publisher.acknowledged(2);
        let subscriber = connect(named("subscriber"));
        subscriber.subscribe("retained/#", 1);
        assert_eq!(subscriber.next(), message("retained/a", "new", 1, true));
        publisher.publish("retained/a", 1, true, "");
        assert_eq!(subscriber.next(), message("retained/a", "", 1, false));
        let later = connect(named("later"));
        later.subscribe("retained/#", 1);
        assert!(later.is_silent());
    });
}

#[test]
fn a_will_is_sent_for_a_replaced_client_and_not_after_disconnect() {
    everywhere(|connect| {
        let watcher = connect(named("watcher"));
        watcher.subscribe("will/#", 2);
        let dying = connect(Wish {
            will: Some("will/left"),
            ..named("leaving")
        });
        dying.leave();
        let wish = Wish {
            will: Some("will/lost"),
            ..named("lost")
        };
        let lost = connect(wish);
        // A second connection with its client identifier replaces it.
        let _again = connect(named("lost"));
        drop(lost);
        assert_eq!(watcher.next(), message("will/lost", "gone", 1, false));
        assert!(watcher.is_silent());
    });
}

#[test]
fn the_members_of_a_group_share_its_messages() {
    everywhere(|connect| {
        let members = ["one", "two", "three"].map(|name| connect(named(name)));
        for member in &members {
            member.subscribe("$share/workers/jobs/+", 1);
        }
        let publisher = connect(named("publisher"));
        for number in 0..60 {
            publisher.publish("jobs/now", 1, false, number.to_string());
        }
        publisher.acknowledged(60);
        let mut all = BTreeSet::new();
        for member in &members {
            let mut share = 0;
            while let Ok(News::Message(message)) =
                member.news.recv_timeout(Duration::from_millis(200))
            {
                assert!(all.insert(message.payload), "a message came twice");
                share += 1;
            }
            assert!(share >= 10, "{share} of 60");
        }
        assert_eq!(all.len(), 60);
    });
}

#[test]
fn a_session_outlives_its_connection() {
    everywhere(|connect| {
        let wish = Wish {
            clean: false,
            ..named("offline")
        };
        let client = connect(wish.clone());
        assert!(!client.session_present);
        client.subscribe("offline", 2);
        client.leave();
        let publisher = connect(named("publisher"));
        for number in 0..50 {
            publisher.publish("offline", 2, false, number.to_string());
        }
        publisher.acknowledged(50);
        let client = connect(wish.clone());
        assert!(client.session_present);
        for number in 0..50 {
            let expected = message("offline", &number.to_string(), 2, false);
            assert_eq!(client.next(), expected);
        }
        assert!(client.is_silent());
        client.leave();
        let clean = connect(named("offline"));
        assert!(!clean.session_present);
        clean.leave();
    });
}

#[test]
fn megabytes_arrive_as_they_were_sent() {
    everywhere(|connect| {
        let client = connect(named("client"));
        client.subscribe("large", 2);
        for (qos, size) in [(0, 65_535), (1, 1_000_000), (2, 10_000_000)] {
            let payload: Vec<u8> = (0..size).map(|number: u32| (number >> 5) as u8).collect();
            client.publish("large", qos, false, payload.clone());
            let got = client.next();
            assert!(got.payload == payload && got.qos == qos, "{size} bytes");
        }
    });
}

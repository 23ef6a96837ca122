//! Messages between tabs.

use e2e::{Browser, Message, Role, Status, Tab};

#[test]
fn a_message_from_the_form_of_the_second_tab_arrives_in_both() {
    let browser = Browser::start();
    let tabs = [browser.open("?subscribe="), browser.open("?subscribe=")];
    for tab in &tabs {
        tab.type_into("subscribe-filter", "greetings/#");
        tab.click("subscribe-add");
        let view = tab.until("a subscription", |view| {
            view.is_ready() && !view.subscriptions.is_empty()
        });
        assert_eq!(view.subscriptions[0].filter, "greetings/#");
    }

    let [_, second] = &tabs;
    second.until_ready_as(Role::Client);
    second.type_into("publish-topic", "greetings/all");
    second.type_into("publish-payload", "Grüße, 世界 🙂");
    second.click("publish-send");
    for tab in &tabs {
        tab.until_received(&[Message::new("greetings/all", "Grüße, 世界 🙂")]);
    }
    assert_eq!(second.view().acknowledged, 1);
}

#[test]
fn all_of_four_tabs_receive_a_message_exactly_once() {
    let browser = Browser::start();
    let tabs: Vec<Tab> = (0..4)
        .map(|_| browser.open("?subscribe=sensors/%2B"))
        .collect();
    tabs[3].publish(&Message::new(
        "sensors/kitchen/temperature",
        "one level too deep",
    ));
    tabs[3].publish(&Message::new("sensors/temperature", "21.5"));
    let expected = [Message::new("sensors/temperature", "21.5")];
    for tab in &tabs {
        let view = tab.until_received(&expected);
        assert_eq!(view.subscriptions[0].filter, "sensors/+");
    }
    // A second copy would arrive before a later message.
    tabs[3].publish(&Message::new("sensors/last", ""));
    for tab in &tabs {
        tab.until_received(&[expected[0].clone(), Message::new("sensors/last", "")]);
    }
}

#[test]
fn every_qos_arrives_exactly_once_from_and_to_broker_and_clients() {
    let browser = Browser::start();
    let tabs: Vec<Tab> = (0..3).map(|_| browser.open("")).collect();
    tabs[0].until_ready_as(Role::Broker);
    let mut expected = Vec::new();
    for round in 1..=3 {
        for tab in &tabs {
            for qos in 0..=2 {
                let message = Message::new(format!("from/{}/{qos}", tab.id()), round.to_string());
                expected.push(message.clone().qos(qos));
                tab.publish(&message.qos(qos));
            }
        }
    }
    for tab in &tabs {
        let view = tab.until_received(&expected);
        tab.until("every acknowledgement", |view| view.acknowledged == 9);
        // In the order of publishing, for each publisher and QoS.
        for publisher in &tabs {
            for qos in 0..=2 {
                let topic = format!("from/{}/{qos}", publisher.id());
                assert_eq!(view.payloads(&topic), ["1", "2", "3"]);
            }
        }
    }
    // A second copy would arrive before a later message.
    let last = Message::new("last", "").qos(2);
    tabs[1].publish(&last);
    expected.push(last);
    for tab in &tabs {
        tab.until_received(&expected);
    }
}

#[test]
fn a_later_tab_receives_a_retained_message() {
    let browser = Browser::start();
    let first = browser.open("?subscribe=");
    first.publish_acknowledged(&Message::new("state/lamp", "off").qos(1).retained());
    first.publish_acknowledged(&Message::new("state/lamp", "on").qos(1).retained());
    first.publish_acknowledged(&Message::new("state/door", "not retained").qos(1));

    let late = browser.open("?subscribe=state/%23");
    late.until_received(&[Message::new("state/lamp", "on").qos(1).retained()]);

    // An empty payload deletes it. Present subscribers receive it as a normal message.
    first.publish_acknowledged(&Message::new("state/lamp", "").qos(1).retained());
    late.until("the deletion", |view| {
        view.payloads("state/lamp") == ["on", ""]
    });
    let later = browser.open("?subscribe=state/%23");
    first.publish(&Message::new("state/last", ""));
    later.until_received(&[Message::new("state/last", "")]);
}

#[test]
fn an_ended_subscription_receives_nothing() {
    let browser = Browser::start();
    let first = browser.open("?subscribe=");
    let second = browser.open("?subscribe=a,b");
    second.unsubscribe("a");
    // The broker answers this after the UNSUBSCRIBE.
    second.subscribe("c", 0);
    for topic in ["a", "b", "c"] {
        first.publish(&Message::new(topic, ""));
    }
    second.until_received(&[Message::new("b", ""), Message::new("c", "")]);
}

#[test]
fn channels_are_independent() {
    let browser = Browser::start();
    let channels = ["?channel=one", "?channel=two"];
    let tabs = channels.map(|channel| [browser.open(channel), browser.open(channel)]);
    for (name, pair) in ["one", "two"].iter().zip(&tabs) {
        crate::until_agreed(pair);
        pair[0].until_ready_as(Role::Broker);
        pair[1].publish(&Message::new("name", *name).retained());
    }
    for (name, pair) in ["one", "two"].iter().zip(&tabs) {
        for tab in pair {
            // The page subscribes with Retain As Published.
            tab.until_received(&[Message::new("name", *name).retained()]);
        }
    }
    let late = browser.open("?channel=two");
    late.until_received(&[Message::new("name", "two").retained()]);
}

#[test]
fn a_later_tab_takes_over_a_client_id() {
    let browser = Browser::start();
    let earlier = browser.open("?client_id=me");
    let later = browser.open("?client_id=me");
    let view = earlier.until("disconnected", |view| {
        view.status == Some(Status::Disconnected)
    });
    assert!(
        view.status_text.contains("the same client ID (0x8E)"),
        "{}",
        view.status_text
    );
    later.publish_acknowledged(&Message::new("a", "b").qos(1));
    later.until_received(&[Message::new("a", "b").qos(1)]);
    assert_eq!(earlier.view().message_count, 0);
}

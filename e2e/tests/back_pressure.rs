//! Back pressure: a slow subscriber does not delay others, and a long message does not delay short ones.

use e2e::Chromium;

use crate::faults::{UNHANDLED_FREEZE, assert_hidden_event};
use crate::workload::connect;

#[test]
fn a_frozen_subscriber_gets_no_qos_0_and_does_not_delay_others() {
    let chromium = Chromium::start();
    let broker = chromium.join("pressure");
    broker.until_broker();
    let slow = chromium.open_blank();
    slow.before_each_page(UNHANDLED_FREEZE);
    slow.join("pressure");
    let quick = chromium.join("pressure");
    for page in [&slow, &quick] {
        page.until_client();
        connect(page);
        page.evaluate("tab.subscribe('load/#', { qos: 1 })");
    }
    slow.freeze();
    for plan in [
        "{ topic: 'load/some', qos: 0, bytes: 100000, count: 200, rate: 100 }",
        "{ topic: 'load/all', qos: 1, bytes: 1000, count: 200 }",
    ] {
        quick.evaluate(&format!("tab.start({plan}); tab.done()"));
    }
    quick.until_true(
        "all messages in the fast tab",
        "['load/some', 'load/all'].every((topic) => tab.counts(topic).length === 200)",
    );
    slow.thaw();
    assert_hidden_event(&slow, |it| it.what == "freeze" && it.visibility == "hidden");
    slow.until_true(
        "everything of QoS 1",
        "tab.counts('load/all').filter((times) => times > 0).length === 200",
    );
    let received: u64 =
        slow.evaluate_as("tab.counts('load/some').filter((times) => times > 0).length");
    let dropped: u64 =
        broker.evaluate_as("tab.ask('Load').then((it) => it.Load.stats.messages_dropped)");
    assert!((1..200).contains(&received), "{received}");
    assert_eq!(received + dropped, 200);
}

#[test]
fn a_message_of_16_mb_arrives_whole_and_short_ones_pass_it() {
    let chromium = Chromium::start();
    let receiver = chromium.join("long");
    receiver.until_broker();
    connect(&receiver);
    receiver.evaluate("tab.subscribe('load/#', { qos: 1 })");
    let sender = chromium.join("long");
    sender.until_client();
    connect(&sender);
    sender.evaluate("tab.connect({ client: 1 })");
    let first = sender.evaluate(
        "(() => {
            tab.start({ topic: 'load/long', qos: 1, bytes: 16_000_000, count: 1 });
            globalThis.long = tab.done().then(() => 'long');
            const short = tab.publish('short', 'x', { client: 1 }).then(() => 'short');
            return Promise.race([long, short]);
        })()",
    );
    assert_eq!(first, "short");
    assert_eq!(sender.evaluate("long"), "long");
    receiver.until_true("the long one", "tab.counts('load/long').length === 1");
}

//! Other scripts of the origin that behave as if they were a tab.

use e2e::{Chromium, Page};
use serde_json::json;

use crate::storage::{had_event, until_event};
use crate::workload::tabs;

const SCRIPT: &str = include_str!("same_origin.js");

/// The largest integer that a JavaScript number holds exactly.
const HIGHEST: u64 = (1 << 53) - 1;

/// A page that has not joined the channel, with functions that disturb it.
#[track_caller]
fn neighbour<'c>(chromium: &'c Chromium, channel: &str) -> Page<'c> {
    let page = chromium.open_blank();
    page.load(&chromium.server().url());
    page.evaluate(&SCRIPT.replace("CHANNEL", &json!(channel).to_string()));
    page
}

/// Publishes messages one after the other, each after the acknowledgement of the last one.
#[track_caller]
fn publish(page: &Page<'_>, topic: &str, count: usize) {
    page.evaluate(&format!(
        "(async () => {{
            for (let no = 0; no < {count}; no++) {{
                await tab.publish('{topic}', String(no));
            }}
        }})()"
    ));
}

/// Publishes like [`publish`] for a time, and returns the number of messages. It does not pause, because timers of a hidden page
/// fire once a second.
#[track_caller]
fn publish_for(page: &Page<'_>, topic: &str, ms: u32) -> usize {
    page.evaluate_as(&format!(
        "(async () => {{
            const end = performance.now() + {ms};
            let no = 0;
            while (performance.now() < end) {{
                await tab.publish('{topic}', String(no));
                no += 1;
            }}
            return no;
        }})()"
    ))
}

/// Waits until a page has received all these messages.
#[track_caller]
fn until_received(page: &Page<'_>, topic: &str, count: usize) {
    page.until_true(
        "every message",
        &format!(
            "new Set(tab.messages.filter((it) => it.topic === '{topic}').map((it) => it.payload)).size === {count}"
        ),
    );
}

#[test]
fn a_message_with_the_highest_term_has_no_effect() {
    let chromium = Chromium::start();
    let neighbour = neighbour(&chromium, "far-term");
    let mut pages = tabs(&chromium, 3, "far-term");
    let last = pages.pop().expect("a tab");
    last.evaluate("tab.subscribe('a')");
    for is_broker in [true, false] {
        neighbour.evaluate(&format!(
            "neighbour.say({{ type: 'announce', tabId: '0123456789abcdef', isBroker: {is_broker}, term: {HIGHEST} }})"
        ));
    }
    let mut terms = vec![pages[0].until_broker()];
    until_event(&pages[0], "Foreign");
    for page in pages {
        publish(&page, "a", 5);
        page.close();
        let term = last.evaluate_as(
            "tab.until(() => {
                const role = tab.state.role;
                const term = role?.Broker?.term ?? role?.Client?.term;
                return term > globalThis.before ? term : undefined;
            })"
            .replace("globalThis.before", &terms[terms.len() - 1].to_string())
            .as_str(),
        );
        terms.push(term);
        publish(&last, "b", 1);
    }
    assert!(terms.iter().all(|term| *term < HIGHEST / 2), "{terms:?}");
    until_received(&last, "a", 5);
}

#[test]
fn a_row_with_the_highest_number_is_ignored() {
    let chromium = Chromium::start();
    let pages = tabs(&chromium, 1, "far-row");
    pages[0].evaluate("tab.publish('kept', 'as it was', { retain: true })");
    pages[0].evaluate(&format!(
        "raw.put('far-row', {HIGHEST}, {{ term: 1, kind: 'fence' }})"
    ));
    for page in pages {
        page.close();
    }
    // Each later tab reports it.
    for _ in 0..2 {
        let page = chromium.join("far-row");
        page.until_broker();
        page.evaluate("tab.connect().then(() => tab.subscribe('kept'))");
        until_received(&page, "kept", 1);
        assert!(!had_event(&page, "InMemory"));
        until_event(&page, "RecordsSkipped");
        page.close();
    }
}

#[test]
fn locks_of_another_page_are_reported_and_used_when_they_are_free() {
    let chromium = Chromium::start();
    let neighbour = neighbour(&chromium, "locks");
    neighbour.evaluate("neighbour.holdLocks()");
    let page = chromium.join("locks");
    let words = until_event(&page, "LockHeld");
    assert!(words.contains("locks/v1/steal"), "{words}");
    assert!(!page.is_broker());
    neighbour.evaluate("neighbour.stop()");
    page.until_broker();
    page.evaluate("tab.connect()");
    publish(&page, "a", 1);
}

#[test]
fn a_false_goodbye_does_not_end_a_tab() {
    let chromium = Chromium::start();
    let neighbour = neighbour(&chromium, "goodbye");
    let pages = tabs(&chromium, 3, "goodbye");
    pages[1].evaluate("tab.subscribe('#')");
    pages[2].evaluate(
        "tab.connect({ client: 1, clientId: 'mortal', will: { topic: 'will', payload: 'gone' } })",
    );
    let ids: Vec<String> = pages.iter().map(Page::id).collect();
    neighbour.evaluate(&format!("neighbour.sayGoodbyeFor({})", json!(ids)));
    // Each tab publishes during several false goodbyes.
    let most = pages.iter().map(|page| publish_for(page, "a", 2_500));
    until_received(&pages[1], "a", most.max().unwrap_or_default());
    neighbour.evaluate("neighbour.stop()");
    let has_will = "tab.messages.some((it) => it.topic === 'will')";
    assert_eq!(pages[1].evaluate(has_will), false);
    assert!(pages[0].is_broker());
    for page in &pages {
        assert!(!had_event(page, "BrokerLost"));
        assert!(!had_event(page, "LaneReset"));
    }
}

#[test]
fn false_announcements_of_a_broker_do_not_stop_the_service() {
    for lanes in [false, true] {
        let chromium = Chromium::start();
        let neighbour = neighbour(&chromium, "claims");
        let pages = tabs(&chromium, 3, "claims");
        pages[1].evaluate("tab.subscribe('a')");
        let ids: Vec<String> = pages.iter().map(Page::id).filter(|_| lanes).collect();
        neighbour.evaluate(&format!("neighbour.claimForBroker({})", json!(ids)));
        until_event(&pages[0], "Foreign");
        let most = pages[1..].iter().map(|page| publish_for(page, "a", 3_000));
        until_received(&pages[1], "a", most.max().unwrap_or_default());
        neighbour.evaluate("neighbour.stop()");
    }
}

#[test]
fn an_open_transaction_of_another_page_is_reported_and_loses_nothing() {
    let chromium = Chromium::start();
    let neighbour = neighbour(&chromium, "held");
    let pages = tabs(&chromium, 1, "held");
    pages[0].evaluate("tab.subscribe('a')");
    neighbour.evaluate("neighbour.holdLog()");
    pages[0].evaluate("void (globalThis.published = tab.publish('a', '0'))");
    until_event(&pages[0], "Storage");
    neighbour.evaluate("neighbour.stop()");
    pages[0].evaluate("globalThis.published");
    until_received(&pages[0], "a", 1);
}

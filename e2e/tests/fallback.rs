//! Insecure pages: without Web Locks, the database replaces them.

use e2e::{Chromium, Ending, Page};

use crate::workload::{Work, agreed, connect, stop_between_transactions};

#[track_caller]
fn join(chromium: &Chromium) -> Page<'_> {
    let page = chromium.open_blank();
    page.load(&format!(
        "http://tabmq.test:{}/?channel=insecure",
        chromium.server().port()
    ));
    assert_eq!(
        page.evaluate("[isSecureContext, typeof navigator.locks].join()"),
        "false,undefined"
    );
    page.evaluate("tab.open()");
    page
}

#[test]
fn without_locks_one_tab_is_the_broker_and_another_takes_over_when_it_ends() {
    let chromium = Chromium::start();
    let mut pages: Vec<Page<'_>> = (0..4).map(|_| join(&chromium)).collect();
    pages[0].until_broker();
    for page in &pages {
        connect(page);
    }
    chromium.until("one broker", || agreed(&pages).map(|_| ()));
    pages[0].evaluate("tab.publish('kept', 'as it was', { retain: true })");
    for ending in [Ending::Close, Ending::Crash] {
        let place = chromium.until("a broker", || pages.iter().position(Page::is_broker));
        let broker = pages.remove(place);
        let others: Vec<&Page<'_>> = pages.iter().collect();
        let work = Work::begin(others[0], others[1]);
        broker.end_by(ending);
        work.continues();
        chromium.until("another broker", || agreed(&pages).map(|_| ()));
        work.end();
    }
    pages[0].evaluate("tab.subscribe('kept')");
    pages[0].until_true(
        "the retained message",
        "tab.messages.some((it) => it.payload === 'as it was')",
    );
}

#[test]
fn without_locks_and_without_a_database_tabs_lead_in_memory_one_after_the_other() {
    let chromium = Chromium::start();
    let join = || {
        let page = chromium.open_blank();
        let script = "Object.defineProperty(navigator, 'locks', { value: undefined });
            Object.defineProperty(self, 'indexedDB', { value: undefined })";
        page.join_with_worker_script("neither", script);
        page
    };
    let mut pages = vec![join()];
    pages[0].until_broker();
    pages.push(join());
    pages[1].until_client();
    for page in &pages {
        connect(page);
    }
    pages[1].until_true(
        "that the state is in memory",
        "tab.state.members.find((it) => it.is_broker)?.storage === 'memory'",
    );
    pages.remove(0).end_by(Ending::Close);
    pages[0].until_broker();
    pages.push(join());
    pages[1].until_client();
}

#[test]
fn without_locks_a_suspended_broker_is_replaced() {
    let chromium = Chromium::start();
    let broker = join(&chromium);
    broker.until_broker();
    let pages = [join(&chromium), join(&chromium)];
    for page in &pages {
        page.until_client();
        connect(page);
    }
    let work = Work::begin(&pages[0], &pages[1]);
    let process = stop_between_transactions(&broker, &pages[0], "insecure");
    work.continues();
    chromium.until("another broker", || agreed(&pages).map(|_| ()));
    process.resume();
    broker.until_client();
    work.end();
}

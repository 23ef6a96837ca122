//! Storage and locks of the package.

use e2e::Ending;

use super::{open, start, url};
use crate::store::evict;

/// Noise, because the browser compresses stored values.
const NOISE: &str = "crypto.getRandomValues(new Uint8Array(50_000))";

#[test]
fn every_tab_gets_events_when_storage_is_full_and_when_it_has_space_again() {
    let chromium = start();
    let package = "./../../plain/dist/tabmq/index.js";
    let [broker, other] = [(); 2].map(|()| chromium.open(&url(&chromium, "esbuild")));
    for page in [&broker, &other] {
        page.until_true("the page", "location.protocol === 'http:'");
    }
    let origin = other.evaluate("location.origin");
    chromium.override_quota(&other, &origin, Some(400_000));
    for page in [&broker, &other] {
        page.evaluate(&format!(
            "globalThis.said = [];
             addEventListener('error', ({{ error }}) => said.push(error.code));
             import('{package}').then(async ({{ open }}) => {{
                globalThis.bus = await open({{ channel: 'full' }});
                globalThis.kinds = [];
                bus.on('storage', ({{ kind }}) => kinds.push(kind));
                globalThis.client = await bus.connect();
             }})"
        ));
    }
    broker.evaluate("globalThis.codes = []; bus.on('error', ({ code }) => codes.push(code))");
    broker.until_true("the broker", "bus.role === 'broker'");
    let publish = |payload: &str| -> u64 {
        other.evaluate_as(&format!(
            "client.publishAsync('big', {payload}, {{ qos: 1, retain: true }}).catch((error) => error.reasonCode)"
        ))
    };
    chromium.until("a refusal", || (publish(NOISE) == 0x97).then_some(()));
    for page in [&broker, &other] {
        page.until_true("that it is full", "kinds.includes('full')");
        assert_eq!(page.evaluate("bus.storage.state"), "full");
    }
    assert_eq!(broker.evaluate("codes.join()"), "storage-full");
    // That page has no listener.
    assert_eq!(other.evaluate("said.join()"), "storage-full");
    assert_eq!(broker.evaluate("said.join()"), "");

    chromium.override_quota(&other, &origin, None);
    chromium.until("room", || (publish("'small'") != 0x97).then_some(()));
    for page in [&broker, &other] {
        page.until_true("that there is room", "kinds.at(-1) === 'room'");
        assert_eq!(page.evaluate("bus.storage.state"), "ok");
    }
}

#[test]
fn a_lock_of_another_page_is_an_error_and_the_bus_continues_when_it_is_free() {
    let chromium = start();
    let package = "./../../plain/dist/tabmq/index.js";
    let [neighbour, page] = [(); 2].map(|()| chromium.open(&url(&chromium, "esbuild")));
    neighbour.evaluate(
        "Promise.all(['broker', 'steal'].map((name) => new Promise((held) => {
            navigator.locks.request(`locks/v1/${name}`, () => {
                held();
                return new Promise((release) => addEventListener('release', release));
            });
        })))",
    );
    page.evaluate(&format!(
        "globalThis.errors = [];
         import('{package}').then(async ({{ open }}) => {{
            globalThis.bus = await open({{ channel: 'locks' }});
            bus.on('error', (error) => errors.push(error));
         }})"
    ));
    page.until_true("an error", "errors.length > 0");
    let [code, message]: [String; 2] = page.evaluate_as("[errors[0].code, errors[0].message]");
    assert_eq!(code, "lock-held", "{message}");
    assert!(
        message.contains("holds the lock locks/v1/steal"),
        "{message}"
    );
    assert_eq!(page.evaluate("bus.role"), "waiting");
    neighbour.evaluate("void dispatchEvent(new Event('release'))");
    page.until_true("a broker", "bus.role === 'broker'");
    assert!(
        page.evaluate(
            "bus.connect().then((it) => it.publishAsync('a', 'x', { qos: 1 })).then(() => true)"
        ) == true
    );
}

#[test]
fn persistent_storage_is_requested_once_and_not_in_browsers_that_show_a_prompt() {
    let chromium = start();
    let package = "./../../plain/dist/tabmq/index.js";
    let gecko = "Object.defineProperty(navigator, 'userAgent', { value: 'Mozilla/5.0 Gecko/20100101 Firefox/153.0' });";
    for (preparation, options, asked, persistent) in [
        ("", "", 1, "true"),
        ("", "persist: 'never'", 0, "false"),
        ("", "durability: 'memory'", 0, "undefined"),
        (gecko, "", 0, "false"),
        (gecko, "persist: 'ask'", 1, "true"),
        // Without local storage, or with another value in it.
        (
            "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });",
            "",
            1,
            "true",
        ),
        (
            "localStorage.setItem('tabmq/persist/log', 'garbage');",
            "",
            1,
            "true",
        ),
    ] {
        // The example has its own copy of the package, which has asked before.
        let page = open(&chromium, "esbuild");
        page.evaluate(&format!(
            "{preparation}
             globalThis.asked = 0;
             StorageManager.prototype.persisted = async () => false;
             StorageManager.prototype.persist = async () => {{ asked += 1; return true; }};
             import('{package}').then(async ({{ open }}) => {{
                globalThis.buses = await Promise.all(['persist', 'other'].map((channel) => open({{ channel, {options} }})));
             }})"
        ));
        let look = format!("buses.every((it) => `${{it.storage.persistent}}` === '{persistent}')");
        page.until_true("whether data is kept", &look);
        assert_eq!(page.evaluate("asked"), asked, "{preparation} {options}");
    }
}

#[test]
fn a_returning_page_gets_an_event_when_the_browser_has_deleted_the_database() {
    let chromium = start();
    let package = "./../../plain/dist/tabmq/index.js";
    let aside = chromium.open(&url(&chromium, "esbuild"));
    let come = || {
        let page = chromium.open(&url(&chromium, "esbuild"));
        page.evaluate(&format!(
            "globalThis.events = [];
             import('{package}').then(async ({{ open }}) => {{
                globalThis.bus = await open({{ channel: 'lost' }});
                bus.on('storage', ({{ kind }}) => events.push(kind));
                bus.on('error', ({{ code }}) => events.push(code));
                globalThis.client = await bus.connect();
                await client.publishAsync('a', 'x', {{ qos: 1, retain: true }});
             }})"
        ));
        page
    };
    for _ in 0..2 {
        let page = come();
        assert_eq!(page.evaluate("events.join()"), "");
        page.end_by(Ending::Close);
    }
    evict(&aside, "lost");
    assert_eq!(come().evaluate("events.join()"), "lost,storage-lost");
}

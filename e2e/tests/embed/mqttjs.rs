//! MQTT.js over the package.

use e2e::Ending;

use super::{PACKAGE, open, start};

const BEHAVIOUR: &str = include_str!("mqttjs.js");
#[test]
fn mqttjs_passes_all_checks_in_both_versions() {
    let chromium = start();
    let page = open(&chromium, "mqttjs");
    page.evaluate(BEHAVIOUR);
    for (version, checks) in [(4, 22), (5, 25)] {
        let passed: Vec<String> = page.evaluate_as(&format!("behaviour({version})"));
        assert_eq!(passed.len(), checks, "{passed:?}");
    }
}

#[test]
fn mqttjs_loses_nothing_acknowledged_when_the_brokers_tab_is_killed() {
    for (version, ending) in [(4, Ending::Close), (5, Ending::Crash), (4, Ending::Crash)] {
        let chromium = start();
        let pages = [(); 4].map(|()| open(&chromium, "mqttjs"));
        let [broker, publisher, subscriber, _next] = pages;
        for page in [&publisher, &subscriber] {
            page.evaluate(BEHAVIOUR);
            page.evaluate(&format!(
                "globalThis.endings = 0;
                 globalThis.own = mqtt.connect('ws://tabs.local', {{ ...tabs({{ channel: 'chat' }}), protocolVersion: {version} }});
                 own.on('close', () => {{ endings += 1; }});
                 new Promise((resolve) => own.once('connect', () => resolve(true)))"
            ));
        }
        subscriber.evaluate(
            "globalThis.came = []; own.on('message', (topic, payload) => came.push(Number(payload)));
             own.subscribeAsync('load/#', { qos: 2 })",
        );
        // Timers of a hidden page are late.
        publisher.show();
        publisher.evaluate("globalThis.work = load({ client: own, topic: 'load/1' }); 1");
        publisher.until_true("a load", "work.acknowledged.length > 100");
        broker.end_by(ending);
        publisher.until_true("a load that continues", "work.acknowledged.length > 400");
        publisher.evaluate("work.stop()");
        publisher.until_true("all acknowledged", "work.acknowledged.length === work.sent");
        let sent: usize = publisher.evaluate_as("work.sent");
        subscriber.until_true(
            "all that was acknowledged",
            &format!("new Set(came).size === {sent}"),
        );
        assert_eq!(publisher.evaluate("work.failed").to_string(), "[]");
        // Even numbers have QoS 1. Odd ones have QoS 2, so they arrive once and in order.
        let odd: Vec<u32> = subscriber.evaluate_as("came.filter((it) => it % 2 === 1)");
        assert!(odd.windows(2).all(|pair| pair[0] < pair[1]), "{odd:?}");
        for page in [&publisher, &subscriber] {
            assert_eq!(
                page.evaluate("endings"),
                0,
                "a client noticed that its connection moved"
            );
        }
    }
}

#[test]
fn mqttjs_reports_a_missing_bus_once_and_retries_with_growing_pauses() {
    let chromium = start();
    let page = open(&chromium, "mqttjs");
    page.evaluate(
        "globalThis.said = [];
         addEventListener('error', ({ error }) => said.push(error.code));
         globalThis.failures = [];
         globalThis.thrown = [undefined, { channel: 'bad name' }, { channel: 'x', durability: 'some' }].map((it) => {
            try { tabs(it); return 'nothing'; } catch ({ code }) { return code; }
         });
         const fail = (onError) => mqtt.connect('ws://tabs.local', { ...tabs({ channel: 'nowhere', workerUrl: 'nowhere.js', onError }) });
         globalThis.clients = [fail(), fail(({ code }) => failures.push({ code, at: performance.now() }))];
         1",
    );
    assert_eq!(
        page.evaluate("thrown.join()"),
        "invalid-option,invalid-option,invalid-option"
    );
    page.until_true("three attempts", "failures.length === 3");
    assert_eq!(
        page.evaluate("failures.map(({ code }) => code).join()"),
        "worker-missing,worker-missing,worker-missing"
    );
    // By the page's clock, which determines the pauses.
    let gaps: [f64; 2] =
        page.evaluate_as("[1, 2].map((it) => failures[it].at - failures[it - 1].at)");
    assert!(gaps[0] >= 1_000.0 && gaps[1] >= 2_000.0, "{gaps:?}");
    assert_eq!(page.evaluate("said.join()"), "worker-missing");
    page.evaluate("clients.forEach((it) => it.end(true))");
}

#[test]
fn the_end_of_the_last_mqttjs_client_ends_the_worker() {
    let chromium = start();
    let watcher = open(&chromium, "esbuild");
    watcher.evaluate(&format!(
        "import('{PACKAGE}').then(async ({{ open }}) => {{ globalThis.bus = await open({{ channel: 'ending' }}); }})"
    ));
    let page = open(&chromium, "mqttjs");
    page.evaluate(
        "{
            const bus = tabs({ channel: 'ending' });
            const connect = () => new Promise((resolve) => {
                const it = mqtt.connect('ws://tabs.local', { ...bus });
                it.once('connect', () => resolve(it));
            });
            globalThis.connect = connect;
            Promise.all([connect(), connect()]).then((it) => { globalThis.two = it; });
        }",
    );
    page.until_true("two clients", "globalThis.two?.length === 2");
    watcher.until_true("both tabs", "bus.roster.length === 2");
    page.evaluate("two[0].endAsync()");
    let code: f64 = page.evaluate_as(
        "two[1].publishAsync('t', 'x', { qos: 1 }).then(async () => { await two[1].endAsync(); return 1; })",
    );
    assert!(code > 0.0);
    watcher.until_true("this tab alone", "bus.roster.length === 1");
    // Another client starts a worker again.
    page.evaluate("connect().then((it) => { globalThis.third = it; })");
    watcher.until_true("both tabs", "bus.roster.length === 2");
}

#[test]
fn two_tabs_with_one_client_id_report_it_and_alternate_with_growing_pauses() {
    for version in [4, 5] {
        let chromium = start();
        let pages = [(); 2].map(|()| open(&chromium, "mqttjs"));
        for page in &pages {
            page.evaluate(&format!(
                "globalThis.said = [];
                 addEventListener('error', ({{ error }}) => said.push(`${{error.code}} ${{error.reasonCode}} ${{error.message}}`));
                 globalThis.ups = []; globalThis.downs = [];
                 globalThis.twin = mqtt.connect('ws://tabs.local', {{ ...tabs({{ channel: 'twins' }}), protocolVersion: {version}, clientId: 'twin' }});
                 twin.on('connect', () => ups.push(performance.now()));
                 twin.on('close', () => downs.push(performance.now()));
                 1"
            ));
        }
        for page in &pages {
            page.until_true("three connections", "ups.length >= 3");
            let pauses: [f64; 2] = page.evaluate_as(
                "[1, 2].map((it) => ups[it] - downs.findLast((down) => down < ups[it]))",
            );
            // A pause begins with the DISCONNECT, shortly before the end.
            assert!(pauses[0] > 800.0 && pauses[1] > 1_800.0, "{pauses:?}");
            let said: Vec<String> = page.evaluate_as("said");
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with("disconnected 142 "), "{said:?}");
            assert!(said[0].contains("client id twin"), "{said:?}");
        }
    }
}

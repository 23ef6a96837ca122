//! The npm package in apps: each example in two tabs, and the behaviour of MQTT.js.

use std::path::PathBuf;
use std::rc::Rc;

use e2e::{Caching, Chromium, ChromiumSetup, Ending, Page, Server, path_in};

use crate::store::evict;

const BEHAVIOUR: &str = include_str!("embed/mqttjs.js");
const CLIENT: &str = include_str!("embed/client.js");
const HOOKS: &str = include_str!("embed/react.js");

/// Starts a browser and a server for all examples, below a path that is not the root.
fn start() -> Chromium {
    let examples = path_in("TABMQ_EXAMPLES");
    let server = Server::start(&examples, "/below/a/path/", Caching::Unsaid).expect("a server");
    Chromium::start_with(ChromiumSetup {
        server: Some(Rc::new(server)),
        ..ChromiumSetup::default()
    })
}

fn url(chromium: &Chromium, example: &str) -> String {
    format!("{}{example}/dist/index.html", chromium.server().url())
}

fn open<'c>(chromium: &'c Chromium, example: &str) -> Page<'c> {
    let page = chromium.open(&url(chromium, example));
    page.until_true(
        "the example",
        "document.body?.dataset.ready === 'true' || document.querySelector('#status')?.value === 'subscribed'
            || !!document.querySelector('#error')?.textContent",
    );
    assert_eq!(
        page.evaluate("document.querySelector('#error').textContent"),
        ""
    );
    page
}

/// Types a text and sends it.
fn send(page: &Page<'_>, text: &str) {
    page.evaluate(&format!(
        "{{
            const input = document.querySelector('#text');
            Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, '{text}');
            input.dispatchEvent(new Event('input', {{ bubbles: true }}));
        }}
        new Promise((resolve) => setTimeout(resolve, 0)).then(() => document.querySelector('#send').click())"
    ));
}

fn until_messages(page: &Page<'_>, expected: &[&str]) {
    until_shown(
        page,
        expected,
        "[...document.querySelectorAll('#messages li')]",
    );
}

/// If a broker ends before it stores the acknowledgement of a message with QoS 1, the next broker sends the message again.
fn until_messages_at_least_once(page: &Page<'_>, expected: &[&str]) {
    until_shown(
        page,
        expected,
        "[...document.querySelectorAll('#messages li')]
            .filter((it, index, all) => all.findIndex(({ textContent }) => textContent === it.textContent) === index)",
    );
}

fn until_shown(page: &Page<'_>, expected: &[&str], items: &str) {
    let expected = serde_json::to_string(expected).expect("texts");
    page.until_true(
        "the messages",
        &format!("JSON.stringify({items}.map((it) => it.textContent)) === '{expected}'"),
    );
}

/// Both tabs receive each other's messages, also after the broker's tab was closed.
fn chat(example: &str) {
    let chromium = start();
    let [first, second] = [(); 2].map(|()| open(&chromium, example));
    send(&first, "from the first");
    for page in [&first, &second] {
        until_messages(page, &["from the first"]);
    }
    send(&second, "from the second");
    for page in [&first, &second] {
        until_messages(page, &["from the first", "from the second"]);
    }
    first.end_by(Ending::Close);
    send(&second, "alone");
    until_messages_at_least_once(&second, &["from the first", "from the second", "alone"]);
    let third = open(&chromium, example);
    send(&third, "from the third");
    until_messages(&third, &["from the third"]);
    let seen = [
        "from the first",
        "from the second",
        "alone",
        "from the third",
    ];
    until_messages_at_least_once(&second, &seen);
}

#[test]
fn a_plain_page_with_a_strict_policy_needs_no_bundler() {
    chat("plain");
}

#[test]
fn vite_finds_the_worker() {
    chat("vite-ts");
}

#[test]
fn webpack_finds_the_worker() {
    chat("webpack");
}

#[test]
fn parcel_finds_the_worker() {
    chat("parcel");
}

#[test]
fn esbuild_gets_the_workers_address() {
    chat("esbuild");
}

#[test]
fn react_has_hooks() {
    chat("react");
}

#[test]
fn mqttjs_works_unmodified() {
    chat("mqttjs");
}

#[test]
fn yew_has_hooks() {
    let chromium = start();
    let open = || {
        let page = chromium.open(&url(&chromium, "yew"));
        page.until_true(
            "its role",
            "['broker', 'client'].includes(document.querySelector('#role')?.textContent)",
        );
        page
    };
    let [first, second] = [open(), open()];
    for page in [&first, &second] {
        page.until_true(
            "both tabs",
            "document.querySelector('#tabs').textContent === '2'",
        );
    }
    first.evaluate("document.querySelector('#lamp').click()");
    second.until_true(
        "a lamp that is on",
        "document.querySelector('#lamp').textContent === 'on'",
    );
    send(&second, "from the second");
    for page in [&first, &second] {
        until_messages(page, &["from the second"]);
    }
    first.end_by(Ending::Close);
    let third = open();
    third.until_true(
        "a lamp that is on",
        "document.querySelector('#lamp').textContent === 'on'",
    );
    send(&third, "from the third");
    until_messages_at_least_once(&second, &["from the second", "from the third"]);
}

#[test]
fn react_unsubscribes_unmounted_components_and_subscribes_again() {
    let chromium = start();
    let [first, second] = [(); 2].map(|()| open(&chromium, "react"));
    for page in [&first, &second] {
        page.until_true("both tabs", "document.querySelector('#tabs').value === '2'");
    }
    send(&first, "kept");
    first.evaluate("document.querySelector('#keep').click()");
    second.until_true(
        "a retained message",
        "document.querySelector('#kept').value === 'kept'",
    );
    second.evaluate("document.querySelector('#toggle').click()");
    first.until_true("one tab", "document.querySelector('#tabs').value === '1'");
    send(&first, "unheard");
    until_messages(&first, &["kept", "unheard"]);
    second.evaluate("document.querySelector('#toggle').click()");
    second.until_true(
        "a retained message",
        "document.querySelector('#kept')?.value === 'kept'",
    );
    second.until_true(
        "a subscription",
        "document.querySelector('#status').value === 'subscribed'",
    );
    send(&first, "heard");
    until_messages(&second, &["heard"]);
    second.evaluate("document.querySelector('#clear').click()");
    until_messages(&second, &[]);
}

#[test]
fn react_hooks_pass_all_checks() {
    for (build, mounts) in [("dist", 1), ("dist/development", 2)] {
        let chromium = start();
        let page = chromium.open(&format!(
            "{}react/{build}/index.html",
            chromium.server().url()
        ));
        page.until_true("the example", "globalThis.tabmq !== undefined");
        page.evaluate(HOOKS);
        let checks = format!("((passed) => hooks(passed, {mounts}))");
        assert_eq!(passed(&page, &checks), 8);
    }
}

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

/// A page of another example, with the package itself.
fn open_for_clients(chromium: &Chromium) -> Page<'_> {
    let page = open(chromium, "esbuild");
    page.evaluate(
        "import('./../../plain/dist/tabmq/index.js').then((it) => { globalThis.package = it; })",
    );
    page.evaluate(CLIENT);
    page
}

#[test]
fn the_packages_client_passes_all_checks() {
    let chromium = start();
    let page = open_for_clients(&chromium);
    assert_eq!(passed(&page, "client"), 24);
}

#[test]
fn the_packages_client_settles_all_promises_without_a_broker_and_without_a_listener() {
    let chromium = start();
    let page = open_for_clients(&chromium);
    assert_eq!(passed(&page, "withoutBroker"), 1);
    assert_eq!(passed(&page, "withoutListener"), 1);
}

/// Runs checks in the page; returns the number of passed ones.
#[track_caller]
fn passed(page: &Page<'_>, checks: &str) -> usize {
    page.evaluate(&format!(
        "globalThis.passed = [];
         {checks}(passed).then(() => {{ passed.end = 'passed'; }}, (error) => {{ passed.end = error.message; }}); 1"
    ));
    page.until_true("an end", "passed.end !== undefined");
    let end: String = page.evaluate_as("passed.end");
    let passed: Vec<String> = page.evaluate_as("passed");
    assert_eq!(end, "passed", "{passed:?}");
    passed.len()
}

#[test]
fn the_packages_client_passes_all_checks_across_a_freeze() {
    let chromium = start();
    let page = open_for_clients(&chromium);
    page.evaluate("hidden.before()");
    page.evaluate("document.dispatchEvent(new Event('freeze')); hidden.between()");
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))");
    let after = "document.dispatchEvent(new Event('resume')); hidden.after()";
    let passed: Vec<String> = page.evaluate_as(after);
    assert_eq!(passed.len(), 8, "{passed:?}");
}

#[test]
fn the_packages_client_passes_all_checks_across_the_back_forward_cache() {
    let chromium = start();
    let page = open_for_clients(&chromium);
    page.evaluate("hidden.before()");
    page.navigate("about:blank");
    page.back();
    page.until_true("the page", "globalThis.hidden !== undefined");
    let passed: Vec<String> = page.evaluate_as("hidden.after()");
    assert_eq!(passed.len(), 8, "{passed:?}");
}

#[test]
fn a_port_speaks_mqtt_in_bytes_and_stays_open_when_the_broker_moves() {
    let chromium = start();
    let [broker, other] = [(); 2].map(|()| open(&chromium, "plain"));
    other.evaluate(
        "import('./tabmq/index.js').then(async ({ open }) => {
            globalThis.bus = await open({ channel: 'chat' });
            globalThis.port = await bus.openPort();
            globalThis.heard = [];
            port.onmessage = ({ data }) => heard.push(data === null ? null : [...data]);
            // CONNECT of MQTT 3.1.1 with a clean session, cut in two.
            port.postMessage(new Uint8Array([0x10, 13, 0, 4, 0x4d, 0x51, 0x54]));
            port.postMessage(new Uint8Array([0x54, 4, 2, 0, 0, 0, 1, 0x78]).buffer);
            // SUBSCRIBE to t with QoS 1.
            port.postMessage(new Uint8Array([0x82, 6, 0, 1, 0, 1, 0x74, 1]));
        })",
    );
    other.until_true(
        "CONNACK and SUBACK",
        "JSON.stringify(heard) === '[[32,2,0,0],[144,3,0,1,1]]'",
    );
    broker.end_by(Ending::Close);
    other.until_true("another broker", "bus.role === 'broker'");
    // PUBLISH of t with QoS 1.
    other.evaluate(
        "heard.length = 0; port.postMessage(new Uint8Array([0x32, 6, 0, 1, 0x74, 0, 2, 0x21]))",
    );
    other.until_true(
        "the message and PUBACK",
        "JSON.stringify(heard.toSorted()) === '[[50,6,0,1,116,0,1,33],[64,2,0,2]]'",
    );
    other.evaluate("heard.length = 0; port.postMessage(new Uint8Array([0xf0, 0]))");
    other.until_true("the end", "JSON.stringify(heard) === '[null]'");
}

#[test]
fn errors_name_their_cause() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let plain = chromium.open(&url(&chromium, "plain"));
    plain.until_true("the example", "document.body?.dataset.ready === 'true'");
    let failure = |page: &Page<'_>, package: &str, options: &str| -> [String; 2] {
        page.evaluate_as(&format!(
            "import('{package}').then(({{ open }}) => open({{ channel: 'x', {options} }}))
                .then(() => ['nothing', ''], (error) => [error.code, error.message])"
        ))
    };
    let package = "./../../plain/dist/tabmq/index.js";
    for (options, code, words) in [
        (
            "workerUrl: 'nowhere.js'",
            "worker-missing",
            "worker.js is there",
        ),
        // Served as a page.
        (
            "workerUrl: 'index.html'",
            "worker-missing",
            "text/javascript",
        ),
        ("wasmUrl: 'nowhere.wasm'", "wasm-missing", "404"),
        ("wasmUrl: 'index.html'", "wasm-missing", "text/html"),
        ("wasmUrl: 'main.js'", "wasm-missing", "no WebAssembly"),
        ("channel: 'a b'", "invalid-option", "channel name"),
        ("durability: 'some'", "invalid-option", "relaxed"),
        ("role: 'king'", "invalid-option", "auto or client"),
        ("signal: AbortSignal.abort()", "aborted", "gave it up"),
    ] {
        let [actual, message] = failure(&page, package, options);
        assert_eq!(actual, code, "{options}: {message}");
        assert!(message.contains(words), "{options}: {message}");
    }
    // A policy that allows no other origin.
    let elsewhere = "workerUrl: 'https://elsewhere.test/worker.js'";
    let [code, message] = failure(&plain, "./tabmq/index.js", elsewhere);
    assert_eq!(code, "blocked-by-csp", "{message}");
    let older = chromium.open_blank();
    older.before_each_page("delete globalThis.BroadcastChannel");
    older.navigate(&url(&chromium, "plain"));
    older.until_true("an error", "document.querySelector('#error')?.textContent.startsWith('unsupported: This browser has no BroadcastChannel')");
}

#[test]
fn a_sandboxed_frame_gets_an_error_about_its_opaque_origin() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let [code, message]: [String; 2] = page.evaluate_as(
        "new Promise((resolve) => {
            addEventListener('message', ({ data }) => resolve(data));
            const frame = document.createElement('iframe');
            frame.sandbox = 'allow-scripts';
            const script = new URL('../../plain/dist/tabmq/index.js', location.href).href;
            frame.srcdoc = `<script type='module'>
                const tell = (it) => parent.postMessage(it, '*');
                import('${script}').then(({ open }) => open({ channel: 'x' }))
                    .then(() => tell(['nothing', '']), (error) => tell([error.code ?? '', error.message]));
            </` + `script>`;
            document.body.append(frame);
        })",
    );
    assert_eq!(code, "unsupported", "{message}");
    assert!(message.contains("opaque origin"), "{message}");
}

/// The policy in the package's README.
const POLICY: &str = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

#[test]
fn the_documented_policy_is_sufficient_and_an_error_names_a_missing_part() {
    for (policy, words) in [
        (POLICY.to_owned(), ""),
        (
            POLICY.replace(" 'wasm-unsafe-eval'", ""),
            "needs script-src 'wasm-unsafe-eval'",
        ),
        (
            POLICY.replace("worker-src 'self'", "worker-src 'none'"),
            "worker-src",
        ),
    ] {
        let chromium = start();
        chromium
            .server()
            .add_header("Content-Security-Policy", &policy);
        let page = chromium.open(&url(&chromium, "vite-ts"));
        page.until_true(
            "an end",
            "document.body?.dataset.ready === 'true' || !!document.querySelector('#error')?.textContent",
        );
        let error: String = page.evaluate_as("document.querySelector('#error').textContent");
        match words {
            "" => assert_eq!(error, ""),
            words => assert!(
                error.starts_with("blocked-by-csp: ") && error.contains(words),
                "{policy}: {error}"
            ),
        }
    }
}

#[test]
fn a_package_from_another_origin_starts_its_worker_through_a_local_one() {
    let folder: PathBuf = path_in("TABMQ_EXAMPLES").join("plain/dist/tabmq");
    let elsewhere = Server::start(&folder, "/cdn/", Caching::Unsaid).expect("a server");
    let origin = elsewhere.url().replace("/cdn/", "");
    let policy = |worker: &str| {
        format!(
            "script-src 'self' {origin} 'wasm-unsafe-eval'; worker-src 'self' blob: {worker}; connect-src 'self' {origin}"
        )
    };
    let needed = format!("worker-src blob: {origin};");
    for (policy, expected) in [
        (None, "over there"),
        (Some(policy(&origin)), "over there"),
        (Some(policy("")), needed.as_str()),
    ] {
        let chromium = start();
        if let Some(policy) = &policy {
            let server = chromium.server();
            server.add_header("Content-Security-Policy", policy);
        }
        let page = open(&chromium, "esbuild");
        let end: String = page.evaluate_as(&format!(
            "import('{}index.js').then(async ({{ open }}) => {{
                const bus = await open({{ channel: 'elsewhere' }});
                const client = await bus.connect();
                await client.subscribeAsync('t');
                const came = new Promise((resolve) => client.once('message', (topic, payload, message) => resolve(message.text())));
                await client.publishAsync('t', 'over there', {{ qos: 1 }});
                return came;
            }}).catch(({{ message }}) => message)",
            elsewhere.url()
        ));
        assert!(end.contains(expected), "{policy:?}: {end}");
    }
}

#[test]
fn a_bundle_from_another_origin_starts_the_bundlers_worker_from_there() {
    let chromium = start();
    let folder: PathBuf = path_in("TABMQ_EXAMPLES").join("vite-ts/dist");
    let elsewhere = Server::start(&folder, "/cdn/", Caching::Unsaid).expect("a server");
    let page = open(&chromium, "esbuild");
    let build: String = page.evaluate_as(&format!(
        "(async (there) => {{
            const said = new Promise((resolve) => {{
                globalThis.Worker = class extends Worker {{
                    constructor(...it) {{
                        super(...it);
                        this.addEventListener('message', ({{ data }}) => data?.tabmq === 'hello' && resolve(data.build));
                    }}
                }};
            }});
            const html = await (await fetch(there)).text();
            const bundle = new URL(/src=\"([^\"]+[.]js)\"/.exec(html)[1], there).href;
            await import(bundle);
            return said;
        }})('{}index.html')",
        elsewhere.url()
    ));
    assert!(!build.is_empty());
}

#[test]
fn the_single_file_build_needs_no_other_file() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let package = "./../../plain/dist/tabmq/inline.js";
    let roles: Vec<String> = page.evaluate_as(&format!(
        "import('{package}').then(async ({{ open }}) => {{
            const [one, two] = await Promise.all([open({{ channel: 'inline' }}), open({{ channel: 'inline' }})]);
            const client = await one.connect();
            const roles = [one.role, two.role];
            await one.close();
            await one.close();
            const failed = await client.publishAsync('t', 'x').catch((error) => error.code);
            const other = await two.connect();
            const code = await other.publishAsync('t', 'x', {{ qos: 1 }});
            await two.close();
            return [...roles, failed, String(code)];
        }})"
    ));
    assert_eq!(roles, ["broker", "broker", "closed", "16"]);
    let waits: String = page.evaluate_as(&format!(
        "import('{package}').then(async ({{ open }}) => {{
            const bus = await open({{ channel: 'nobody', role: 'client' }});
            return bus.connect({{ signal: AbortSignal.timeout(500) }}).then(() => 'connected', (error) => `${{bus.role}} ${{error.code}}`);
        }})"
    ));
    assert_eq!(waits, "waiting aborted");
}

#[test]
fn clients_have_what_mqttjs_has_and_more() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let package = "./../../plain/dist/tabmq/index.js";
    page.evaluate(&format!(
        "import('{package}').then((it) => {{ globalThis.tabmq = it; }})"
    ));
    let text = |expression: &str| -> String { page.evaluate_as(expression) };
    page.evaluate(
        "tabmq.open({ channel: 'clients' }).then(async (it) => {
            globalThis.bus = it;
            globalThis.one = await it.connect({ clientId: 'one' });
            globalThis.two = await it.connect();
        })",
    );
    assert_eq!(
        text("`${one.clientId} ${two.clientId.startsWith('tab-')}`"),
        "one true"
    );
    // The loop ends its subscription when it breaks.
    assert_eq!(
        text(
            "(async () => {
                const read = [];
                const reading = (async () => {
                    for await (const message of one.messages('m/#', { qos: 1 })) {
                        read.push(message.json());
                        if (read.length === 3) break;
                    }
                })();
                for (let i = 0; i < 3; i++) {
                    while (await two.publishAsync('m/x', String(i), { qos: 1 }) !== 0) ;
                }
                await reading;
                return JSON.stringify([read, await two.publishAsync('m/x', '3', { qos: 1 })]);
            })()"
        ),
        "[[0,1,2],16]"
    );
    // A request and its response.
    assert_eq!(
        text(
            "(async () => {
                two.on('message', (topic, payload, { properties }) => {
                    const { responseTopic, correlationData } = properties;
                    if (topic === 'question') two.publish(responseTopic, 'answer', { properties: { correlationData } });
                });
                await two.subscribeAsync('question');
                const response = await one.request('question', '?');
                const nobody = await one.request('nobody', '?').catch((error) => error.code);
                return `${response.text()} ${nobody}`;
            })()"
        ),
        "answer refused"
    );
    for (expression, code) in [
        ("one.publishAsync('a/#', 'x')", "invalid-topic"),
        ("one.subscribeAsync('a/#/b')", "invalid-topic"),
        (
            "one.publishAsync('a', new Uint8Array(17 << 20), { qos: 1 })",
            "too-large",
        ),
        ("one.publishAsync('a', 'x', { qos: 3 })", "invalid-option"),
        ("one.publishAsync('a', 5)", "invalid-option"),
        (
            "one.publishAsync('a', 'x', { signal: AbortSignal.abort() })",
            "aborted",
        ),
        ("bus.connect({ signal: AbortSignal.abort() })", "aborted"),
        (
            "tabmq.open({ channel: 'clients', durability: 'strict' })",
            "invalid-option",
        ),
        // Another client with the same id.
        (
            "new Promise((_, reject) => { one.once('error', reject); bus.connect({ clientId: 'one' }); })",
            "disconnected",
        ),
        ("one.publishAsync('a', 'x')", "disconnected"),
    ] {
        assert_eq!(
            text(&format!(
                "{expression}.then(() => 'nothing', (error) => error.code)"
            )),
            code,
            "{expression}"
        );
    }
    // The page buffers more than the worker takes at a time, and all of it counts.
    assert_eq!(
        text(
            "(async () => {
                const all = Array.from({ length: 100 }, async () => {
                    await two.publishAsync('bulk', new Uint8Array(100_000), { qos: 1 });
                });
                const most = two.bufferedAmount;
                await Promise.all(all);
                return `${most} ${two.bufferedAmount}`;
            })()"
        ),
        "10000400 0"
    );
    page.evaluate("(async () => { await using it = await tabmq.open({ channel: 'clients' }); })()");
    assert_eq!(
        text("bus.close().then(() => two.publishAsync('a', 'x')).catch((error) => error.code)"),
        "closed"
    );
}

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

#[test]
fn bytes_from_another_frame_are_accepted() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let package = "./../../plain/dist/tabmq/index.js";
    let came: Vec<String> = page.evaluate_as(&format!(
        "import('{package}').then(async ({{ open }}) => {{
            const frame = document.body.appendChild(document.createElement('iframe')).contentWindow;
            const bytes = frame.Uint8Array.from([97, 98, 99, 100]);
            if (bytes instanceof Uint8Array) throw new Error('it is of this realm');
            const bus = await open({{ channel: 'frame' }});
            const client = await bus.connect({{ password: bytes, username: 'u' }});
            const came = [];
            client.on('message', (topic, payload, it) => came.push(`${{it.text()}} ${{it.properties.correlationData ?? ''}}`));
            await client.subscribeAsync('t');
            const publish = (payload, properties) => client.publishAsync('t', payload, {{ qos: 1, properties }});
            await publish(bytes);
            await publish(bytes.subarray(1, 3));
            await publish(bytes.buffer);
            await publish(new frame.DataView(bytes.buffer, 2));
            await publish('x', {{ correlationData: bytes }});
            const refused = await publish({{ length: 2 }}).catch((error) => error.code);
            while (came.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
            return [...came, refused];
        }})"
    ));
    assert_eq!(
        came,
        [
            "abcd ",
            "bc ",
            "abcd ",
            "cd ",
            "x 97,98,99,100",
            "invalid-option"
        ]
    );
}

#[test]
fn a_page_from_the_back_forward_cache_continues() {
    let chromium = start();
    let [first, second] = [(); 2].map(|()| open(&chromium, "vite-ts"));
    first.show();
    first.navigate("about:blank");
    send(&second, "while it was away");
    until_messages(&second, &["while it was away"]);
    first.back();
    first.until_true(
        "its role",
        "document.querySelector('#role').value === 'client'",
    );
    chromium.until("a message for both", || {
        send(&second, "again");
        let count = first.evaluate("document.querySelectorAll('#messages li').length");
        (count.as_u64() > Some(0)).then_some(())
    });
}

/// The package. Each page may have its own copy.
const PACKAGE: &str = "./../../plain/dist/tabmq/index.js";

#[test]
fn a_script_that_is_no_tabmq_worker_is_named_and_a_valid_worker_opens_after_it() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    // A worker identifies itself before it loads its WebAssembly, which may take long.
    let build: String = page.evaluate_as(
        "new Promise((resolve) => {
            const worker = new Worker('../../plain/dist/tabmq/worker.js', { type: 'module' });
            worker.onmessage = ({ data }) => resolve(data.build);
        })",
    );
    assert!(!build.is_empty());
    for script in ["../../plain/dist/tabmq/index.js", "data:text/javascript,1"] {
        // Long pauses are shortened. The valid worker waits for the wrong one, and then for its own WebAssembly.
        let [code, message, role]: [String; 3] = page.evaluate_as(&format!(
            "(async () => {{
                const pause = globalThis.pause ??= setTimeout;
                globalThis.setTimeout = (run, ms, ...rest) => pause(run, Math.min(ms ?? 0, 300), ...rest);
                const {{ open }} = await import('{PACKAGE}');
                const wrong = open({{ channel: 'wrong', workerUrl: '{script}' }});
                const right = open({{ channel: 'wrong' }});
                const [code, message] = await wrong.then(() => ['nothing', ''], (error) => [error.code, error.message]);
                await using bus = await right;
                await using client = await bus.connect();
                await using later = await open({{ channel: 'wrong' }});
                return [code, message, later.role];
            }})()"
        ));
        assert_eq!(code, "worker-failed", "{message}");
        assert!(
            message.contains("no TabMQ worker of this version"),
            "{message}"
        );
        assert!(
            message.contains(script.trim_start_matches("../")),
            "{message}"
        );
        assert_eq!(role, "broker");
    }
}

#[test]
fn an_error_without_a_listener_is_reported_and_a_bus_without_a_worker_has_no_role() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let other = open(&chromium, "esbuild");
    for page in [&page, &other] {
        page.evaluate(&format!(
            "globalThis.said = [];
             addEventListener('error', ({{ error }}) => said.push(error.code));
             globalThis.Worker = class extends Worker {{
                constructor(...it) {{ super(...it); globalThis.worker = this; }}
             }};
             import('{PACKAGE}').then(async ({{ open }}) => {{
                globalThis.open = open;
                globalThis.bus = await open({{ channel: 'unheard' }});
                globalThis.client = await bus.connect();
             }})"
        ));
    }
    page.evaluate("client.publish('a/#', 'x'); 1");
    page.until_true("a report", "said.join() === 'invalid-topic'");
    page.evaluate(
        "globalThis.heard = []; client.on('error', ({ code }) => heard.push(code)); client.publish('b/#', 'x'); 1",
    );
    page.until_true("an error", "heard.join() === 'invalid-topic'");
    page.until_true("two tabs", "bus.roster.length === 2");

    // Invalid bytes end the worker: in the first page the client has a listener for the error, in the other none has.
    page.evaluate("globalThis.roles = []; bus.on('role', (it) => roles.push(it)); 1");
    for page in [&page, &other] {
        page.evaluate("worker.postMessage(new Uint8Array([255, 255, 255, 255, 255])); 1");
        page.until_true("no role", "bus.role === 'waiting'");
        assert_eq!(page.evaluate("bus.roster.length"), 0);
    }
    page.until_true("an error", "heard.join() === 'invalid-topic,worker-failed'");
    page.until_true("a role", "roles.join() === 'waiting'");
    other.until_true("a report", "said.join() === 'worker-failed'");
    assert_eq!(page.evaluate("said.join()"), "invalid-topic");
    let again: String = page.evaluate_as(
        "bus.connect().catch(async ({ code }) => {
            globalThis.bus = await open({ channel: 'unheard' });
            const client = await bus.connect();
            return `${code} ${await client.publishAsync('a', 'x', { qos: 1 })}`;
        })",
    );
    assert_eq!(again, "worker-failed 16");
    // Vue does not wrap them.
    assert_eq!(page.evaluate("bus.__v_skip && client.__v_skip"), true);
}

#[test]
fn errors_of_workers_and_options_explain_the_remedy() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    for (options, code, words) in [
        ("", "invalid-option", "not undefined"),
        ("null", "invalid-option", "not null"),
        (
            "{ channel: 'x', signal: {} }",
            "invalid-option",
            "AbortSignal",
        ),
        (
            "{ channel: 'x', workerUrl: 'http://[' }",
            "invalid-option",
            "http://[",
        ),
        (
            "{ channel: 'x', wasmUrl: 'http://[' }",
            "invalid-option",
            "http://[",
        ),
        (
            "{ channel: 'x', workerUrl: 'nowhere.js' }",
            "worker-missing",
            "esbuild/dist/nowhere.js",
        ),
        (
            "{ channel: 'x', workerUrl: '.vite/deps/worker.js' }",
            "worker-missing",
            "optimizeDeps: { exclude: ['tabmq'] }",
        ),
    ] {
        let [actual, message]: [String; 2] = page.evaluate_as(&format!(
            "import('{PACKAGE}').then(({{ open }}) => open({options}))
                .then(() => ['nothing', ''], (error) => [error.code, error.message])"
        ));
        assert_eq!(actual, code, "{options}: {message}");
        assert!(message.contains(words), "{options}: {message}");
    }
    let [connect, port]: [String; 2] = page.evaluate_as(&format!(
        "import('{PACKAGE}').then(async ({{ open }}) => {{
            await using bus = await open({{ channel: 'options' }});
            return Promise.all([bus.connect(null), bus.openPort({{ signal: 5 }})].map((it) => it.catch((error) => error.code)));
        }})"
    ));
    assert_eq!([connect, port], ["invalid-option", "invalid-option"]);

    // A worker is no page.
    let [code, message]: [String; 2] = page.evaluate_as(&format!(
        "new Promise((resolve) => {{
            const script = `import('${{new URL('{PACKAGE}', location.href)}}').then(({{ open }}) => open({{ channel: 'x' }}))
                .catch((error) => postMessage([error.code ?? '', error.message]))`;
            new Worker(URL.createObjectURL(new Blob([script]))).onmessage = ({{ data }}) => resolve(data);
        }})"
    ));
    assert_eq!(code, "unsupported", "{message}");
    assert!(message.contains("needs a page"), "{message}");

    // The single-file build needs another policy.
    let plain = open(&chromium, "plain");
    let [code, message]: [String; 2] = plain.evaluate_as(
        "import('./tabmq/inline.js').then(({ open }) => open({ channel: 'x' }))
            .then(() => ['nothing', ''], (error) => [error.code, error.message])",
    );
    assert_eq!(code, "blocked-by-csp", "{message}");
    assert!(
        message.contains("worker-src blob:; connect-src data:"),
        "{message}"
    );

    chromium.server().add_header(
        "Content-Security-Policy",
        "require-trusted-types-for 'script'",
    );
    let strict = chromium.open(&url(&chromium, "plain"));
    strict.until_true(
        "an error",
        "document.querySelector('#error')?.textContent.startsWith('blocked-by-csp')",
    );
    let message: String = strict.evaluate_as("document.querySelector('#error').textContent");
    assert!(message.contains("dist/tabmq/worker.js"), "{message}");
    assert!(
        message.contains("TrustedScriptURL with workerUrl"),
        "{message}"
    );
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

//! The package's client, and its ports.

use e2e::{Chromium, Ending, Page};

use super::{PACKAGE, open, passed, start};

const CLIENT: &str = include_str!("client.js");
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

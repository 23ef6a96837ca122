// The page without a view. Tests and benchmarks call `tab`.

import init, { Driver } from "./page.js";

const query = new URLSearchParams(location.search);
const loaded = init();

let driver;
let lastRequest = 0;
const requests = new Map();
const log = [];
const messages = [];
let watchers = [];

const state = { tabId: null, role: null, members: [], statuses: {}, stats: null, failed: null };

function onNotice(at, notice) {
    const note = (kind, words, data) => log.push({ at, kind, words, ...data });
    const [[variant, value]] = Object.entries(notice);
    switch (variant) {
        case "Opened":
            state.tabId = value.tab_id;
            state.statuses = {};
            note("Opened", value.tab_id);
            break;
        case "Role":
            state.role = value;
            note("Role", JSON.stringify(value));
            break;
        case "Members":
            state.members = value;
            break;
        case "Event":
            note(notice.kind, notice.words, { eventAt: value.at });
            break;
        case "Client":
            onClientNotice(at, value);
            break;
        case "Refused":
            note("Refused", JSON.stringify(value));
            break;
        case "Stats":
            state.stats = value;
            break;
        case "Answer":
            answer(value[0], value[1]);
            break;
        case "Failed":
            state.failed = value;
            note("Failed", value);
            break;
    }
    // Check all conditions that `until` waits for.
    watchers = watchers.filter((look) => !look());
}

function onClientNotice(at, [client, notice]) {
    const [[variant, value]] = Object.entries(notice);
    switch (variant) {
        case "Status":
            state.statuses[client] = value;
            log.push({ at, kind: "Status", words: JSON.stringify(value), client });
            break;
        case "Subscribed":
        case "Unsubscribed":
        case "Published":
            answer(value[0], value[1]);
            break;
        case "Refused":
            answer(value[0], { refused: value[1] });
            break;
        case "Message": {
            // The second value has the audience, which is always this page.
            const [message] = value;
            messages.push({ at, client, ...message, ...contents(new Uint8Array(message.payload)) });
            break;
        }
    }
}

function contents(bytes) {
    return { payload: new TextDecoder().decode(bytes), hash: tab.hash(bytes) };
}

function answer(request, value) {
    requests.get(request)?.(value);
    requests.delete(request);
}

function request(client, make) {
    return numbered((number) => driver.command(client, make(number)));
}

function numbered(send) {
    lastRequest += 1;
    const number = lastRequest;
    return new Promise((resolve) => {
        requests.set(number, resolve);
        send(number);
    });
}

/** Resolves with the first value of `look()` that is none of undefined, null and false. */
function until(look) {
    return new Promise((resolve) => {
        const again = () => {
            const value = look();
            const isThere = value !== undefined && value !== null && value !== false;
            if (isThere) resolve(value);
            return isThere;
        };
        if (!again()) watchers.push(again);
    });
}

// Timers of a hidden page fire once a second, but not those of a worker. This one runs only while the page publishes at a
// rate, because the timers of many tabs would keep the machine busy.
const metronome = new Worker(URL.createObjectURL(new Blob([`
    let timer;
    onmessage = ({ data: isWanted }) => {
        clearInterval(timer);
        if (isWanted) timer = setInterval(() => postMessage(0), 4);
    };
`])));
metronome.onmessage = () => driver?.tick();

const qosNames = ["AtMostOnce", "AtLeastOnce", "ExactlyOnce"];
const bytes = (payload) => typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
const noProperties = () => ({
    payload_is_utf8: null,
    message_expiry_interval: null,
    content_type: null,
    response_topic: null,
    correlation_data: null,
    user_properties: [],
});
const publication = ({ topic, payload = "", qos = 1, retain = false }) => ({
    topic,
    payload: bytes(payload),
    qos: qosNames[qos],
    retain,
    properties: noProperties(),
});

globalThis.tab = {
    state,
    log,
    messages,
    until,
    now: () => performance.timeOrigin + performance.now(),

    /** Bytes that cannot be compressed. A seed always gives the same bytes. */
    noise(seed, length) {
        const words = new Uint32Array(Math.ceil(length / 4));
        let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
        for (let i = 0; i < words.length; i++) {
            state ^= state << 13;
            state ^= state >>> 17;
            state ^= state << 5;
            words[i] = state;
        }
        return new Uint8Array(words.buffer, 0, length);
    },

    /** A hash of bytes and their length. */
    hash: (bytes) => bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), bytes.length) >>> 0,

    /** Joins the channel; resolves once this tab has an id. */
    async open({
        channel = query.get("channel") ?? "test",
        durability = query.get("durability") ?? "relaxed",
        role = query.get("role") ?? "auto",
    } = {}) {
        await loaded;
        driver = new Driver(channel, durability, role, onNotice);
        return until(() => state.tabId ?? state.failed);
    },

    /** Connects; resolves once connected, or disconnected for good. */
    async connect({ client = 0, clientId = "", clean = true, expiry = 0, will = null } = {}) {
        delete state.statuses[client];
        driver.command(client, {
            Connect: {
                client_id: clientId,
                clean_start: clean,
                session_expiry_interval: expiry,
                keep_alive: 60,
                username: null,
                password: null,
                will: will && { publication: publication(will), delay_interval: will.delay ?? 0 },
            },
        });
        return tab.settled(client);
    },

    /** Resolves with the state of a connection once it is connected or disconnected. */
    settled: (client = 0) => until(() => {
        const status = state.statuses[client];
        return status?.Connected ? status.Connected : status?.Disconnected && { disconnected: status.Disconnected };
    }),

    disconnect({ client = 0, withWill = false } = {}) {
        driver.command(client, { Disconnect: { with_will: withWill } });
    },

    /** Resolves with the reason codes. */
    subscribe: (filter, { client = 0, qos = 1 } = {}) => request(client, (number) => ({
        Subscribe: [number, [{
            topic_filter: filter,
            qos: qosNames[qos],
            no_local: false,
            retain_as_published: false,
            retain_handling: "SendAtSubscribe",
            identifier: null,
        }]],
    })),

    /** Resolves with the reason code. */
    publish: (topic, payload, { client = 0, qos = 1, retain = false } = {}) =>
        request(client, (number) => ({ Publish: [number, publication({ topic, payload, qos, retain })] })),

    /** Resolves with the broker's answer. */
    ask: (question) => numbered((number) => driver.ask(number, question)),

    /** Begins to publish many messages; see Plan in load.rs. */
    start({
        client = 0, topic, topics = false, retain = false, qos = 1, bytes = 64, count = null, rate = null, window = 1000,
    }) {
        driver.start({ client, topic, topics, retain, qos, bytes, count, rate, window });
        metronome.postMessage(rate !== null);
    },
    stop() {
        driver.stop();
        metronome.postMessage(false);
    },
    isDone: () => driver.isDone(),
    async done() {
        while (!driver.isDone()) await new Promise((resolve) => setTimeout(resolve, 20));
        return driver.report();
    },
    report: () => driver.report(),
    counts: (topic) => [...driver.counts(topic)],
    countAll: () => driver.countAll(),
    forgetCounts: () => driver.forgetCounts(),

    /** The traffic of load tests; see traffic.rs. */
    traffic: {
        start({ name, topics = 1, qos = 1, bytes = 64, rate = null, window = 1000 }) {
            driver.startTraffic({ name, topics, qos, bytes, rate, window });
            metronome.postMessage(rate !== null);
        },
        stop() {
            driver.stopTraffic();
            metronome.postMessage(false);
        },
        isDone: () => driver.isTrafficDone(),
        sample: () => driver.trafficSample(),
        outcome: () => driver.trafficOutcome(),
    },
};

// The page's lifecycle events, in memory, because a frozen page cannot use a database.
const life = [];
const note = (what) => () => life.push({ what, at: tab.now(), visibility: document.visibilityState });
for (const event of ["freeze", "resume", "visibilitychange"]) document.addEventListener(event, note(event), true);
for (const event of ["pageshow", "pagehide"]) {
    window.addEventListener(event, (it) => life.push({ what: event, persisted: it.persisted, at: tab.now() }), true);
}
globalThis.life = life;

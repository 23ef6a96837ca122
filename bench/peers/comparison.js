// One tab of the comparison. It uses one system at a time, and publishes, counts, echoes or measures round trips.

import { SYSTEMS } from "./systems.js";

/** Longest queue of messages that the system has not accepted yet. */
const WINDOW = 2000;

/** Number of messages after which the event loop runs, for systems without a promise to wait for. */
const TURN = 500;

let system;
let counted = {};

const now = () => performance.timeOrigin + performance.now();

const turn = (() => {
    const { port1, port2 } = new MessageChannel();
    const waiting = [];
    port1.onmessage = () => waiting.shift()();
    return () => new Promise((resolve) => {
        waiting.push(resolve);
        port2.postMessage(null);
    });
})();

globalThis.comparison = {
    /** Joins a system; resolves with the duration in milliseconds. */
    async open(name, options) {
        const begin = performance.now();
        system = new SYSTEMS[name]();
        await system.open(options);
        return performance.now() - begin;
    },

    async close() {
        await system?.close();
        system = undefined;
        counted = {};
    },

    role: () => system.role?.() ?? null,

    /** Joins a system and subscribes; resolves with the milliseconds since the page began. */
    async ready(name, options) {
        await this.open(name, options);
        await system.subscribe(`ready/${crypto.randomUUID()}`, () => {}, 0);
        return performance.now();
    },

    /** Counts the messages that match a topic filter. */
    async count(topic, qos = 0) {
        counted[topic] = { count: 0, first: 0, last: 0 };
        await system.subscribe(topic, () => {
            const it = counted[topic];
            it.last = now();
            if (it.count === 0) it.first = it.last;
            it.count += 1;
        }, qos);
    },

    counted: (topic) => counted[topic],
    forget(topic) {
        counted[topic] = { count: 0, first: 0, last: 0 };
    },

    /** Publishes `count` messages with QoS 0 as fast as the system accepts them, to `topics` topics in turn. Resolves with the start time. */
    async flood(topic, count, bytes, topics = 1) {
        const payload = new Uint8Array(bytes).fill(46);
        const at = topics === 1 ? () => topic : (number) => `${topic}/${number % topics}`;
        const begin = now();
        let onWay = 0;
        let wake;
        const taken = () => {
            onWay -= 1;
            if (wake !== undefined && onWay < WINDOW / 2) wake();
        };
        for (let number = 0; number < count; number += 1) {
            // Each message has its own bytes, because the browser sends the same object in one post only once.
            const waits = system.publish(at(number), payload.slice(), 0);
            if (waits === undefined) {
                if (number % TURN === TURN - 1) await turn();
                continue;
            }
            onWay += 1;
            waits.then(taken);
            if (onWay >= WINDOW) {
                await new Promise((resolve) => { wake = resolve; });
                wake = undefined;
            }
        }
        return begin;
    },

    /** Sends back the messages of `ping`. */
    async echo(qos) {
        await system.subscribe(`there/${qos}`, (bytes) => void system.publish(`back/${qos}`, bytes, qos), qos);
    },

    /** Sends messages one after the other; resolves with the round-trip time of each in milliseconds. */
    async ping(qos, count, bytes) {
        let arrived;
        await system.subscribe(`back/${qos}`, () => arrived?.(), qos);
        const payload = new Uint8Array(bytes).fill(46);
        const times = [];
        for (let number = 0; number < count; number += 1) {
            const begin = performance.now();
            const back = new Promise((resolve) => { arrived = resolve; });
            system.publish(`there/${qos}`, payload, qos);
            await back;
            times.push(performance.now() - begin);
        }
        return times;
    },
};

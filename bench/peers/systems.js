// The systems of the comparison, all with the same methods: `open`, `subscribe(topic, listener, qos)`, `publish(topic, bytes, qos)`
// and `close`. `publish` returns a promise if the system has one to wait for.

const channels = (make) => {
    const open = new Map();
    return {
        get(topic) {
            if (!open.has(topic)) open.set(topic, make(topic));
            return open.get(topic);
        },
        close() {
            for (const channel of open.values()) channel.close();
            open.clear();
        },
    };
};

/** Whether a topic matches a filter without wildcards, except `/#` at its end. */
const isBelow = (topic, filter) => topic === filter || (filter.endsWith("/#") && topic.startsWith(filter.slice(0, -1)));

/** The browser's BroadcastChannel from page to page, which is the upper limit. */
class Raw {
    #out = channels((topic) => new BroadcastChannel(`comparison/${topic}`));
    #in = channels((topic) => new BroadcastChannel(`comparison/${topic}`));
    async open() {}
    async subscribe(topic, listener) {
        this.#in.get(topic).onmessage = ({ data }) => listener(data);
    }
    publish(topic, bytes) {
        this.#out.get(topic).postMessage(bytes);
    }
    close() {
        this.#out.close();
        this.#in.close();
    }
}

/** The same, with all messages of one task in one post. */
class RawBatched {
    #out = channels((topic) => new BroadcastChannel(`comparison/batched/${topic}`));
    #in = channels((topic) => new BroadcastChannel(`comparison/batched/${topic}`));
    #batches = new Map();
    async open() {}
    async subscribe(topic, listener) {
        this.#in.get(topic).onmessage = ({ data }) => data.forEach((bytes) => listener(bytes));
    }
    publish(topic, bytes) {
        const batch = this.#batches.get(topic);
        if (batch !== undefined) {
            batch.push(bytes);
            return;
        }
        this.#batches.set(topic, [bytes]);
        queueMicrotask(() => {
            this.#out.get(topic).postMessage(this.#batches.get(topic));
            this.#batches.delete(topic);
        });
    }
    close() {
        this.#out.close();
        this.#in.close();
    }
}

/** The npm package broadcast-channel. */
class BroadcastChannelPackage {
    #make;
    #channels = channels((topic) => this.#make(topic));
    async open() {
        const { BroadcastChannel: Channel } = await import("./npm.js");
        this.#make = (topic) => new Channel(`comparison/package/${topic}`, { webWorkerSupport: false });
    }
    async subscribe(topic, listener) {
        this.#channels.get(topic).onmessage = listener;
    }
    publish(topic, bytes) {
        return this.#channels.get(topic).postMessage(bytes);
    }
    close() {
        this.#channels.close();
    }
}

/** This repository's npm package. */
class Tabmq {
    #bus;
    #client;
    async open() {
        const { open } = await import("./tabmq/index.js");
        this.#bus = await open({ channel: "comparison", durability: this.durability() });
        this.#client = await this.#bus.connect();
    }
    async subscribe(topic, listener, qos) {
        this.#client.on("message", (at, payload) => isBelow(at, topic) && listener(payload));
        await this.#client.subscribeAsync(topic, { qos });
    }
    publish(topic, bytes, qos) {
        return this.#client.publishAsync(topic, bytes, { qos });
    }
    durability() {
        return "relaxed";
    }
    role() {
        return this.#bus.role;
    }
    close() {
        return this.#bus.close();
    }
}

/** The same, without a log. Like the other systems, it stores nothing. */
class TabmqInMemory extends Tabmq {
    durability() {
        return "memory";
    }
}

/** mqtt5-wasm, with its broker in a SharedWorker. */
class Mqtt5Wasm {
    #client;
    #options;
    async open() {
        const { default: init, MqttClient, SubscribeOptions } = await import("./mqtt5/mqtt5.js");
        await init();
        const shared = new SharedWorker(new URL("shared.js", document.baseURI), { type: "module" });
        const port = await new Promise((resolve, reject) => {
            shared.port.onmessage = ({ data }) => resolve(data);
            shared.onerror = () => reject(new Error("the SharedWorker does not start"));
        });
        this.#options = (qos) => Object.assign(new SubscribeOptions(), { qos });
        this.#client = new MqttClient(`comparison-${crypto.randomUUID()}`);
        await this.#client.connectMessagePort(port);
    }
    async subscribe(topic, listener, qos) {
        await this.#client.subscribeWithOptions(topic, (_, payload) => listener(payload), this.#options(qos));
    }
    publish(topic, bytes, qos) {
        if (qos === 0) return this.#client.publish(topic, bytes);
        const publish = qos === 1 ? "publishQos1" : "publishQos2";
        return new Promise((resolve, reject) => {
            this.#client[publish](topic, bytes, resolve).catch(reject);
        });
    }
    close() {
        return this.#client.disconnect();
    }
}

/** MQTT.js with Mosquitto, over WebSocket on this machine. */
class MqttJs {
    #client;
    async open({ mosquitto }) {
        const { mqtt } = await import("./npm.js");
        this.#client = await mqtt.connectAsync(mosquitto, { protocolVersion: 5 });
    }
    async subscribe(topic, listener, qos) {
        this.#client.on("message", (at, payload) => isBelow(at, topic) && listener(payload));
        await this.#client.subscribeAsync(topic, { qos });
    }
    publish(topic, bytes, qos) {
        return new Promise((resolve, reject) => {
            this.#client.publish(topic, bytes, { qos }, (error) => (error ? reject(error) : resolve()));
        });
    }
    close() {
        return this.#client.endAsync();
    }
}

export const SYSTEMS = {
    raw: Raw,
    "raw, batched": RawBatched,
    TabMQ: Tabmq,
    "TabMQ, memory": TabmqInMemory,
    "mqtt5-wasm": Mqtt5Wasm,
    "MQTT.js, Mosquitto": MqttJs,
    "broadcast-channel": BroadcastChannelPackage,
};

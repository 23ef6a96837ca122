// Checks of the front with MQTT.js: `client.cjs SCENARIO VERSION URL`. The exit code is 0 if all checks pass.
// VERSION is 4 (MQTT 3.1.1) or 5.
"use strict";

const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { setTimeout: pause } = require("node:timers/promises");
const mqtt = require("mqtt");

const PATIENCE_MS = 15_000;
const [scenario, versionText, url] = process.argv.slice(2);
const version = Number(versionText);
const v5 = version === 5;

/** A client that is connected, and keeps what it gets until it is asked for. */
async function connected(options = {}) {
  const { expiry, ...more } = options;
  const client = mqtt.connect(url, {
    protocolVersion: version,
    reconnectPeriod: 0,
    ...(v5 && expiry ? { properties: { sessionExpiryInterval: expiry } } : {}),
    ...more,
  });
  const got = [];
  let waiting;
  client.on("message", (topic, payload, packet) => {
    got.push({ topic, payload, qos: packet.qos, retain: packet.retain, properties: packet.properties });
    waiting?.();
  });
  client.on("error", () => {});
  client.on("disconnect", (packet) => console.error("disconnected by the front:", packet.reasonCode));
  const connack = await new Promise((resolve, reject) => {
    client.once("connect", resolve);
    client.once("error", reject);
  });
  return {
    client,
    connack,
    got,
    async next() {
      while (got.length === 0) {
        await new Promise((resolve) => (waiting = resolve));
      }
      return got.shift();
    },
    /** The payloads of all messages before the one with this payload. */
    async until(payload) {
      const before = [];
      for (;;) {
        const message = await this.next();
        if (message.payload.toString() === payload) return before;
        before.push(message.payload.toString());
      }
    },
    subscribe: (filter, qos = 2, options = {}) => client.subscribeAsync(filter, { qos, ...options }),
    publish: (topic, payload, qos = 1, options = {}) => client.publishAsync(topic, payload, { qos, ...options }),
    /** Publishes them all, and no more at once than the front allows, which MQTT.js leaves to its user. */
    async publishAll(topic, payloads, qos) {
      const window = connack.properties?.receiveMaximum ?? payloads.length;
      for (let start = 0; start < payloads.length; start += window) {
        const some = payloads.slice(start, start + window);
        await Promise.all(some.map((payload) => this.publish(topic, payload, qos)));
      }
    },
    leave: () => client.endAsync(),
    /** Ends the connection without a word. */
    die: () => client.stream.destroy(),
  };
}

const scenarios = {
  /** Each message arrives once, in order, with its payload and the lower of the two QoS. */
  async qos() {
    const publisher = await connected();
    for (const granted of [0, 1, 2]) {
      const subscriber = await connected();
      assert.equal((await subscriber.subscribe(`qos/${granted}`, granted))[0].qos, granted);
      for (const qos of [0, 1, 2]) {
        const sent = Array.from({ length: 50 }, () => randomBytes(1 + Math.floor(Math.random() * 300)));
        await publisher.publishAll(`qos/${granted}`, sent, qos);
        for (const payload of sent) {
          const message = await subscriber.next();
          assert.ok(message.payload.equals(payload));
          assert.equal(message.qos, Math.min(qos, granted));
        }
      }
      await pause(50);
      assert.equal(subscriber.got.length, 0);
      await subscriber.leave();
    }
    await publisher.leave();
  },

  /** The last retained message waits for later subscribers, until an empty one takes it away. */
  async retained() {
    const publisher = await connected();
    await publisher.publish("retained/js", "old", 1, { retain: true });
    await publisher.publish("retained/js", "new", 2, { retain: true });
    const subscriber = await connected();
    await subscriber.subscribe("retained/+");
    const message = await subscriber.next();
    assert.equal(message.payload.toString(), "new");
    assert.equal(message.retain, true);
    await publisher.publish("retained/js", "", 1, { retain: true });
    assert.equal((await subscriber.next()).retain, false);
    const later = await connected();
    await later.subscribe("retained/+");
    await publisher.publish("retained/end", "end");
    assert.deepEqual(await later.until("end"), []);
    for (const it of [publisher, subscriber, later]) await it.leave();
  },

  /** A will is published when a client dies, and not when it leaves. */
  async will() {
    const watcher = await connected();
    await watcher.subscribe("will/#");
    const will = (topic) => ({ will: { topic, payload: Buffer.from("gone"), qos: 1, retain: false } });
    (await connected(will("will/died"))).die();
    const message = await watcher.next();
    assert.deepEqual([message.topic, message.payload.toString(), message.qos], ["will/died", "gone", 1]);
    await (await connected(will("will/left"))).leave();
    await pause(200);
    await watcher.publish("will/end", "end");
    assert.deepEqual(await watcher.until("end"), []);
    await watcher.leave();
  },

  /** Each message goes to one member of a group and to every group; all members have a share. */
  async shared() {
    const members = await Promise.all([1, 2, 3].map(() => connected()));
    for (const member of members) await member.subscribe("$share/workers/jobs/#", 1);
    const other = await connected();
    await other.subscribe("$share/others/jobs/#", 1);
    const publisher = await connected();
    const sent = Array.from({ length: 90 }, (_, number) => String(number));
    for (const payload of sent) await publisher.publish(`jobs/${payload}`, payload);
    for (const it of [...members, other]) await it.subscribe("end");
    await publisher.publish("end", "end");
    const shares = await Promise.all(members.map((member) => member.until("end")));
    assert.deepEqual(shares.flat().sort(), [...sent].sort());
    assert.ok(shares.every((share) => share.length >= 10), shares.map((share) => share.length).join());
    assert.deepEqual(await other.until("end"), sent);
    for (const it of [...members, other, publisher]) await it.leave();
  },

  /** A session outlives its connection, with what came meanwhile, each message once; a clean start ends it. */
  async offline() {
    const open = (clean) => connected({ clientId: "offline-js", clean, expiry: 3600 });
    // In MQTT 3.1.1 a session that began with Clean Session ends with its connection.
    let client = await open(v5);
    assert.equal(client.connack.sessionPresent, false);
    await client.subscribe("offline/#");
    await client.leave();
    const publisher = await connected();
    const sent = Array.from({ length: 100 }, (_, number) => String(number));
    for (const payload of sent) await publisher.publish(`offline/${payload}`, payload, 2);

    client = await open(false);
    assert.equal(client.connack.sessionPresent, true);
    await publisher.publish("offline/end", "end", 2);
    assert.deepEqual(await client.until("end"), sent);
    await client.leave();
    client = await open(true);
    assert.equal(client.connack.sessionPresent, false);
    await publisher.publish("offline/end", "lost", 2);
    await client.subscribe("now");
    await publisher.publish("now", "end");
    assert.deepEqual(await client.until("end"), []);
    await client.leave();
    await publisher.leave();
  },

  /** Megabytes arrive as they were sent. */
  async large() {
    const client = await connected();
    await client.subscribe("large");
    for (const [size, qos] of [[1, 0], [65_535, 1], [1_000_000, 0], [20_000_000, 2]]) {
      const payload = randomBytes(size);
      await client.publish("large", payload, qos);
      const message = await client.next();
      assert.ok(message.payload.equals(payload), `${size} bytes`);
      assert.equal(message.qos, qos);
    }
    await client.leave();
  },

  /** Thousands of messages from several clients at once: each arrives once, in order. */
  async flood() {
    const subscriber = await connected();
    await subscriber.subscribe("flood/#");
    const publishers = await Promise.all([0, 1, 2].map(() => connected()));
    const count = 1000;
    const payloads = Array.from({ length: count }, (_, number) => String(number));
    await Promise.all(publishers.map((publisher, qos) => publisher.publishAll(`flood/${qos}`, payloads, qos)));
    const got = [[], [], []];
    for (let left = 3 * count; left > 0; left--) {
      const message = await subscriber.next();
      got[message.qos].push(Number(message.payload));
    }
    for (const numbers of got) assert.deepEqual(numbers, Array.from({ length: count }, (_, number) => number));
    await pause(50);
    assert.equal(subscriber.got.length, 0);
    for (const it of [subscriber, ...publishers]) await it.leave();
  },

  /** The properties of a message reach its receiver unaltered, and CONNACK tells what the front allows. */
  async properties() {
    const client = await connected({ clientId: "" });
    const told = client.connack.properties;
    assert.deepEqual([told.topicAliasMaximum, told.receiveMaximum, told.userProperties], [10, 20, undefined]);
    assert.ok(told.assignedClientIdentifier);
    await client.subscribe("properties", 1, { properties: { subscriptionIdentifier: 268_435_455 } });
    const properties = {
      payloadFormatIndicator: true,
      contentType: "text/plain",
      responseTopic: "answers/here",
      correlationData: Buffer.from([0, 255]),
      userProperties: { b: ["1", "2"], a: "3" },
    };
    await client.publish("properties", "é", 1, { properties });
    const got = (await client.next()).properties;
    assert.equal(got.payloadFormatIndicator, true);
    assert.deepEqual([got.contentType, got.responseTopic], ["text/plain", "answers/here"]);
    assert.ok(got.correlationData.equals(properties.correlationData));
    assert.deepEqual({ ...got.userProperties }, properties.userProperties);
    assert.equal(got.subscriptionIdentifier, 268_435_455);
    await client.leave();
  },

  /** Topic aliases that the library assigns by itself, in both directions. */
  async aliases() {
    const subscriber = await connected({ properties: { topicAliasMaximum: 4 } });
    await subscriber.subscribe("alias/#");
    const publisher = await connected({ autoAssignTopicAlias: true });
    for (let number = 0; number < 100; number++) {
      const topic = `alias/${number % 13}`;
      await publisher.publish(topic, String(number));
      const message = await subscriber.next();
      assert.deepEqual([message.topic, message.payload.toString()], [topic, String(number)]);
    }
    await subscriber.leave();
    await publisher.leave();
  },
};

const late = setTimeout(() => {
  console.error(`${scenario}: no answer in time`);
  process.exit(1);
}, 2 * PATIENCE_MS);

scenarios[scenario]().then(
  () => {
    clearTimeout(late);
    console.log(`${scenario}: passed`);
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

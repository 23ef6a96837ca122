// Checks the documented behaviour of MQTT.js over the tabs of this browser: `await behaviour(4)` or `(5)` returns the names of
// all passed checks, or throws.

globalThis.behaviour = async (protocolVersion) => {
    const { mqtt, tabs } = globalThis;
    const bus = tabs({ channel: `behaviour-${protocolVersion}` });
    const passed = [];
    const clients = [];
    const text = (bytes) => new TextDecoder().decode(bytes);
    const within = (what, promise) => Promise.race([promise,
        new Promise((_, reject) => setTimeout(reject, 10_000, new Error(`timeout: ${what}`)))]);
    const connect = async (options = {}) => {
        const client = mqtt.connect('ws://tabs.local', { ...bus, protocolVersion, ...options });
        clients.push(client);
        const connack = await within('connect', new Promise((resolve, reject) => {
            client.once('connect', resolve);
            client.once('error', reject);
        }));
        return Object.assign(client, { connack });
    };
    const next = (client, count = 1) => within(`${count} messages`, new Promise((resolve) => {
        const all = [];
        const hear = (topic, payload, packet) => {
            if (all.push({ topic, payload, packet }) === count) {
                client.off('message', hear);
                resolve(count === 1 ? all[0] : all);
            }
        };
        client.on('message', hear);
    }));
    const equal = (actual, expected, what) => {
        if (JSON.stringify(actual) !== JSON.stringify(expected)) {
            throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
        }
    };
    const check = async (name, body) => {
        try {
            await within(name, body());
        } catch (error) {
            throw new Error(`${name}: ${error.message}`);
        }
        passed.push(name);
    };

    await check('a connection has no session at first', async () => {
        const client = await connect();
        equal(client.connack.sessionPresent, false, 'session');
        equal(client.connected, true, 'connected');
        await client.endAsync();
        equal(client.connected, false, 'connected');
    });

    for (const qos of [0, 1, 2]) {
        await check(`a QoS ${qos} message arrives as it was published`, async () => {
            const [publisher, subscriber] = [await connect(), await connect()];
            const [grant] = await subscriber.subscribeAsync(`qos/${qos}`, { qos });
            equal(grant.qos, qos, 'granted');
            const arriving = next(subscriber);
            const packet = await publisher.publishAsync(`qos/${qos}`, 'payload', { qos });
            equal(packet?.cmd, { 0: undefined, 1: 'publish', 2: 'pubrel' }[qos], 'packet');
            const { topic, payload, packet: arrived } = await arriving;
            equal([topic, text(payload), arrived.qos, arrived.retain, arrived.dup], [`qos/${qos}`, 'payload', qos, false, false], 'message');
        });
    }

    await check('messages keep their order, and the lower QoS counts', async () => {
        const client = await connect();
        await client.subscribeAsync('order', { qos: 1 });
        const arriving = next(client, 200);
        for (let i = 0; i < 200; i++) {
            client.publish('order', String(i), { qos: 2 });
        }
        const all = await arriving;
        equal(all.map(({ payload }) => Number(text(payload))), [...Array(200).keys()], 'order');
        equal(new Set(all.map(({ packet }) => packet.qos)).size === 1 && all[0].packet.qos, 1, 'qos');
    });

    await check('one SUBSCRIBE has several filters, and wildcards match', async () => {
        const client = await connect();
        const grants = await client.subscribeAsync({ 'w/+/x': { qos: 0 }, 'w/#': { qos: 1 }, 'other': { qos: 2 } });
        equal(grants.map(({ qos }) => qos), [0, 1, 2], 'granted');
        const arriving = next(client);
        client.publish('w/1/x', 'once', { qos: 1 });
        const { topic } = await arriving;
        equal(topic, 'w/1/x', 'topic');
    });

    await check('messages of an ended subscription do not arrive', async () => {
        const client = await connect();
        await client.subscribeAsync(['u/1', 'u/2']);
        await client.unsubscribeAsync('u/1');
        const arriving = next(client);
        client.publish('u/1', 'no');
        client.publish('u/2', 'yes');
        equal(text((await arriving).payload), 'yes', 'payload');
    });

    await check('a subscription gets a retained message until it is deleted', async () => {
        const [publisher, first] = [await connect(), await connect()];
        await publisher.publishAsync('kept', 'value', { qos: 1, retain: true });
        const arriving = next(first);
        await first.subscribeAsync('kept');
        const { payload, packet } = await arriving;
        equal([text(payload), packet.retain], ['value', true], 'message');
        await publisher.publishAsync('kept', '', { qos: 1, retain: true });
        const second = await connect();
        let heard = 0;
        second.on('message', () => { heard += 1; });
        await second.subscribeAsync('kept');
        await second.publishAsync('other', 'x', { qos: 1 });
        equal(heard, 0, 'messages');
    });

    await check('the will of a disconnected client is published', async () => {
        const watcher = await connect();
        await watcher.subscribeAsync('will', { qos: 1 });
        const arriving = next(watcher);
        const mortal = await connect({ will: { topic: 'will', payload: 'gone', qos: 1, retain: false }, reconnectPeriod: 0 });
        mortal.stream.destroy();
        equal(text((await arriving).payload), 'gone', 'will');
    });

    await check('the will of a client that ends is not published', async () => {
        const watcher = await connect();
        await watcher.subscribeAsync('no-will', { qos: 1 });
        let heard = 0;
        watcher.on('message', () => { heard += 1; });
        const polite = await connect({ will: { topic: 'no-will', payload: 'gone', qos: 1 } });
        await polite.endAsync();
        await watcher.publishAsync('elsewhere', 'x', { qos: 1 });
        equal(heard, 0, 'wills');
    });

    await check('a session queues messages for its client', async () => {
        const options = { clientId: `keeper-${protocolVersion}`, clean: false, ...protocolVersion === 5 && { properties: { sessionExpiryInterval: 100 } } };
        const first = await connect(options);
        await first.subscribeAsync('waits', { qos: 1 });
        await first.endAsync();
        const publisher = await connect();
        await publisher.publishAsync('waits', 'missed', { qos: 1 });
        const second = mqtt.connect('ws://tabs.local', { ...bus, protocolVersion, ...options });
        clients.push(second);
        equal(text((await next(second)).payload), 'missed', 'payload');
    });

    await check('MQTT.js reconnects and subscribes again', async () => {
        const client = await connect();
        await client.subscribeAsync('again', { qos: 1 });
        const again = new Promise((resolve) => { client.once('connect', resolve); });
        client.stream.destroy();
        await again;
        const arriving = next(client);
        client.publish('again', 'here', { qos: 1 });
        equal(text((await arriving).payload), 'here', 'payload');
    });

    await check('messages from before the connection are sent after it', async () => {
        const subscriber = await connect();
        await subscriber.subscribeAsync('early', { qos: 1 });
        const arriving = next(subscriber);
        const client = mqtt.connect('ws://tabs.local', { ...bus, protocolVersion });
        clients.push(client);
        client.publish('early', 'bird', { qos: 1 });
        equal(text((await arriving).payload), 'bird', 'payload');
    });

    for (const bytes of [0, 1, 127, 128, 16_383, 16_384, 1 << 20, 4 << 20]) {
        await check(`a payload of ${bytes} bytes arrives whole`, async () => {
            const client = await connect();
            await client.subscribeAsync('large', { qos: 1 });
            const sent = new Uint8Array(bytes).map((_, index) => index * 31 + 7);
            const arriving = next(client);
            await client.publishAsync('large', sent, { qos: 1 });
            const { payload } = await arriving;
            equal(payload.length, bytes, 'length');
            equal(sent.every((byte, index) => payload[index] === byte), true, 'content');
            await client.endAsync();
        });
    }

    await check('a second client takes over the session of its client id', async () => {
        const first = await connect({ clientId: 'twin', reconnectPeriod: 0 });
        const closed = new Promise((resolve) => { first.once('close', resolve); });
        await connect({ clientId: 'twin' });
        await closed;
    });

    if (protocolVersion === 5) {
        await check('properties arrive unchanged', async () => {
            const client = await connect();
            await client.subscribeAsync('properties', { qos: 1, properties: { subscriptionIdentifier: 42 } });
            const arriving = next(client);
            await client.publishAsync('properties', 'x', {
                qos: 1,
                properties: {
                    contentType: 'text/plain', responseTopic: 'answer', correlationData: new TextEncoder().encode('c'), messageExpiryInterval: 100,
                    userProperties: { a: '1', b: ['2', '3'] },
                },
            });
            const { properties } = (await arriving).packet;
            equal([properties.contentType, properties.responseTopic, text(properties.correlationData), properties.userProperties],
                ['text/plain', 'answer', 'c', { a: '1', b: ['2', '3'] }], 'properties');
            equal([properties.subscriptionIdentifier].flat(), [42], 'identifier');
        });

        await check('topic aliases work in both directions', async () => {
            const client = await connect({ autoAssignTopicAlias: true, properties: { topicAliasMaximum: 10 } });
            await client.subscribeAsync('alias/+', { qos: 1 });
            const arriving = next(client, 4);
            for (const topic of ['alias/1', 'alias/2', 'alias/1', 'alias/2']) {
                client.publish(topic, topic, { qos: 1 });
            }
            const all = await arriving;
            equal(all.map(({ payload }) => text(payload)), ['alias/1', 'alias/2', 'alias/1', 'alias/2'], 'payloads');
            equal(all.map(({ topic }) => topic), ['alias/1', 'alias/2', 'alias/1', 'alias/2'], 'topics');
        });

        await check('No Local and Retain As Published work', async () => {
            const [own, other] = [await connect(), await connect()];
            let heard = 0;
            own.on('message', () => { heard += 1; });
            await own.subscribeAsync('local', { qos: 1, nl: true });
            await other.subscribeAsync('local', { qos: 1, rap: true });
            const arriving = next(other);
            await own.publishAsync('local', 'x', { qos: 1, retain: true });
            equal((await arriving).packet.retain, true, 'retain');
            equal(heard, 0, 'own');
        });
    }

    await Promise.all(clients.map((client) => client.endAsync(true)));
    await bus.close();
    return passed;
};

// A load across a takeover: all acknowledged and all received numbers.
globalThis.load = ({ client, topic }) => {
    const acknowledged = [];
    const failed = [];
    let number = 0;
    const timer = setInterval(() => {
        const it = number++;
        client.publishAsync(topic, String(it), { qos: 1 + it % 2 }).then(() => acknowledged.push(it), (error) => failed.push(`${it}: ${error.message}`));
    }, 5);
    return {
        acknowledged,
        failed,
        get sent() { return number; },
        stop: () => clearInterval(timer),
    };
};

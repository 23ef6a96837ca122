// Checks the package's hooks in a page with React: `await hooks(passed, mounts)` adds the names of all passed checks, or throws.
// In StrictMode, a development build of React mounts everything twice: then `mounts` is 2.

{
    const { React, createRoot, tabmq } = globalThis;
    const { BusProvider, useBus, usePublish, useRetained, useSubscription } = tabmq;
    const h = React.createElement;
    const PACKAGE = `${/^.*(?=[/]react[/])/.exec(location.href)}/plain/dist/tabmq`;
    let channels = 0;
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const until = async (what, is) => {
        for (let i = 0; i < 1_000; i++) {
            if (is()) {
                return;
            }
            await sleep(10);
        }
        throw new Error(`timeout: ${what}`);
    };
    const equal = (actual, expected, what) => {
        if (JSON.stringify(actual) !== JSON.stringify(expected)) {
            throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
        }
    };
    const code = (promise) => promise.then((it) => it ?? 'nothing', (error) => error.code ?? String(error));
    const texts = (messages) => messages.map((it) => it.text());
    const DURABLE = { clientId: 'durable', clean: false, properties: { sessionExpiryInterval: 600 } };

    /** Stores the return value of a hook in `seen.value`. */
    const Probe = ({ seen, use }) => {
        seen.value = use();
        return null;
    };
    const probe = (use) => {
        const seen = {};
        seen.element = h(Probe, { key: channels += 1, seen, use });
        return seen;
    };

    globalThis.hooks = async (passed, mounts) => {
        const { open } = await import(`${PACKAGE}/index.js`);
        /** Another client on a channel, which is subscribed to `seen/#`. */
        const outside = async (channel, options) => {
            const bus = await open({ channel });
            const client = await bus.connect(options);
            const got = [];
            client.on('message', (topic, payload, message) => got.push(message.text()));
            await client.subscribeAsync('seen/#', { qos: 1 });
            return { bus, client, got };
        };
        const check = async (name, body) => {
            const root = createRoot(document.body.appendChild(document.createElement('div')));
            const channel = `react-${channels += 1}`;
            const show = (element) => root.render(h(React.StrictMode, null, element));
            const inside = (children, props = {}) => show(h(BusProvider, { channel, ...props }, ...children.map((it) => it.element ?? it)));
            try {
                await body({ channel, show, inside, root });
            } catch (error) {
                throw new Error(`${name}: ${error.message}`);
            }
            root.unmount();
            passed.push(name);
        };

        await check('messages that are published before the client connects are sent in order', async ({ channel, inside }) => {
            const { bus, got } = await outside(channel);
            const publish = probe(usePublish);
            let eager = 0;
            const Eager = () => {
                const publishNow = usePublish();
                React.useEffect(() => {
                    eager += 1;
                    void publishNow('seen/eager', 'eager', { qos: 1 });
                }, [publishNow]);
                return null;
            };
            inside([publish, h(Eager, { key: 'eager' })]);
            await until('the hook and the effects', () => publish.value && eager === mounts);
            const buffer = new Uint8Array(1);
            const all = [1, 2, 3, 4, 5].map((it) => {
                buffer[0] = 48 + it;
                return publish.value('seen/x', it % 2 ? buffer : buffer.buffer, { qos: 1 });
            });
            equal(await code(publish.value('seen/x', { a: 1 })), 'invalid-option', 'a payload that is none');
            equal(await Promise.all(all), [0, 0, 0, 0, 0], 'codes');
            await until('all', () => got.length === 5 + mounts);
            equal(got, [...Array(mounts).fill('eager'), '1', '2', '3', '4', '5'], 'order');
            const before = publish.value;
            equal(await publish.value('seen/x', '6', { qos: 1 }), 0, 'later');
            equal(publish.value === before, true, 'one function');
            await bus.close();
        });

        await check('a publish without a client is rejected', async ({ channel, show, inside, root }) => {
            const publish = probe(usePublish);
            const state = probe(useBus);
            inside([publish, state], { channel: 'no name' });
            await until('the hook', () => publish.value);
            equal(await code(publish.value('t', 'x')), 'invalid-option', 'no channel');
            equal(await code(publish.value('t', 'x')), 'invalid-option', 'later');
            await until('an error', () => state.value.error?.code === 'invalid-option');
            // With another key, the provider tries again.
            show(h(BusProvider, { channel, key: 'again' }, publish.element, state.element));
            await until('a client', () => state.value.client);
            equal([await publish.value('t', 'x', { qos: 1 }), state.value.error], [16, undefined], 'again');
            const { bus, got } = await outside(`${channel}-b`);
            inside([publish], { channel: `${channel}-a` });
            await sleep(0);
            const first = code(publish.value('seen/x', 'for a', { qos: 1 }));
            inside([publish], { channel: `${channel}-b` });
            equal(['closed', 16].includes(await first), true, 'the other channel');
            await publish.value('seen/x', 'for b', { qos: 1 });
            await until('a message', () => got.length > 0);
            equal(got, ['for b'], 'what came');
            inside([publish], { channel: `${channel}-c` });
            await sleep(0);
            root.render(null);
            equal(['closed', 16].includes(await code(publish.value('t', 'x', { qos: 1 }))), true, 'unmounted');
            await sleep(100);
            equal(await code(publish.value('t', 'x')), 'closed', 'unmounted for long');
            await bus.close();
        });

        await check('a bus that the app opened stays open, also one of tabmq/inline', async ({ channel, inside, root }) => {
            const inline = await import(`${PACKAGE}/inline.js`);
            const bus = await inline.open({ channel });
            const publish = probe(usePublish);
            const state = probe(useBus);
            const read = probe(() => useSubscription('t', { qos: 1 }));
            inside([publish, state, read], { bus, channel: undefined, client: { clientId: 'mine' } });
            await until('a subscription', () => read.value?.status === 'subscribed');
            const { client } = state.value;
            equal([state.value.bus === bus, client.clientId], [true, 'mine'], 'bus');
            equal(await publish.value('t', 'x', { qos: 1 }), 0, 'code');
            await until('a message', () => read.value.messages.length === 1);
            root.render(null);
            await until('no client', () => !client.isConnected);
            const other = await bus.connect();
            equal(await other.publishAsync('t', 'x', { qos: 1 }), 16, 'no subscriber');
            await bus.close();
        });

        await check('an error does not end a client, and the end of a client is an error', async ({ inside }) => {
            const publish = probe(usePublish);
            const state = probe(useBus);
            inside([publish, state]);
            await until('a client', () => state.value?.client);
            const { client } = state.value;
            client.publish('a/#', 'x');
            await until('an error', () => state.value.error?.code === 'invalid-topic');
            equal([state.value.client === client, await publish.value('t', 'x', { qos: 1 })], [true, 16], 'the client');
            await client.endAsync();
            await until('no client', () => state.value.client === undefined && state.value.error.code === 'closed');
            equal(await code(publish.value('t', 'x')), 'closed', 'publish');
        });

        await check('a null filter subscribes to nothing', async ({ inside }) => {
            const publish = probe(usePublish);
            let filter = null;
            const use = () => [useSubscription(filter, { qos: 1 }), useRetained(filter)];
            const read = probe(use);
            inside([publish, read]);
            await until('the hook', () => publish.value);
            equal(await publish.value('t', 'kept', { qos: 1, retain: true }), 16, 'no subscriber');
            equal([read.value[0].status, read.value[0].messages.length], ['pending', 0], 'state');
            filter = 't';
            inside([publish, { element: h(Probe, { ...read.element.props, key: read.element.key }) }]);
            await until('what is retained', () => read.value[0].messages.length === 1 && read.value[1].size === 1);
            filter = null;
            inside([publish, { element: h(Probe, { ...read.element.props, key: read.element.key }) }]);
            await until('nothing', () => read.value[0].messages.length === 0 && read.value[1].size === 0);
            await until('no subscriber', () => read.value[0].status === 'pending');
            equal(await publish.value('t', 'x', { qos: 1 }), 16, 'no subscriber');
        });

        await check('components that are mounted later receive queued messages of the session', async ({ channel, inside }) => {
            const { bus, client } = await outside(channel, DURABLE);
            await client.endAsync();
            const other = await bus.connect();
            const all = Array.from({ length: 50 }, (_, i) => String(i));
            equal(await Promise.all(all.map((it) => other.publishAsync('seen/x', it, { qos: 1 }))), all.map(() => 0), 'codes');
            const state = probe(useBus);
            inside([state], { client: DURABLE });
            await until('a client', () => state.value?.client);
            await sleep(300);
            const read = probe(() => useSubscription('seen/+', { qos: 1 }));
            inside([state, read], { client: DURABLE });
            await until('all', () => read.value?.messages.length === all.length);
            equal([texts(read.value.messages), state.value.error], [all, undefined], 'messages');
            await bus.close();
        });

        await check('components share a filter, and unmounting one does not affect the others', async ({ channel, inside }) => {
            const publish = probe(usePublish);
            const weak = probe(() => useSubscription('t/#', { nl: true, limit: 2 }));
            const strong = probe(() => useSubscription('t/#', { qos: 1 }));
            const part = probe(() => useSubscription('t/x', { qos: 1 }));
            const { bus, client } = await outside(channel);
            await client.publishAsync('t/x', 'kept', { qos: 1, retain: true });
            inside([publish, weak, strong, part]);
            const readers = [weak, strong, part];
            await until('what is retained', () => readers.every((it) => it.value?.messages.length === 1));
            await client.publishAsync('t/x', 'live', { qos: 1 });
            await publish.value('t/x', 'mine', { qos: 1 });
            await until('all', () => strong.value.messages.length === 3 && part.value.messages.length === 3);
            inside([publish, strong, part]);
            await client.publishAsync('t/x', 'then', { qos: 1 });
            await publish.value('t/x', 'last', { qos: 1 });
            const all = ['kept', 'live', 'mine', 'then', 'last'];
            await until('the last', () => strong.value.messages.length === 5 && part.value.messages.length === 5);
            equal([texts(strong.value.messages), texts(part.value.messages)], [all, all], 'messages');
            equal(strong.value.messages.map((it) => it.qos), [1, 1, 1, 1, 1], 'QoS');
            equal(texts(weak.value.messages), ['live', 'mine'], 'its last two');
            await bus.close();
        });

        await check('a page from the back/forward cache continues with the mounted components', async ({ channel, inside }) => {
            const frame = document.body.appendChild(document.createElement('iframe'));
            frame.src = location.href;
            await new Promise((resolve) => { frame.onload = resolve; });
            const other = await (await (await frame.contentWindow.eval(`import('${PACKAGE}/index.js')`)).open({ channel })).connect();
            await other.publishAsync('kept/1', 'one', { qos: 1, retain: true });
            await other.publishAsync('kept/2', 'two', { qos: 1, retain: true });
            const publish = probe(usePublish);
            const read = probe(() => useSubscription('t', { qos: 1 }));
            const kept = probe(() => useRetained('kept/+'));
            inside([publish, read, kept]);
            await until('what is retained', () => kept.value?.size === 2);
            await until('a subscription', () => read.value.status === 'subscribed');
            document.dispatchEvent(new Event('freeze'));
            const late = publish.value('t', 'while it was away', { qos: 1 });
            await other.publishAsync('kept/1', '', { qos: 1, retain: true });
            document.dispatchEvent(new Event('resume'));
            await late;
            await other.publishAsync('t', 'then', { qos: 1 });
            await until('both', () => read.value.messages.length === 2);
            await until('what is retained still', () => kept.value.size === 1);
            equal([texts(read.value.messages), [...kept.value.keys()]], [['while it was away', 'then'], ['kept/2']], 'messages');
            await other.publishAsync('kept/2', '', { qos: 1, retain: true });
            await until('nothing', () => kept.value.size === 0);
            document.dispatchEvent(new Event('freeze'));
            await other.publishAsync('kept/2', 'again', { qos: 1, retain: true });
            document.dispatchEvent(new Event('resume'));
            await until('what is retained', () => kept.value.get('kept/2')?.text() === 'again');
            frame.remove();
        });
    };
}

// Checks the package's client in a page: `await client(passed)` and `await
// withoutBroker(passed)` and so on add the names of all passed checks, or throw.
// `await hidden.before()` and `await hidden.after()`, before and after the page was hidden, do the same for clients whose worker
// ends in between.

{
    const { open } = globalThis.package;
    let channels = 0;
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const within = (what, promise) => Promise.race([promise,
        sleep(14_000).then(() => { throw new Error(`timeout: ${what}`); })]);
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
    const join = (options = {}) => open({ channel: `client-${channels += 1}`, ...options });
    /** The tab with the broker. */
    const tab = async (channel) => {
        const frame = document.body.appendChild(document.createElement('iframe'));
        frame.src = location.href;
        await new Promise((resolve) => { frame.onload = resolve; });
        const inside = await frame.contentWindow.eval("import('./../../plain/dist/tabmq/index.js')");
        const bus = await inside.open({ channel });
        await until('the broker', () => bus.role === 'broker');
        return frame;
    };
    const DURABLE = { clientId: 'durable', clean: false, properties: { sessionExpiryInterval: 600 } };
    const serve = async (client, answer = () => 'yes') => {
        client.on('message', async (topic, _payload, message) => {
            const { responseTopic, correlationData } = message.properties;
            if (topic === 'service') {
                client.publish(responseTopic, await answer(message), { qos: 1, properties: { correlationData } });
            }
        });
        await client.subscribeAsync('service', { qos: 1 });
    };

    const checks = (passed) => async (name, body) => {
        const bus = await join();
        try {
            await within(name, body(bus));
        } catch (error) {
            throw new Error(`${name}: ${error.message}`);
        }
        await within(`close of: ${name}`, bus.close());
        passed.push(name);
    };

    globalThis.client = async (passed) => {
        const check = checks(passed);

        await check('an aborted signal prevents a call', async (bus) => {
            const client = await bus.connect();
            const got = [];
            client.on('message', (topic) => got.push(topic));
            await client.subscribeAsync('p', { qos: 1 });
            const signal = AbortSignal.abort();
            equal(await code(client.publishAsync('p', 'x', { qos: 1, signal })), 'aborted', 'publish');
            equal(await code(client.subscribeAsync('s', { signal })), 'aborted', 'subscribe');
            equal(await code(client.unsubscribeAsync('p', { signal })), 'aborted', 'unsubscribe');
            equal(await code(client.request('p', '', { signal })), 'aborted', 'request');
            equal((await client.messages('s', { signal }).next()).done, true, 'messages');
            equal(await client.publishAsync('s', 'y', { qos: 1 }), 16, 'no subscriber');
            await client.publishAsync('p', 'last', { qos: 1 });
            await until('the last', () => got.length > 0);
            equal(got, ['p'], 'what came');
        });

        await check('an aborted SUBSCRIBE leaves no subscription', async (bus) => {
            const client = await bus.connect();
            const giving = new AbortController();
            const asked = client.subscribeAsync('s', { qos: 1, signal: giving.signal });
            giving.abort();
            equal(await code(asked), 'aborted', 'subscribe');
            await until('no subscriber', async () => await client.publishAsync('s', 'y', { qos: 1 }) === 16);
        });

        await check('an invalid option is refused, and does not delay other calls', async (bus) => {
            const client = await bus.connect();
            const before = client.publishAsync('t', 'innocent', { qos: 1 });
            const wrong = [
                { correlationData: 7 },
                { contentType: 7 },
                { responseTopic: {} },
                { userProperties: { a: 1 } },
                { messageExpiryInterval: -1 },
            ].map((properties) => code(client.publishAsync('t', 'x', { properties })));
            wrong.push(code(client.publishAsync(undefined, 'x')), code(client.publishAsync('t', { a: 1 })), code(client.publishAsync('t', null)));
            wrong.push(code(client.subscribeAsync(5)), code(client.subscribeAsync('t', { qos: '1' })));
            wrong.push(code(client.subscribeAsync('t', { properties: { subscriptionIdentifier: 1.5 } })));
            wrong.push(code(bus.connect({ clientId: 5 })), code(client.unsubscribeAsync()), code(client.unsubscribeAsync(5)));
            wrong.push(code(client.publishAsync('t', 'x', { signal: {} })));
            const after = client.subscribeAsync('innocent');
            equal(await before, 16, 'before');
            equal([...new Set(await Promise.all(wrong))], ['invalid-option'], 'wrong');
            equal((await after).length, 1, 'after');
            equal(await client.publishAsync('t', 'x', null), 0, 'no options');
            equal(await code(bus.connect({ will: { topic: 'w', payload: new Uint8Array(70_000) } })), 'too-large', 'a long will');
            equal(await code(bus.connect({ will: { topic: 'w/#', payload: '' } })), 'invalid-topic', 'the topic of a will');
            equal(await code(bus.connect({ clientId: 'x'.repeat(70_000) })), 'too-large', 'a long client id');
            equal(await code(client.publishAsync('t', 'x', { properties: { responseTopic: 'a/#' } })), 'invalid-topic', 'a response topic');
            equal(await code(client.subscribeAsync('$share/g/t', { nl: true })), 'invalid-option', 'a shared subscription');
            equal(await code(client.request('t', 'x', { timeout: -1 })), 'invalid-option', 'a time');
            equal((await client.subscribeAsync('null', null)).length, 1, 'no options');
            const data = new Uint16Array([1, 2]);
            const arrived = new Promise((resolve) => client.once('message', (topic, payload, message) => resolve(message)));
            await client.publishAsync('innocent', new DataView(data.buffer), { properties: { correlationData: data.buffer } });
            const { payload, properties } = await arrived;
            equal([[...payload], [...properties.correlationData]], [[1, 0, 2, 0], [1, 0, 2, 0]], 'bytes');
        });

        await check('a payload is copied at the call', async (bus) => {
            const client = await bus.connect();
            const got = [];
            client.on('message', (topic, payload) => got.push(payload[0]));
            await client.subscribeAsync('t', { qos: 1 });
            const buffer = new Uint8Array(4);
            for (let i = 1; i <= 5; i++) {
                buffer[0] = i;
                client.publish('t', buffer, { qos: 1 });
            }
            await until('five', () => got.length === 5);
            equal(got, [1, 2, 3, 4, 5], 'payloads');
        });

        for (const [count, how] of [[1, 'listener'], [200, 'listener'], [5_000, 'listener'], [200, 'reader'], [200, 'later']]) {
            await check(`a session continues with a ${how} of the next client, ${count} messages`, async (bus) => {
                let client = await bus.connect(DURABLE);
                await client.subscribeAsync('q/#', { qos: 1 });
                await client.endAsync();
                const other = await bus.connect();
                await Promise.all(Array.from({ length: count }, (_, i) => other.publishAsync('q/x', String(i), { qos: 1 })));
                const got = [];
                client = await bus.connect(DURABLE);
                if (how === 'later') {
                    await sleep(500);
                }
                if (how === 'reader') {
                    void (async () => {
                        for await (const message of client.messages('q/#', { qos: 1 })) {
                            got.push(Number(message.text()));
                        }
                    })();
                } else {
                    client.on('message', (topic, payload, message) => got.push(Number(message.text())));
                }
                await until('all', () => got.length >= count);
                equal(got, [...Array(count).keys()], 'messages');
            });
        }

        await check('the next client of a session receives messages without a listener', async (bus) => {
            let client = await bus.connect(DURABLE);
            await client.subscribeAsync('q', { qos: 1 });
            const other = await bus.connect();
            await other.publishAsync('q', 'kept', { qos: 1 });
            await sleep(100);
            await client.endAsync();
            client = await bus.connect(DURABLE);
            const got = [];
            client.on('message', (topic, payload, message) => got.push(message.text()));
            await until('the message', () => got.length > 0);
            equal(got, ['kept'], 'messages');
        });

        await check('messages() reads from the moment of its call, and ends without a loop', async (bus) => {
            const client = await bus.connect();
            const messages = client.messages('t', { qos: 1 });
            await sleep(100);
            equal(await client.publishAsync('t', 'one', { qos: 1 }), 0, 'a subscriber');
            await client.publishAsync('t', 'two', { qos: 1 });
            equal([(await messages.next()).value.text(), (await messages.next()).value.text()], ['one', 'two'], 'messages');
            await messages.return();
            equal(await client.publishAsync('t', 'three', { qos: 1 }), 16, 'no subscriber left');
            equal((await messages.next()).done, true, 'the end');
            equal(await code(client.messages('a/#/b').next()), 'invalid-topic', 'no filter');
            const waiting = client.messages('t').next();
            await client.endAsync();
            equal((await waiting).done, true, 'the end of the client');
        });

        await check('messages are sent in the order of the calls', async (bus) => {
            const [client, other] = [await bus.connect(), await bus.connect()];
            const got = [];
            other.on('message', (topic, payload, message) => {
                got.push(message.text().slice(0, 1));
                if (got.length === 2) {
                    // Other messages are waiting.
                    client.publishAsync('t', '5', { qos: 1 });
                }
            });
            await other.subscribeAsync('t', { qos: 1 });
            client.publishAsync('t', `1${'x'.repeat(3 << 20)}`, { qos: 1 });
            client.publishAsync('t', `2${'x'.repeat(3 << 20)}`, { qos: 1 });
            client.publish('t', `3${'x'.repeat(3 << 20)}`, { qos: 1 });
            client.publish('t', '4', { qos: 1 });
            await until('all', () => got.length === 5);
            equal(got.join(''), '12345', 'order');
        });

        await check('a waiting publish ends with its timeout', async (bus) => {
            const [client, other] = [await bus.connect(), await bus.connect()];
            const got = [];
            other.on('message', (topic, payload, message) => got.push(message.text().slice(0, 1)));
            await other.subscribeAsync('t', { qos: 1 });
            const giving = new AbortController();
            client.publishAsync('t', `1${'x'.repeat(3 << 20)}`, { qos: 1 });
            const second = code(client.publishAsync('t', '2', { qos: 1, signal: giving.signal }));
            const third = client.publishAsync('t', '3', { qos: 1 });
            giving.abort();
            equal(await second, 'aborted', 'the second');
            await third;
            await until('both', () => got.length === 2);
            equal(got.join(''), '13', 'order');
            equal(client.bufferedAmount, 0, 'buffered');
        });

        await check('readers of overlapping filters each get a message once', async (bus) => {
            const [client, other] = [await bus.connect(), await bus.connect()];
            await other.publishAsync('m/t', 'kept', { qos: 1, retain: true });
            const got = {};
            for (const filter of ['m/t', 'm/#', '$share/g/m/t']) {
                got[filter] = [];
                void (async () => {
                    for await (const message of client.messages(filter, { qos: 1 })) {
                        got[filter].push(message.text());
                    }
                })();
            }
            await until('what is retained', () => got['m/t'].length + got['m/#'].length === 2);
            await other.publishAsync('m/t', 'live', { qos: 1 });
            await until('all', () => Object.values(got).flat().length === 5);
            equal(got, { 'm/t': ['kept', 'live'], 'm/#': ['kept', 'live'], '$share/g/m/t': ['live'] }, 'messages');
        });

        await check('a short reader of a filter does not affect its subscribers', async (bus) => {
            const [client, other] = [await bus.connect(DURABLE), await bus.connect()];
            const got = [];
            client.on('message', (topic, payload, message) => got.push(`${message.text()} ${message.qos}`));
            await client.subscribeAsync('w/#', { qos: 1 });
            await other.publishAsync('w/x', 'before', { qos: 1 });
            for await (const message of client.messages('w/#', { nl: true, signal: AbortSignal.timeout(100) })) {
                throw new Error(`${message.text()} arrived again`);
            }
            await other.publishAsync('w/x', 'after', { qos: 1 });
            await client.publishAsync('w/x', 'mine', { qos: 1 });
            await until('three', () => got.length === 3);
            equal(got, ['before 1', 'after 1', 'mine 1'], 'messages');
        });

        await check('a request works for any client id, and only its client gets the response', async (bus) => {
            await serve(await bus.connect());
            const heard = [];
            for (const clientId of ['ops+1@example.org', '#1', '#', 'fine']) {
                const client = await bus.connect({ clientId });
                client.on('message', (topic) => heard.push(`${clientId} heard ${topic}`));
                const answers = await Promise.all([client.request('service', '?'), client.request('service', '?')]);
                equal(answers.map((it) => it.text()), ['yes', 'yes'], clientId);
            }
            equal(heard, [], 'others');
        });

        await check('a request ends with its client, its timeout, its signal and without a responder', async (bus) => {
            const client = await bus.connect();
            equal(await client.request('service', '?').catch((error) => [error.code, error.reasonCode]), ['refused', 16], 'no responder');
            await client.subscribeAsync('service');
            equal(await code(client.request('service', '?', { timeout: 100 })), 'timeout', 'its time');
            equal(await code(client.request('service', '?', { signal: AbortSignal.timeout(100) })), 'aborted', 'its signal');
            const other = await join();
            const asker = await other.connect();
            await asker.subscribeAsync('service');
            const asked = code(asker.request('service', '?'));
            await sleep(100);
            await other.close();
            equal(await asked, 'closed', 'the bus');
            equal(await code(asker.request('service', '?')), 'closed', 'later');
        });

        await check('a response to a request of an earlier page is ignored', async (bus) => {
            await serve(await bus.connect(), async (message) => {
                await sleep(Number(message.text().split(' ')[1]));
                return `answer to ${message.text()}`;
            });
            const ask = async (what) => {
                // Like a reloaded page.
                const client = await bus.connect({ clientId: 'kitchen' });
                client.on('error', () => undefined);
                return client.request('service', what).then((it) => it.text(), (error) => error.code);
            };
            const first = ask('temperature 600');
            await sleep(200);
            equal(await ask('humidity 800'), 'answer to humidity 800', 'the answer');
            equal(await first, 'disconnected', 'the one before');
        });

        await check('many calls may share a signal', async (bus) => {
            const client = await bus.connect();
            const { signal } = new AbortController();
            const all = await Promise.all(Array.from({ length: 2_000 }, () => client.publishAsync('o', 'x', { qos: 1, signal })));
            equal(all.every((it) => it === 16), true, 'codes');
        });

        await check('a takeover has no events', async () => {
            const frame = await tab('change');
            const bus = await open({ channel: 'change' });
            const client = await bus.connect();
            equal(bus.role, 'client', 'role');
            const events = [];
            for (const name of ['close', 'offline', 'reconnect', 'connect']) {
                client.on(name, () => events.push(name));
            }
            await client.subscribeAsync('t', { qos: 1 });
            frame.remove();
            await until('another broker', () => bus.role === 'broker');
            equal(await client.publishAsync('t', 'x', { qos: 1 }), 0, 'subscribed');
            equal(events, [], 'events');
            await bus.close();
        });

        await check('end() waits for the next broker', async () => {
            const frame = await tab('gap');
            const bus = await open({ channel: 'gap' });
            const client = await bus.connect();
            await client.subscribeAsync('t', { qos: 1 });
            frame.remove();
            const published = code(client.publishAsync('t', 'x', { qos: 1 }));
            await bus.close();
            equal(await published, 0, 'the code');
        });

        await check('connect() reports clients that take over a session from each other', async (bus) => {
            const all = await Promise.allSettled(Array.from({ length: 3 }, () => bus.connect({ clientId: 'same' })));
            const codes = all.map((it) => it.reason?.code ?? it.value.isConnected);
            equal(codes.filter((it) => it === true).length, 1, 'one is connected');
            equal(new Set(codes).size, 2, JSON.stringify(codes));
        });

        await check('listeners and readers receive queued messages of a session', async (bus) => {
            let client = await bus.connect(DURABLE);
            await client.subscribeAsync('t/#', { qos: 1 });
            await client.endAsync();
            const other = await bus.connect();
            const send = async (from) => {
                for (let i = from; i < from + 10; i++) {
                    await other.publishAsync('t/1', String(i), { qos: 1 });
                }
            };
            await send(0);
            client = await bus.connect(DURABLE);
            const [heard, read] = [[], []];
            client.on('message', (topic, payload, message) => heard.push(Number(message.text())));
            void (async () => {
                for await (const message of client.messages('t/#', { qos: 1 })) {
                    read.push(Number(message.text()));
                }
            })();
            await client.subscribeAsync('t/#', { qos: 1 });
            await send(10);
            await until('all', () => heard.length === 20 && read.length === 20);
            equal([heard, read], [[...Array(20).keys()], [...Array(20).keys()]], 'messages');
        });

        await check('an error without a listener is reported', async (bus) => {
            const client = await bus.connect();
            const reported = new Promise((resolve) => addEventListener('error', (event) => {
                event.preventDefault();
                resolve(event.error.code);
            }, { once: true }));
            client.publish('a/#', 'x');
            equal(await reported, 'invalid-topic', 'code');
        });
    };

    globalThis.withoutBroker = async (passed) => {
        const check = checks(passed);

        await check('end() does not wait forever for a broker, and reports unknown outcomes', async () => {
            const frame = await tab('never');
            const bus = await open({ channel: 'never', role: 'client' });
            const client = await bus.connect();
            await client.subscribeAsync('t', { qos: 1 });
            frame.remove();
            await sleep(100);
            const published = client.publishAsync('t', 'x', { qos: 1 }).catch((error) => `${error.code}: ${error.message}`);
            equal(await code(client.request('t', '', { timeout: 200 })), 'timeout', 'a request');
            await until('a word', () => !client.isConnected);
            const another = await bus.connect({ signal: AbortSignal.timeout(200) }).catch((error) => error.code);
            equal(another, 'aborted', 'another client');
            await bus.close();
            equal((await published).startsWith('closed: '), true, await published);
        });

    };

    globalThis.withoutListener = async (passed) => {
        const check = checks(passed);

        await check('messages without a listener are reported after a while, and the first listener gets them', async (bus) => {
            const client = await bus.connect();
            const errors = [];
            client.on('error', (error) => errors.push(error.code));
            await client.subscribeAsync('t', { qos: 1 });
            const other = await bus.connect();
            await Promise.all(Array.from({ length: 1_100 }, (_, i) => other.publishAsync('t', String(i), { qos: 1 })));
            await until('a word', () => errors.length > 0);
            equal(errors, ['unheard'], 'errors');
            const got = [];
            client.on('message', (topic, payload, message) => got.push(Number(message.text())));
            await until('all', () => got.length === 1_100);
            equal(got, [...Array(1_100).keys()], 'messages');
        });
    };

    const cases = {
        'a client without an id keeps its assigned id and its session': {
            before: async (bus) => {
                const other = await (await open({ channel: bus.channel })).connect();
                const client = await bus.connect({ clean: false, properties: { sessionExpiryInterval: 600 } });
                await client.subscribeAsync('k', { qos: 1 });
                const got = [];
                client.on('message', (topic, payload, message) => got.push(message.text()));
                return { client, id: client.clientId, got, other };
            },
            after: async ({ client, id, got, other }) => {
                await until('a connection', () => client.isConnected && other.isConnected);
                equal(client.clientId, id, 'id');
                equal(await other.publishAsync('k', 'after', { qos: 1 }), 0, 'the session');
                await until('the message', () => got.length === 1);
            },
        },
        'a refused filter is not requested again, and the others are restored': {
            before: async (bus) => {
                const client = await bus.connect();
                const got = [];
                client.on('message', (topic, payload, message) => got.push(message.text()));
                await client.subscribeAsync(['good/1', 'good/2'], { qos: 1 });
                equal(await code(client.subscribeAsync('bad/#/x')), 'invalid-topic', 'no filter');
                equal(await code(client.messages('bad/#/y').next()), 'invalid-topic', 'no filter');
                return { client, got };
            },
            after: async ({ client, got }) => {
                await until('a connection', () => client.isConnected);
                equal(await client.publishAsync('good/1', 'after', { qos: 1 }), 0, 'subscribed');
                await until('the message', () => got.length === 1);
            },
        },
        'subscriptions with different identifiers are restored': {
            before: async (bus) => {
                const client = await bus.connect();
                const got = [];
                client.on('message', (topic, payload, message) => got.push(message.properties.subscriptionIdentifier));
                await client.subscribeAsync('s/1', { qos: 1, properties: { subscriptionIdentifier: 1 } });
                await client.subscribeAsync('s/2', { qos: 1, properties: { subscriptionIdentifier: 2 } });
                return { client, got };
            },
            after: async ({ client, got }) => {
                await until('a connection', () => client.isConnected);
                equal(await client.publishAsync('s/1', '', { qos: 1 }), 0, 'subscribed');
                equal(await client.publishAsync('s/2', '', { qos: 1 }), 0, 'subscribed');
                await until('both', () => got.length === 2);
                equal(got, [[1], [2]], 'identifiers');
            },
        },
        'requests work again': {
            before: async (bus) => {
                const client = await bus.connect();
                await serve(client);
                equal((await client.request('service', '?', { timeout: 2_000 })).text(), 'yes', 'at first');
                return { client, id: client.clientId };
            },
            after: async ({ client, id }) => {
                equal((await client.request('service', '?', { timeout: 5_000 })).text(), 'yes', 'then');
                equal((await client.request('service', '?', { timeout: 1_000 })).text(), 'yes', 'and again');
                equal(client.clientId, id, 'id');
            },
        },
        'a first request without a worker is answered when there is one': {
            before: async (bus) => {
                const client = await bus.connect({ clientId: 'a' });
                await serve(client);
                return { client };
            },
            between: async (state) => {
                state.late = code(state.client.request('service', '?', { timeout: 50 }));
            },
            after: async ({ client, late }) => {
                equal(['timeout', undefined].includes(await late), true, 'the first');
                equal((await client.request('service', '?', { timeout: 5_000 })).text(), 'yes', 'then');
                equal(await client.publishAsync('service', 'x', { qos: 1 }), 0, 'subscribed');
            },
        },
        'calls during the return of the page are executed in order': {
            before: async (bus) => {
                const client = await bus.connect();
                const got = [];
                client.on('message', (topic, payload, message) => got.push(message.text()));
                return { client, got };
            },
            after: async ({ client, got }) => {
                const all = [client.subscribeAsync('late', { qos: 1 }), client.publishAsync('late', 'one', { qos: 1 }), client.publishAsync('late', 'two', { qos: 2 })];
                await Promise.all(all);
                await until('both', () => got.length === 2);
                equal(got, ['one', 'two'], 'order');
            },
        },
        'listeners and readers receive the messages from the time of the absence': {
            before: async (bus) => {
                const other = await (await open({ channel: bus.channel })).connect({ ...DURABLE, clientId: 'other' });
                const client = await bus.connect(DURABLE);
                const [heard, read] = [[], []];
                client.on('message', (topic, payload, message) => heard.push(message.text()));
                await client.subscribeAsync('t/#', { qos: 1 });
                void (async () => {
                    for await (const message of client.messages('t/#', { qos: 1 })) {
                        read.push(message.text());
                    }
                })();
                await other.publishAsync('t/1', 'before', { qos: 1 });
                return { client, other, heard, read };
            },
            after: async ({ client, other, heard, read }) => {
                await until('connections', () => client.isConnected && other.isConnected);
                equal(await other.publishAsync('t/1', 'after', { qos: 1 }), 0, 'subscribed');
                await until('all', () => heard.length === 2 && read.length === 2);
            },
        },
        'a reader continues': {
            before: async (bus) => {
                const client = await bus.connect();
                const got = [];
                void (async () => {
                    for await (const message of client.messages('r/#', { qos: 1 })) {
                        got.push(message.text());
                    }
                })();
                await client.publishAsync('r/1', 'before', { qos: 1 });
                return { client, got };
            },
            after: async ({ client, got }) => {
                equal(await client.publishAsync('r/1', 'after', { qos: 1 }), 0, 'subscribed');
                await until('both', () => got.length === 2);
                equal(got, ['before', 'after'], 'messages');
            },
        },
    };
    const states = {};
    globalThis.hidden = {
        before: async () => {
            for (const [name, it] of Object.entries(cases)) {
                const bus = await join();
                states[name] = await within(name, it.before(bus));
            }
            return true;
        },
        /** Runs while the page is hidden, if it can execute scripts then. */
        between: async () => {
            for (const [name, it] of Object.entries(cases)) {
                await it.between?.(states[name]);
            }
            return true;
        },
        after: async () => {
            const passed = [];
            const all = Object.entries(cases).map(async ([name, it]) => {
                await within(name, it.after(states[name])).catch((error) => { throw new Error(`${name}: ${error.message}`); });
                passed.push(name);
            });
            await Promise.all(all);
            return passed;
        },
    };
}

// An app in the strictest TypeScript, with only the libs es2022 and dom. It is compiled against the package, and never run.

import { type BusStorageEvent, type Durability, type OpenOptions, type Tab, TabmqError, open } from 'tabmq';
import { open as openInline } from 'tabmq/inline';
import { type TabsOptions, tabs } from 'tabmq/mqttjs';
import { BusProvider, useBus, usePublish, useRetained, useSubscription } from 'tabmq/react';

// Options may be `undefined`.
declare const given: { durability: Durability | undefined; signal: AbortSignal | undefined; workerUrl: URL | undefined };

export const options: OpenOptions = { channel: 'app', role: 'auto', persist: undefined, wasmUrl: undefined, ...given };
export const tabsOptions: TabsOptions = { ...options, onError: undefined };

export async function main(): Promise<Tab | undefined> {
    await using bus = await open(options);
    await using client = await bus.connect();
    bus.on('error', ({ code, reasonCode }) => console.error(code satisfies string, reasonCode satisfies number | undefined));
    bus.on('storage', (event: BusStorageEvent) => console.log(event.kind));
    client.on('message', (topic, payload, message) => console.log(topic, payload.length, message.text()));
    for await (const { payload } of client.messages('a/#', { qos: undefined, signal: given.signal })) {
        // The platform accepts the payload as bytes.
        const bytes: ArrayBuffer = await new Blob([payload]).arrayBuffer();
        await crypto.subtle.digest('SHA-256', payload);
        await fetch('/', { method: 'POST', body: payload });
        await client.publishAsync('b', bytes, { qos: undefined, properties: undefined, signal: given.signal });
    }
    const port = await bus.openPort({ signal: given.signal });
    port.postMessage(null);
    return bus.roster.find((it) => it.isSelf);
}

export async function other(): Promise<void> {
    const bus = await openInline({ channel: 'app' });
    const socket = bus.createWebsocket('ws://tabs.local', ['mqtt'], {});
    socket.onclose = (event) => console.log(event.type);
    await tabs(tabsOptions).close();
    throw new TabmqError('closed', 'for a test of the app');
}

export function hooks(): unknown {
    const { bus, client } = useBus();
    const filter = client === undefined ? null : 'a/#';
    const { latest } = useSubscription(filter, { qos: 1, limit: 5 });
    const published: Promise<number> = usePublish()('a/b', new Uint8Array(1), { qos: 1 });
    return [
        BusProvider({ channel: 'app', durability: given.durability, client: { clientId: 'a' } }),
        bus && BusProvider({ bus }),
        latest?.text(), useRetained(filter).get('a/b')?.text(), published,
    ];
}

// @ts-expect-error: either a channel or a bus
export const neither = BusProvider({});

// @ts-expect-error: internal
export type Internal = Awaited<ReturnType<typeof open>>['fault'];

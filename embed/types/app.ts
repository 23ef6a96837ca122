// An app in TypeScript, as strict as it gets and with no libs beyond es2022 and dom: compiled against the package, and never run.

import { type BusStorageEvent, type Durability, type OpenOptions, type Tab, TabmqError, open } from 'tabmq';
import { open as openInline } from 'tabmq/inline';
import { type TabsOptions, tabs } from 'tabmq/mqttjs';
import { BusProvider, useBus } from 'tabmq/react';

// `undefined` is passed on as it came.
declare const given: { durability: Durability | undefined; signal: AbortSignal | undefined; workerUrl: URL | undefined };

export const options: OpenOptions = { channel: 'app', role: 'auto', persist: undefined, wasmUrl: undefined, ...given };
export const tabsOptions: TabsOptions = { ...options, onError: undefined };

export async function main(): Promise<Tab | undefined> {
    await using bus = await open(options);
    await using client = await bus.connect();
    bus.on('error', ({ code, reasonCode }) => console.error(code satisfies string, reasonCode satisfies number | undefined));
    bus.on('storage', (event: BusStorageEvent) => console.log(event.kind));
    client.on('message', (topic, payload, message) => console.log(topic, payload.length, message.text()));
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
    return [BusProvider({ channel: 'app', durability: given.durability }), useBus().client?.clientId];
}

// @ts-expect-error: internal
export type Internal = Awaited<ReturnType<typeof open>>['fault'];

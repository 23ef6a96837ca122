// For MQTT.js, unmodified: mqtt.connect('ws://tabs.local', { ...tabs({ channel: 'my-app' }) }).

import { type Bus, type OpenOptions, open } from './bus.js';
import { PortSocket } from './socket.js';

/** What to spread into the options of `mqtt.connect`. */
export interface MqttjsOptions {
    createWebsocket: (url: string, protocols: string[], options: unknown) => any;
    /** MQTT.js's own timer runs in a worker from a blob, which a strict Content Security Policy blocks without a word. */
    timerVariant: 'native';
    /** The connection goes nowhere: nothing needs to be kept alive. */
    keepalive: 0;
    reconnectPeriod: number;
}

/**
 * Has MQTT.js speak to the bus of a channel instead of a server. The channel is opened with the first connection, and closed with
 * `close`.
 */
export function tabs(options: OpenOptions): MqttjsOptions & { close(): Promise<void> } {
    let bus: Promise<Bus> | undefined;
    const opened = (): Promise<Bus> => bus ??= open(options).catch((error) => {
        // The next attempt begins anew.
        bus = undefined;
        throw error;
    });
    const all: MqttjsOptions = {
        createWebsocket: (url: string) => new PortSocket(opened(), url),
        timerVariant: 'native',
        keepalive: 0,
        reconnectPeriod: 200,
    };
    // Not enumerable, so that it is not spread.
    return Object.defineProperty(all, 'close', {
        value: async () => (await bus?.catch(() => undefined))?.close(),
        enumerable: false,
    }) as MqttjsOptions & { close(): Promise<void> };
}

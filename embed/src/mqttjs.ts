// For MQTT.js, unmodified: mqtt.connect('ws://tabs.local', { ...tabs({ channel: 'my-app' }) }).

import { Backoff } from './backoff.js';
import { type Bus, type OpenOptions, open } from './bus.js';
import { report } from './emitter.js';
import type { TabmqError } from './errors.js';
import { checkOptions } from './options.js';
import { PortSocket, type SocketClient, patience } from './socket.js';
import { checkBrowser } from './worker-url.js';

export interface TabsOptions extends OpenOptions {
    /**
     * Receives errors that MQTT.js does not report: a channel that cannot be opened, and the event `error` of the bus. Without it,
     * `reportError` reports them, once for each code.
     */
    onError?: ((error: TabmqError) => void) | undefined;
}

/** Options to spread into those of `mqtt.connect`. */
export interface MqttjsOptions {
    createWebsocket: (url: string, protocols: string[], options: unknown) => any;
    /** MQTT.js's own timer runs in a worker from a blob, which a strict Content Security Policy blocks silently. */
    timerVariant: 'native';
    /** The connection does not leave the browser, and needs no keep-alive. */
    keepalive: 0;
    reconnectPeriod: number;
}

/** How long the bus stays open without a client, in milliseconds, in addition to the time after which MQTT.js connects again. */
const IDLE_MS = 5_000;

/**
 * Connects MQTT.js to the bus of a channel instead of a server. The first connection opens the channel. It closes a few seconds after
 * the last connection ends, or with `close`.
 *
 * @throws {TabmqError} `invalid-option`; with the first connection, `unsupported`.
 */
export function tabs(options: TabsOptions): MqttjsOptions & { close(): Promise<void> } {
    checkOptions(options);
    const { onError, ...openOptions } = options;
    const sockets = new Set<PortSocket>();
    const pause = new Backoff();
    const reported = new Set<string>();
    let bus: Promise<Bus> | undefined;
    let idle: ReturnType<typeof setTimeout> | undefined;

    const begin = async (): Promise<Bus> => {
        const it = await open(openOptions);
        return onError === undefined ? it : it.on('error', onError);
    };
    const tell = (error: TabmqError): void => {
        if (onError !== undefined) {
            onError(error);
        } else if (error.code !== 'aborted' && !reported.has(error.code)) {
            reported.add(error.code);
            report(error);
        }
    };
    const opened = async (): Promise<Bus> => {
        const current = bus ??= begin();
        try {
            const it = await current;
            await it.opened();
            pause.reset();
            return it;
        } catch (error) {
            // The first socket that fails discards the bus, so the next attempt opens a new one.
            if (bus === current) {
                bus = undefined;
                pause.grow();
                current.then((it) => it.close(), () => tell(error as TabmqError));
            }
            throw error;
        }
    };
    const close = async (): Promise<void> => {
        clearTimeout(idle);
        const current = bus;
        bus = undefined;
        await (await current?.catch(() => undefined))?.close();
    };
    const all: MqttjsOptions = {
        createWebsocket: (url, _protocols, given) => {
            checkBrowser();
            const client = (given ?? {}) as SocketClient;
            const socket: PortSocket = new PortSocket(async () => {
                await pause.wait(patience(client));
                if (socket.readyState !== PortSocket.CONNECTING) {
                    throw new DOMException('The connection was closed before it was open.', 'AbortError');
                }
                return opened();
            }, url, openOptions.channel, client);
            clearTimeout(idle);
            sockets.add(socket);
            socket.addEventListener('close', () => {
                sockets.delete(socket);
                if (sockets.size === 0) {
                    // A client that reconnects meanwhile keeps the worker.
                    idle = setTimeout(() => void close(), (client.reconnectPeriod ?? 0) + IDLE_MS);
                }
            });
            return socket;
        },
        timerVariant: 'native',
        keepalive: 0,
        reconnectPeriod: 200,
    };
    // Not enumerable, so that it is not spread.
    return Object.defineProperty(all, 'close', { value: close, enumerable: false }) as MqttjsOptions & { close(): Promise<void> };
}

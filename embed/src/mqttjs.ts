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
     * Hears of errors that MQTT.js does not tell: why the channel cannot be opened, and what the bus says in its event `error`. Without
     * it they are reported as `reportError` does, once for each code.
     */
    onError?: ((error: TabmqError) => void) | undefined;
}

/** What to spread into the options of `mqtt.connect`. */
export interface MqttjsOptions {
    createWebsocket: (url: string, protocols: string[], options: unknown) => any;
    /** MQTT.js's own timer runs in a worker from a blob, which a strict Content Security Policy blocks without a word. */
    timerVariant: 'native';
    /** The connection goes nowhere: nothing needs to be kept alive. */
    keepalive: 0;
    reconnectPeriod: number;
}

/** How long the bus stays open without a client, in milliseconds, in addition to the time after which MQTT.js connects again. */
const IDLE_MS = 5_000;

/**
 * Has MQTT.js speak to the bus of a channel instead of a server. The channel is opened with the first connection. It is closed a few
 * seconds after the last one ended, or with `close`.
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
            // The first socket to notice has the next attempt begin anew.
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
                    // A client that connects again keeps the worker.
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
